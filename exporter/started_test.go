package exporter

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/metadata"
)

// started is an exporter on a log on disk, and what the collector has of it.
func started(t *testing.T) (*audit, collector.Logs) {
	return startedOn(t, onDisk().open)
}

func startedOn(t *testing.T, open func(context.Context, chain.Options) (auditLog, error)) (*audit, collector.Logs) {
	t.Helper()
	set := collector.Settings{ID: component.NewID(metadata.Type), TelemetrySettings: componenttest.NewTelemetry().NewTelemetrySettings()}
	set.Logger = zap.NewNop()
	a, err := newAudit(set, Options{
		Directory: t.TempDir(), DirectoryMode: 0o700, FileMode: 0o600, SealedMode: 0o400,
		Mode: "hybrid", BatchSize: 100, BatchInterval: time.Minute, CriticalImmediate: true, SyncTimeout: time.Minute,
		MaxInFlight: 64 << 20, MaxSegmentSize: 1 << 30, MaxSegmentAge: time.Hour, CriticalDefaults: true,
		VerifyOnStart: "tail", OnTampering: "refuse", ShutdownTimeout: time.Minute,
	}, storage{open: open, maxBody: chain.MaxBody})
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
