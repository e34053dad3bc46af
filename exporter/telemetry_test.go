package exporter_test

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelaudit/auditexporter/internal/metadatatest"
)

func TestTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hung atomic.Bool
		release := make(chan struct{})
		log := newFakeLog(map[string]func() error{"sync": func() error {
			if hung.Load() {
				<-release
			}
			time.Sleep(20 * time.Millisecond)
			return nil
		}})
		r := newRig(t, defaults(), opens(log))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(4, true)))
		hung.Store(true)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(3, false)))
		time.Sleep(1500 * time.Millisecond) // the age timer's sync hangs

		p := func(v int64, kv ...string) []metricdata.DataPoint[int64] {
			if len(kv) == 0 {
				return []metricdata.DataPoint[int64]{point(v, "", "")}
			}
			return []metricdata.DataPoint[int64]{point(v, kv[0], kv[1])}
		}
		metadatatest.AssertEqualExporterAuditEntriesWritten(t, r.telemetry, append(p(7, "kind", "event"), p(1, "kind", "system")...), ignore...)
		metadatatest.AssertEqualExporterAuditBytesWritten(t, r.telemetry, p(int64(log.Info().Counts.Bytes)), ignore...)
		metadatatest.AssertEqualExporterAuditCriticalEvents(t, r.telemetry, p(4, "rule", "taxonomy"), ignore...)
		metadatatest.AssertEqualExporterAuditSyncs(t, r.telemetry, p(1), ignore...)
		metadatatest.AssertEqualExporterAuditHeadSequence(t, r.telemetry, p(7), ignore...)
		metadatatest.AssertEqualExporterAuditSegmentOrdinal(t, r.telemetry, p(1), ignore...)
		metadatatest.AssertEqualExporterAuditExposedEvents(t, r.telemetry, p(3), ignore...)
		metadatatest.AssertEqualExporterAuditOldestExposedAge(t, r.telemetry, []metricdata.DataPoint[float64]{{
			Value: 1.5, Attributes: attribute.NewSet(attribute.String("exporter", "audit")),
		}}, ignore...)

		sync := histogram(t, r, "otelcol_exporter_audit_sync_duration")
		require.Len(t, sync, 1)
		require.InDelta(t, 0.02, sync["audit"], 1e-9)
		ack := histogram(t, r, "otelcol_exporter_audit_acknowledgement_duration")
		require.InDelta(t, 0.02, ack["critical audit"], 1e-9)
		require.InDelta(t, 0, ack["routine audit"], 1e-9)

		close(release)
		require.NoError(t, r.Shutdown(t.Context()))
		_, err := r.telemetry.GetMetric("otelcol_exporter_audit_exposed_events")
		require.Error(t, err, "gauges end with Shutdown")
	})
}

// histogram returns the sums of a histogram by the values of their attributes.
func histogram(t *testing.T, r *rig, name string) map[string]float64 {
	t.Helper()
	m, err := r.telemetry.GetMetric(name)
	require.NoError(t, err)
	sums := map[string]float64{}
	for _, dp := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		key := ""
		for _, kv := range dp.Attributes.ToSlice() {
			if key != "" {
				key += " "
			}
			key += kv.Value.AsString()
		}
		sums[key] = dp.Sum
	}
	return sums
}

func TestRefusedRequestsAreCountedByCause(t *testing.T) {
	for cause, open := range map[string]openFunc{
		"not_open": opens(errDisk),
		"tampered": opens(errTampered),
		"io":       opens(newFakeLog(map[string]func() error{"write": fail(errDisk), "renew": fail(errDisk)})),
	} {
		t.Run(cause, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, defaults(), open)
				r.start(t)
				require.Error(t, r.ConsumeLogs(t.Context(), records(1, false)))
				metadatatest.AssertEqualExporterAuditRefusedRequests(t, r.telemetry,
					[]metricdata.DataPoint[int64]{point(1, "cause", cause)}, ignore...)
				_ = r.Shutdown(t.Context())
			})
		})
	}
}

// Whatever happens to a request, its content is in the log and nowhere else.
func TestContentStaysOutOfTelemetry(t *testing.T) {
	const canary = "canary-7f3a"
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("host", canary)
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(canary)
	for _, name := range []string{canary, "auth." + canary, "user.login.failure"} {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetEventName(name)
		lr.Body().SetStr(canary)
		lr.SetSeverityText(canary)
		lr.Attributes().PutStr(canary, canary)
		lr.Attributes().PutStr("audit.actor.id", canary)
		lr.Attributes().PutStr("audit.action", canary)
		lr.Attributes().PutStr("event.category", canary)
		lr.Attributes().PutStr("number", canary)
	}
	logs.MarkReadOnly()
	conditions := []string{
		`Time(attributes["number"], "%Y") == Time("2026", "%Y")`, `ParseJSON(body)["a"] == 1`, `Hex(attributes["number"]) == Int(body)`,
	}
	for name, open := range map[string]openFunc{
		"acknowledged": opens(newFakeLog(nil)),
		"failed":       opens(newFakeLog(map[string]func() error{"write": fail(errDisk), "renew": fail(errDisk)})),
		"refused":      opens(errDisk),
	} {
		for i := range conditions {
			t.Run(fmt.Sprintf("%s, condition %d", name, i), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := defaults()
					o.CriticalConditions = conditions[i:]
					r := newRig(t, o, open)
					r.start(t)
					err := r.ConsumeLogs(t.Context(), logs)
					_ = r.Shutdown(t.Context())
					if err != nil {
						require.NotContains(t, err.Error(), canary)
					}
					requireNoTrace(t, r, canary)
				})
			})
		}
	}
	t.Run("too large", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRigLimited(t, defaults(), opens(newFakeLog(nil)), 10)
			r.start(t)
			err := r.ConsumeLogs(t.Context(), logs)
			require.ErrorContains(t, err, "at most 10")
			require.NotContains(t, err.Error(), canary)
			require.NoError(t, r.Shutdown(t.Context()))
			requireNoTrace(t, r, canary)
		})
	})
}

// requireNoTrace finds s in no log line, metric, span or status.
func requireNoTrace(t *testing.T, r *rig, s string) {
	t.Helper()
	lines := r.logs.All()
	require.NotEmpty(t, lines)
	for _, l := range lines {
		text, err := json.Marshal(l.ContextMap())
		require.NoError(t, err)
		require.NotContains(t, l.Message+string(text), s)
	}
	var rm metricdata.ResourceMetrics
	require.NoError(t, r.telemetry.Reader.Collect(t.Context(), &rm))
	require.NotEmpty(t, rm.ScopeMetrics)
	require.NotContains(t, fmt.Sprintf("%+v", rm), s)
	for _, span := range r.telemetry.SpanRecorder.Ended() {
		require.NotContains(t, fmt.Sprintf("%v %v %v", span.Attributes(), span.Status(), span.Events()), s)
	}
	for _, e := range r.host.events {
		if e.Err() != nil {
			require.NotContains(t, e.Err().Error(), s)
		}
	}
}
