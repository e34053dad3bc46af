package flush_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Small requests that come while a sync runs, and would wait for the next in any case, are written at
// once when it has ended.
func TestGather(t *testing.T) {
	for _, c := range []struct {
		name     string
		entries  []int // of the requests that come meanwhile, 10 bytes each
		critical bool
		calls    []string
	}{
		{"small", []int{1, 2, 3}, true, []string{"write", "sync", "write", "sync"}},
		{"large", []int{1, 9, 10}, true, []string{"write", "sync", "write", "write", "sync"}},
		{"routine", []int{1, 1}, false, []string{"write", "sync", "write", "write"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := hybrid()
			o.Gather = 100
			test(t, o, takes("sync", 10*time.Millisecond), func(r *rig) {
				first := r.async(1, true)
				var others []*answer
				for _, n := range c.entries {
					others = append(others, r.async(n, c.critical))
				}
				r.sleep(20 * time.Millisecond)
				require.NoError(t, first.err)
				for _, a := range others {
					require.True(t, a.done)
					require.NoError(t, a.err)
				}
				require.Equal(t, c.calls, r.calls())
			})
		})
	}
}

// What is sent by those whom a sync has just answered shares the next one with what came meanwhile: else
// half of the clients are in each sync, and there are twice as many. On one processor the scheduler is
// nearly certain to let them run first, even with the race detector, which shuffles.
func TestAnsweredShareTheNextSync(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const clients, requests = 16, 20
	o := hybrid()
	o.Gather = 1 << 10
	test(t, o, takes("sync", 10*time.Millisecond), func(r *rig) {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // some come before the first sync ends, some later
				for range requests {
					_, err := r.submit(context.Background(), 1, true)
					require.NoError(t, err)
				}
			})
		}
		wg.Wait()
		require.Less(t, r.log.count["sync"], requests*3/2, "without a turn there are 41")
	})
}
