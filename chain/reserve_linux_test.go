package chain_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

// The segment that is written to has room kept for it where the file system can; a sealed and a closed
// one give it back, and no size shows it.
func TestRoomIsKept(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a")
	beyond := func(segment int) int64 {
		info, err := os.Stat(segments(t, dir)[segment])
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Blocks*512 - info.Size()
	}
	if beyond(0) < 1<<20 {
		t.Log("this file system keeps no room")
		return
	}
	require.EqualValues(t, w.Info().Unsynced, 0)
	require.NoError(t, w.Rotate())
	w.Tidy()
	require.Less(t, beyond(0), int64(64<<10))
	write(t, w, "b")
	require.Greater(t, beyond(1), int64(1<<20))
	require.NoError(t, w.Close())
	require.Less(t, beyond(1), int64(64<<10))

	w = open(t, chain.Options{Directory: dir})
	write(t, w, "c")
	require.NoError(t, w.Abandon()) // as in a crash
	require.Greater(t, beyond(2), int64(1<<20))
	require.NoError(t, open(t, chain.Options{Directory: dir}).Close())
	require.Less(t, beyond(2), int64(64<<10))
}
