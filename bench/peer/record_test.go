package peer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/bench/peer"
	"github.com/otelaudit/auditexporter/event"
)

func encode(t *testing.T, logs plog.Logs) (bodies []string, critical int) {
	t.Helper()
	e, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}})
	require.NoError(t, err)
	src, rl := new(event.Source), logs.ResourceLogs().At(0)
	e.Resource(src, rl)
	e.Scope(src, rl.ScopeLogs().At(0))
	for _, lr := range rl.ScopeLogs().At(0).LogRecords().All() {
		body, info := e.Append(nil, src, lr, time.Now())
		require.False(t, info.Invalid())
		require.Zero(t, info.Redacted+info.Truncated)
		if info.Critical {
			critical++
		}
		bodies = append(bodies, string(body))
	}
	return bodies, critical
}

func TestUsualRecord(t *testing.T) {
	logs := peer.Request(peer.Kind{Records: 512})
	bodies, critical := encode(t, logs)
	require.Len(t, bodies, 512)
	require.Zero(t, critical)
	total := 0
	for _, b := range bodies {
		total += len(b)
	}
	require.InDelta(t, peer.EntrySize, total/512, 5)
	require.Equal(t, 10, logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Len())
}

func TestCriticalShare(t *testing.T) {
	for share, want := range map[int]int{0: 0, 1: 5, 100: 512} {
		_, critical := encode(t, peer.Request(peer.Kind{Records: 512, Critical: share}))
		require.Equal(t, want, critical, "%d of 100", share)
	}
	_, critical := encode(t, peer.Request(peer.Kind{Records: 1, Critical: 100}))
	require.Equal(t, 1, critical)
}

func TestRecordSizes(t *testing.T) {
	for _, size := range []int{200, 1 << 10, 64 << 10} {
		logs := peer.Request(peer.Kind{Records: 1, Size: size})
		got := new(plog.ProtoMarshaler).LogsSize(logs)
		require.InDelta(t, size, got, 400)
	}
}
