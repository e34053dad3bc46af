package exporter

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

// scattered is a request whose records are spread over resources and scopes, some without any.
func scattered(sizes ...[]int) plog.Logs {
	logs := plog.NewLogs()
	n := 0
	for i, scopes := range sizes {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutInt("resource", int64(i))
		for j, records := range scopes {
			sl := rl.ScopeLogs().AppendEmpty()
			sl.Scope().SetName(fmt.Sprint("scope ", j))
			for range records {
				lr := sl.LogRecords().AppendEmpty()
				lr.Attributes().PutInt("n", int64(n))
				lr.Attributes().PutStr("password", "x")
				if n%50 == 0 {
					lr.SetEventName("user.login.failure")
				}
				n++
			}
		}
	}
	return logs
}

// A request encoded in halves is the same as one encoded by one goroutine, and so is what was found.
func TestHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		enc, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}})
		require.NoError(t, err)
		e := newEncoder(enc, chain.MaxBody, false)
		e.slots = make(chan struct{}, 4)
		for _, sizes := range [][][]int{
			{{divided}},
			{{1000}},
			{{divided / 2}, {divided / 2}},
			{{3, 0, 200}, {}, {0}, {1, 1}, {90, 7}},
		} {
			logs := scattered(sizes...)
			n := logs.LogRecordCount()
			together, inHalves := new(chain.Batch), new(chain.Batch)

			e.slots = make(chan struct{}, 4)
			e.slots <- struct{}{} // of the request
			got, err := e.appendParts(inHalves, logs, n, judged{})
			require.NoError(t, err)
			require.Len(t, e.slots, 1)

			e.slots <- struct{}{} // of another
			want, err := e.appendParts(together, logs, n, judged{})
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Positive(t, got.redacted)
			require.Equal(t, n, inHalves.Len())
			require.Equal(t, string(together.Buffer()), string(inHalves.Buffer()))
		}
	})
}

// What either half can't take refuses the whole, and the first record that it is refused for is named.
func TestHalfTooLarge(t *testing.T) {
	enc, err := event.NewEncoder(event.Options{})
	require.NoError(t, err)
	e := newEncoder(enc, 1000, false)
	e.slots = make(chan struct{}, 4)
	for _, at := range []int{0, divided - 1} {
		logs := scattered([]int{divided})
		logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(at).Body().SetStr(strings.Repeat("x", 2000))
		_, _, err := e.encode(t.Context(), logs, divided, judged{})
		var large *tooLargeError
		require.ErrorAs(t, err, &large)
		require.Empty(t, e.slots)
	}
}
