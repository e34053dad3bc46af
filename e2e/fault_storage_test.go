package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/auditexporter/e2e/collector"
	"github.com/otelaudit/auditexporter/e2e/powercut"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// small mounts a tmpfs of so many KiB and returns the audit directory on it.
func small(t *testing.T, o *collector.Options, kib int) (mount string) {
	t.Helper()
	requireRoot(t)
	mount = filepath.Join(o.Dir, "small")
	require.NoError(t, os.Mkdir(mount, 0o700))
	require.NoError(t, syscall.Mount("tmpfs", mount, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)))
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	o.Env = append(o.Env, "AUDIT_DIRECTORY="+filepath.Join(mount, "audit"))
	return mount
}

// fill takes all space of a file system, and some of it back.
func fill(t *testing.T, mount string, leave int) (free func()) {
	t.Helper()
	name := filepath.Join(mount, "ballast")
	f, err := os.Create(name)
	require.NoError(t, err)
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	info, err := f.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Truncate(max(0, info.Size()-int64(leave))))
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(name)) }
}

// awaitOpen waits until the collector takes a request.
func (c *clients) awaitOpen(t *testing.T, to *collector.Collector) time.Duration {
	t.Helper()
	began := time.Now()
	require.Eventually(t, func() bool { return c.send(t, to) }, 45*time.Second, 50*time.Millisecond, "the collector does not recover")
	return time.Since(began)
}

