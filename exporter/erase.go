package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

// eraseTick is how often requests to erase are looked for.
const eraseTick = time.Second

// erasures carries out what `auditlog erase` asks for. The entry that says so is synced
// first, then the keys are destroyed, then the request is answered: a crash leaves the
// request, and all of it is done again.
type erasures struct {
	folder string // of the key store
	logger *zap.Logger

	mu      sync.Mutex
	waiting map[*chain.Batch]chan uint64 // entries on their way; told its seq, or 0
	cancel  context.CancelFunc           // nil while nothing runs
	done    chan struct{}
	ended   bool
}

// begin looks for requests until end.
func (e *erasures) begin(fsys durable.FS, c *committer, s *withhold.Store) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	e.cancel, e.done = cancel, done
	go func() {
		defer close(done)
		tick := time.NewTicker(eraseTick)
		defer tick.Stop()
		for {
			if err := e.serve(ctx, fsys, c, s); err != nil && ctx.Err() == nil {
				e.logger.Error("A request to erase can't be carried out now. It will be tried again.", zap.Error(err))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// end returns when nothing is carried out any more, or ctx ends.
func (e *erasures) end(ctx context.Context) {
	e.mu.Lock()
	cancel, done := e.cancel, e.done
	e.cancel, e.ended = nil, true
	e.mu.Unlock()
	if cancel != nil {
		cancel()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}

// released is told of each batch that nobody needs any more, before it is used again.
func (e *erasures) released(b *chain.Batch, synced bool) {
	e.mu.Lock()
	ch := e.waiting[b]
	delete(e.waiting, b)
	e.mu.Unlock()
	switch {
	case ch == nil:
	case synced:
		ch <- b.First()
	default:
		ch <- 0
	}
}

// serve carries out the requests that are there.
func (e *erasures) serve(ctx context.Context, fsys durable.FS, c *committer, s *withhold.Store) error {
	requests, err := withhold.Requests(fsys, e.folder)
	if err != nil {
		return err
	}
	for _, r := range requests {
		a, err := e.erase(ctx, c, s, r)
		if err == nil {
			err = withhold.Reply(fsys, e.folder, r, a)
		}
		if err != nil {
			return fmt.Errorf("request %s: %w", r.Name, err)
		}
	}
	return nil
}

func (e *erasures) erase(ctx context.Context, c *committer, s *withhold.Store, r withhold.Request) (withhold.Answer, error) {
	if err := r.Check(); err != nil {
		return withhold.Answer{Error: err.Error()}, nil
	}
	if s.Worm() {
		return withhold.Answer{Error: withhold.ErrWorm.Error()}, nil
	}
	ids, err := s.OfTag(r.TagOf())
	if err != nil || len(ids) == 0 {
		return withhold.Answer{}, err
	}
	entry, err := erasedEntry(r, ids)
	if err != nil {
		return withhold.Answer{}, err
	}
	seq, err := e.record(ctx, c, entry)
	if err != nil {
		return withhold.Answer{}, err
	}
	if err := s.Destroy(ids); err != nil {
		return withhold.Answer{}, err
	}
	e.logger.Info("Keys were destroyed, as auditlog erase asked for.", zap.Uint64("seq", seq), zap.Strings("keys", withhold.Names(ids)))
	return withhold.Answer{Seq: seq, Keys: withhold.Names(ids)}, nil
}

// erasedEntry is the body of the entry that says that keys are to be destroyed.
func erasedEntry(r withhold.Request, ids []withhold.ID) ([]byte, error) {
	entry := chain.Erased{
		SystemEvent: chain.SystemEvent{V: chain.SystemVersion, Type: chain.TypeErased, Time: time.Now().UTC()},
		Keys:        withhold.Names(ids), By: r.By, Reason: r.Reason,
	}
	if err := entry.Subject.UnmarshalText([]byte(r.Subject)); err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	return json.Marshal(entry)
}

// record writes an entry and returns its sequence number once it is synced, whatever
// the flush mode acknowledges.
func (e *erasures) record(ctx context.Context, c *committer, body []byte) (uint64, error) {
	b := new(chain.Batch)
	b.EndSystem(append(b.Buffer(), body...))
	b.Finish()
	synced := make(chan uint64, 1)
	e.mu.Lock()
	if e.waiting == nil {
		e.waiting = make(map[*chain.Batch]chan uint64)
	}
	e.waiting[b] = synced
	e.mu.Unlock()
	if err := c.Submit(ctx, b, true); err != nil {
		return 0, err
	}
	select {
	case seq := <-synced:
		if seq == 0 {
			return 0, errors.New("couldn't sync the entry")
		}
		return seq, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
