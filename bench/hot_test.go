// Package bench holds the Go benchmarks that `make bench-compare` runs on two
// revisions. It uses of the exporter what a collector uses and nothing else, so
// that older revisions build with it. Against peers measures cmd/bench.
package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/otelaudit/auditexporter/bench/peer"
	"github.com/otelaudit/auditexporter/bench/trial"
)

func BenchmarkConsume(b *testing.B) {
	for _, e := range []peer.Exporter{
		peer.Audit("hybrid10000", map[string]any{"batch_size": 10_000}),
		peer.Audit("hybrid", map[string]any{}),
		peer.Audit("immediate", map[string]any{"mode": "immediate"}),
	} {
		for _, records := range []int{1, 512} {
			for _, callers := range []int{1, 4} {
				b.Run(fmt.Sprintf("%s/batch=%d/callers=%d", e.Name, records, callers), func(b *testing.B) {
					consume(b, e, peer.Kind{Records: records}, callers)
				})
			}
		}
	}
}

// consume has b.N requests acknowledged. Processor time an event is what a busy
// machine disturbs least.
func consume(b *testing.B, e peer.Exporter, k peer.Kind, callers int) {
	logs, stop, err := e.Start(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	requests := peer.Requests(callers, k)
	b.ReportAllocs()
	b.ResetTimer()
	s, err := trial.Count{Callers: callers, Calls: b.N, Events: k.Records, Do: func(c int) error {
		return logs.ConsumeLogs(b.Context(), requests[c])
	}}.Run()
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(s.Took)/float64(time.Nanosecond)/float64(s.Events), "ns/event")
	b.ReportMetric(float64(s.CPU)/float64(time.Nanosecond)/float64(s.Events), "cpu-ns/event")
	if err := stop(); err != nil {
		b.Fatal(err)
	}
}
