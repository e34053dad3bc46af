package flush_test

import (
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
