package flush_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

// closing starts Close with the given time and returns what it will return, and when.
func (r *rig) closing(d time.Duration) *answer {
	a, began := &answer{}, time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		err := r.Close(ctx)
		r.log.mu.Lock()
		defer r.log.mu.Unlock()
		*a = answer{err: err, at: time.Since(began), done: true}
	}()
	synctest.Wait()
	return a
}

func (r *rig) closeFailed(a *answer, exposed int, cause error) {
	r.t.Helper()
	require.True(r.t, a.done)
	var e *flush.CloseError
	require.ErrorAs(r.t, a.err, &e)
	require.Equal(r.t, exposed, e.Exposed)
	require.ErrorIs(r.t, a.err, cause)
}

func TestCloseDrains(t *testing.T) {
	s := both(takes("write", 10*time.Millisecond), takes("sync", 10*time.Millisecond))
	test(t, hybrid(), s, func(r *rig) {
		writing, queued := r.async(1, false), r.async(1, false)
		closed := r.closing(time.Second)
		_, err := r.submit(context.Background(), 1, false)
		r.unavailable(err, flush.ReasonClosing)
		r.unavailable(r.Ready(), flush.ReasonClosing)
		r.sleep(10 * time.Millisecond)
		require.False(t, writing.done, "exposed no more once Close was called")
		r.sleep(time.Second)
		require.NoError(t, writing.err)
		require.NoError(t, queued.err)
		require.True(t, writing.b.durable && queued.b.durable)
		require.True(t, closed.done)
		require.NoError(t, closed.err)
		require.Equal(t, 30*time.Millisecond, closed.at)
		require.Equal(t, "close", r.calls()[len(r.calls())-1])
		require.NoError(t, r.Close(context.Background()), "twice is fine")
	})
}

func TestCloseSyncsWhatIsExposedAtOnce(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		a := r.async(5, false)
		require.NoError(t, r.Close(context.Background()))
		require.True(t, a.b.durable)
		require.Equal(t, []string{"write", "sync", "close"}, r.calls())
	})
}

func TestCloseOfUnusedLog(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		require.NoError(t, r.Close(context.Background()))
		require.Equal(t, []string{"close"}, r.calls())
	})
}

func TestCloseTwiceAtOnce(t *testing.T) {
	test(t, hybrid(), takes("close", time.Second), func(r *rig) {
		first, second := r.closing(time.Minute), r.closing(time.Minute)
		r.sleep(time.Second)
		require.True(t, first.done && second.done)
		require.NoError(t, first.err)
		require.NoError(t, second.err)
	})
}

// Close is bounded by its context whatever call hangs; nothing is written after that, and the log is
// abandoned when the call returns.
func TestCloseWithHungDisk(t *testing.T) {
	tests := []struct {
		op      string
		exposed int
		calls   []string
	}{
		{"write", 5, []string{"write", "write", "sync", "abandon"}},
		{"sync", 5, []string{"write", "sync", "write", "abandon"}},
	}
	for _, tt := range tests {
		t.Run(tt.op, func(t *testing.T) {
			o := hybrid()
			o.SyncTimeout = time.Hour
			number := map[string]int{"write": 2, "sync": 1}[tt.op]
			s := nth(tt.op, number, time.Minute, nil)
			if tt.op == "write" {
				s = both(s, takes("sync", time.Minute))
			}
			test(t, o, s, func(r *rig) {
				exposed := r.async(5, false)
				waits := r.async(1, true)
				closed := r.closing(10 * time.Second)
				r.sleep(10 * time.Second)
				r.closeFailed(closed, tt.exposed, context.DeadlineExceeded)
				require.Equal(t, 10*time.Second, closed.at)
				r.unavailable(waits.err, flush.ReasonClosing)
				require.NotContains(t, r.calls(), "abandon", "the call still runs")
				require.Equal(t, closed.err, r.Close(context.Background()), "a second Close does not hang")
				r.sleep(time.Hour)
				require.Equal(t, "abandon", r.calls()[len(r.calls())-1])
				require.NotContains(t, r.calls(), "close")
				require.Equal(t, 1, r.log.count["sync"], "no sync is started after the end")
				require.True(t, exposed.b.released == 1 && waits.b.released == 1)
			})
		})
	}
}

