// Package peer is what the audit exporter is compared with, and the exporter
// itself in the same clothes.
package peer

import (
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Kind says which records a request has.
type Kind struct {
	Records    int
	Critical   int // of 100
	Size       int // bytes of a record's attributes and body, about; 0: the usual record of 10 attributes
	Attributes int // 0: 10
}

// Request makes a request. An event of the usual record has [EntrySize] bytes. Records differ as those of one service do, and are of
// now: a record of another day costs an encoder its cached date.
func Request(k Kind) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("shop")
	now := time.Now()
	for i := range k.Records {
		r := sl.LogRecords().AppendEmpty()
		at := pcommon.NewTimestampFromTime(now.Add(time.Duration(i) * 137 * time.Microsecond))
		r.SetTimestamp(at)
		r.SetObservedTimestamp(at)
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetSeverityText("INFO")
		r.Body().SetStr("request served")
		if k.Critical > 0 && i*k.Critical/100 != (i-1)*k.Critical/100 || k.Critical == 100 {
			r.SetEventName("auth.failure")
		}
		fill(r, k, i)
	}
	return logs
}

func fill(r plog.LogRecord, k Kind, i int) {
	a := r.Attributes()
	if k.Size > 0 && k.Size < 300 {
		a.PutStr("url.path", strings.Repeat("/orders", k.Size/7))
		return
	}
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
	for n := 10; n < k.Attributes; n++ {
		a.PutStr(fmt.Sprintf("shop.attribute_%d", n), "value of an attribute")
	}
	if k.Size > 300 {
		const text = "the quick brown fox jumps over the lazy dog and is logged. "
		r.Body().SetStr(strings.Repeat(text, k.Size/len(text)+1)[:k.Size])
	}
}
