package durable_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// Room that is kept shows in the blocks of a file, never in its size, and is given back.
func TestReserve(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f, err := durable.OS().Create(path, 0o600)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("0123456789"), 0)
	require.NoError(t, err)
	blocks := func() int64 {
		var st unix.Stat_t
		require.NoError(t, unix.Stat(path, &st))
		require.EqualValues(t, 10, st.Size)
		return st.Blocks
	}
	if err := f.Reserve(1 << 20); err != nil {
		require.ErrorIs(t, err, unix.EOPNOTSUPP)
		return
	}
	require.GreaterOrEqual(t, blocks(), int64(1<<20/512))
	require.NoError(t, f.Reserve(0))
	require.Less(t, blocks(), int64(1<<20/512))
}