func TestCloseWithHungClose(t *testing.T) {
	for name, result := range map[string]error{"works late": nil, "fails late": errDisk} {
		t.Run(name, func(t *testing.T) {
			test(t, hybrid(), nth("close", 1, time.Minute, result), func(r *rig) {
				r.async(5, false)
				closed := r.closing(10 * time.Second)
				r.sleep(10 * time.Second)
				r.closeFailed(closed, 0, context.DeadlineExceeded)
				r.sleep(time.Minute)
				if result == nil {
					require.NotContains(t, r.calls(), "abandon")
				} else {
					require.Equal(t, 1, r.log.count["abandon"])
				}
			})
		})
	}
}

func TestCloseWithEndedContext(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		r.async(5, false)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := r.Close(ctx)
		r.closeFailed(&answer{done: true, err: err}, 5, context.Canceled)
		synctest.Wait()
		require.Equal(t, []string{"write", "abandon"}, r.calls())
	})
}

func TestCloseThatFails(t *testing.T) {
	test(t, hybrid(), fails("close", 1), func(r *rig) {
		closed := r.closing(time.Second)
		r.closeFailed(closed, 0, errDisk)
		require.Equal(t, []string{"close", "abandon"}, r.calls())
		require.Equal(t, closed.err, r.Close(context.Background()))
	})
}

func TestAbandonThatFails(t *testing.T) {
	errLock := errors.New("lock is gone")
	test(t, hybrid(), both(fails("sync", 1), fails("renew", 1)), func(r *rig) {
		r.log.abandon = errLock
		r.async(5, false)
		closed := r.closing(time.Second)
		r.closeFailed(closed, 5, errDisk)
		require.ErrorIs(t, closed.err, errLock)
	})
}

func TestCloseWithFailingDisk(t *testing.T) {
	tests := []struct {
		name    string
		script  script
		exposed int
		calls   []string
	}{
		{"sync fails, new segment works", fails("sync", 1), 0, []string{"write", "sync", "renew", "close"}},
		{"sync fails, new segment too", both(fails("sync", 1), fails("renew", 1)), 5, []string{"write", "sync", "renew", "abandon"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			test(t, hybrid(), tt.script, func(r *rig) {
				a := r.async(5, false)
				closed := r.closing(time.Second)
				require.True(t, closed.done)
				if tt.exposed == 0 {
					require.NoError(t, closed.err)
					require.True(t, a.b.durable)
				} else {
					r.closeFailed(closed, tt.exposed, errDisk)
				}
				require.Equal(t, tt.calls, r.calls())
			})
		})
	}
}

// Exposed entries get one more chance when Close comes while failing over, without the delay.
func TestCloseWhileFailingOver(t *testing.T) {
	for name, works := range map[string]bool{"works": true, "fails": false} {
		t.Run(name, func(t *testing.T) {
			s := both(fails("sync", 1), fails("renew", 1))
			if !works {
				s = both(fails("sync", 1), fails("renew", 1, 2))
			}
			test(t, hybrid(), s, func(r *rig) {
				a := r.async(5, false)
				r.async(1, true)
				require.False(t, r.Stats().State.Healthy)
				closed := r.closing(time.Second)
				require.Zero(t, closed.at, "at once")
				require.Equal(t, 2, r.log.count["renew"])
				if works {
					require.NoError(t, closed.err)
					require.True(t, a.b.durable)
					require.Equal(t, 1, r.log.count["close"])
					return
				}
				r.closeFailed(closed, 5, errDisk)
				require.Equal(t, 1, r.log.count["abandon"])
			})
		})
	}
}

