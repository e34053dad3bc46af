package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// failures are system calls that touch the log, and an error that each may give. EINTR is no fault:
// Go tries again.
var failures = []struct{ call, errno string }{
	{"openat", "EMFILE"},
	{"mkdirat", "ENOSPC"},
	{"pwrite64", "ENOSPC"},
	{"pwrite64", "EIO"},
	{"fsync", "EIO"},
	{"fdatasync", "EIO"},
	{"renameat", "EIO"},
	{"unlinkat", "EROFS"},
	{"fchmod", "EPERM"},
	{"fchmodat", "EROFS"},
	{"flock", "ENOLCK"},
	{"getdents64", "EIO"},
	{"newfstatat", "EIO"},
	{"fstat", "EIO"},
	{"pread64", "EIO"},
	{"close", "EIO"},
}

// Each system call on the audit directory fails: the first of each thread (strace counts so), the
// second and so on, until a run has no such call left. A run opens the log, takes requests of both kinds, rotates, and closes; then
// another opens it again. CALLS is how many of each are tried.
func TestFaultSystemCalls(t *testing.T) {
	t.Parallel()
	most := number(t, "CALLS", 2)
	for _, f := range failures {
		t.Run(f.call+" "+f.errno, func(t *testing.T) {
			t.Parallel()
			hit, refused, exits := 0, 0, 0
			for n := 1; n <= most; n++ {
				r := failCall(t, f.call, f.errno, n)
				if !r.hit {
					break
				}
				hit++
				refused += r.refused
				exits += r.exits
			}
			require.Positive(t, hit, "no %s reached the audit directory", f.call)
			summary("system calls: %s failed with %s for each n up to %d: "+
				"%d requests refused, acknowledged lost 0, %d shutdowns said the log was not closed in order", f.call, f.errno, hit, refused, exits)
		})
	}
}

type callResult struct {
	hit            bool
	refused, exits int
}

// failCall runs a collector of which the nth call fails, and requires that it takes requests by
// itself afterwards and that nothing acknowledged is lost.
func failCall(t *testing.T, call, errno string, n int) (r callResult) {
	t.Helper()
	o := faultOptions(t, "BATCH_SIZE=20", "BATCH_INTERVAL=50ms")
	audit, trace := filepath.Join(o.Dir, "audit"), filepath.Join(o.Dir, "strace.txt")
	clean := o
	o.Wrap = []string{
		"strace", "-D", "-f", "-q", "-o", trace, "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", call, errno, n),
	}
	if call != "mkdirat" && call != "fchmodat" { // of a log that is there, all names are known
		stop(t, start(t, clean))
		o.Wrap = append(o.Wrap, names(t, audit)...)
	}
	c := start(t, o)
	l := newClients(60_000)
	for range 24 { // 1.4 MiB: the segment rotates
		if !l.send(t, c) {
			require.Eventually(t, func() bool { return l.send(t, c) }, 20*time.Second, 50*time.Millisecond,
				"call %d: the collector does not recover", n)
		}
	}
	r.refused = l.refusedSoFar()
	if err := c.Stop(within(t, 30*time.Second), syscall.SIGTERM); err != nil {
		require.Contains(t, c.Log(), "could not be closed in order", "call %d: %v", n, err)
		r.exits++
	}
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	r.hit = strings.Contains(string(text), "(INJECTED)")

	stop(t, start(t, clean))
	l.requireHeld(t, audit)
	return r
}

// names are options that restrict strace to the log in dir: all names that its next segments may have.
func names(t *testing.T, dir string) []string {
	t.Helper()
	folder := logFolder(t, dir)
	paths := []string{"-P", dir, "-P", folder, "-P", filepath.Join(folder, "mark")}
	for _, name := range segments(t, dir) {
		paths = append(paths, "-P", name)
	}
	for ordinal := 2; ordinal <= 6; ordinal++ {
		for seq := 3; seq <= 60; seq++ {
			name := filepath.Join(folder, fmt.Sprintf("%010d-%020d.jsonl", ordinal, seq))
			paths = append(paths, "-P", name, "-P", name+".tmp")
		}
	}
	return paths
}
