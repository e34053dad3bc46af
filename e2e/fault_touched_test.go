package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Somebody with the rights to do so touches the log while the collector writes it. The next sync
// notices; what can be is put back, what can't is recorded; the collector goes on, and the next start
// accepts what was recorded. verify answers 1 exactly if something is gone, and says where that stands.
func TestFaultTouched(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		touch   func(t *testing.T, dir, folder, segment string)
		unseen  bool // it is none of the writer's business
		gone    bool // something can't be put back
		rotated bool // before, so that there is a sealed segment
	}{
		{name: "segment unlinked", touch: func(t *testing.T, _, _, segment string) {
			require.NoError(t, os.Remove(segment))
		}},
		{name: "segment renamed", touch: func(t *testing.T, _, _, segment string) {
			require.NoError(t, os.Rename(segment, segment+".bak"))
		}},
		{name: "segment replaced", touch: func(t *testing.T, _, folder, segment string) {
			other := filepath.Join(folder, "other")
			require.NoError(t, os.WriteFile(other, []byte("{}\n"), 0o600))
			require.NoError(t, os.Rename(other, segment))
		}},
		{name: "segment truncated", gone: true, touch: func(t *testing.T, _, _, segment string) {
			require.NoError(t, os.Truncate(segment, 700))
		}},
		{name: "segment appended to", touch: func(t *testing.T, _, _, segment string) {
			write(t, segment, "{\"seq\":1}\n")
		}},
		{name: "symlink planted", touch: func(t *testing.T, dir, _, segment string) {
			target := filepath.Join(filepath.Dir(dir), "target")
			require.NoError(t, os.WriteFile(target, []byte("precious\n"), 0o600))
			require.NoError(t, os.Remove(segment))
			require.NoError(t, os.Symlink(target, segment))
			t.Cleanup(func() {
				b, err := os.ReadFile(target)
				require.NoError(t, err)
				require.Equal(t, "precious\n", string(b), "the link was followed")
			})
		}},
		{name: "permissions changed", unseen: true, touch: func(t *testing.T, dir, folder, segment string) {
			for _, name := range []string{segment, folder, dir} {
				require.NoError(t, os.Chmod(name, 0))
			}
		}},
		{name: "folder removed", touch: func(t *testing.T, _, folder, _ string) {
			require.NoError(t, os.RemoveAll(folder))
		}},
		{name: "folder removed with a sealed segment", rotated: true, gone: true, touch: func(t *testing.T, _, folder, _ string) {
			require.NoError(t, os.RemoveAll(folder))
		}},
		{name: "folder swapped", rotated: true, gone: true, touch: func(t *testing.T, dir, folder, _ string) {
			require.NoError(t, os.Rename(folder, filepath.Join(filepath.Dir(dir), "away")))
			require.NoError(t, os.Mkdir(folder, 0o700))
		}},
		{name: "directory removed", touch: func(t *testing.T, dir, _, _ string) {
			require.NoError(t, os.RemoveAll(dir))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.unseen {
				requireRoot(t) // whoever is not may lock the writer out
			}
			o := faultOptions(t)
			c := start(t, o)
			l, synced := newClients(2000), 10
			if tt.rotated {
				l.body, synced = 60_000, 20
			}
			for range synced { // the last is critical
				require.True(t, l.send(t, c))
			}
			l.body = 2000
			names := segments(t, c.Audit)
			require.Equal(t, tt.rotated, len(names) > 1)
			require.True(t, l.send(t, c)) // this one is exposed
			tt.touch(t, c.Audit, logFolder(t, c.Audit), names[len(names)-1])
			for range 30 {
				if !l.send(t, c) {
					l.awaitOpen(t, c)
				}
			}
			refused := l.refusedSoFar()
			if !tt.unseen { // the writer has noticed at its next sync, and gone on
				require.Contains(t, systemTypes(readable(t, c.Audit)), "touched")
			}
			stop(t, c)
			stop(t, start(t, o)) // accepts it
			c = start(t, o)
			require.True(t, l.send(t, c))
			stop(t, c)

			code, out := verify(t, c.Audit)
			all := readable(t, c.Audit)
			if !tt.gone {
				require.Equal(t, 0, code, out)
				l.requireHeld(t, c.Audit)
			} else {
				require.Equal(t, 1, code, out)
				require.Regexp(t, `removed while the writer was at work, as \d{10}-\d{20}\.jsonl`, out)
				for _, id := range acknowledgedAfter(l, synced) {
					require.True(t, slices.ContainsFunc(all, func(e entry) bool { return e.Event != nil && e.Event.Attributes[idKey] == id }), id)
				}
			}
			summary("%s: %d requests acknowledged, %d refused, verify exits %d, in the log: %s",
				tt.name, l.acknowledged.Load(), refused, code, strings.Join(systemTypes(all), " "))
		})
	}
}

// readable are the entries of all segments that can be read, those that do not count included.
func readable(t *testing.T, dir string) []entry {
	t.Helper()
	var all []entry
	for _, name := range segments(t, dir) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		b = b[:strings.LastIndexByte(string(b), '\n')+1]
		for _, e := range entryLines(b) {
			all = append(all, parse(t, e)...)
		}
	}
	return all
}

// entryLines are those lines that look like entries.
func entryLines(b []byte) [][]byte {
	var found [][]byte
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, `{"seq":`) && strings.HasSuffix(line, "}}\n") {
			found = append(found, []byte(line))
		}
	}
	return found
}

// acknowledgedAfter are the ids of the acknowledged requests but the first n sent.
func acknowledgedAfter(c *clients, n int) []string {
	var ids []string
	for request := n; request < c.requests; request++ {
		if _, list := c.request(0, request); c.acked[list[0]] {
			ids = append(ids, list[0])
		}
	}
	return ids
}

// The directory is replaced by one that another process holds: nothing is written to it until it is
// let go.
func TestFaultDirectoryHeldByAnother(t *testing.T) {
	t.Parallel()
	o := faultOptions(t)
	c := start(t, o)
	l := newClients(2000)
	for range 10 {
		require.True(t, l.send(t, c))
	}
	require.NoError(t, os.Rename(c.Audit, c.Audit+".away"))
	require.NoError(t, os.Mkdir(c.Audit, 0o700))
	other, err := os.Open(c.Audit)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	require.Eventually(t, func() bool { return !l.send(t, c) }, 10*time.Second, 10*time.Millisecond)
	for range 5 {
		require.False(t, l.send(t, c))
	}
	left, err := os.ReadDir(c.Audit)
	require.NoError(t, err)
	require.Empty(t, left, "nothing may be made in a directory that another holds")
	require.NoError(t, other.Close())
	l.awaitOpen(t, c)
	stop(t, c)
	stop(t, start(t, o))
	l.requireHeld(t, c.Audit)
	refused := l.refusedSoFar()
	summary("directory replaced and held by another: %d requests acknowledged, %d refused, lost 0", l.acknowledged.Load(), refused)
}
