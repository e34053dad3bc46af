package exporter_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/chain"
)

// request is what a client sent, and what became of it. Times are since the
// world began, 0 for never.
type request struct {
	n        int  // events
	must     bool // be synced before it is acknowledged
	sent     int  // times, by its client
	began    time.Duration
	acked    time.Duration
	covering time.Duration // when the first Sync began that covers it
	synced   bool
}

// event is the text of the k-th event of a request.
func event(id, k int) string { return fmt.Sprintf("%d.%d", id, k) }

// period is a stretch of time, its end 0 while it lasts.
type period struct{ from, to time.Duration }

// ledger is what the clients were told and what the log told the Committer.
type ledger struct {
	requests []request
	written  []int    // requests in the segment, not synced, in order
	syncs    []period // of Sync
	trouble  []period // from an operation that failed to the next Renew or Open that worked
}

func (l *ledger) clone() ledger {
	return ledger{slices.Clone(l.requests), slices.Clone(l.written), slices.Clone(l.syncs), slices.Clone(l.trouble)}
}

// exposed is how many acknowledged events are not synced.
func (l *ledger) exposed() (n int) {
	for _, r := range l.requests {
		if r.acked > 0 && !r.synced {
			n += r.n
		}
	}
	return n
}

// latest is when the Sync that covers a request acknowledged at acked must have
// begun: when it was exposed for interval, or when the Sync that ran then ended.
// A Sync still under way at now has not held it up for longer than until now.
func (l *ledger) latest(acked, interval, now time.Duration) time.Duration {
	due := acked + interval
	for _, s := range l.syncs {
		if s.to == 0 {
			s.to = now
		}
		if s.from <= due && due < s.to {
			due = s.to
		}
	}
	return due + slack
}

// slack is what timers and the operations between two syncs take.
const slack = 2 * time.Millisecond

// troubled says whether the storage failed at any time from from to to.
func (l *ledger) troubled(from, to time.Duration) bool {
	return slices.ContainsFunc(l.trouble, func(p period) bool { return p.from <= to && (p.to == 0 || from <= p.to) })
}

// tardy returns the exposed request that waited too long for a sync, if one did.
func (l *ledger) tardy(interval, now time.Duration) error {
	for id, r := range l.requests {
		if r.acked == 0 || r.must || r.synced {
			continue
		}
		at := r.covering
		if at == 0 {
			at = now
		}
		if latest := l.latest(r.acked, interval, now); at > latest && !l.troubled(r.acked, at) {
			return fmt.Errorf("request %d, acknowledged at %s, has no sync at %s, due at %s", id, r.acked, at, latest)
		}
	}
	return nil
}

// tracked is a log that keeps the ledger, and whose calls are made in the slots
// of the goroutine that makes them.
type tracked struct {
	*chain.Writer
	w *world
	// ids are the requests of batches. A key is never made anew.
	mu  sync.Mutex
	ids map[*chain.Batch]int
}

func (l *tracked) id(b *chain.Batch) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, ok := l.ids[b]
	if !ok {
		l.w.wrong("the log was given a batch that nobody sent")
	}
	return id
}

func (l *tracked) batchOf(id int, padding int) *chain.Batch {
	b := new(chain.Batch)
	for k := range l.w.request(id).n {
		b.EndEvent(fmt.Appendf(b.Buffer(), `{"e":"%s","p":"%s"}`, event(id, k), strings.Repeat("x", padding)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[b] = id
	return b
}

func (l *tracked) Write(bs []*chain.Batch) error {
	l.w.align(writerSlot)
	err := l.Writer.Write(bs)
	l.w.tell("write %d: %v", len(bs), err)
	l.w.change(func(g *ledger) {
		for _, b := range bs {
			if err == nil {
				g.written = append(g.written, l.id(b))
			}
		}
	})
	return err
}

func (l *tracked) Sync() error {
	l.w.align(stepperSlot)
	var covered []int
	l.w.change(func(g *ledger) {
		covered = slices.Clone(g.written)
		for _, id := range covered {
			if g.requests[id].covering == 0 {
				g.requests[id].covering = l.w.now()
			}
		}
		if err := g.tardy(batchInterval, l.w.now()); err != nil {
			l.w.wrong("%v", err)
		}
		g.syncs = append(g.syncs, period{from: l.w.now()})
	})
	err := l.Writer.Sync()
	l.w.tell("sync of %d: %v", len(covered), err)
	l.w.change(func(g *ledger) {
		g.syncs[len(g.syncs)-1].to = l.w.now()
		if err == nil {
			g.written = slices.Delete(g.written, 0, len(covered))
			g.settle(covered)
		}
	})
	return err
}

func (l *tracked) Rotate() error {
	l.w.align(stepperSlot)
	err := l.Writer.Rotate()
	l.w.tell("rotate: %v", err)
	if err == nil {
		l.w.add(&l.w.counts.rotations)
	}
	return err
}

func (l *tracked) Tidy() {
	l.w.align(tidySlot)
	l.Writer.Tidy()
}

// Renew must be given all that is exposed.
func (l *tracked) Renew(cause error, keep []*chain.Batch) error {
	l.w.align(stepperSlot)
	l.w.mu.Lock()
	l.w.tries = append(l.w.tries, l.w.now())
	l.w.mu.Unlock()
	var ids []int
	for _, b := range keep {
		ids = append(ids, l.id(b))
	}
	err := l.Writer.Renew(cause, keep)
	l.w.tell("renew with %v after %v: %v", ids, cause, err)
	if err != nil {
		return err
	}
	l.w.add(&l.w.counts.renewals)
	l.w.change(func(g *ledger) {
		g.written = nil
		g.settle(ids)
		g.recovered(l.w.now())
		if n := g.exposed(); n > 0 {
			l.w.wrong("%d exposed events are not in the new segment", n)
		}
	})
	return nil
}

func (l *tracked) Close() error {
	l.w.align(stepperSlot)
	err := l.Writer.Close()
	l.w.tell("close: %v", err)
	return err
}

func (l *tracked) Abandon() error {
	l.w.align(stepperSlot)
	err := l.Writer.Abandon()
	l.w.tell("abandon: %v", err)
	return err
}

// settle notes that requests are synced.
func (l *ledger) settle(ids []int) {
	for _, id := range ids {
		l.requests[id].synced = true
	}
}

func (l *ledger) recovered(now time.Duration) {
	if n := len(l.trouble); n > 0 && l.trouble[n-1].to == 0 {
		l.trouble[n-1].to = now
	}
}
