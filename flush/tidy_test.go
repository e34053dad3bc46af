package flush_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTidyFollowsEachNewSegment(t *testing.T) {
	test(t, hybrid(), fails("sync", 2), func(r *rig) {
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 10 }
		require.Equal(t, 1, r.log.tidied, "at the start")
		require.NoError(t, r.async(10, true).err)
		require.Equal(t, []string{"write", "sync", "rotate"}, r.calls())
		require.Equal(t, 2, r.log.tidied)
		require.NoError(t, r.async(1, true).err)
		require.Equal(t, []string{"write", "sync", "rotate", "write", "sync", "renew"}, r.calls())
		require.Equal(t, 3, r.log.tidied)
	})
}

// A disk that hangs in Tidy holds nobody, and no second call is left hanging.
func TestHungTidyHoldsNobody(t *testing.T) {
	test(t, hybrid(), nil, func(r *rig) {
		hung := make(chan struct{})
		r.log.tidy = func(int) { <-hung }
		r.log.rotate = func(entries int) (time.Duration, bool) { return 0, entries >= 10 }
		for range 3 {
			_, err := r.submit(context.Background(), 10, true)
			require.NoError(t, err)
		}
		require.Equal(t, 3, r.log.count["rotate"])
		require.Equal(t, 2, r.log.tidied)
		require.True(t, r.Stats().State.Healthy)
		require.NoError(t, r.Close(context.Background()))
		close(hung)
		synctest.Wait()
		require.Equal(t, 2, r.log.tidied, "the log is gone")
	})
}
