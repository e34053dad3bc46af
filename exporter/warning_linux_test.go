package exporter_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Linux has a file system in memory at /dev/shm.
func TestFileSystemWarning(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "audit")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	o := defaults()
	o.Directory = dir
	r := newRig(t, o, opens(newFakeLog(nil)))
	r.start(t)
	require.NoError(t, r.Shutdown(t.Context()))
	lines := r.logs.FilterMessageSnippet("sync can't be relied on").All()
	require.Len(t, lines, 1)
	require.Equal(t, dir, lines[0].ContextMap()["directory"])
	require.Equal(t, "a file system in memory", lines[0].ContextMap()["file_system"])
}
