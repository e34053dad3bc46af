package flush_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

// nth makes only the n-th call of op take d, and then fail with err.
func nth(op string, n int, d time.Duration, err error) script {
	return func(o string, i int) error {
		if o != op || i != n {
			return nil
		}
		time.Sleep(d)
		return err
	}
}

func TestStalledSync(t *testing.T) {
	test(t, hybrid(), nth("sync", 1, time.Minute, nil), func(r *rig) {
		exposed := r.async(5, false)
		covered := r.async(1, true)
		written := r.async(1, true)
		require.True(t, exposed.done)
		r.sleep(10*time.Second - 1)
		require.False(t, covered.done || written.done)
		r.sleep(time.Nanosecond)
		r.unavailable(covered.err, flush.ReasonStall)
		r.unavailable(written.err, flush.ReasonStall)
		require.Equal(t, 10*time.Second, covered.at)
		_, err := r.submit(context.Background(), 1, false)
		r.unavailable(err, flush.ReasonStall)
		r.unavailable(r.Ready(), flush.ReasonStall)
		require.Equal(t, 5, r.Stats().Exposed)
		require.Len(t, r.states, 1)
		require.Equal(t, flush.ReasonStall, r.states[0].Reason)

		r.sleep(time.Minute)
		require.NotContains(t, r.calls(), "renew", "a stall is not a failure")
		require.Zero(t, r.Stats().Exposed)
		require.Zero(t, r.Stats().InFlight)
		require.True(t, exposed.b.durable && covered.b.durable && written.b.durable)
		require.True(t, r.states[1].Healthy)
		require.NoError(t, r.async(1, true).err)
	})
}

func TestStalledSyncThatFails(t *testing.T) {
	test(t, hybrid(), nth("sync", 1, time.Minute, errDisk), func(r *rig) {
		exposed := r.async(5, false)
		refused := r.async(1, true)
		r.sleep(time.Minute)
		r.unavailable(refused.err, flush.ReasonStall)
		require.Equal(t, []*batch{exposed.b}, r.log.keeps[0], "who was refused is not kept")
		require.True(t, exposed.b.durable)
		require.True(t, r.Stats().State.Healthy)
	})
}

func TestStalledWrite(t *testing.T) {
	s := both(nth("write", 2, time.Minute, nil), takes("sync", 2*time.Second))
	test(t, hybrid(), s, func(r *rig) {
		before := r.async(1, true)
		stuck, queued := r.async(1, false), r.async(1, true)
		r.sleep(2 * time.Second)
		require.True(t, before.done, "its sync goes on beside the stalled write")
		require.NoError(t, before.err)
		r.sleep(8 * time.Second)
		r.unavailable(stuck.err, flush.ReasonStall)
		r.unavailable(queued.err, flush.ReasonStall)
		require.EqualValues(t, 10, r.Stats().InFlight, "only what the log still reads")
		r.unavailable(r.Ready(), flush.ReasonStall)
		r.sleep(time.Minute)
		require.NoError(t, r.Ready())
		require.True(t, stuck.b.durable, "synced to free its memory")
		require.Zero(t, r.Stats().Exposed, "nobody was told")
		require.Zero(t, queued.b.inLog)
		require.Equal(t, 2, r.log.count["write"])
	})
}

// The segment is to be given up, which has to wait for the hung Write: nobody else does. Until the
// sync fails the stalled Write is nothing to those it does not hold.
func TestStalledWriteBesideFailedSync(t *testing.T) {
	tests := []struct {
		name  string
		fails time.Duration // when the second sync fails, which starts after 5 s
		at    time.Duration // when its waiter is answered
	}{
		{"sync fails first", 7 * time.Second, 10 * time.Second},
		{"sync fails when the write has stalled", 12 * time.Second, 12 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := both(
				nth("write", 4, time.Minute, nil),
				nth("sync", 1, 5*time.Second, nil),
				nth("sync", 2, tt.fails-5*time.Second, errDisk),
			)
			test(t, hybrid(), s, func(r *rig) {
				first := r.async(1, true)
				exposed := r.async(1, false)
				waits := r.async(1, true)
				stuck := r.async(1, true)
				r.sleep(tt.at - time.Nanosecond)
				require.NoError(t, first.err)
				require.False(t, waits.done)
				r.sleep(time.Nanosecond)
				r.unavailable(waits.err, flush.ReasonStall)
				r.unavailable(stuck.err, flush.ReasonStall)
				require.Equal(t, 10*time.Second, stuck.at)
				require.Zero(t, r.log.count["renew"])
				require.Equal(t, 1, r.Stats().Exposed)
				r.sleep(time.Minute)
				require.True(t, exposed.b.durable)
				require.Equal(t, []*batch{exposed.b}, r.log.keeps[0])
				require.Equal(t, 1, r.log.count["renew"])
				require.NoError(t, r.Ready())
			})
		})
	}
}

func TestStalledRenew(t *testing.T) {
	for name, result := range map[string]error{"works": nil, "fails": errDisk} {
		t.Run(name, func(t *testing.T) {
			test(t, hybrid(), both(fails("sync", 1), nth("renew", 1, time.Minute, result)), func(r *rig) {
				exposed := r.async(5, false)
				waits := r.async(1, true)
				queued := r.async(1, false)
				r.sleep(10 * time.Second)
				r.unavailable(waits.err, flush.ReasonStall)
				r.unavailable(queued.err, flush.ReasonStall)
				require.Equal(t, 1, r.log.count["renew"])
				r.sleep(50 * time.Second)
				if result == nil {
					require.True(t, exposed.b.durable)
					require.NoError(t, r.Ready())
					return
				}
				r.unavailable(r.Ready(), flush.ReasonFailingOver)
				require.Equal(t, 5, r.Stats().Exposed)
				r.sleep(100 * time.Millisecond)
				require.True(t, exposed.b.durable)
				require.Len(t, r.states, 3)
			})
		})
	}
}

func TestStalledRotate(t *testing.T) {
	test(t, hybrid(), nth("rotate", 1, time.Minute, nil), func(r *rig) {
		r.log.mu.Lock()
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 3 }
		r.log.mu.Unlock()
		waits := r.async(3, true)
		queued := r.async(1, true)
		r.sleep(10 * time.Second)
		require.NoError(t, waits.err)
		r.unavailable(queued.err, flush.ReasonStall)
		r.sleep(time.Minute)
		require.NoError(t, r.Ready())
		require.True(t, waits.b.durable)
	})
}

// A call that took long, but not too long, leaves no stall behind for the next one.
func TestSlowCallsAreNoStall(t *testing.T) {
	test(t, hybrid(), takes("sync", 9*time.Second), func(r *rig) {
		for range 5 {
			_, err := r.submit(context.Background(), 1, true)
			require.NoError(t, err)
		}
		require.Empty(t, r.states)
	})
}

func TestNoSyncTimeout(t *testing.T) {
	o := hybrid()
	o.SyncTimeout = 0
	test(t, o, takes("sync", time.Hour), func(r *rig) {
		_, err := r.submit(context.Background(), 1, true)
		require.NoError(t, err)
	})
}
