package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/idindex"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// indexFolder is the index's in the log's folder.
const indexFolder = "ids"

// idLog is a log that tells claims of every batch that is synced, in order, and keeps their index as
// long as it is open.
type idLog struct {
	auditLog
	claims *claims
	close  func(write bool)

	mu      sync.Mutex
	written []*chain.Batch // not synced, in order
}

func (l *idLog) Write(bs []*chain.Batch) error {
	err := l.auditLog.Write(bs)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.written = append(l.written, bs...)
	}
	return err
}

func (l *idLog) Sync() error {
	l.mu.Lock()
	n := len(l.written)
	l.mu.Unlock()
	err := l.auditLog.Sync()
	if err == nil {
		l.synced(n)
	}
	return err
}

func (l *idLog) Rotate() error {
	err := l.auditLog.Rotate()
	if err == nil {
		l.mu.Lock()
		n := len(l.written)
		l.mu.Unlock()
		l.synced(n)
	}
	return err
}

// Renew gives what is kept new sequence numbers. What is not kept is not in the log.
func (l *idLog) Renew(cause error, keep []*chain.Batch) error {
	err := l.auditLog.Renew(cause, keep)
	if err == nil {
		l.mu.Lock()
		l.written = append(l.written[:0], keep...)
		l.mu.Unlock()
		l.synced(len(keep))
	}
	return err
}

