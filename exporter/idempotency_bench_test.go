package exporter_test

import (
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadata"
)

// BenchmarkIdempotency measures requests of 512 records with ten attributes: with idempotency off, with ids
// that are new, and with records that stand in the log.
func BenchmarkIdempotency(b *testing.B) {
	for _, c := range []struct {
		name   string
		on     bool
		repeat bool
	}{{"off", false, false}, {"new", true, false}, {"duplicate", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			o := defaults()
			o.Directory, o.BatchSize, o.MaxInFlight = b.TempDir(), 100_000, 512<<20
			if c.on {
				o.Idempotency = &exporter.Idempotency{Horizon: 24 * time.Hour, MaxRecords: 10_000_000, Keys: []string{"audit.record.id", "log.record.uid"}}
			}
			set := collector.Settings{
				ID: component.NewID(metadata.Type), TelemetrySettings: componenttest.NewNopTelemetrySettings(),
				BuildInfo: component.NewDefaultBuildInfo(),
			}
			logs, err := exporter.New(b.Context(), set, o)
			if err != nil {
				b.Fatal(err)
			}
			if err := logs.Start(b.Context(), componenttest.NewNopHost()); err != nil {
				b.Fatal(err)
			}
			const records = 512
			request, next := tenAttributes(records), 0
			stamp := func() {
				rs := request.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
				for i := range records {
					next++
					rs.At(i).Attributes().PutStr("log.record.uid", "0a8f6a0e-6c0e-4f5f-9f4e-"+strconv.Itoa(next))
				}
			}
			stamp()
			if err := logs.ConsumeLogs(b.Context(), request); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !c.repeat {
					stamp()
				}
				if err := logs.ConsumeLogs(b.Context(), request); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/records, "ns/event")
			if err := logs.Shutdown(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func tenAttributes(records int) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "portal")
	sl := rl.ScopeLogs().AppendEmpty()
	for range records {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(1_700_000_000_000_000_000)
		lr.SetEventName("order.placed")
		lr.Body().SetStr("order 4711 was placed by alice and will be delivered tomorrow")
		for i := range 9 {
			lr.Attributes().PutStr("shop.attribute."+strconv.Itoa(i), "a value of some length")
		}
		lr.Attributes().PutStr("log.record.uid", "")
	}
	return logs
}
