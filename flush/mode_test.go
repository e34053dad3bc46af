package flush_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

func TestModes(t *testing.T) {
	lax := func(o flush.Options[*batch]) flush.Options[*batch] { o.CriticalImmediate = false; return o }
	mode := func(m flush.Mode) flush.Options[*batch] { o := hybrid(); o.Mode = m; return o }
	tests := []struct {
		name     string
		options  flush.Options[*batch]
		critical bool
		waits    bool
	}{
		{"hybrid critical", hybrid(), true, true},
		{"hybrid routine", hybrid(), false, false},
		{"hybrid critical, not immediate", lax(hybrid()), true, false},
		{"hybrid routine, not immediate", lax(hybrid()), false, false},
		{"immediate critical", mode(flush.Immediate), true, true},
		{"immediate routine", mode(flush.Immediate), false, true},
		{"immediate routine, not critical immediate", lax(mode(flush.Immediate)), false, true},
		{"batched critical", mode(flush.Batched), true, false},
		{"batched routine", mode(flush.Batched), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			test(t, tt.options, takes("sync", 5*time.Millisecond), func(r *rig) {
				a := r.async(3, tt.critical)
				require.Equal(t, !tt.waits, a.done)
				if tt.waits {
					require.Equal(t, []string{"write", "sync"}, r.calls())
					require.Zero(t, r.Stats().Exposed)
				} else {
					require.Equal(t, []string{"write"}, r.calls())
					require.Equal(t, 3, r.Stats().Exposed)
				}
				r.sleep(2 * time.Second)
				require.NoError(t, a.err)
				require.True(t, a.b.durable)
				require.Equal(t, []string{"write", "sync"}, r.calls())
				require.Zero(t, r.Stats().Exposed)
			})
		})
	}
}

func TestModeStrings(t *testing.T) {
	require.Equal(t, "hybrid", flush.Hybrid.String())
	require.Equal(t, "immediate", flush.Immediate.String())
	require.Equal(t, "batched", flush.Batched.String())
}

func TestLoneCriticalRequestWaitsForNoTimer(t *testing.T) {
	test(t, hybrid(), both(takes("write", time.Millisecond), takes("sync", 2*time.Millisecond)), func(r *rig) {
		a := r.async(1, true)
		r.sleep(3 * time.Millisecond)
		require.True(t, a.done)
		require.NoError(t, a.err)
		require.Equal(t, 3*time.Millisecond, a.at)
		require.Equal(t, []string{"write", "sync"}, r.calls())
	})
}

func TestFullExposureStartsSync(t *testing.T) {
	test(t, hybrid(), takes("sync", time.Millisecond), func(r *rig) {
		for range 99 {
			_, err := r.submit(context.Background(), 1, false)
			require.NoError(t, err)
		}
		synctest.Wait()
		require.NotContains(t, r.calls(), "sync")
		_, err := r.submit(context.Background(), 1, false)
		require.NoError(t, err)
		synctest.Wait()
		require.Contains(t, r.calls(), "sync")
		require.Equal(t, 100, r.Stats().Exposed, "the sync has not returned")
		r.sleep(time.Millisecond)
		require.Zero(t, r.Stats().Exposed)
	})
}

func TestRequestBeyondBatchSizeWaits(t *testing.T) {
	tests := []struct {
		name   string
		before int
		n      int
		waits  bool
	}{
		{"fits", 90, 10, false},
		{"one too many", 90, 11, true},
		{"larger than batch size", 0, 101, true},
		{"all of batch size", 0, 100, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			test(t, hybrid(), takes("sync", time.Millisecond), func(r *rig) {
				if tt.before > 0 {
					require.True(t, r.async(tt.before, false).done)
				}
				a := r.async(tt.n, false)
				require.Equal(t, !tt.waits, a.done)
				r.sleep(time.Millisecond)
				require.True(t, a.done)
				require.NoError(t, a.err)
				require.Zero(t, r.Stats().Exposed)
			})
		})
	}
}

// An entry written while a sync runs is not covered by it: its exposure outlasts that sync.
func TestSyncCoversOnlyWhatWasWrittenBeforeIt(t *testing.T) {
	test(t, hybrid(), takes("sync", 10*time.Millisecond), func(r *rig) {
		critical := r.async(1, true)
		r.sleep(5 * time.Millisecond)
		routine, late := r.async(7, false), r.async(1, true)
		require.True(t, routine.done)
		r.sleep(5 * time.Millisecond)
		require.True(t, critical.done)
		require.False(t, late.done)
		require.Equal(t, 7, r.Stats().Exposed)
		r.sleep(10 * time.Millisecond)
		require.Zero(t, r.Stats().Exposed)
		require.Equal(t, 15*time.Millisecond, late.at)
	})
}

