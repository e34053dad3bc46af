package flush_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

// rig is a Committer on a fakeLog, and all that it was given.
type rig struct {
	*flush.Committer[*batch]
	t      *testing.T
	log    *fakeLog
	states []flush.State

	mu      sync.Mutex
	batches []*batch
}

type script = func(op string, n int) error

func hybrid() flush.Options[*batch] {
	return flush.Options[*batch]{
		BatchSize:         100,
		BatchInterval:     time.Second,
		CriticalImmediate: true,
		SyncTimeout:       10 * time.Second,
		MaxInFlight:       1 << 20,
	}
}

// test runs body in a bubble and closes the Committer afterwards, if body did not.
func test(t *testing.T, o flush.Options[*batch], s script, body func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, o, s)
		defer r.end()
		body(r)
	})
}

func (r *rig) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	_ = r.Close(ctx)
	synctest.Wait()
	if !r.t.Failed() {
		r.checkEnd()
	}
}

func start(t *testing.T, o flush.Options[*batch], s script) *rig {
	r := &rig{t: t, log: newFakeLog(t, o.BatchSize, s)}
	o.Release = r.release
	o.OnState = func(s flush.State) {
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		r.states = append(r.states, s)
	}
	r.Committer = flush.New(r.log, o)
	synctest.Wait()
	return r
}

// sleep lets time pass and everything settle. Time orders nothing for the race detector: the lock
// in calls puts what the test read before in front of what the others write from now on.
func (r *rig) sleep(d time.Duration) {
	_ = r.calls()
	time.Sleep(d)
	synctest.Wait()
}

func newFakeLog(t *testing.T, batchSize int, s script) *fakeLog {
	return &fakeLog{
		t: t, script: s, batchSize: batchSize, running: map[string]bool{},
		count: map[string]int{}, cancelled: map[*batch]bool{},
	}
}

func (r *rig) release(b *batch, synced bool) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	b.released++
	if synced != b.durable {
		r.t.Errorf("batch %d is released as synced: %v, which is %v in the log", b.id, synced, b.durable)
	}
	if b.inLog > 0 {
		r.t.Errorf("batch %d is released while the log reads it", b.id)
	}
}

// checkEnd: all is released once, and nothing is counted that is not there.
func (r *rig) checkEnd() {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	for _, b := range r.batches {
		if b.released != 1 {
			r.t.Errorf("batch %d is released %d times", b.id, b.released)
		}
	}
	s := r.Stats()
	require.Zero(r.t, s.InFlight)
	require.Zero(r.t, s.Waiting)
	require.True(r.t, r.log.ended)
	for i := 1; i < len(r.states); i++ {
		require.NotEqual(r.t, r.states[i-1].Reason, r.states[i].Reason, "a state is told twice")
	}
}

// submit gives a request of n entries, 10 bytes each, and checks the answer against the log.
func (r *rig) submit(ctx context.Context, n int, critical bool) (*batch, error) {
	r.mu.Lock()
	b := &batch{id: len(r.batches), n: n, size: 10 * n}
	r.batches = append(r.batches, b)
	r.mu.Unlock()
	err := r.Submit(ctx, b, critical)
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	switch {
	case err == nil:
		b.acked = true
		if !b.durable {
			r.log.exposed += n
		}
		r.log.peak = max(r.log.peak, r.log.exposed)
		if r.log.exposed > r.log.batchSize {
			r.t.Errorf("%d entries are exposed", r.log.exposed)
		}
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		r.log.cancelled[b] = true
	}
	return b, err
}

// answer is what a Submit in another goroutine returned, and when.
type answer struct {
	b    *batch
	err  error
	at   time.Duration // since it was submitted
	done bool
}

func (r *rig) async(n int, critical bool) *answer {
	return r.asyncContext(context.Background(), n, critical)
}

func (r *rig) asyncContext(ctx context.Context, n int, critical bool) *answer {
	a, began := &answer{}, time.Now()
	go func() {
		b, err := r.submit(ctx, n, critical)
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		*a = answer{b: b, err: err, at: time.Since(began), done: true}
	}()
	synctest.Wait()
	return a
}

func (r *rig) unavailable(err error, reason flush.Reason) {
	r.t.Helper()
	var u *flush.UnavailableError
	require.ErrorAs(r.t, err, &u)
	require.Equal(r.t, reason, u.Reason, err)
}

func (r *rig) calls() []string {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return slices.Clone(r.log.calls)
}

// takes makes every call named op take d.
func takes(op string, d time.Duration) script {
	return func(o string, _ int) error {
		if o == op {
			time.Sleep(d)
		}
		return nil
	}
}

// fails makes the numbered calls of op fail.
func fails(op string, numbers ...int) script {
	return func(o string, n int) error {
		if o == op && slices.Contains(numbers, n) {
			return errDisk
		}
		return nil
	}
}

// both plays several scripts; the first error counts.
func both(ss ...script) script {
	return func(op string, n int) error {
		for _, s := range ss {
			if err := s(op, n); err != nil {
				return err
			}
		}
		return nil
	}
}
