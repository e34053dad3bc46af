package chain_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// readCounter counts the bytes that are read, of sealed segments apart, and the
// looks at names.
type readCounter struct {
	durable.FS
	newest string
	all    atomic.Int64
	sealed atomic.Int64
	looks  atomic.Int64
}

func (c *readCounter) Stat(name string) (durable.Info, error) {
	c.looks.Add(1)
	return c.FS.Stat(name)
}

func (c *readCounter) Open(name string) (durable.File, error) {
	f, err := c.FS.Open(name)
	return readFile{f, c, strings.HasSuffix(name, ".jsonl") && filepath.Base(name) != c.newest}, err
}

type readFile struct {
	durable.File
	c      *readCounter
	sealed bool
}

func (f readFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(b, at)
	f.c.all.Add(int64(n))
	if f.sealed {
		f.c.sealed.Add(int64(n))
	}
	return n, err
}

// A log is opened without reading it: the newest segment, and of the sealed ones as much as an opening
// entry or an end takes of two, however many there are and however long they are.
func TestOpeningReadsLittle(t *testing.T) {
	const segmentCount, entries = 60, 2000
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	texts := make([]string, entries)
	for i := range texts {
		texts[i] = strings.Repeat("x", 200)
	}
	for range segmentCount - 1 {
		write(t, w, texts...)
		require.NoError(t, w.Rotate())
		w.Tidy()
	}
	write(t, w, "last")
	require.NoError(t, w.Abandon()) // a crash: the most that opening ever does
	paths := segments(t, dir)
	require.Len(t, paths, segmentCount)
	var size int64
	for _, p := range paths {
		info, err := os.Stat(p)
		require.NoError(t, err)
		size += info.Size()
	}
	fs := &readCounter{FS: durable.OS(), newest: filepath.Base(paths[len(paths)-1])}
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir, FS: fs})
	require.NoError(t, err)
	require.Less(t, fs.looks.Load(), int64(20))
	w.Tidy()
	require.GreaterOrEqual(t, fs.looks.Load(), int64(segmentCount-1), "it looks at each segment")
	require.NoError(t, w.Close())
	t.Logf("of %d bytes %d were read, %d of them of sealed segments", size, fs.all.Load(), fs.sealed.Load())
	require.Greater(t, size, int64(30<<20))
	require.Less(t, fs.sealed.Load(), int64(1<<20))
	require.Less(t, fs.all.Load(), int64(2<<20))
}
