package e2e

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Timestamps at the ends of what a record can hold stand in the log as they were sent, in the order in
// which they came.
func TestFaultTimestamps(t *testing.T) {
	t.Parallel()
	c := start(t, faultOptions(t))
	conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	times := []uint64{math.MaxUint64, 1 << 63, 1, math.MaxInt64, 0, 1_700_000_000_000_000_000}
	for n, ns := range times {
		logs := plog.NewLogs()
		lr := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(ns))
		lr.SetObservedTimestamp(pcommon.Timestamp(ns))
		lr.SetEventName("auth.failure")
		lr.Attributes().PutInt("number", int64(n))
		_, err := plogotlp.NewGRPCClient(conn).Export(within(t, 10*time.Second), plogotlp.NewExportRequestFromLogs(logs))
		require.NoError(t, err)
	}
	stop(t, c)
	requireIntact(t, c.Audit)
	all := events(t, c.Audit)
	require.Len(t, all, len(times))
	for n, e := range all {
		require.EqualValues(t, n, e.Attributes["number"], "order is by sequence number")
		if ns := times[n]; ns != 0 {
			at := time.Unix(int64(ns/1e9), int64(ns%1e9)).UTC().Format("2006-01-02T15:04:05.000000000Z")
			require.Contains(t, e.raw, fmt.Sprintf(`"time":%q`, at))
		} else {
			require.NotContains(t, e.raw, `"time":`)
		}
	}
	require.Len(t, segments(t, c.Audit), 1)
	summary("timestamps 0, 1, 2^63-1, 2^63, 2^64-1: %d records round-trip, in the order they came", len(all))
}
