package flush_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

// Exposed, waiting and cancelled batches go on in the new segment, and only then the waiters are told.
func TestFailedSyncIsTakenOverByNewSegment(t *testing.T) {
	s := both(takes("sync", 10*time.Millisecond), takes("renew", 10*time.Millisecond), fails("sync", 1))
	test(t, hybrid(), s, func(r *rig) {
		exposed := r.async(5, false)
		waits := r.async(1, true) // starts the sync
		ctx, cancel := context.WithCancel(context.Background())
		left := r.asyncContext(ctx, 2, true)
		late := r.async(3, false) // written and exposed while the sync still runs
		cancel()
		synctest.Wait()
		require.ErrorIs(t, left.err, context.Canceled)
		require.Equal(t, 8, r.Stats().Exposed)

		r.sleep(10 * time.Millisecond)
		require.Equal(t, "renew", r.calls()[len(r.calls())-1])
		require.False(t, waits.done)
		require.Equal(t, 8, r.Stats().Exposed)
		queued := r.async(4, false) // let in, but not exposed before the new segment stands
		require.False(t, queued.done)
		require.NoError(t, r.Ready())

		r.sleep(10 * time.Millisecond)
		require.NoError(t, waits.err)
		require.True(t, waits.done)
		require.NoError(t, queued.err)
		require.True(t, queued.done)
		require.Equal(t, 1, r.log.count["sync"], "never synced again")
		require.ErrorIs(t, r.log.causes[0], errDisk)
		require.Equal(t, []*batch{exposed.b, waits.b, left.b, late.b}, r.log.keeps[0])
		require.Equal(t, 4, r.Stats().Exposed)
		require.Empty(t, r.states)
	})
}

func TestWriteBesideFailingSyncIsNotExposed(t *testing.T) {
	s := both(takes("write", 20*time.Millisecond), takes("sync", 10*time.Millisecond), fails("sync", 1), takes("renew", time.Millisecond))
	test(t, hybrid(), s, func(r *rig) {
		first := r.async(1, true) // written at 20, sync fails at 30
		r.sleep(15 * time.Millisecond)
		late := r.async(1, false) // written at 40
		r.sleep(25 * time.Millisecond)
		require.False(t, late.done, "written, but after a failed sync")
		require.ElementsMatch(t, []string{"write", "sync", "write", "renew"}, r.calls())
		require.Equal(t, "renew", r.calls()[3], "renew waits for the write")
		r.sleep(time.Millisecond)
		require.True(t, first.done && late.done)
		require.NoError(t, first.err)
		require.NoError(t, late.err)
		require.True(t, late.b.durable)
	})
}

func TestFailingOver(t *testing.T) {
	s := both(fails("sync", 1), fails("renew", 1, 2, 3), takes("renew", time.Millisecond))
	test(t, hybrid(), s, func(r *rig) {
		exposed := r.async(5, false)
		_, err := r.submit(context.Background(), 1, true)
		r.unavailable(err, flush.ReasonIO)
		require.ErrorIs(t, err, errDisk)
		synctest.Wait()
		require.Len(t, r.states, 1)
		require.False(t, r.states[0].Healthy)
		require.Equal(t, flush.ReasonFailingOver, r.states[0].Reason)
		require.ErrorIs(t, r.states[0].Err, errDisk)
		require.Equal(t, r.states[0], r.Stats().State)
		require.Equal(t, 5, r.Stats().Exposed)
		require.EqualValues(t, 50, r.Stats().InFlight, "the refused one is dropped")

		_, err = r.submit(context.Background(), 1, false)
		r.unavailable(err, flush.ReasonFailingOver)
		r.unavailable(r.Ready(), flush.ReasonFailingOver)

		began := time.Now()
		for !r.Stats().State.Healthy {
			r.sleep(time.Millisecond)
		}
		require.InDelta(t, 703*time.Millisecond, time.Since(began), float64(2*time.Millisecond), "100 + 200 + 400 ms, and three tries")
		require.Zero(t, r.Stats().Exposed)
		require.True(t, exposed.b.durable)
		for _, keep := range r.log.keeps[1:] {
			require.Equal(t, []*batch{exposed.b}, keep)
		}
		require.Len(t, r.states, 2)
		require.True(t, r.states[1].Healthy)
		_, err = r.submit(context.Background(), 1, true)
		require.NoError(t, err)
	})
}

func TestRequestsQueuedDuringFailedRenewAreRefused(t *testing.T) {
	s := both(takes("renew", 10*time.Millisecond), fails("sync", 1), fails("renew", 1))
	test(t, hybrid(), s, func(r *rig) {
		waits := r.async(1, true)
		queued := r.async(1, false)
		require.False(t, queued.done)
		r.sleep(10 * time.Millisecond)
		r.unavailable(waits.err, flush.ReasonIO)
		r.unavailable(queued.err, flush.ReasonIO)
		require.Zero(t, r.Stats().InFlight)
		require.Empty(t, r.log.written[1:], "never written")
	})
}

func TestDelayGrowsToItsCap(t *testing.T) {
	var began []time.Time
	broken := func(op string, n int) error {
		if op == "renew" {
			began = append(began, time.Now())
		}
		if op == "sync" || op == "renew" && n <= 14 {
			return errDisk
		}
		return nil
	}
	test(t, hybrid(), broken, func(r *rig) {
		r.async(1, true)
		r.sleep(10 * time.Minute)
		require.Len(t, began, 15)
		require.Equal(t, 100*time.Millisecond, began[1].Sub(began[0]))
		require.Equal(t, 200*time.Millisecond, began[2].Sub(began[1]))
		require.Equal(t, 30*time.Second, began[14].Sub(began[13]))
	})
}

