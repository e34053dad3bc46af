package faultfs_test

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// TestConformance holds this file system to what the operating system's does.
func TestConformance(t *testing.T) {
	t.Run("os", func(t *testing.T) { conform(t, durable.OS(), t.TempDir()) })
	t.Run("faulty", func(t *testing.T) { conform(t, faultfs.New(t, "/log"), "/") })
}

func conform(t *testing.T, f durable.FS, root string) {
	dir := filepath.Join(root, "d")
	path := func(base string) string { return filepath.Join(dir, base) }
	t.Run("folders", func(t *testing.T) {
		_, err := f.Stat(dir)
		require.True(t, durable.IsNotExist(err))
		require.True(t, durable.IsNotExist(f.Mkdir(path("too/deep"), 0o700)))
		require.NoError(t, f.Mkdir(dir, 0o700))
		require.ErrorIs(t, f.Mkdir(dir, 0o700), fs.ErrExist)
		info, err := f.Stat(dir)
		require.NoError(t, err)
		require.True(t, info.Mode.IsDir())
		require.NoError(t, f.SyncDir(dir))
		require.True(t, durable.IsNotExist(f.SyncDir(path("none"))))
		_, err = f.Open(dir)
		require.Error(t, err)
	})
	t.Run("bytes", func(t *testing.T) { conformBytes(t, f, path("a")) })
	t.Run("names", func(t *testing.T) { conformNames(t, f, dir) })
	t.Run("lock", func(t *testing.T) {
		l, err := f.Lock(dir)
		require.NoError(t, err)
		held, err := l.Stat()
		require.NoError(t, err)
		named, err := f.Stat(dir)
		require.NoError(t, err)
		require.True(t, durable.SameFile(held, named))
		_, err = f.Lock(dir)
		require.ErrorIs(t, err, durable.ErrLocked)
		require.NoError(t, l.Unlock())
		l, err = f.Lock(dir)
		require.NoError(t, err)
		require.NoError(t, l.Unlock())
		_, err = f.Lock(path("none"))
		require.True(t, durable.IsNotExist(err))
	})
}

func conformBytes(t *testing.T, f durable.FS, path string) {
	_, err := f.OpenWrite(path)
	require.True(t, durable.IsNotExist(err))
	h, err := f.Create(path, 0o600)
	require.NoError(t, err)
	_, err = f.Create(path, 0o600)
	require.ErrorIs(t, err, fs.ErrExist)
	n, err := h.WriteAt([]byte("hello"), 0)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	_, err = h.WriteAt([]byte("y, w"), 4)
	require.NoError(t, err)
	require.NoError(t, h.Sync())
	b := make([]byte, 20)
	n, err = h.ReadAt(b, 0)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "helly, w", string(b[:n]))
	n, err = h.ReadAt(b[:3], 1)
	require.NoError(t, err)
	require.Equal(t, "ell", string(b[:n]))
	_, err = h.ReadAt(b, 100)
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, h.Chmod(0o640))
	info, err := h.Stat()
	require.NoError(t, err)
	require.EqualValues(t, 8, info.Size)
	require.EqualValues(t, 0o640, info.Mode)
	require.NoError(t, h.Close())
	ro, err := f.Open(path)
	require.NoError(t, err)
	_, err = ro.WriteAt([]byte("x"), 0)
	require.Error(t, err)
	require.NoError(t, ro.Close())
}

func conformNames(t *testing.T, f durable.FS, dir string) {
	a, b, sub := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "sub")
	h, err := f.Create(b, 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Mkdir(sub, 0o700))
	entries, err := f.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"a", "b", "sub"}, names)
	require.True(t, entries[2].IsDir())

	before, err := f.Stat(b)
	require.NoError(t, err)
	require.EqualValues(t, 1, before.Links)
	require.NoError(t, f.Rename(a, b))
	after, err := f.Stat(b)
	require.NoError(t, err)
	require.False(t, durable.SameFile(before, after))
	replaced, err := h.Stat()
	require.NoError(t, err)
	require.True(t, durable.SameFile(before, replaced))
	require.Zero(t, replaced.Links)
	require.NoError(t, h.Close())
	require.True(t, durable.IsNotExist(f.Rename(a, b)))

	c, err := f.Create(filepath.Join(sub, "c"), 0o600)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Error(t, f.Remove(sub), "a folder that is not empty")
	require.NoError(t, f.Remove(filepath.Join(sub, "c")))
	require.NoError(t, f.Remove(sub))
	err = f.Remove(sub)
	require.True(t, durable.IsNotExist(err))
	var pathErr *fs.PathError
	require.True(t, errors.As(err, &pathErr))
	require.Equal(t, sub, pathErr.Path)
}