func TestAgeStartsSync(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		for range 20 { // younger ones do not put it off
			_, err := r.submit(context.Background(), 1, false)
			require.NoError(t, err)
			r.sleep(49 * time.Millisecond)
		}
		require.NotContains(t, r.calls(), "sync")
		require.InDelta(t, 980*time.Millisecond, r.Stats().OldestExposed, float64(time.Millisecond))
		r.sleep(20 * time.Millisecond)
		require.Contains(t, r.calls(), "sync")
		require.Zero(t, r.Stats().Exposed)
		require.Zero(t, r.Stats().OldestExposed)
	})
}

// The bound: BatchInterval, the rest of a running sync, and one sync.
func TestAgeBoundBesideRunningSync(t *testing.T) {
	test(t, hybrid(), takes("sync", 900*time.Millisecond), func(r *rig) {
		r.async(1, true) // syncs from 0 to 900
		r.sleep(100 * time.Millisecond)
		routine := r.async(1, false) // is due at 1100
		r.sleep(750 * time.Millisecond)
		r.async(1, false)
		r.sleep(50 * time.Millisecond)
		r.sleep(199 * time.Millisecond)
		require.Len(t, r.calls(), 4, "no sync before 1100")
		r.sleep(time.Millisecond)
		require.Equal(t, "sync", r.calls()[4])
		r.sleep(900 * time.Millisecond)
		require.True(t, routine.b.durable)
		require.Zero(t, r.Stats().Exposed)
	})
}

// A sync ends only the age of what it covers, and a new one is not started before its time.
func TestAgeOfWhatARunningSyncLeaves(t *testing.T) {
	test(t, hybrid(), takes("sync", 100*time.Millisecond), func(r *rig) {
		r.async(1, false) // syncs from 1000 to 1100
		r.sleep(1050 * time.Millisecond)
		r.async(1, false) // is due at 2050
		r.sleep(1000*time.Millisecond - 1)
		require.Equal(t, []string{"write", "sync", "write"}, r.calls())
		require.Equal(t, 1, r.Stats().Exposed)
		r.sleep(time.Nanosecond)
		require.Equal(t, []string{"write", "sync", "write", "sync"}, r.calls())
	})
}

func TestAgeTimerSleepsWhileNothingIsExposed(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		_, err := r.submit(context.Background(), 1, false)
		require.NoError(t, err)
		r.sleep(time.Hour)
		require.Equal(t, []string{"write", "sync"}, r.calls())
	})
}

func TestGroupCommitSharesSyncs(t *testing.T) {
	test(t, hybrid(), takes("sync", 10*time.Millisecond), func(r *rig) {
		first := r.async(1, true)
		var rest []*answer
		for range 50 {
			rest = append(rest, r.async(2, true))
		}
		r.sleep(10 * time.Millisecond)
		require.True(t, first.done)
		require.Equal(t, 2, r.log.count["sync"], "the next starts as the last ends")
		r.sleep(10 * time.Millisecond)
		for _, a := range rest {
			require.NoError(t, a.err)
			require.Equal(t, 20*time.Millisecond, a.at)
		}
		require.Equal(t, 2, r.log.count["sync"])
	})
}

func TestOneWriteTakesAllThatIsQueued(t *testing.T) {
	test(t, hybrid(), takes("write", 10*time.Millisecond), func(r *rig) {
		var all []*answer
		for range 30 {
			all = append(all, r.async(1, true))
		}
		r.sleep(20 * time.Millisecond)
		for _, a := range all {
			require.NoError(t, a.err)
		}
		require.Equal(t, 2, r.log.count["write"])
	})
}

func TestEmptyBatchIsAcknowledged(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		_, err := r.submit(context.Background(), 0, true)
		require.NoError(t, err)
		require.Empty(t, r.calls())
	})
}

// Under pressure a sync starts at half of BatchSize, so that the other half is exposed while it runs;
// without, events share one.
func TestSyncStartsEarlierUnderPressure(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) { // 100 events, 1 s
		require.True(t, r.async(60, false).done)
		require.Zero(t, r.log.count["sync"])
		require.True(t, r.async(60, false).done, "it would pass 100 and has its own sync")
		require.Equal(t, 1, r.log.count["sync"])

		require.True(t, r.async(49, false).done)
		require.Equal(t, 1, r.log.count["sync"])
		require.True(t, r.async(1, false).done)
		require.Equal(t, 2, r.log.count["sync"], "half of 100 under pressure")

		r.async(1, false)
		r.sleep(2 * time.Second)
		require.Equal(t, 3, r.log.count["sync"], "by age: the pressure is over")
		require.True(t, r.async(99, false).done)
		require.Equal(t, 3, r.log.count["sync"])
		require.True(t, r.async(1, false).done)
		require.Equal(t, 4, r.log.count["sync"])
	})
}