// What stands before a failed Write is synced first; only the failed Write's requests are refused.
func TestFailedWrite(t *testing.T) {
	s := both(takes("write", 10*time.Millisecond), fails("write", 2), takes("sync", 5*time.Millisecond))
	test(t, hybrid(), s, func(r *rig) {
		exposed := r.async(5, false)
		r.sleep(5 * time.Millisecond)
		failed, alsoFailed := r.async(1, false), r.async(1, true) // second Write, from 10 to 20
		r.sleep(10 * time.Millisecond)
		queued := r.async(1, true) // waits for the third
		require.True(t, exposed.done)
		r.sleep(5 * time.Millisecond)
		r.unavailable(failed.err, flush.ReasonIO)
		r.unavailable(alsoFailed.err, flush.ReasonIO)
		r.sleep(20 * time.Millisecond)
		require.NoError(t, queued.err)
		require.True(t, queued.done)
		require.Equal(t, []string{"write", "write", "sync", "renew", "write", "sync"}, r.calls())
		require.Empty(t, r.log.keeps[0])
		require.ErrorIs(t, r.log.causes[0], errDisk)
		require.True(t, exposed.b.durable)
		require.Zero(t, r.Stats().Exposed)
	})
}

func TestFailedWriteSyncsForWaitersBesideRunningSync(t *testing.T) {
	s := both(fails("write", 3), takes("sync", 10*time.Millisecond))
	test(t, hybrid(), s, func(r *rig) {
		first := r.async(1, true)  // sync 0 to 10
		second := r.async(1, true) // needs the next one
		failed := r.async(1, false)
		r.unavailable(failed.err, flush.ReasonIO)
		r.sleep(20 * time.Millisecond)
		require.True(t, first.done && second.done)
		require.NoError(t, first.err)
		require.NoError(t, second.err)
		require.Equal(t, []string{"write", "sync", "write", "write", "sync", "renew"}, r.calls())
	})
}

func TestFailedWriteThenFailedSync(t *testing.T) {
	test(t, hybrid(), both(fails("write", 2), fails("sync", 1)), func(r *rig) {
		exposed := r.async(5, false)
		failed := r.async(1, true)
		r.unavailable(failed.err, flush.ReasonIO)
		require.Equal(t, []string{"write", "write", "sync", "renew"}, r.calls())
		require.Equal(t, []*batch{exposed.b}, r.log.keeps[0])
		require.True(t, exposed.b.durable)
	})
}

func TestFailedFirstWriteNeedsNoSync(t *testing.T) {
	test(t, hybrid(), fails("write", 1), func(r *rig) {
		a := r.async(1, true)
		r.unavailable(a.err, flush.ReasonIO)
		require.Equal(t, []string{"write", "renew"}, r.calls())
		require.NoError(t, r.async(1, true).err)
	})
}

// A disk that takes an opening entry but no write must not fill with opening entries.
func TestRepeatedWriteFailureIsDelayed(t *testing.T) {
	test(t, hybrid(), fails("write", 1, 2, 3), func(r *rig) {
		r.unavailable(r.async(1, true).err, flush.ReasonIO)
		require.True(t, r.Stats().State.Healthy, "the new segment took over at once")
		r.unavailable(r.async(1, true).err, flush.ReasonIO)
		require.Equal(t, 1, r.log.count["renew"])
		require.Equal(t, flush.ReasonFailingOver, r.Stats().State.Reason)
		r.sleep(100 * time.Millisecond)
		require.Equal(t, 2, r.log.count["renew"])
		require.True(t, r.Stats().State.Healthy)
		r.unavailable(r.async(1, true).err, flush.ReasonIO)
		r.sleep(199 * time.Millisecond)
		require.Equal(t, 2, r.log.count["renew"])
		r.sleep(time.Millisecond)
		require.Equal(t, 3, r.log.count["renew"])
		require.NoError(t, r.async(1, true).err)
		require.Len(t, r.states, 4)
	})
}

func TestProvenSegmentIsRenewedAtOnce(t *testing.T) {
	test(t, hybrid(), fails("write", 1, 3), func(r *rig) {
		r.unavailable(r.async(1, true).err, flush.ReasonIO)
		require.NoError(t, r.async(1, true).err)
		r.unavailable(r.async(1, true).err, flush.ReasonIO)
		require.Equal(t, 2, r.log.count["renew"])
		require.Empty(t, r.states)
	})
}

func TestCancelledRequestStays(t *testing.T) {
	s := both(takes("write", 10*time.Millisecond), takes("sync", 10*time.Millisecond))
	for name, at := range map[string]time.Duration{"queued": 5, "written": 25, "syncing": 15} {
		t.Run(name, func(t *testing.T) {
			test(t, hybrid(), s, func(r *rig) {
				if name == "queued" {
					r.async(1, true)
				}
				ctx, cancel := context.WithTimeout(context.Background(), at*time.Millisecond)
				defer cancel()
				b, err := r.submit(ctx, 1, true)
				if name == "written" {
					require.NoError(t, err, "answered before it was cancelled")
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				r.sleep(50 * time.Millisecond)
				require.True(t, b.durable)
				require.Zero(t, r.Stats().InFlight, "no memory is held for it")
			})
		})
	}
}

func TestCancelledRoutineRequestIsNotExposed(t *testing.T) {
	test(t, hybrid(), takes("write", 10*time.Millisecond), func(r *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		b, err := r.submit(ctx, 1, false)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.sleep(5 * time.Millisecond)
		require.Zero(t, r.Stats().Exposed)
		require.True(t, b.durable)
	})
}

func TestEndedContextIsNotWritten(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := r.submit(ctx, 1, true)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, r.calls())
	})
}
