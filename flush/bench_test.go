package flush_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/flush"
)

// nopLog does nothing, at once.
type nopLog struct{ writes, syncs atomic.Int64 }

func (l *nopLog) Write([]*batch) error            { l.writes.Add(1); return nil }
func (l *nopLog) Sync() error                     { l.syncs.Add(1); return nil }
func (l *nopLog) RotateIn() (time.Duration, bool) { return time.Hour, true }
func (l *nopLog) Rotate() error                   { return nil }
func (l *nopLog) Tidy()                           {}
func (l *nopLog) Renew(error, []*batch) error     { return nil }
func (l *nopLog) Close() error                    { return nil }
func (l *nopLog) Abandon() error                  { return nil }

func BenchmarkSubmit(b *testing.B) {
	for _, critical := range []bool{false, true} {
		for _, entries := range []int{1, 512} {
			for _, callers := range []int{1, 8} {
				b.Run(fmt.Sprintf("critical=%t/entries=%d/callers=%d", critical, entries, callers), func(b *testing.B) {
					benchmark(b, critical, entries, callers)
				})
			}
		}
	}
}

func benchmark(b *testing.B, critical bool, entries, callers int) {
	o := hybrid()
	o.BatchSize = 10_000
	o.MaxInFlight = 64 << 20
	log := &nopLog{}
	c := flush.New(log, o)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			request := &batch{n: entries, size: 600 * entries}
			for range b.N/callers + min(1, max(0, b.N%callers-i)) {
				if err := c.Submit(ctx, request, critical); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(log.writes.Load())/float64(b.N), "writes/op")
	b.ReportMetric(float64(log.syncs.Load())/float64(b.N), "syncs/op")
	require.NoError(b, c.Close(context.Background()))
}

func TestAllocationsPerSubmit(t *testing.T) {
	o := hybrid()
	o.BatchSize = 10_000
	released := 0
	var mu sync.Mutex
	o.Release = func(*batch, bool) { mu.Lock(); released++; mu.Unlock() }
	for _, critical := range []bool{false, true} {
		c := flush.New(&nopLog{}, o)
		ctx, cancel := context.WithCancel(context.Background())
		request := &batch{n: 1, size: 1}
		allocs := testing.AllocsPerRun(2000, func() {
			if err := c.Submit(ctx, request, critical); err != nil {
				t.Error(err)
			}
		})
		cancel()
		require.Less(t, allocs, 1.0, "critical: %t", critical)
		require.NoError(t, c.Close(context.Background()))
	}
	require.GreaterOrEqual(t, released, 4000)
}
