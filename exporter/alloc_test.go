//go:build !race

// The race detector empties pools now and then, so what it allocates tells nothing.

package exporter

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/internal/metadata"
)

// For a request of 512 ordinary records exporter, event, flush and chain allocate a few times, its sync
// included, and for each of the records never.
func TestAllocationsOfARequest(t *testing.T) {
	a, through := started(t)
	// Both wait for a sync: they are more than batch_size.
	few, many := allocations(t, a.consume, 128), allocations(t, a.consume, 512)
	whole := allocations(t, through.ConsumeLogs, 512)
	t.Logf("128 records: %v, 512 records: %v, of exporterhelper besides: %v", few, many, whole-many)
	require.LessOrEqual(t, many, 20.0)
	require.InDelta(t, few, many, 2, "for each record")
}

// allocations is how many consume makes for a request of n records.
func allocations(t *testing.T, consume consumer.ConsumeLogsFunc, n int) float64 {
	t.Helper()
	logs, ctx := ordinary(n), t.Context()
	return testing.AllocsPerRun(50, func() {
		if err := consume(ctx, logs); err != nil {
			t.Error(err)
		}
	})
}

// started is an exporter on a log on disk, and what the collector has of it.
func started(t *testing.T) (*audit, collector.Logs) {
	t.Helper()
	set := collector.Settings{ID: component.NewID(metadata.Type), TelemetrySettings: componenttest.NewTelemetry().NewTelemetrySettings()}
	set.Logger = zap.NewNop()
	a, err := newAudit(set, Options{
		Directory: t.TempDir(), DirectoryMode: 0o700, FileMode: 0o600, SealedMode: 0o400,
		Mode: "hybrid", BatchSize: 100, BatchInterval: time.Second, CriticalImmediate: true, SyncTimeout: time.Minute,
		MaxInFlight: 64 << 20, MaxSegmentSize: 1 << 30, MaxSegmentAge: time.Hour, CriticalDefaults: true,
		VerifyOnStart: "tail", OnTampering: "refuse", ShutdownTimeout: time.Minute,
	}, onDisk())
	require.NoError(t, err)
	l, err := a.logs(t.Context(), set)
	require.NoError(t, err)
	require.NoError(t, l.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, l.Shutdown(context.Background())) })
	return a, l
}

// ordinary is a request of n records as an SDK sends them.
func ordinary(n int) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("app")
	for i := range n {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(1_800_000_000_000_000_000)
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		lr.Body().SetStr("order shipped")
		lr.Attributes().PutStr("http.request.method", "GET")
		lr.Attributes().PutStr("url.path", "/orders/4711")
		lr.Attributes().PutInt("http.response.status_code", 200)
		lr.Attributes().PutInt("order.id", int64(i))
		lr.Attributes().PutDouble("order.total", 12.5)
		lr.Attributes().PutBool("order.gift", false)
	}
	logs.MarkReadOnly()
	return logs
}
