package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

func TestShutdownKeepsEveryAcknowledgedRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		after    int64 // acknowledged records before SIGTERM
		complete bool
	}{
		{name: "at the end", after: 50_000, complete: true},
		{name: "mid-load", after: 20_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, options(t))
			l := &load{name: "shutdown", connections: 4, requests: 125, batch: 100, body: 60}
			errs := make(chan []error, 1)
			go func() { errs <- l.run(t.Context(), c.GRPC) }()
			l.awaitAcknowledged(t, tt.after)
			stop(t, c)
			if refused := <-errs; tt.complete {
				require.Empty(t, refused)
			} else {
				require.Len(t, refused, l.connections, "connections that SIGTERM met under load")
			}
			all := l.requireKept(t, c.Audit)
			require.Equal(t, "closed", all[len(all)-1].System.Type)
		})
	}
}

func TestSignalsDrain(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			c := start(t, options(t))
			l := &load{name: "drain", connections: 1, requests: 1, batch: 7}
			require.Empty(t, l.run(t.Context(), c.GRPC))
			require.NoError(t, c.Stop(within(t, 30*time.Second), signal))
			all := l.requireKept(t, c.Audit)
			require.NotNil(t, all[len(all)-1].System)
			require.Equal(t, "closed", all[len(all)-1].System.Type)
		})
	}
}

func TestReloadContinuesTheChain(t *testing.T) {
	t.Parallel()
	c := start(t, options(t))
	l := &load{name: "reload", connections: 1, requests: 3, batch: 5}
	require.Empty(t, l.run(t.Context(), c.GRPC))
	require.NoError(t, c.Signal(syscall.SIGHUP))
	require.NoError(t, c.AwaitReady(within(t, 30*time.Second), 2))
	again := &load{name: "reloaded", connections: 1, requests: 3, batch: 5, sent: l.sent, acked: l.acked}
	require.Empty(t, again.run(t.Context(), c.GRPC))
	stop(t, c)
	again.requireKept(t, c.Audit)
	require.Len(t, segments(t, c.Audit), 2)
}

func TestSecondCollectorOnOneDirectoryFails(t *testing.T) {
	t.Parallel()
	o := options(t)
	c := start(t, o)
	second, err := collector.Launch(t.Context(), o)
	require.NoError(t, err)
	require.Error(t, second.Wait(within(t, 30*time.Second)))
	require.Contains(t, second.Log(), c.Audit)
	stop(t, c)
	requireIntact(t, c.Audit)
}

// The disk takes a minute for each sync of the segment. The collector must not wait for it: its
// Shutdown ends by shutdown_timeout, and says what a power cut could take now.
func TestShutdownWithHungDisk(t *testing.T) {
	t.Parallel()
	o := options(t)
	stop(t, start(t, o)) // leaves segment 1: its opening entry and the closed one
	dir := filepath.Join(o.Dir, "audit")
	trace := filepath.Join(o.Dir, "strace.txt")
	hung := o
	hung.Wrap = []string{
		"strace", "-D", "-f", "-q", "-o", trace,
		// Only syncs of segment 2 once it has its name: those of its birth return as they should.
		"-P", filepath.Join(logFolder(t, dir), fmt.Sprintf("%010d-%020d.jsonl", 2, 3)),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=60s",
	}
	c := start(t, hung)
	l := &load{name: "hung", connections: 1, requests: 2, batch: 20}
	require.Empty(t, l.run(t.Context(), c.GRPC))

	began := time.Now()
	require.NoError(t, c.Signal(syscall.SIGTERM))
	require.NoError(t, c.Await(within(t, 25*time.Second), func() bool {
		return strings.Contains(c.Log(), "failed to shutdown pipelines")
	}))
	t.Logf("Shutdown took %v", time.Since(began))
	require.Regexp(t, regexp.MustCompile(`"exposed": 40\b`), c.Log())
	letGo(t, c)
	require.Error(t, c.Wait(within(t, 10*time.Second)), "the exit code must tell of the exposed events")

	// Only a power cut could have taken them. The next start finds all.
	stop(t, start(t, o))
	l.requireKept(t, dir)
}

// letGo kills the tracer of a collector, which otherwise keeps the ended process until the last
// delayed call is through.
func letGo(t *testing.T, c *collector.Collector) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Pid()))
	_, after, found := strings.Cut(string(status), "TracerPid:")
	if err != nil || !found || strings.Fields(after)[0] == "0" {
		return // it has ended, and the tracer with it
	}
	tracer, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(tracer, syscall.SIGKILL))
}