// requireUnavailable holds if every refusal told the client to send again later, over both protocols.
func (c *clients) requireUnavailable(t *testing.T, to *collector.Collector) {
	t.Helper()
	n := c.refusedSoFar()
	require.Positive(t, n)
	for _, err := range c.refusals {
		require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	}
	code, out := run(t, "curl", "-sS", "-o", os.DevNull, "-w", "%{http_code}", "-H", "Content-Type: application/json",
		"--data", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"auth.failure","attributes":[{"key":"load.id","value":{"stringValue":"curl"}}]}]}]}]}`, "http://"+to.HTTP+"/v1/logs")
	require.Equal(t, 0, code, out)
	require.Equal(t, "503", out)
	c.note(&c.sent, []string{"curl"})
}

// A file system is full when the collector starts, in the middle of a segment, or at a rotation, and
// has space again later: it refuses, starts and recovers by itself, and says so in the log.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before int // requests of 30 KB before the disk is full; a segment of 1 MiB takes 35
		leave  int // bytes
		size   int // of a segment, in MiB
		room   int // for so many requests at most, kept by the segment, by the one prepared, or left
	}{
		{name: "at the start", size: 1, room: 20},
		{name: "in the middle of a segment", before: 10, leave: 40_000, size: 1000, room: 250},
		{name: "at a rotation", before: 33, leave: 80_000, size: 1, room: 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := faultOptions(t, fmt.Sprintf("MAX_SIZE_MIB=%d", tt.size))
			mount := small(t, &o, 8192)
			dir := filepath.Join(mount, "audit")
			l := newClients(30_000)
			var free func()
			if tt.before == 0 {
				free = fill(t, mount, 0)
			}
			c := start(t, o)
			for range tt.before {
				require.True(t, l.send(t, c))
			}
			if tt.before > 0 {
				free = fill(t, mount, tt.leave)
			}
			for n := 0; n < 5; {
				if !l.send(t, c) {
					n++
				}
				require.Less(t, l.requests, tt.before+tt.room, "the disk is not full")
			}
			l.requireUnavailable(t, c)
			refused := l.refusedSoFar()
			free()
			took := l.awaitOpen(t, c)
			for range 5 {
				require.True(t, l.send(t, c))
			}
			stop(t, c)
			all := l.requireHeld(t, dir)
			require.Equal(t, "closed", all[len(all)-1].System.Type)
			if tt.before > 0 {
				require.Contains(t, systemTypes(all), "disk_full")
			}
			summary("disk full %s: %d requests acknowledged, %d refused, lost 0, recovered %v after space came back",
				tt.name, l.acknowledged.Load(), refused, took.Round(time.Millisecond))
		})
	}
}

// There is room for fewer than two segments: the collector says so, in its log and as a metric, and goes
// on.
func TestFaultDiskNearlyFull(t *testing.T) {
	t.Parallel()
	o := faultOptions(t)
	mount := small(t, &o, 1536)
	c := start(t, o)
	l := newClients(1000)
	for range 10 {
		require.True(t, l.send(t, c))
	}
	require.Contains(t, c.Log(), "file system is nearly full")
	code, out := run(t, "curl", "-sS", "http://"+c.Metrics+"/metrics")
	require.Equal(t, 0, code, out)
	// Of 1,536 KiB the segment keeps room for itself.
	require.Regexp(t, `(?m)^otelcol_exporter_audit_free_space\S*\{.*exporter="audit".*\} [34]\d{5}$`, out)
	stop(t, c)
	l.requireHeld(t, filepath.Join(mount, "audit"))
	summary("disk nearly full: warned of before, %d requests acknowledged, none refused", l.acknowledged.Load())
}

// The disk is read-only when the collector starts, and writable later.
func TestFaultReadOnlyAtStart(t *testing.T) {
	t.Parallel()
	o := faultOptions(t)
	mount := small(t, &o, 8192)
	l := newClients(1000)
	c := start(t, o)
	for range 15 {
		require.True(t, l.send(t, c))
	}
	stop(t, c)
	require.NoError(t, syscall.Mount("", mount, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	c = start(t, o)
	for range 5 {
		require.False(t, l.send(t, c))
	}
	l.requireUnavailable(t, c)
	require.NoError(t, syscall.Mount("", mount, "", syscall.MS_REMOUNT, ""))
	took := l.awaitOpen(t, c)
	stop(t, c)
	l.requireHeld(t, filepath.Join(mount, "audit"))
	refused := l.refusedSoFar()
	summary("read-only at the start: %d requests acknowledged, %d refused, lost 0, recovered %v after it was writable",
		l.acknowledged.Load(), refused, took.Round(time.Millisecond))
}

// Under load every change of the disk fails for a while: as when a file system goes read-only after an
// error, a quota is used up, or the disk is away.
func TestFaultDiskAway(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.EDQUOT, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			o := faultOptions(t)
			files := faultfs.New(t, powercut.Directory)
			disk := mounted(t, &o, files)
			health := withHealth(t, &o)
			c := start(t, o)
			require.Equal(t, 200, health(t))
			l := newClients(1000)
			for range 15 {
				require.True(t, l.send(t, c))
			}
			disk.Refuse(errno)
			for n := 0; n < 20; {
				if !l.send(t, c) {
					n++
				}
				require.Less(t, l.requests, 60)
			}
			l.requireUnavailable(t, c)
			require.NotEqual(t, 200, health(t), "an orchestrator must see that requests are refused")
			refused := l.refusedSoFar()
			disk.Refuse(0)
			took := l.awaitOpen(t, c)
			require.Eventually(t, func() bool { return health(t) == 200 }, 10*time.Second, 50*time.Millisecond)
			stop(t, c)
			copied := filepath.Join(o.Dir, "copy")
			require.NoError(t, powercut.CopyOut(files, copied))
			all := l.requireHeld(t, copied)
			require.Regexp(t, "failed|disk_full", strings.Join(systemTypes(all), " "))
			summary("%v for a while: %d requests acknowledged, %d refused, lost 0, recovered %v after it ended, %v in the log",
				errno, l.acknowledged.Load(), refused, took.Round(time.Millisecond), systemTypes(all))
		})
	}
}

// mounted has the log on a disk in memory.
func mounted(t *testing.T, o *collector.Options, files *faultfs.FS) *powercut.Disk {
	t.Helper()
	mount := filepath.Join(o.Dir, "disk")
	require.NoError(t, os.Mkdir(mount, 0o700))
	disk, err := powercut.Mount(mount, files, 1)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	o.Env = append(o.Env, "AUDIT_DIRECTORY="+mount+powercut.Directory)
	return disk
}

// withHealth adds the health_check extension. The result asks it.
func withHealth(t *testing.T, o *collector.Options) func(*testing.T) int {
	t.Helper()
	ports, err := collector.FreePorts(1)
	require.NoError(t, err)
	o.Env = append(o.Env, fmt.Sprintf("HEALTH_PORT=%d", ports[0]))
	o.Wrap = as(`over=$1; shift; exec "$@" --config "$over" --feature-gates=+extension.healthcheck.useComponentStatus`,
		filepath.Join(root, "e2e", "testdata", "health.yaml"))
	return func(t *testing.T) int {
		t.Helper()
		_, out := run(t, "curl", "-sS", "-o", os.DevNull, "-w", "%{http_code}", fmt.Sprintf("http://127.0.0.1:%d/status", ports[0]))
		code, err := strconv.Atoi(out)
		require.NoError(t, err, out)
		return code
	}
}

// The process is out of file descriptors when the segment rotates.
func TestFaultOpenFiles(t *testing.T) {
	t.Parallel()
	o := faultOptions(t)
	c := start(t, o)
	l := newClients(30_000)
	for range 20 {
		require.True(t, l.send(t, c))
	}
	limit := func(n string) {
		code, out := run(t, "prlimit", "--pid", strconv.Itoa(c.Pid()), "--nofile="+n+":4096")
		require.Equal(t, 0, code, out)
	}
	limit("4096")
	limit("8") // the open ones stay, so this client's connection does
	refused := 0
	for refused < 5 {
		if !l.send(t, c) {
			refused++
		}
		require.Less(t, l.requests, 60, "no refusal though no file can be opened")
	}
	for _, err := range l.refusals {
		require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	}
	limit("4096")
	took := l.awaitOpen(t, c)
	stop(t, c)
	all := l.requireHeld(t, c.Audit)
	require.Contains(t, strings.Join(systemTypes(all), " "), "failed")
	summary("EMFILE at a rotation: %d requests acknowledged, %d refused, lost 0, recovered %v after files could be opened again",
		l.acknowledged.Load(), refused, took.Round(time.Millisecond))
}

// The disk fills up while filelog reads: no line is lost, as retry_on_failure keeps what was refused.
func TestFaultDiskFullFilelog(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config = filepath.Join(root, "testdata", "examples", "filelog.yaml")
	mount := small(t, &o, 2048)
	source := filepath.Join(o.Dir, "auth.log")
	o.Env = append(o.Env, "SYSTEM_LOG="+source)
	c := start(t, o)
	const lines = 2000
	line := func(n int) string {
		return fmt.Sprintf("Nov 23 17:50:28 host sshd[4711]: Failed password for root from 192.0.2.7 port %d ssh2\n", n)
	}
	for n := range lines / 10 {
		write(t, source, line(n))
	}
	free := fill(t, mount, 40_000)
	for n := lines / 10; n < lines; n++ {
		write(t, source, line(n))
	}
	require.NoError(t, c.Await(within(t, 30*time.Second), func() bool {
		return strings.Contains(c.Log(), "audit log is unavailable") || strings.Contains(c.Log(), "storage failed")
	}), "the disk is not full")
	free()
	dir := filepath.Join(mount, "audit")
	missing := lines
	require.NoError(t, c.Await(within(t, 60*time.Second), func() bool {
		missing = lines - len(ports(t, dir))
		return missing == 0
	}), "%d of %d lines are not in the log", missing, lines)
	stop(t, c)
	requireIntact(t, dir)
	summary("disk full under filelog: %d lines, lost 0", lines)
}

// ports are the ports in the recorded lines of TestFaultDiskFullFilelog.
func ports(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, e := range events(t, dir) {
		_, after, _ := strings.Cut(e.raw, "192.0.2.7 port ")
		port, _, _ := strings.Cut(after, " ")
		found[port] = true
	}
	return found
}
