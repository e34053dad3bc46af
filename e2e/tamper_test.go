package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// goodLog makes a log of two segments, closed in order, of which the first has lines 1 (opened) to
// 32 (closed) and the second lines 1 to 12.
func goodLog(t *testing.T) string {
	t.Helper()
	o := options(t)
	l := &load{name: "good", connections: 1, requests: 10, batch: 3}
	c := start(t, o)
	require.Empty(t, l.run(t.Context(), c.GRPC))
	stop(t, c)
	c = start(t, o)
	l.name, l.batch = "more", 1
	require.Empty(t, l.run(t.Context(), c.GRPC))
	stop(t, c)
	l.requireKept(t, c.Audit)
	return c.Audit
}

// clone is a copy of an audit directory whose files can be written.
func clone(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	for _, name := range segments(t, to) {
		require.NoError(t, os.Chmod(name, 0o600))
	}
	return to
}

func TestEditsOfEntriesAreFound(t *testing.T) {
	t.Parallel()
	dir := goodLog(t)
	type lines = [][]byte
	for _, tt := range []struct {
		name string
		edit func(l lines, k int) lines // of line k, counted from 0
	}{
		{name: "change", edit: func(l lines, k int) lines {
			l[k] = bytes.Replace(l[k], []byte("order.placed"), []byte("order.purged"), 1)
			return l
		}},
		{name: "remove", edit: func(l lines, k int) lines { return slices.Delete(l, k, k+1) }},
		{name: "swap", edit: func(l lines, k int) lines { l[k], l[k+1] = l[k+1], l[k]; return l }},
		{name: "repeat", edit: func(l lines, k int) lines { return slices.Insert(l, k+1, l[k]) }},
		{name: "insert", edit: func(l lines, k int) lines {
			return slices.Insert(l, k, bytes.Replace(l[k], []byte("order.placed"), []byte("order.forged"), 1))
		}},
		{name: "add a space", edit: func(l lines, k int) lines {
			l[k] = bytes.Replace(l[k], []byte(`":`), []byte(`": `), 1)
			return l
		}},
		{name: "empty line", edit: func(l lines, k int) lines { return slices.Insert(l, k, []byte("\n")) }},
	} {
		for segment, k := range map[int][]int{0: {1, 15, 30}, 1: {1, 10}} {
			for _, k := range k {
				t.Run(fmt.Sprintf("%s segment %d line %d", tt.name, segment+1, k+1), func(t *testing.T) {
					t.Parallel()
					copied := clone(t, dir)
					name := segments(t, copied)[segment]
					was, err := os.ReadFile(name)
					require.NoError(t, err)
					is := bytes.Join(tt.edit(slices.Collect(bytes.Lines(bytes.Clone(was))), k), nil)
					if bytes.Equal(was, is) { // a critical event has another name
						is = bytes.Replace(was, []byte("auth.failure"), []byte("auth.success"), 1)
						require.NotEqual(t, was, is)
						k = bytes.Count(was[:bytes.Index(was, []byte("auth.failure"))], []byte("\n"))
					}
					require.NoError(t, os.WriteFile(name, is, 0o600))
					requireBroken(t, copied, filepath.Base(name), k+1, k+2)
				})
			}
		}
	}
}

// requireBroken holds if both verifiers call the log broken and auditlog names the segment and one of
// the lines.
func requireBroken(t *testing.T, dir, segment string, lines ...int) {
	t.Helper()
	code, out := verify(t, dir)
	require.Equal(t, 1, code, "auditlog verify: %s", out)
	require.Contains(t, out, segment)
	require.True(t, slices.ContainsFunc(lines, func(n int) bool {
		return bytes.Contains([]byte(out), fmt.Appendf(nil, "line %d", n))
	}), "line %v in %q", lines, out)
	code, out = verifyPython(t, dir)
	require.Equal(t, 1, code, "verify.py: %s", out)
}

