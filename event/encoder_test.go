package event_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

var recordedAt = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)

// ordinary is a record as an HTTP service logs it, with ten attributes.
func ordinary() plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("https://opentelemetry.io/schemas/1.40.0")
	r := rl.Resource().Attributes()
	r.PutStr("service.name", "checkout")
	r.PutStr("service.version", "1.8.2")
	r.PutStr("host.name", "node-17.eu-west.example.com")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("example.com/checkout/http")
	sl.Scope().SetVersion("0.9.0")
	lr := sl.LogRecords().AppendEmpty()
	lr.SetTimestamp(1772600767000000001)
	lr.SetObservedTimestamp(1772600767100000000)
	lr.SetSeverityNumber(plog.SeverityNumberInfo)
	lr.SetSeverityText("INFO")
	lr.Body().SetStr("order 4711 placed for 3 items")
	lr.SetTraceID([16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	lr.SetSpanID([8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	lr.SetFlags(1)
	a := lr.Attributes()
	a.PutStr("http.request.method", "POST")
	a.PutStr("url.path", "/v1/orders")
	a.PutInt("http.response.status_code", 201)
	a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
	a.PutStr("client.address", "192.0.2.44")
	a.PutInt("order.items", 3)
	a.PutDouble("order.total", 129.9)
	a.PutBool("order.express", true)
	a.PutStr("order.currency", "EUR")
	a.PutStr("warehouse", "ams-2")
	return ld
}

// audit is a record of the OTel Audit Logging draft, with ten attributes.
func audit() plog.Logs {
	ld := ordinary()
	lr := first(ld)
	lr.SetEventName("user.login.failure")
	lr.Body().SetStr("sign-in refused")
	lr.Attributes().Clear()
	a := lr.Attributes()
	a.PutStr("audit.record.id", "0a8f6a0e-6c0e-4f5f-9f4e-2d1f1f3b5a77")
	a.PutStr("audit.actor.id", "alice@example.com")
	a.PutStr("audit.actor.type", "user")
	a.PutStr("audit.action", "LOGIN")
	a.PutStr("audit.outcome", "failure")
	a.PutStr("audit.target.id", "portal")
	a.PutStr("audit.target.type", "http.endpoint")
	a.PutStr("audit.source.id", "192.0.2.44")
	a.PutStr("audit.source.type", "ipv4")
	a.PutStr("session.id", "6f1d")
	return ld
}

func first(ld plog.Logs) plog.LogRecord {
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

func defaults(t testing.TB) *event.Encoder {
	e, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}})
	require.NoError(t, err)
	return e
}

// encode gives the event of the only record of ld.
func encode(e *event.Encoder, ld plog.Logs) ([]byte, event.Info) {
	var s event.Source
	rl := ld.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	e.Resource(&s, rl)
	e.Scope(&s, sl)
	return e.Append(nil, &s, sl.LogRecords().At(0), recordedAt)
}

func TestNoAllocations(t *testing.T) {
	e := defaults(t)
	for name, ld := range map[string]plog.Logs{"ordinary": ordinary(), "critical": audit()} {
		t.Run(name, func(t *testing.T) {
			var s event.Source
			rl := ld.ResourceLogs().At(0)
			sl := rl.ScopeLogs().At(0)
			e.Resource(&s, rl)
			e.Scope(&s, sl)
			var buf []byte
			got := testing.AllocsPerRun(100, func() {
				buf, _ = e.Append(buf[:0], &s, sl.LogRecords().At(0), recordedAt)
			})
			require.Zero(t, got)
		})
	}
}

func TestEncoderIsShared(t *testing.T) {
	e := defaults(t)
	records := []plog.Logs{ordinary(), audit(), siem(), hostile(), bare()}
	var want []string
	for _, ld := range records {
		body, _ := encode(e, ld)
		want = append(want, string(body))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				body, _ := encode(e, records[i%len(records)])
				assert.Equal(t, want[i%len(records)], string(body))
			}
		})
	}
	wg.Wait()
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name string
		ld   plog.Logs
	}{{"ordinary", ordinary()}, {"critical", audit()}} {
		b.Run(c.name, func(b *testing.B) {
			e := defaults(b)
			var s event.Source
			rl := c.ld.ResourceLogs().At(0)
			sl := rl.ScopeLogs().At(0)
			e.Resource(&s, rl)
			e.Scope(&s, sl)
			lr := sl.LogRecords().At(0)
			buf, _ := e.Append(nil, &s, lr, recordedAt)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.Append(buf[:0], &s, lr, recordedAt)
			}
		})
	}
}
