package exporter

import (
	"context"
	"errors"
	"sync"

	"github.com/otelaudit/auditexporter/chain"
)

// entries are system entries of ours that are on their way to the log. Whether one is synced is known
// when the log reads its batch no more, and not before: a failover gives it another number.
type entries struct {
	mu   sync.Mutex
	wait map[*chain.Batch]chan uint64 // capacity 1
}

var errNotAppended = errors.New("the entry was not synced")

// append appends an entry and returns its sequence number when it is synced. After an error it may still
// come to stand in the log.
func (e *entries) append(ctx context.Context, c *committer, body []byte) (uint64, error) {
	b, done := new(chain.Batch), make(chan uint64, 1)
	b.EndSystem(append(b.Buffer(), body...))
	e.mu.Lock()
	if e.wait == nil {
		e.wait = make(map[*chain.Batch]chan uint64)
	}
	e.wait[b] = done
	e.mu.Unlock()
	if err := c.Submit(ctx, b, true); err != nil {
		return 0, err
	}
	select {
	case seq := <-done:
		if seq == 0 {
			return 0, errNotAppended
		}
		return seq, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// released takes a batch that the log reads no more; false: it is none of ours.
func (e *entries) released(b *chain.Batch, synced bool) bool {
	e.mu.Lock()
	done, ok := e.wait[b]
	delete(e.wait, b)
	e.mu.Unlock()
	if !ok {
		return false
	}
	seq := uint64(0)
	if synced {
		seq = b.First()
	}
	done <- seq
	return true
}