// synced tells of the first n batches. They are not released before it returns.
func (l *idLog) synced(n int) {
	l.mu.Lock()
	some := slices.Clone(l.written[:n])
	l.mu.Unlock()
	for _, b := range some {
		l.claims.synced(b)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := copy(l.written, l.written[n:])
	clear(l.written[rest:])
	l.written = l.written[:rest]
}

// Close writes the index while the log is still locked.
func (l *idLog) Close() error {
	l.close(true)
	return l.auditLog.Close()
}

func (l *idLog) Abandon() error {
	l.close(false)
	return l.auditLog.Abandon()
}

// withIDs makes open open the index, too, before a request is let in.
func (k *claims) withIDs(o Idempotency, notice func(chain.Notice), open opener) opener {
	return func(ctx context.Context, co chain.Options) (auditLog, error) {
		l, err := open(ctx, co)
		if err != nil {
			return nil, err
		}
		info := l.Info()
		x := idindex.Open(idindex.Options{
			FS: co.FS, Folder: filepath.Join(info.Folder, indexFolder), FolderMode: co.DirectoryMode, FileMode: co.FileMode,
			LogID: info.LogID, Horizon: o.Horizon, MaxRecords: uint64(o.MaxRecords),
			Notice: func(text string, err error) {
				notice(chain.Notice{Text: text, Attrs: map[string]any{"error": fmt.Sprint(err)}})
			},
		})
		k.index, k.ids = x, newIdentifier(k.encoder, k.keys, x.Secret())
		r := recovery{index: x, name: k.ids.name, info: info, fsys: co.FS, notice: notice, most: k.reread}
		if r.fsys == nil {
			r.fsys = durable.OS()
		}
		r.run(ctx)
		return &idLog{auditLog: l, claims: k, close: onceClosed(x)}, nil
	}
}

type opener = func(context.Context, chain.Options) (auditLog, error)

func onceClosed(x *idindex.Index) func(write bool) {
	var once sync.Once
	return func(write bool) {
		once.Do(func() {
			if !write {
				x.Abandon()
				return
			}
			// What it can't write is read from the log at the next opening.
			_ = x.Close()
		})
	}
}

// recovery makes an index agree with the log that was opened.
type recovery struct {
	index  *idindex.Index
	name   [4]byte // of the index's key
	info   chain.Info
	fsys   durable.FS
	notice func(chain.Notice)
	most   int64 // bytes that are read
}

// rereadBytes is how much of a log is read at most to know ids that the index does not have.
const rereadBytes = 512 << 20

// run drops what the log does not have and adds what it has beyond. It does not fail: what could not be
// read is told.
func (r *recovery) run(ctx context.Context) {
	from := r.agree() + 1
	bound, err := r.bound()
	if err == nil && bound > from {
		r.tell("the index of record ids begins anew: ids of records before this entry are not known", nil, bound)
		from = bound
	}
	r.index.Resume(from - 1)
	if err == nil {
		from, err = r.read(ctx, from)
	}
	if err != nil {
		r.tell("the log could not be read for its record ids: those from this entry on are not known", err, from)
	}
}

func (r *recovery) tell(text string, err error, seq uint64) {
	attrs := map[string]any{"seq": seq}
	if err != nil {
		attrs["error"] = err.Error()
	}
	r.notice(chain.Notice{Text: text, Attrs: attrs})
}

// agree drops runs until the log has the entry that the index ends with, and returns its sequence number.
func (r *recovery) agree() uint64 {
	for {
		seq, hash, ok := r.index.Newest()
		if !ok {
			return 0
		}
		if seq <= r.info.Synced.Seq && r.has(seq, hash) {
			return seq
		}
		r.index.DropNewest()
	}
}

// has tells whether entry seq has this hash. An entry that can't be read has another.
func (r *recovery) has(seq uint64, hash chain.Hash) bool {
	if seq == r.info.Synced.Seq {
		return hash == r.info.Synced.Hash
	}
	l, err := r.open(seq)
	if err != nil {
		return false
	}
	defer l.Close()
	e, err := l.Next()
	return err == nil && e.Seq == seq && e.Hash == hash
}

// open reads the log while its writer is at work and everything in it is synced.
func (r *recovery) open(from uint64) (*chain.Reader, error) {
	return chain.OpenReader(r.fsys, r.info.Folder, chain.ReadOptions{From: from, Lock: chain.LockFree})
}

// bound is the first entry of the oldest segment that is read.
func (r *recovery) bound() (seq uint64, err error) {
	names, err := r.fsys.ReadDir(r.info.Folder)
	if err != nil {
		return 0, fmt.Errorf("couldn't list log folder: %w", err)
	}
	total := int64(0)
	for _, n := range slices.Backward(names) { // sorted by ordinal
		name, ok := chain.ParseSegmentName(n.Name())
		if !ok {
			continue
		}
		info, err := r.fsys.Stat(filepath.Join(r.info.Folder, n.Name()))
		if err != nil {
			return 0, fmt.Errorf("couldn't stat segment: %w", err)
		}
		if total += info.Size; seq > 0 && total > r.most {
			return seq, nil
		}
		seq = name.FirstSeq
	}
	return 0, nil
}

// read adds the entries from one on to the index, and returns the first that it did not.
func (r *recovery) read(ctx context.Context, from uint64) (uint64, error) {
	if from > r.info.Synced.Seq {
		return from, nil
	}
	l, err := r.open(from)
	if err != nil {
		return from, err
	}
	defer l.Close()
	var some []idindex.Record
	size := int64(0)
	for ctx.Err() == nil {
		e, err := l.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return from, err
		}
		if err == nil {
			if p, recorded, ok := event.ReadPrint(e.Body); ok && e.Kind == chain.Event {
				some = append(some, record(&p, recorded, e.Seq, e.Hash, r.name))
			}
			size += int64(len(e.Text))
		}
		if end := err != nil || e.Seq >= r.info.Synced.Seq; end || len(some) >= 1000 || size >= 1<<20 {
			if err == nil {
				r.index.Add(some, e.Seq, e.Hash, size)
				from, some, size = e.Seq+1, some[:0], 0
				r.pace(ctx)
			}
			if end {
				return from, nil
			}
		}
	}
	return from, context.Cause(ctx)
}

// pace lets the index write what it was given, if it can.
func (r *recovery) pace(ctx context.Context) {
	for range 1000 {
		if r.index.Stats().Tables < 8 || ctx.Err() != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
