package exporter_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errDisk and errTampered name what no client may be told.
var (
	errDisk     = errors.New("write /srv/secret-path: no space left on device")
	errTampered = &chain.TamperError{Folder: "/srv/secret-path", Fault: chain.Fault{Reason: "hash does not match"}}
)

// fakeLog is a log in memory. Each call runs the script's function for it, if there is one.
type fakeLog struct {
	script map[string]func() error // by lower-case name of the call; read only

	mu      sync.Mutex
	calls   []string
	written int // entries, in order
	synced  int
	bytes   int
	bodies  []string // of each Write and Renew, those of a batch joined
	ordinal uint64
}

func newFakeLog(script map[string]func() error) *fakeLog {
	return &fakeLog{script: script, ordinal: 1}
}

func (l *fakeLog) call(op string) error {
	l.mu.Lock()
	l.calls = append(l.calls, op)
	l.mu.Unlock()
	if f := l.script[op]; f != nil {
		return f()
	}
	return nil
}

func (l *fakeLog) called(op string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.calls {
		if c == op {
			n++
		}
	}
	return n
}

func (l *fakeLog) allCalls() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

func (l *fakeLog) add(bs []*chain.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range bs {
		l.written += b.Len()
		l.bytes += len(b.Buffer())
		l.bodies = append(l.bodies, string(b.Buffer()))
	}
}

func (l *fakeLog) Write(bs []*chain.Batch) error {
	if err := l.call("write"); err != nil {
		return err
	}
	l.add(bs)
	return nil
}

func (l *fakeLog) Sync() error {
	l.mu.Lock()
	to := l.written
	l.mu.Unlock()
	if err := l.call("sync"); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = to
	return nil
}

func (l *fakeLog) RotateIn() (time.Duration, bool) { return 0, false }
func (l *fakeLog) Rotate() error                   { return l.call("rotate") }
func (l *fakeLog) Tidy()                           {}

func (l *fakeLog) Renew(_ error, keep []*chain.Batch) error {
	if err := l.call("renew"); err != nil {
		return err
	}
	l.mu.Lock()
	l.written = l.synced
	l.ordinal++
	l.mu.Unlock()
	l.add(keep)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = l.written
	return nil
}

func (l *fakeLog) Close() error   { return l.call("close") }
func (l *fakeLog) Abandon() error { return l.call("abandon") }
func (l *fakeLog) Closing()       { l.call("closing") }

func (l *fakeLog) Info() chain.Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	return chain.Info{
		Folder: "/log", Segment: "segment", Ordinal: l.ordinal,
		Head: chain.Head{Seq: uint64(l.written)}, Synced: chain.Head{Seq: uint64(l.synced)},
		Counts: chain.Counts{Events: uint64(l.written), System: 1, Bytes: uint64(l.bytes)},
	}
}

// fail is a script's function that returns err.
func fail(err error) func() error { return func() error { return err } }

// hang is one that waits for release.
func hang(release <-chan struct{}) func() error {
	return func() error { <-release; return nil }
}

// host records component status.
type host struct {
	mu     sync.Mutex
	events []*componentstatus.Event
}

func (*host) GetExtensions() map[component.ID]component.Component { return nil }

func (h *host) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *host) statuses() []componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []componentstatus.Status
	for _, e := range h.events {
		out = append(out, e.Status())
	}
	return out
}

// rig is an exporter with what it reports.
type rig struct {
	collector.Logs
	host      *host
	logs      *observer.ObservedLogs
	telemetry *componenttest.Telemetry
}

func defaults() exporter.Options {
	return exporter.Options{
		Directory:     "/log",
		DirectoryMode: 0o700, FileMode: 0o600, SealedMode: 0o400,
		Mode: "hybrid", BatchSize: 100, BatchInterval: time.Second, CriticalImmediate: true,
		SyncTimeout: 10 * time.Second, MaxInFlight: 64 << 20,
		MaxSegmentSize: 100 << 20, MaxSegmentAge: 24 * time.Hour,
		CriticalDefaults: true,
		VerifyOnStart:    "tail", OnTampering: "refuse", ShutdownTimeout: 10 * time.Second,
	}
}

type openFunc = func(context.Context, chain.Options) (exporter.AuditLog, error)

// opens is an openFunc that answers with each step in turn, and then with the last.
func opens(steps ...any) openFunc {
	var mu sync.Mutex
	return func(context.Context, chain.Options) (exporter.AuditLog, error) {
		mu.Lock()
		defer mu.Unlock()
		step := steps[0]
		if len(steps) > 1 {
			steps = steps[1:]
		}
		if err, ok := step.(error); ok {
			return nil, err
		}
		return step.(*fakeLog), nil
	}
}

func newRig(t *testing.T, o exporter.Options, open openFunc) *rig {
	t.Helper()
	return newRigLimited(t, o, open, chain.MaxBody)
}

// newRigLimited is newRig on a log that takes bodies of maxBody bytes.
func newRigLimited(t *testing.T, o exporter.Options, open openFunc, maxBody int) *rig {
	t.Helper()
	return newRigNamed(t, "", func(set collector.Settings) (collector.Logs, error) {
		return exporter.NewWith(t.Context(), set, o, open, maxBody)
	})
}

// newRigNamed is an exporter audit/name, which create makes.
func newRigNamed(t *testing.T, name string, create func(collector.Settings) (collector.Logs, error)) *rig {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	r := &rig{host: &host{}, logs: logs, telemetry: componenttest.NewTelemetry()}
	set := collector.Settings{
		ID: component.NewIDWithName(metadata.Type, name), TelemetrySettings: r.telemetry.NewTelemetrySettings(),
		BuildInfo: component.NewDefaultBuildInfo(),
	}
	set.Logger = zap.New(core)
	var err error
	r.Logs, err = create(set)
	require.NoError(t, err)
	return r
}

func (r *rig) start(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Start(t.Context(), r.host))
}

// records is a request of n routine records, or critical ones.
func records(n int, critical bool) plog.Logs {
	logs := plog.NewLogs()
	sl := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for range n {
		lr := sl.LogRecords().AppendEmpty()
		lr.Body().SetStr("an ordinary line")
		if critical {
			lr.SetEventName("auth.failure")
		}
	}
	logs.MarkReadOnly()
	return logs
}