func TestCloseEndsHungRenew(t *testing.T) {
	for name, result := range map[string]error{"works late": nil, "fails late": errDisk} {
		t.Run(name, func(t *testing.T) {
			test(t, hybrid(), both(fails("sync", 1), nth("renew", 1, time.Minute, result)), func(r *rig) {
				exposed, waits := r.async(5, false), r.async(1, true)
				closed := r.closing(time.Second)
				r.sleep(time.Second)
				r.closeFailed(closed, 5, context.DeadlineExceeded)
				r.unavailable(waits.err, flush.ReasonClosing)
				require.Zero(t, exposed.b.released, "the log still reads it")
				r.sleep(time.Minute)
				require.Equal(t, "abandon", r.calls()[len(r.calls())-1])
				require.Equal(t, 1, exposed.b.released)
				require.Equal(t, closed.err, r.Close(context.Background()), "what was said stays")
			})
		})
	}
}

func TestCloseRotatesNoMore(t *testing.T) {
	test(t, hybrid(), takes("sync", 10*time.Millisecond), func(r *rig) {
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 2 }
		r.async(1, true)
		r.async(1, false) // makes it due, while the sync runs
		closed := r.closing(time.Second)
		r.sleep(time.Second)
		require.NoError(t, closed.err)
		require.Equal(t, []string{"write", "sync", "write", "sync", "close"}, r.calls())
	})
}

// endedContext has ended, but nobody was woken for it yet.
type endedContext struct {
	context.Context
	ended atomic.Bool
}

func (c *endedContext) Err() error {
	if c.ended.Load() {
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}

// Between the end of the context and the moment Close wakes up for it, nothing is started.
func TestNothingIsWrittenAfterContextEnds(t *testing.T) {
	test(t, hybrid(), nth("write", 1, time.Second, nil), func(r *rig) {
		writing := r.async(1, true)
		queued := r.async(1, true)
		inner, cancel := context.WithCancel(context.Background())
		ctx := &endedContext{Context: inner}
		var err error
		go func() { err = r.Close(ctx) }()
		synctest.Wait()
		ctx.ended.Store(true)
		r.sleep(2 * time.Second)
		require.Equal(t, []string{"write"}, r.calls())
		cancel()
		synctest.Wait()
		r.closeFailed(&answer{done: true, err: err}, 0, context.DeadlineExceeded)
		r.unavailable(writing.err, flush.ReasonClosing)
		r.unavailable(queued.err, flush.ReasonClosing)
		require.Equal(t, []string{"write", "abandon"}, r.calls())
	})
}

func TestErrorTexts(t *testing.T) {
	tests := map[string]error{
		"log failed: disk is broken":          &flush.UnavailableError{Reason: flush.ReasonIO, Err: errDisk},
		"log is shutting down":                &flush.UnavailableError{Reason: flush.ReasonClosing},
		"log is failing over: disk is broken": &flush.UnavailableError{Reason: flush.ReasonFailingOver, Err: errDisk},
		"log stalls":                          &flush.UnavailableError{Reason: flush.ReasonStall},
		"couldn't close log, 7 acknowledged entries are not synced: disk is broken": &flush.CloseError{Exposed: 7, Err: errDisk},
	}
	for text, err := range tests {
		require.EqualError(t, err, text)
	}
	require.ErrorIs(t, &flush.UnavailableError{Err: errDisk}, errDisk)
	require.ErrorIs(t, &flush.CloseError{Err: errDisk}, errDisk)
	for reason, name := range map[flush.Reason]string{
		flush.ReasonNone: "none", flush.ReasonIO: "io", flush.ReasonStall: "stall",
		flush.ReasonFailingOver: "failing_over", flush.ReasonClosing: "shutting_down",
	} {
		require.Equal(t, name, reason.String())
	}
}
