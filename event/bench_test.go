package event_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// BenchmarkAppendText is what text costs: clean, with a character that JSON
// escapes, with one that this format escapes besides, in ASCII and beyond.
func BenchmarkAppendText(b *testing.B) {
	for _, text := range []struct{ name, unit string }{
		{"ascii", "the quick brown fox jumps over the lazy dog "},
		{"unicode", "Zażółć gęślą jaźń, 速い茶色の狐 "},
		{"quotes", `{"user":"a","path":"/x"} `},
		{"lines", "a line of a stack trace\n\t"},
		{"escapes", "\x1b[31mred\x1b[0m and bidi \u202e "},
		{"invalid", "caf\xe9 "},
	} {
		for _, size := range []int{64, 4 << 10, 60 << 10} {
			b.Run(fmt.Sprintf("%s/bytes=%d", text.name, size), func(b *testing.B) {
				ld := ordinary()
				first(ld).Body().SetStr(strings.Repeat(text.unit, size/len(text.unit)+1))
				b.SetBytes(int64(size))
				appended(b, ld)
			})
		}
	}
}

// BenchmarkAppendAttributes is what each attribute costs.
func BenchmarkAppendAttributes(b *testing.B) {
	for _, n := range []int{10, 50, 200} {
		b.Run(fmt.Sprintf("attributes=%d", n), func(b *testing.B) {
			ld := ordinary()
			a := first(ld).Attributes()
			for i := a.Len(); i < n; i++ {
				a.PutStr(fmt.Sprintf("shop.attribute_%d", i), "value of an attribute")
			}
			appended(b, ld)
		})
	}
}

// BenchmarkSource is what a request costs besides its records.
func BenchmarkSource(b *testing.B) {
	e, ld := defaults(b), ordinary()
	rl := ld.ResourceLogs().At(0)
	var s event.Source
	b.ReportAllocs()
	for b.Loop() {
		e.Resource(&s, rl)
		e.Scope(&s, rl.ScopeLogs().At(0))
		s.Reset()
	}
}

// appended appends the first record of ld.
func appended(b *testing.B, ld plog.Logs) {
	e := defaults(b)
	rl := ld.ResourceLogs().At(0)
	var s event.Source
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	lr := first(ld)
	buf, _ := e.Append(nil, &s, lr, recordedAt)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = e.Append(buf[:0], &s, lr, recordedAt)
	}
	b.ReportMetric(float64(len(buf)), "bytes/event")
}

// BenchmarkAppendRequest is what an event costs of a request of 512 whose records
// differ as those of one service do.
func BenchmarkAppendRequest(b *testing.B) {
	e := defaults(b)
	ld := request(512)
	rl := ld.ResourceLogs().At(0)
	records := rl.ScopeLogs().At(0).LogRecords()
	var s event.Source
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	buf, i, size := []byte(nil), 0, 0
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = e.Append(buf[:0], &s, records.At(i), recordedAt)
		i = (i + 1) % records.Len()
		size += len(buf)
	}
	b.ReportMetric(float64(size)/float64(b.N), "bytes/event")
}

// request has the records of an HTTP service, with ten attributes.
func request(n int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("shop")
	for i := range n {
		lr := sl.LogRecords().AppendEmpty()
		at := pcommon.NewTimestampFromTime(recordedAt.Add(time.Duration(i) * 137 * time.Microsecond))
		lr.SetTimestamp(at)
		lr.SetObservedTimestamp(at)
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		lr.Body().SetStr("request served")
		a := lr.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.path", fmt.Sprintf("/o/%06d", 100_000+i*7919%899_999))
		a.PutInt("status", 200)
		a.PutStr("client.address", fmt.Sprintf("192.0.2.%d", i%250))
		a.PutStr("agent", "curl")
		a.PutStr("host", "shop-1")
		a.PutInt("request.size", int64(311+i))
		a.PutDouble("took_ms", 12.5+float64(i%64)/4)
		a.PutBool("cache.hit", i%3 == 0)
		a.PutStr("zone", "eu-1")
	}
	return ld
}
