package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// root is the working tree: the module under test with what make has built in bin.
var root = func() string {
	dir, err := filepath.Abs("..")
	if err != nil {
		panic(err)
	}
	return dir
}()

func bin(name string) string { return filepath.Join(root, "bin", name) }

func TestMain(m *testing.M) {
	for _, needed := range []string{bin("otelcol-audit"), bin("auditlog"), bin("telemetrygen"), bin("fsck"), "curl", "jq", "python3", "strace"} {
		if _, err := exec.LookPath(needed); err != nil {
			fmt.Fprintf(os.Stderr, "%v\nrun these tests with: make e2e\n", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// options runs the configuration of make run in a folder of the test's own.
func options(t *testing.T) collector.Options {
	t.Helper()
	return collector.Options{
		Binary: bin("otelcol-audit"),
		Config: filepath.Join(root, "testdata", "collector.yaml"),
		Dir:    t.TempDir(),
	}
}

// start starts a collector that ends with the test at the latest.
func start(t *testing.T, o collector.Options) *collector.Collector {
	t.Helper()
	c, err := collector.Start(within(t, time.Minute), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if !c.Ended() {
			_ = c.Signal(syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("the collector's output:\n%s", tail(c.Log(), 8000))
		}
	})
	return c
}

// stop ends a collector in order and requires that it says so.
func stop(t *testing.T, c *collector.Collector) {
	t.Helper()
	require.NoError(t, c.Stop(within(t, 30*time.Second), syscall.SIGTERM))
}

// within is a context of the test with a time limit.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// run runs a command and returns its exit code and what it printed to both streams.
func run(t *testing.T, name string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(within(t, time.Minute), name, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// verify runs auditlog verify --chain-only.
func verify(t *testing.T, path string) (int, string) {
	t.Helper()
	return run(t, bin("auditlog"), "verify", "--chain-only", path)
}

// verifyPython runs the short verifier on every log in dir.
func verifyPython(t *testing.T, dir string) (int, string) {
	t.Helper()
	return run(t, "python3", filepath.Join(root, "chain", "verify.py"), logFolder(t, dir))
}

// requireIntact holds if both verifiers call the log intact.
func requireIntact(t *testing.T, dir string) {
	t.Helper()
	code, out := verify(t, dir)
	require.Equal(t, 0, code, "auditlog verify: %s", out)
	code, out = verifyPython(t, dir)
	require.Equal(t, 0, code, "verify.py: %s", out)
}

// logFolder is the folder of the one log in an audit directory.
func logFolder(t *testing.T, dir string) string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(dir, "????????????????????????????????"))
	require.NoError(t, err)
	require.Len(t, folders, 1, "logs in %s", dir)
	return folders[0]
}

// segments are the segment files of the one log in dir, by ordinal.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(logFolder(t, dir), "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	sort.Strings(names)
	return names
}

// entry is one line of the log; one of Event and System is there.
type entry struct {
	Seq      uint64  `json:"seq"`
	PrevHash string  `json:"prev_hash"`
	Hash     string  `json:"hash"`
	Event    *event  `json:"event"`
	System   *system `json:"system"`
}

type event struct {
	Attributes map[string]any  `json:"attributes"`
	Resource   json.RawMessage `json:"resource"`
	Body       any             `json:"body"`
	raw        string
}

type system struct {
	Type     string `json:"type"`
	Cause    string `json:"cause"`
	Previous struct {
		Segment string `json:"segment"`
		Length  int64  `json:"length"`
	} `json:"previous"`
	Cuts []struct {
		Segment string `json:"segment"`
		Offset  int64  `json:"offset"`
		Length  int64  `json:"length"`
		SHA256  string `json:"sha256"`
	} `json:"cuts"`
}

// entries are the entries that count, as auditlog cat gives them.
func entries(t *testing.T, dir string) []entry {
	t.Helper()
	cmd := exec.CommandContext(within(t, time.Minute), bin("auditlog"), "cat", dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "auditlog cat: %s", stderr.String())
	return parse(t, out)
}

func parse(t *testing.T, lines []byte) []entry {
	t.Helper()
	var all []entry
	for line := range bytes.Lines(lines) {
		var e entry
		require.NoError(t, json.Unmarshal(line, &e), "%s", line)
		if e.Event != nil {
			e.Event.raw = string(line)
		}
		all = append(all, e)
	}
	return all
}

// events are the events among the entries that count.
func events(t *testing.T, dir string) []*event {
	t.Helper()
	var all []*event
	for _, e := range entries(t, dir) {
		if e.Event != nil {
			all = append(all, e.Event)
		}
	}
	return all
}

// awaitEvents waits until n events are synced and shown.
func awaitEvents(t *testing.T, c *collector.Collector, n int) {
	t.Helper()
	got := 0
	err := c.Await(within(t, 30*time.Second), func() bool {
		got = len(events(t, c.Audit))
		return got >= n
	})
	require.NoError(t, err, "%d of %d events", got, n)
	require.Equal(t, n, got, "events")
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
