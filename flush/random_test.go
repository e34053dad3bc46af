package flush_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

// TestRandomLoad holds the promises under load, failures, stalls, cancellations, rotations and a
// Close at a random moment. submit and fakeLog check at each acknowledgement and each call; a seed
// that fails can be run alone.
func TestRandomLoad(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	var seen tally
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { seen.add(randomRun(t, seed)) })
	}
	require.Positive(t, seen.acked)
	require.Positive(t, seen.full, "exposure reached its bound")
	require.Positive(t, seen.renewed)
	require.Positive(t, seen.stalled)
	require.Positive(t, seen.failedOver)
	require.Positive(t, seen.overloaded)
	require.Positive(t, seen.cancelled)
	require.Positive(t, seen.closeErrors)
	t.Logf("%+v", seen)
}

// tally counts what the runs met, so that a load that meets nothing is noticed.
type tally struct {
	acked, full, renewed, stalled, failedOver, overloaded, cancelled, closeErrors int
}

func (s *tally) add(o tally) {
	s.acked += o.acked
	s.full += o.full
	s.renewed += o.renewed
	s.stalled += o.stalled
	s.failedOver += o.failedOver
	s.overloaded += o.overloaded
	s.cancelled += o.cancelled
	s.closeErrors += o.closeErrors
}

// dice is a source of chance that goroutines may share.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) upTo(t time.Duration) time.Duration { return time.Duration(d.n(int(t))) }

func randomScript(d *dice) script {
	broken, slow := []int{0, 3, 10, 40}[d.n(4)], d.n(2) == 0
	return func(op string, _ int) error {
		time.Sleep(d.upTo(3 * time.Millisecond))
		if slow && d.n(60) == 0 {
			time.Sleep(d.upTo(2 * time.Second)) // beyond SyncTimeout, at times
		}
		if d.n(100) < broken {
			return errDisk
		}
		return nil
	}
}

func randomRun(t *testing.T, seed uint64) (seen tally) {
	synctest.Test(t, func(t *testing.T) {
		d := &dice{r: rand.New(rand.NewPCG(seed, 1))}
		o := flush.Options[*batch]{
			Mode:              flush.Mode(d.n(3)),
			BatchSize:         1 + d.n(60),
			BatchInterval:     time.Millisecond + d.upTo(50*time.Millisecond),
			CriticalImmediate: d.n(4) > 0,
			SyncTimeout:       time.Second,
			MaxInFlight:       int64(100 + d.n(2000)),
			Gather:            []int64{0, 50, 1 << 20}[d.n(3)],
		}
		r := start(t, o, randomScript(d))
		r.log.rotate = func(entries int) (time.Duration, bool) {
			return time.Duration(300-entries) * time.Millisecond, entries > 200
		}
		var callers sync.WaitGroup
		var mu sync.Mutex
		for range 1 + d.n(8) {
			callers.Go(func() {
				s := randomCaller(r, d, o)
				mu.Lock()
				defer mu.Unlock()
				seen.add(s)
			})
		}
		time.Sleep(d.upTo(3 * time.Second))
		closed := r.closing(d.upTo(3 * time.Second))
		exposedAtEnd := -1
		for !closed.done {
			r.sleep(time.Millisecond)
		}
		callers.Wait()
		var e *flush.CloseError
		if errors.As(closed.err, &e) {
			exposedAtEnd = e.Exposed
			seen.closeErrors++
		}
		r.sleep(time.Minute)
		r.checkEnd()
		seen.add(r.summary(o))
		lost := 0
		for _, b := range r.batches {
			if b.acked && !b.durable {
				lost += b.n
			}
		}
		require.LessOrEqual(t, lost, max(exposedAtEnd, 0), "lost no more than Close said")
	})
	return seen
}

