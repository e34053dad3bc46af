package flush_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

func TestMemoryBudget(t *testing.T) {
	o := hybrid()
	o.MaxInFlight = 100 // 10 entries
	test(t, o, takes("sync", 10*time.Millisecond), func(r *rig) {
		a, b := r.async(6, true), r.async(4, true)
		require.EqualValues(t, 100, r.Stats().InFlight)
		require.Equal(t, 2, r.Stats().Waiting)
		_, err := r.submit(context.Background(), 1, true)
		require.ErrorIs(t, err, flush.ErrOverloaded)
		require.ErrorIs(t, r.Ready(), flush.ErrOverloaded)
		r.sleep(10 * time.Millisecond)
		require.True(t, a.done)
		require.NoError(t, r.Ready())
		c := r.async(6, true)
		r.sleep(20 * time.Millisecond)
		require.NoError(t, b.err)
		require.NoError(t, c.err)
		require.Zero(t, r.Stats().InFlight)
	})
}

func TestRequestLargerThanBudgetIsLetInAlone(t *testing.T) {
	o := hybrid()
	o.MaxInFlight = 100
	test(t, o, takes("sync", 10*time.Millisecond), func(r *rig) {
		large := r.async(50, true)
		_, err := r.submit(context.Background(), 1, true)
		require.ErrorIs(t, err, flush.ErrOverloaded)
		r.sleep(10 * time.Millisecond)
		require.True(t, large.done)
		require.NoError(t, large.err)
		small := r.async(1, true)
		_, err = r.submit(context.Background(), 50, true)
		require.ErrorIs(t, err, flush.ErrOverloaded, "not beside another")
		r.sleep(10 * time.Millisecond)
		require.NoError(t, small.err)
	})
}

func TestFillingBudgetStartsSync(t *testing.T) {
	o := hybrid()
	o.MaxInFlight = 100
	test(t, o, nil, func(r *rig) {
		require.NoError(t, r.async(4, false).err)
		require.Equal(t, 4, r.Stats().Exposed)
		require.NoError(t, r.async(1, false).err)
		require.Zero(t, r.Stats().Exposed)
		require.Equal(t, []string{"write", "write", "sync"}, r.calls())
	})
}

// A refused client comes again: what nobody would sync for a while must not stand in its way then.
func TestFullBudgetStartsSync(t *testing.T) {
	o := hybrid()
	o.MaxInFlight = 100
	test(t, o, nil, func(r *rig) {
		require.NoError(t, r.async(1, false).err)
		_, err := r.submit(context.Background(), 50, false)
		require.ErrorIs(t, err, flush.ErrOverloaded)
		r.sleep(0)
		require.Zero(t, r.Stats().Exposed)
		large := r.async(50, false)
		require.NoError(t, large.err)
		require.Equal(t, []string{"write", "sync", "write", "sync"}, r.calls())
	})
}

func TestNoBudget(t *testing.T) {
	o := hybrid()
	o.MaxInFlight = 0
	test(t, o, takes("sync", time.Millisecond), func(r *rig) {
		a, b := r.async(1_000_000, true), r.async(1_000_000, true)
		require.NoError(t, r.Ready())
		r.sleep(2 * time.Millisecond)
		require.True(t, a.done && b.done)
	})
}

func TestRotationBySize(t *testing.T) {
	test(t, hybrid(), takes("rotate", 10*time.Millisecond), func(r *rig) {
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 10 }
		require.True(t, r.async(9, false).done)
		require.Equal(t, 9, r.Stats().Exposed)
		last := r.async(5, true)
		queued := r.async(1, false) // waits for the next segment
		require.Equal(t, []string{"write", "write", "sync", "rotate"}, r.calls(), "what is written is synced before")
		require.True(t, last.done)
		require.NoError(t, last.err)
		require.False(t, queued.done)
		r.sleep(10 * time.Millisecond)
		require.True(t, queued.done)
		require.Equal(t, []string{"write", "write", "sync", "rotate", "write"}, r.calls())
		require.Equal(t, 1, r.Stats().Exposed)
	})
}

