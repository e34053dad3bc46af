package chain_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

// unborn returns the paths of the files in a log's folder that are no segments yet.
func unborn(t *testing.T, w *chain.Writer) []string {
	paths, err := filepath.Glob(filepath.Join(w.Info().Folder, "*.tmp"))
	require.NoError(t, err)
	return paths
}

func inode(t *testing.T, path string) os.FileInfo {
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info
}

func TestPreparedFileBecomesTheNextSegment(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	w.Tidy()
	w.Tidy() // there is one already
	prepared := unborn(t, w)
	require.Len(t, prepared, 1)
	was := inode(t, prepared[0])
	require.Zero(t, was.Size())
	write(t, w, "a")
	require.NoError(t, w.Rotate())
	require.Empty(t, unborn(t, w))
	require.True(t, os.SameFile(was, inode(t, segments(t, dir)[1])))
	write(t, w, "b")

	w.Tidy()
	was = inode(t, unborn(t, w)[0])
	require.NoError(t, w.Renew(os.ErrInvalid, nil))
	require.True(t, os.SameFile(was, inode(t, segments(t, dir)[2])), "failing over takes it, too")

	w.Tidy()
	require.Len(t, unborn(t, w), 1)
	require.NoError(t, w.Close())
	require.Empty(t, unborn(t, w))
	w.Tidy()
	require.Empty(t, unborn(t, w), "nothing is made without the lock")
	require.Empty(t, verifyFaults(t, dir))
}

// What somebody did to the prepared file costs a new one and nothing else.
func TestPreparedFileIsNotTrusted(t *testing.T) {
	for name, touch := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"written": func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, make([]byte, 64<<10), 0o600)) },
		"linked":  func(t *testing.T, path string) { require.NoError(t, os.Link(path, path+"2")) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+"2"))
			require.NoError(t, os.WriteFile(path, nil, 0o600))
		},
		"a folder": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, chain.Options{Directory: dir})
			w.Tidy()
			prepared := unborn(t, w)[0]
			touch(t, prepared)
			write(t, w, "a")
			require.NoError(t, w.Rotate())
			write(t, w, "b")
			require.NoError(t, w.Sync())
			w.Tidy()
			require.NoError(t, w.Close())
			require.Empty(t, verifyFaults(t, dir))
			require.Len(t, segments(t, dir), 2)
		})
	}
}

// Tidy may run beside everything else; the race detector looks on.
func TestTidyBesideAll(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			w.Tidy()
		}
	}()
	for range 30 {
		write(t, w, "a")
		require.NoError(t, w.Sync())
		require.NoError(t, w.Rotate())
		write(t, w, "b")
		require.NoError(t, w.Renew(os.ErrInvalid, nil))
	}
	require.NoError(t, w.Close())
	cancel()
	<-ended
	require.Empty(t, unborn(t, w))
	for _, s := range segments(t, dir) {
		require.EqualValues(t, 0o400, inode(t, s).Mode().Perm(), s)
	}
}

// Of a segment that Open found, and that somebody removes as a whole, what is missing is as long as it was.
func TestWhatIsMissingHasItsLength(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	write(t, w, "a", "b", "c")
	require.NoError(t, w.Rotate())
	require.NoError(t, w.Close())
	w = open(t, chain.Options{Directory: dir})
	w.Tidy()
	paths := segments(t, dir)
	length := inode(t, paths[0]).Size()
	require.NoError(t, os.Remove(paths[0]))
	require.NoError(t, os.Remove(paths[2])) // which is noticed, and restored
	var touched *chain.TouchedError
	require.NoError(t, w.Write([]*chain.Batch{batch("d")}))
	err := w.Sync()
	require.ErrorAs(t, err, &touched)
	require.NoError(t, w.Renew(err, nil))
	require.Equal(t, []chain.Range{{Segment: filepath.Base(paths[0]), Length: length}}, w.Info().Missing)
	require.NoError(t, w.Close())
}