func randomCaller(r *rig, d *dice, o flush.Options[*batch]) (seen tally) {
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		if d.n(20) == 0 {
			ctx, cancel = context.WithTimeout(context.Background(), d.upTo(5*time.Millisecond)+1)
		}
		critical, began := d.n(3) == 0, time.Now()
		b, err := r.submit(ctx, 1+d.n(1+d.n(o.BatchSize+5)), critical)
		cancel()
		waits := o.Mode == flush.Immediate || o.Mode == flush.Hybrid && critical && o.CriticalImmediate
		if limit := 3*o.SyncTimeout + 20*time.Millisecond; time.Since(began) > limit {
			r.t.Errorf("answered after %v", time.Since(began))
		}
		var u *flush.UnavailableError
		switch {
		case err == nil:
			seen.acked++
			r.log.mu.Lock()
			if waits && !b.durable {
				r.t.Errorf("batch %d is exposed", b.id)
			}
			r.log.mu.Unlock()
		case errors.Is(err, flush.ErrOverloaded):
			seen.overloaded++
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			seen.cancelled++
		case !errors.As(err, &u):
			r.t.Errorf("unknown error %v", err)
		case u.Reason == flush.ReasonClosing:
			return seen
		}
		time.Sleep(d.upTo(10 * time.Millisecond))
	}
	return seen
}

func (r *rig) summary(o flush.Options[*batch]) (seen tally) {
	if r.log.peak == o.BatchSize {
		seen.full++
	}
	seen.renewed = r.log.count["renew"]
	for _, s := range r.states {
		switch s.Reason {
		case flush.ReasonStall:
			seen.stalled++
		case flush.ReasonFailingOver:
			seen.failedOver++
		}
	}
	return seen
}

// TestAgeBound holds the second half of the exposure bound under a healthy random load: no entry is
// exposed longer than BatchInterval, the rest of a running sync, and one sync.
func TestAgeBound(t *testing.T) {
	const slowest = 30 * time.Millisecond
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			d := &dice{r: rand.New(rand.NewPCG(seed, 2))}
			o := hybrid()
			o.BatchSize = 1 + d.n(1000)
			o.BatchInterval = 100 * time.Millisecond
			r := start(t, o, func(op string, _ int) error {
				if op == "sync" {
					time.Sleep(d.upTo(slowest))
				}
				return nil
			})
			acked := map[*batch]time.Time{}
			bound := o.BatchInterval + 2*slowest
			end := time.Now().Add(3 * time.Second)
			for time.Now().Before(end) {
				b, err := r.submit(context.Background(), 1+d.n(5), d.n(50) == 0)
				require.NoError(t, err)
				acked[b] = time.Now()
				time.Sleep(d.upTo(20 * time.Millisecond))
				r.log.mu.Lock()
				for b, at := range acked {
					if b.durable {
						delete(acked, b)
					} else if time.Since(at) > bound {
						t.Errorf("batch %d is exposed for %v", b.id, time.Since(at))
					}
				}
				r.log.mu.Unlock()
				require.LessOrEqual(t, r.Stats().OldestExposed, bound)
			}
			r.end()
		})
	}
}

// TestOrderIsKept: what one caller sent in order stands in order, failures or not.
func TestOrderIsKept(t *testing.T) {
	for seed := range uint64(40) {
		d := &dice{r: rand.New(rand.NewPCG(seed, 3))}
		s := func(op string, _ int) error {
			time.Sleep(d.upTo(time.Millisecond))
			if op != "renew" && op != "close" && d.n(10) == 0 {
				return errDisk
			}
			return nil
		}
		test(t, hybrid(), s, func(r *rig) {
			for range 200 {
				_, _ = r.submit(context.Background(), 1, d.n(4) == 0)
				time.Sleep(d.upTo(20 * time.Millisecond))
			}
			require.NoError(t, r.Close(context.Background()))
			ids := make([]int, 0, len(r.log.durable))
			for _, b := range r.log.durable {
				ids = append(ids, b.id)
			}
			require.True(t, slices.IsSorted(ids))
			for _, b := range r.batches {
				require.True(t, b.durable || !b.acked)
			}
		})
	}
}
