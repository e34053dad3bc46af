package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

// Withhold is which values stand in the log as commitments only, and where what opens
// them is kept.
type Withhold struct {
	Fields, Subject []string
	Body            bool
	KeyStore        string              // folder
	Key             configopaque.String // key-encryption key, 64 hex digits; "": none
	KeyFile         string              // that holds it; "": none
	Worm            bool                // nothing may be erased
}

// CheckWithhold names what is wrong by its YAML key.
func CheckWithhold(w Withhold, r Redaction) error {
	_, err := event.NewEncoder(event.Options{Redaction: r.event(), Withhold: event.Withholding{Fields: w.Fields, Subject: w.Subject, Body: w.Body}})
	if err == nil && w.Key != "" {
		if _, keyErr := withhold.ParseKey(string(w.Key)); keyErr != nil {
			err = fmt.Errorf("retention.withhold.key_encryption_key: %w", keyErr)
		}
	}
	return err
}

// key is the key-encryption key, nil: none.
func (w *Withhold) key() ([]byte, error) {
	text := string(w.Key)
	if w.KeyFile != "" {
		info, err := os.Stat(w.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("retention.withhold.key_encryption_key_file: %w", err)
		}
		if info.Mode().Perm()&0o007 != 0 {
			return nil, fmt.Errorf("retention.withhold.key_encryption_key_file: %s is open to the world: chmod 0400 it", w.KeyFile)
		}
		b, err := readKeyFile(w.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("retention.withhold.key_encryption_key_file: %w", err)
		}
		text = string(b)
	}
	if text == "" {
		return nil, nil
	}
	key, err := withhold.ParseKey(text)
	if err != nil {
		err = fmt.Errorf("retention.withhold: key-encryption key: %w", err)
	}
	return key, err
}

// withholding is what the encoder and the log share of what is withheld; nil: nothing is.
type withholding struct {
	o      Withhold
	fsys   durable.FS // owned by who opens the log
	logger *zap.Logger
	store  atomic.Pointer[withhold.Store] // nil before the log was open
	erase  erasures
}

func newWithholding(o *Withhold, logger *zap.Logger) *withholding {
	if o == nil {
		return nil
	}
	w := *o
	if abs, err := filepath.Abs(o.KeyStore); err == nil {
		w.KeyStore = abs
	}
	return &withholding{o: w, logger: logger, erase: erasures{folder: w.KeyStore, logger: logger}}
}

// key is a subject's, for the encoder, which works only while the log is open.
func (h *withholding) key(subject string) event.SubjectKey { return h.store.Load().Key(subject) }

func (h *withholding) options(o event.Options) event.Options {
	if h != nil {
		o.Withhold = event.Withholding{Fields: h.o.Fields, Subject: h.o.Subject, Body: h.o.Body, Key: h.key}
	}
	return o
}

// withholds switches withholding on, if it is.
func (a *audit) withholds(h *withholding) {
	if h == nil {
		return
	}
	a.withhold, a.open = h, h.wrap(a.open)
	release := a.flush.Release
	a.flush.Release = func(b *chain.Batch, synced bool) {
		h.erase.released(b, synced)
		release(b, synced)
	}
}

// serve carries out requests to erase from now on.
func (h *withholding) serve(c *committer) {
	if h != nil {
		h.erase.begin(h.fsys, c, h.store.Load())
	}
}

func (h *withholding) end(ctx context.Context) {
	if h != nil {
		h.erase.end(ctx)
	}
}

// seal appends the openings of the event that src has encoded last.
func seal(dst []byte, src *event.Source) []byte {
	w, ok := src.Withheld()
	if !ok {
		return dst
	}
	return w.Key.(*withhold.Key).Seal(dst, w.ID, w.Openings)
}

// wrap opens logs whose openings are kept.
func (h *withholding) wrap(open func(context.Context, chain.Options) (auditLog, error)) func(context.Context, chain.Options) (auditLog, error) {
	return func(ctx context.Context, o chain.Options) (auditLog, error) {
		var w *withheldLog // nil until openings are written
		o.BeforeSync = func() error {
			if w == nil {
				return nil
			}
			return w.beforeSync()
		}
		l, err := open(ctx, o)
		if err != nil {
			return nil, err
		}
		if h.fsys = o.FS; h.fsys == nil {
			h.fsys = durable.OS()
		}
		attached, err := h.attach(l)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("couldn't open what is withheld: %w", err), l.Abandon())
		}
		w = attached
		return w, nil
	}
}

