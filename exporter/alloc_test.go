//go:build !race

// The race detector empties pools now and then, so what it allocates tells nothing.

package exporter

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
)

// For a request of 512 ordinary records exporter, event, flush and chain allocate a few times, its sync
// included, and for each of the records never.
func TestAllocationsOfARequest(t *testing.T) {
	a, through := started(t)
	// Both wait for a sync: they are more than batch_size.
	few, many := allocations(t, a.consume, 128), allocations(t, a.consume, 512)
	whole := allocations(t, through.ConsumeLogs, 512)
	t.Logf("128 records: %v, 512 records: %v, of exporterhelper besides: %v", few, many, whole-many)
	require.LessOrEqual(t, many, 5.0)
	require.InDelta(t, few, many, 2, "for each record")
}

// allocations is how many consume makes for a request of n records.
func allocations(t *testing.T, consume consumer.ConsumeLogsFunc, n int) float64 {
	t.Helper()
	logs, ctx := ordinary(n), t.Context()
	return testing.AllocsPerRun(50, func() {
		if err := consume(ctx, logs); err != nil {
			t.Error(err)
		}
	})
}