func TestRotationByAge(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		var first time.Time // write of the segment
		r.log.rotate = func(entries int) (time.Duration, bool) {
			if entries == 0 {
				first = time.Time{}
				return 0, false
			}
			if first.IsZero() {
				first = time.Now()
			}
			return time.Hour - time.Since(first), true
		}
		r.sleep(5 * time.Hour)
		require.Zero(t, r.log.count["rotate"], "an idle log does not rotate")
		r.async(1, true)
		r.sleep(30 * time.Minute)
		r.async(1, true)
		r.sleep(30*time.Minute - time.Second)
		require.Zero(t, r.log.count["rotate"])
		r.sleep(2 * time.Second)
		require.Equal(t, 1, r.log.count["rotate"])
		r.sleep(5 * time.Hour)
		require.Equal(t, 1, r.log.count["rotate"])
		r.async(1, true)
		r.sleep(time.Hour + time.Second)
		require.Equal(t, 2, r.log.count["rotate"])
	})
}

func TestRotationComesEarlierThanForeseen(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		in := time.Hour
		r.log.rotate = func(entries int) (time.Duration, bool) { return in, entries > 0 }
		r.async(1, true)
		in = time.Minute
		r.async(1, true)
		in = 0
		r.sleep(time.Minute)
		require.Equal(t, 1, r.log.count["rotate"])
	})
}

// A log may be due for rotation when it is taken over, before anything is written.
func TestRotationIsForeseenAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t, 100, nil)
		began := time.Now()
		log.rotate = func(int) (time.Duration, bool) {
			return time.Minute - time.Since(began), log.count["rotate"] == 0
		}
		r := &rig{t: t, log: log}
		r.Committer = flush.New(log, hybrid())
		defer r.end()
		r.sleep(time.Minute - time.Nanosecond)
		require.Empty(t, r.calls())
		r.sleep(time.Nanosecond)
		require.Equal(t, []string{"rotate"}, r.calls())
	})
}

func TestWritersDoNotStarveRotation(t *testing.T) {
	s := both(takes("write", 10*time.Millisecond), takes("sync", 3*time.Millisecond))
	test(t, hybrid(), s, func(r *rig) {
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 10 }
		for range 4 {
			go func() {
				for range 100 {
					_, _ = r.submit(context.Background(), 1, false)
				}
			}()
		}
		r.sleep(3 * time.Second)
		require.GreaterOrEqual(t, r.log.count["rotate"], 20, "400 entries, at most 14 a segment")
	})
}

func TestFailedRotationDoublesNothing(t *testing.T) {
	s := both(takes("rotate", time.Millisecond), fails("rotate", 1))
	test(t, hybrid(), s, func(r *rig) {
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 10 && r.log.count["rotate"] == 0 }
		exposed := r.async(9, false)
		waits := r.async(1, true)
		queued := r.async(1, true)
		r.sleep(time.Millisecond)
		require.NoError(t, waits.err)
		require.NoError(t, queued.err)
		require.Empty(t, r.log.keeps[0], "all was synced before")
		require.True(t, exposed.b.durable && waits.b.durable && queued.b.durable)
	})
}

func TestStateIsToldOutsideLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := hybrid()
		var c *flush.Committer[*batch]
		var states []flush.State
		o.OnState = func(s flush.State) {
			states = append(states, s)
			require.NoError(t, ignoreUnavailable(c.Ready()))
			require.Equal(t, s.Healthy, c.Stats().State.Healthy)
		}
		c = flush.New(newFakeLog(t, 100, both(fails("sync", 1), fails("renew", 1))), o)
		err := c.Submit(context.Background(), &batch{n: 1, size: 1}, true)
		require.Error(t, err)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, states, 2)
		require.NoError(t, c.Close(context.Background()))
		require.Len(t, states, 2, "closing is no state")
	})
}

func ignoreUnavailable(err error) error {
	var u *flush.UnavailableError
	if errors.As(err, &u) {
		return nil
	}
	return err
}
