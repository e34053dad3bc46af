package exporter_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadata"
)

// BenchmarkWithheld is critical requests of one record with two fields that are withheld,
// or not, about 1000 subjects whose keys are there; and about one that is new each time.
func BenchmarkWithheld(b *testing.B) {
	for _, clients := range []int{1, 32} {
		for _, kind := range []string{"off", "on", "new subjects"} {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, kind), func(b *testing.B) {
				dir := b.TempDir()
				o := defaults()
				o.Directory = filepath.Join(dir, "log")
				if kind != "off" {
					o.Withhold = &exporter.Withhold{Fields: []string{"user.email", "user.id"}, Subject: []string{"user.id"}, KeyStore: filepath.Join(dir, "keys")}
				}
				x, err := exporter.New(b.Context(), exportertest.NewNopSettings(metadata.Type), o)
				require.NoError(b, err)
				require.NoError(b, x.Start(b.Context(), componenttest.NewNopHost()))
				var n atomic.Int64
				send := func() {
					i := n.Add(1)
					if kind != "new subjects" {
						i %= 1000
					}
					logs := plog.NewLogs()
					records(1, true).CopyTo(logs)
					a := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
					a.PutStr("user.id", fmt.Sprint("user-", i))
					a.PutStr("user.email", fmt.Sprintf("user-%d@example.com", i))
					if err := x.ConsumeLogs(b.Context(), logs); err != nil {
						b.Error(err)
					}
				}
				for range 1000 {
					send()
				}
				b.ResetTimer()
				b.SetParallelism(max(1, clients/2))
				if clients == 1 {
					for range b.N {
						send()
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							send()
						}
					})
				}
				b.StopTimer()
				require.NoError(b, x.Shutdown(b.Context()))
			})
		}
	}
}
