package exporter_test

import (
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otelaudit/auditexporter/flush"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// away has every sync and every new file fail until it is healed.
type away struct {
	mu     sync.Mutex
	err    error
	failed time.Duration // when first, since the world began
}

func (a *away) plan(w *world) func(faultfs.Op) faultfs.Outcome {
	return func(op faultfs.Op) faultfs.Outcome {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.err == nil || op.Kind != faultfs.Sync && op.Kind != faultfs.Create {
			return faultfs.Outcome{}
		}
		if op.Kind == faultfs.Create && a.failed == 0 {
			return faultfs.Outcome{} // of the file of the next segment, which nobody waits for
		}
		if a.failed == 0 {
			a.failed = w.now()
		}
		return faultfs.Outcome{Err: a.err}
	}
}

func (a *away) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// answer is what one of the requests of TestFailedSyncReachesEveryWaiter got.
type answer struct {
	must bool
	at   time.Duration
	err  error
}

// requestsAtOnce sends as many events as may be exposed, in requests to be covered by the next sync.
func (s *session) requestsAtOnce() []answer {
	answers := make([]answer, batchSize)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			s.align(clientSlot + int64(i))
			critical := i%2 == 0
			id := s.next(1, critical)
			err := s.send(s.t.Context(), id, critical, 50)
			answers[i] = answer{s.set.must(critical), s.now(), err}
		})
	}
	all.Wait()
	return answers
}

// TestFailedSyncReachesEveryWaiter: a failed sync fails every request that it
// covered and that waits, at once, unless the new segment takes over; then it
// fails none. What is exposed stands in either case.
func TestFailedSyncReachesEveryWaiter(t *testing.T) {
	inEverySetting(t, func(t *testing.T, set setting) {
		for _, takesOver := range []bool{true, false} {
			w := newWorld(t, set, 1)
			s := w.begin()
			failed, a := false, &away{err: syscall.EIO}
			w.fail(func(op faultfs.Op) faultfs.Outcome {
				if takesOver && failed {
					return faultfs.Outcome{}
				}
				out := a.plan(w)(op)
				failed = failed || out.Err != nil
				return out
			})
			for _, got := range s.requestsAtOnce() {
				var gone *flush.UnavailableError
				switch {
				case !got.must || takesOver:
					if got.err != nil {
						w.wrong("refused although it stands: %v", got.err)
					}
				case !errors.As(got.err, &gone) || !errors.Is(got.err, syscall.EIO):
					w.wrong("waited for a sync that failed, and got %v", got.err)
				case got.at-a.failed > 50*time.Millisecond:
					w.wrong("the sync failed at %s, the waiter was told at %s", a.failed, got.at)
				}
			}
			time.Sleep(2 * batchInterval) // what is exposed wants a sync by then
			a.set(nil)
			s.insist()
			if err := s.end(); err != nil {
				w.wrong("closing: %v", err)
			}
			if w.counts.renewals != 1 {
				w.wrong("%d failovers", w.counts.renewals)
			}
			w.snap(death, 0).checkStanding()
		}
	})
}

// TestStorageThatStaysAway: while no segment can be opened every request is
// refused at once, opening is tried again less and less often, the state is
// told, and all ends by itself when the storage is back.
func TestStorageThatStaysAway(t *testing.T) {
	for _, err := range errs {
		inEverySetting(t, func(t *testing.T, set setting) {
			w := newWorld(t, set, 1)
			s := w.begin()
			a := &away{err: err}
			w.fail(a.plan(w))
			s.requestsAtOnce()
			time.Sleep(100 * time.Millisecond)
			exposed := s.c.Stats().Exposed
			for began := s.now(); s.now()-began < 5*time.Minute; time.Sleep(time.Second) {
				asked := s.now()
				s.align(clientSlot)
				if s.send(t.Context(), s.next(1, false), false, 20) == nil || s.now()-asked > slots {
					w.wrong("taken, or refused after %s only", s.now()-asked)
				}
			}
			if got := s.c.Stats(); got.Exposed != exposed || got.State.Healthy || got.State.Reason != flush.ReasonFailingOver || !errors.Is(got.State.Err, err) {
				w.wrong("%d events were exposed when the storage failed; now: %+v", exposed, got)
			}
			w.checkBackoff()
			a.set(nil)
			s.insist()
			if err := s.end(); err != nil {
				w.wrong("closing: %v", err)
			}
			healthy := func(st flush.State) bool { return st.Healthy }
			if n := len(w.states); n != 2 || healthy(w.states[0]) || !healthy(w.states[1]) || slices.ContainsFunc(w.states[:1], healthy) {
				w.wrong("states told: %v", w.states)
			}
			im := w.snap(death, 0)
			im.verify(im.checkStanding())
		})
	}
}

// checkBackoff: 100 ms after the first try, then twice as long each time, at most 30 s.
func (w *world) checkBackoff() {
	want := 100 * time.Millisecond
	for i := range w.tries[1:] {
		if got := w.tries[i+1] - w.tries[i]; got < want || got > want+want/2+10*time.Millisecond {
			w.wrong("try %d came after %s, expected %s: %v", i+2, got, want, w.tries)
		}
		want = min(2*want, 30*time.Second)
	}
	if len(w.tries) < 12 {
		w.wrong("only %d tries", len(w.tries))
	}
}