func (h *withholding) attach(l auditLog) (*withheldLog, error) {
	fsys := h.fsys
	key, err := h.o.key()
	if err != nil {
		return nil, err
	}
	store, err := withhold.OpenStore(fsys, h.o.KeyStore, key, &h.o.Worm)
	if err != nil {
		return nil, err
	}
	info := l.Info()
	w := &withheldLog{auditLog: l, fsys: fsys, store: store, logger: h.logger}
	w.openings, err = withhold.NewWriter(fsys, info.Folder, chain.OpeningsFolder, withhold.ID(info.LogID))
	if err == nil {
		err = h.account(w, key)
	}
	if err == nil {
		err = w.openings.Begin(l.Info().Synced.Seq)
	}
	if err != nil {
		return nil, errors.Join(err, w.release())
	}
	h.store.Store(store)
	return w, nil
}

// account declares what a crash took.
func (h *withholding) account(w *withheldLog, key []byte) error {
	keys, err := withhold.OpenKeys(w.fsys, h.o.KeyStore, key)
	if err != nil {
		return err
	}
	defer keys.Close()
	return w.recover(keys)
}

// withheldLog is a log whose withheld values are kept beside it. Keys are synced before
// the openings that need them, and these before the entries that commit to them; what
// fails there fails the call, so that the log fails over as if its segment had.
type withheldLog struct {
	auditLog
	fsys     durable.FS
	store    *withhold.Store
	openings *withhold.Writer
	logger   *zap.Logger
	frames   [][]byte // owned by Write and what excludes it
	begun    bool     // Renew has made all durable that the new segment's entries need
}

func (l *withheldLog) gather(batches []*chain.Batch) [][]byte {
	l.frames = l.frames[:0]
	for _, b := range batches {
		if len(b.Aside) > 0 {
			l.frames = append(l.frames, b.Aside)
		}
	}
	return l.frames
}

func (l *withheldLog) Write(batches []*chain.Batch) error {
	if frames := l.gather(batches); len(frames) > 0 {
		if err := l.store.Write(); err != nil {
			return err
		}
		if err := l.openings.Append(frames); err != nil {
			return err
		}
		clear(frames)
	}
	return l.auditLog.Write(batches)
}

// beforeSync syncs what the entries need that a sync is to cover. One that a Write adds meanwhile is
// not among them.
func (l *withheldLog) beforeSync() error {
	if err := l.store.Sync(); err != nil {
		return err
	}
	return l.openings.Sync()
}

func (l *withheldLog) Rotate() error {
	if err := l.auditLog.Rotate(); err != nil {
		return err
	}
	return l.openings.Begin(l.Info().Synced.Seq)
}

func (l *withheldLog) Renew(cause error, keep []*chain.Batch) error {
	// Once for all tries: what is kept only gets less, and each try would add a copy.
	if !l.begun {
		if err := l.store.Recover(); err != nil {
			return err
		}
		if err := l.openings.Begin(l.Info().Synced.Seq, l.gather(keep)...); err != nil {
			return err
		}
		l.begun = true
	}
	if err := l.auditLog.Renew(cause, keep); err != nil {
		return err
	}
	l.begun = false
	return nil
}

func (l *withheldLog) Close() error {
	if err := l.auditLog.Close(); err != nil {
		return err
	}
	return l.release()
}

func (l *withheldLog) Abandon() error { return errors.Join(l.auditLog.Abandon(), l.release()) }

// release lets the key store go. It may be called again.
func (l *withheldLog) release() error {
	if l.store == nil {
		return nil
	}
	store := l.store
	l.store = nil
	var err error
	if l.openings != nil {
		err = l.openings.Close()
	}
	return errors.Join(err, store.Close())
}

// settings are what opening entries tell of what is withheld.
func (w *Withhold) settings() map[string]string {
	s := map[string]string{}
	fields := w.Fields
	if w.Body {
		fields = append([]string{"(body)"}, fields...)
	}
	if len(fields) > 0 {
		s["retention.withhold.fields"] = strings.Join(fields, " ")
	}
	return s
}
