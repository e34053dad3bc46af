package event_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The scope of a record decides nothing: the OTel Audit Logging draft has receivers not
// act on it. It is kept.
func TestScopeDecidesNothing(t *testing.T) {
	e := defaults(t)
	for name, ld := range map[string]plog.Logs{"audit": audit(), "ordinary": ordinary(), "faulty": faulty()} {
		ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName("")
		_, want := encode(e, ld)
		scope := ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope()
		scope.SetName("audit.security.login")
		scope.SetVersion("1.0")
		scope.Attributes().PutStr("audit.action", "LOGIN")
		scope.Attributes().PutStr("event.kind", "alert")
		body, got := encode(e, ld)
		require.Equal(t, want, got, name)
		require.Contains(t, string(body), `"scope":{"name":"audit.security.login"`)
	}
}

// A record whose timestamps can't be true, before or after one another or in another age, is
// kept as it was sent: no clock is trusted, and order is by sequence number.
func TestTimesAreKeptAsSent(t *testing.T) {
	e := defaults(t)
	for _, times := range [][2]uint64{{2, 1}, {1, 1 << 63}, {1<<64 - 1, 1}} {
		ld := audit()
		_, want := encode(e, ld)
		lr := first(ld)
		lr.SetTimestamp(pcommon.Timestamp(times[0]))
		lr.SetObservedTimestamp(pcommon.Timestamp(times[1]))
		_, got := encode(e, ld)
		require.Equal(t, want, got)
		checkRoundTrip(t, e, ld)
	}
}
