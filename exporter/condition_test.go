package exporter_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadatatest"
)

// ignore is what of a data point is no claim of a test.
var ignore = []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}

// point is a data point of the exporter's with one more attribute, or none if key is "".
func point(value int64, key, attr string) metricdata.DataPoint[int64] {
	attrs := []attribute.KeyValue{attribute.String("exporter", "audit")}
	if key != "" {
		attrs = append(attrs, attribute.String(key, attr))
	}
	return metricdata.DataPoint[int64]{Value: value, Attributes: attribute.NewSet(attrs...)}
}

func TestCriticalConditions(t *testing.T) {
	for name, tt := range map[string]struct {
		condition string
		critical  bool
	}{
		"attribute, long path":          {`log.attributes["tier"] == "payments"`, true},
		"attribute, short path":         {`attributes["tier"] == "payments"`, true},
		"other value":                   {`attributes["tier"] == "search"`, false},
		"resource":                      {`resource.attributes["env"] == "prod"`, true},
		"scope":                         {`instrumentation_scope.name == "app"`, true},
		"event name":                    {`log.event_name == "order.placed"`, true},
		"severity":                      {`severity_number >= SEVERITY_NUMBER_WARN`, false},
		"function":                      {`IsMatch(body, "^order [0-9]+$")`, true},
		"both forms in one":             {`log.attributes["tier"] == "payments" and attributes["tier"] != nil`, true},
		"absent attribute":              {`attributes["absent"] == "x"`, false},
		"error, which counts as true":   {`Int(ParseJSON(body)) == 1`, true},
		"error with a value in it":      {`Time(attributes["tier"], "%Y") == Time("2026", "%Y")`, true},
		"ContainsValue on a slice":      {`ContainsValue(attributes["roles"], "admin")`, true},
		"ContainsValue without a match": {`ContainsValue(attributes["roles"], "root")`, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := defaults()
				o.CriticalDefaults = false
				o.CriticalConditions = []string{`false`, tt.condition}
				log := newFakeLog(nil)
				r := newRig(t, o, opens(log))
				r.start(t)
				require.NoError(t, r.ConsumeLogs(t.Context(), order()))
				if tt.critical {
					require.Equal(t, 1, log.called("sync"))
					metadatatest.AssertEqualExporterAuditCriticalEvents(t, r.telemetry,
						[]metricdata.DataPoint[int64]{point(1, "rule", "critical.conditions[1]")}, ignore...)
				} else {
					require.Equal(t, 0, log.called("sync"))
				}
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

func order() plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("env", "prod")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("app")
	lr := sl.LogRecords().AppendEmpty()
	lr.SetEventName("order.placed")
	lr.SetSeverityNumber(plog.SeverityNumberInfo)
	lr.Body().SetStr("order 4711")
	lr.Attributes().PutStr("tier", "payments")
	lr.Attributes().PutEmptySlice("roles").AppendEmpty().SetStr("admin")
	logs.MarkReadOnly()
	return logs
}

func TestConditionErrorsAreCountedAndWarnedOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.CriticalConditions = []string{`Int(ParseJSON(body)) == 1`}
		log := newFakeLog(nil)
		r := newRig(t, o, opens(log))
		r.start(t)
		for range 50 {
			require.NoError(t, r.ConsumeLogs(t.Context(), order()))
		}
		require.Contains(t, log.bodies[0], `"critical":"critical.conditions[0]:error"`)
		metadatatest.AssertEqualExporterAuditConditionErrors(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(50, "condition", "critical.conditions[0]")}, ignore...)
		lines := r.logs.FilterMessageSnippet("critical.conditions[0]").All()
		require.Len(t, lines, 1)
		require.Equal(t, `Int(ParseJSON(body)) == 1`, lines[0].ContextMap()["condition"])
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestCheckConditions(t *testing.T) {
	require.NoError(t, exporter.CheckConditions(nil))
	err := exporter.CheckConditions([]string{`true`, `nonsense(`, `attributes["a"] == 1`, `span.name == "x"`})
	require.ErrorContains(t, err, "critical.conditions[1]: ")
	require.ErrorContains(t, err, "critical.conditions[3]: ")
	require.NotContains(t, err.Error(), "critical.conditions[2]")
}