// Every byte of an event and some of the opening and closed entries, each in turn.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	dir := goodLog(t)
	good, err := os.ReadFile(segments(t, dir)[0])
	require.NoError(t, err)
	ends := []int{0}
	for i, b := range good {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	type flip struct{ at, line int }
	flips := make(chan flip)
	var wg sync.WaitGroup
	for range 2 {
		copied := clone(t, dir)
		name := segments(t, copied)[0]
		wg.Go(func() {
			for f := range flips {
				bad := bytes.Clone(good)
				bad[f.at] ^= 1
				if os.WriteFile(name, bad, 0o600) != nil {
					t.Errorf("couldn't write %s", name)
					continue
				}
				code, out := verify(t, copied)
				if code != 1 || !bytes.Contains([]byte(out), fmt.Appendf(nil, "line %d", f.line)) ||
					!bytes.Contains([]byte(out), []byte(filepath.Base(name))) {
					t.Errorf("byte %d of line %d: exit %d, %s", f.at-ends[f.line-1], f.line, code, out)
				}
				if f.at%16 != 0 {
					continue
				}
				if code, out := verifyPython(t, copied); code != 1 {
					t.Errorf("byte %d of line %d: verify.py exits %d, %s", f.at-ends[f.line-1], f.line, code, out)
				}
			}
		})
	}
	for at := ends[1]; at < ends[2]; at++ {
		flips <- flip{at, 2}
	}
	for at := 0; at < ends[1]; at += 9 {
		flips <- flip{at, 1}
	}
	last := len(ends) - 2
	for at := ends[last]; at < ends[last+1]; at += 9 {
		flips <- flip{at, last + 1}
	}
	close(flips)
	wg.Wait()
}

// Edits that leave every entry that counts as it was, or take the newest away.
func TestEditsOfFilesAreFound(t *testing.T) {
	t.Parallel()
	dir := goodLog(t)
	for _, tt := range []struct {
		name string
		edit func(t *testing.T, names []string)
	}{
		{name: "bytes behind a sealed segment", edit: func(t *testing.T, names []string) {
			write(t, names[0], "a cut that nobody declared\n")
		}},
		{name: "bytes behind closed", edit: func(t *testing.T, names []string) {
			write(t, names[1], "{")
		}},
		{name: "newest entry removed", edit: func(t *testing.T, names []string) {
			b, err := os.ReadFile(names[1])
			require.NoError(t, err)
			end := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
			require.NoError(t, os.Truncate(names[1], int64(end)))
		}},
		{name: "first segment removed", edit: func(t *testing.T, names []string) {
			require.NoError(t, os.Remove(names[0]))
		}},
		{name: "newest segment removed", edit: func(t *testing.T, names []string) {
			require.NoError(t, os.Remove(names[1]))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			copied := clone(t, dir)
			tt.edit(t, segments(t, copied))
			code, out := verify(t, copied)
			require.Equal(t, 1, code, out)
		})
	}
}

// A collector does not continue a log that was edited: it starts, refuses every request for later, and
// writes nothing.
func TestTamperedLogIsNotContinued(t *testing.T) {
	t.Parallel()
	o := options(t)
	l := &load{name: "before", connections: 1, requests: 1, batch: 5}
	c := start(t, o)
	require.Empty(t, l.run(t.Context(), c.GRPC))
	stop(t, c)
	name := segments(t, c.Audit)[0]
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(name, 0o600))
	require.NoError(t, os.WriteFile(name, bytes.Replace(b, []byte("before-0-0-2"), []byte("before-0-0-9"), 1), 0o600))

	c = start(t, o)
	code, out := run(t, "curl", "-sS", "-o", filepath.Join(o.Dir, "answer"), "-w", "%{http_code}", "-H", "Content-Type: application/json",
		"--data", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"order.placed"}]}]}]}`, "http://"+c.HTTP+"/v1/logs")
	require.Equal(t, 0, code, out)
	require.Equal(t, "503", out)
	errs := (&load{connections: 1, requests: 1, batch: 1}).run(t.Context(), c.GRPC)
	require.Len(t, errs, 1)
	require.Equal(t, codes.Unavailable, status.Code(errs[0]))
	require.Contains(t, c.Log(), filepath.Base(name))
	stop(t, c)
	require.Len(t, segments(t, c.Audit), 1)
	requireBroken(t, c.Audit, filepath.Base(name), 4)
}
