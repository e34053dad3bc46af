package exporter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadatatest"
)

const canary = "canary-5b1e"

// audit is a request of n ordinary records and, last, an audit record without an outcome and with an
// actor that is a number. What it holds is the canary.
func audit(n int, id string) plog.Logs {
	logs := plog.NewLogs()
	sl := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for range n {
		sl.LogRecords().AppendEmpty().Body().SetStr(canary)
	}
	lr := sl.LogRecords().AppendEmpty()
	lr.SetEventName("user.update." + canary)
	lr.SetTimestamp(1)
	lr.SetObservedTimestamp(1)
	lr.Body().SetStr(canary)
	lr.Attributes().PutStr("audit.record.id", id)
	lr.Attributes().PutInt("audit.actor.id", 7)
	lr.Attributes().PutStr("audit.actor.type", canary)
	lr.Attributes().PutStr("audit.action", canary)
	logs.MarkReadOnly()
	return logs
}

func rejecting() exporter.Options {
	o := defaults()
	o.RejectInvalid = true
	return o
}

// refused are the system entries that a log holds of refused requests.
func (l *fakeLog) refused(t *testing.T) []chain.Refused {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []chain.Refused
	for _, body := range l.bodies {
		var r chain.Refused
		if json.Unmarshal([]byte(body), &r) == nil && r.Type == chain.TypeRefused {
			require.NotContains(t, body, canary)
			all = append(all, r)
		}
	}
	return all
}

func TestInvalidRequestIsRefusedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, rejecting(), opens(log))
		r.start(t)
		began := time.Now().UTC()
		err := r.ConsumeLogs(t.Context(), audit(2, "rec-1"))
		requireCode(t, codes.InvalidArgument, err)
		for _, says := range []string{"1 of 3 records", "audit.actor.id: not a string", "audit.outcome: missing"} {
			require.ErrorContains(t, err, says)
		}
		require.NotContains(t, err.Error(), canary)
		require.Equal(t, uint64(1), log.Info().Synced.Seq, "the entry is synced, and the only one")

		told := log.refused(t)
		require.Len(t, told, 1)
		require.Equal(t, chain.SystemEvent{V: 1, Type: "refused", Time: began}, told[0].SystemEvent)
		require.Equal(t, uint64(1), told[0].Requests)
		require.Equal(t, uint64(3), told[0].Records)
		require.Len(t, told[0].Listed, 3)
		first := told[0].Listed[0]
		require.Equal(t, "rec-1", first.ID)
		require.Contains(t, first.Invalid, "audit.outcome: missing")
		require.Empty(t, told[0].Listed[1].Invalid)
		require.Equal(t, told[0].Listed[1], told[0].Listed[2], "equal records have one digest")
		require.NotEqual(t, first.SHA256, told[0].Listed[1].SHA256)
		require.NotZero(t, first.SHA256)

		metadatatest.AssertEqualExporterAuditRefusedRequests(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "cause", "invalid")}, ignore...)
		metadatatest.AssertEqualExporterAuditInvalidRecords(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "violation", "structural")}, ignore...)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, false)), "what is valid is taken")
		requireNoTrace(t, r, canary)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// By default an invalid record is evidence, and critical.
func TestInvalidRecordIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.CriticalDefaults = false
		log := newFakeLog(nil)
		r := newRig(t, o, opens(log))
		r.start(t)
		logs := audit(2, "rec\x1b[31m")
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
		require.Equal(t, uint64(3), log.Info().Synced.Seq)
		metadatatest.AssertEqualExporterAuditInvalidRecords(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "violation", "structural"), point(1, "violation", "identity")}, ignore...)
		metadatatest.AssertEqualExporterAuditCriticalEvents(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "rule", "invalid")}, ignore...)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Forbidden characters and over-long values are no reason to refuse.
func TestContentIsNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, rejecting(), opens(log))
		r.start(t)
		logs := plog.NewLogs()
		lr := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetEventName("user.\u202elogin")
		lr.Body().SetStr("\x00\x1b" + strings.Repeat("x", 100_000))
		lr.Attributes().PutStr("user.password", "hunter2")
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
		one := []metricdata.DataPoint[int64]{point(1, "", "")}
		metadatatest.AssertEqualExporterAuditRedactedValues(t, r.telemetry, one, ignore...)
		metadatatest.AssertEqualExporterAuditTruncatedValues(t, r.telemetry, one, ignore...)
		metadatatest.AssertEqualExporterAuditInvalidRecords(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "violation", "identity")}, ignore...)
		require.NotContains(t, strings.Join(log.bodies, ""), "hunter2")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A client that is refused a thousand times leaves an entry a second, and no request is forgotten.
func TestRefusalsAreToldAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, rejecting(), opens(log))
		r.start(t)
		for range 1000 {
			require.Error(t, r.ConsumeLogs(t.Context(), audit(1, "a")))
			time.Sleep(3 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, log.refused(t), 4)
		for range 3 {
			require.Error(t, r.ConsumeLogs(t.Context(), audit(1, "b")))
		}
		require.NoError(t, r.Shutdown(t.Context()))
		told, sum := log.refused(t), tally{}
		require.Len(t, told, 6, "the last at Shutdown")
		for _, e := range told {
			sum.requests += e.Requests
			sum.records += e.Records
		}
		require.Equal(t, tally{1003, 2006}, sum)
		require.Len(t, told[0].Listed, 2)
		require.Empty(t, told[1].Listed, "by the timer, which has no request at hand")
		require.Equal(t, uint64(2), told[5].Requests)
	})
}

type tally struct{ requests, records uint64 }

// A refusal does not wait for the log to recover, and is told when it has.
func TestRefusalStandsWhenItCannotBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := true
		log := newFakeLog(map[string]func() error{"write": func() error {
			if failing {
				return errDisk
			}
			return nil
		}})
		r := newRig(t, rejecting(), opens(log))
		r.start(t)
		requireCode(t, codes.InvalidArgument, r.ConsumeLogs(t.Context(), audit(0, "a")))
		failing = false
		time.Sleep(10 * time.Second)
		requireCode(t, codes.InvalidArgument, r.ConsumeLogs(t.Context(), audit(0, "b")))
		require.NoError(t, r.Shutdown(t.Context()))
		told := log.refused(t)
		require.Equal(t, uint64(2), told[len(told)-1].Requests)
		require.Equal(t, "b", told[len(told)-1].Listed[0].ID)
	})
}

func TestRefusedListIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, rejecting(), opens(log))
		r.start(t)
		require.Error(t, r.ConsumeLogs(t.Context(), audit(600, "last")))
		require.NoError(t, r.Shutdown(t.Context()))
		told := log.refused(t)
		require.Equal(t, uint64(601), told[0].Records)
		require.Len(t, told[0].Listed, 512)
		require.Equal(t, "last", told[0].Listed[0].ID, "what is invalid comes first")
	})
}

// An id is a client's text: it stands in a system entry only if it can do nothing.
func TestRefusedIDs(t *testing.T) {
	for id, want := range map[string]string{
		"rec-4711":               "rec-4711",
		strings.Repeat("a", 128): strings.Repeat("a", 128),
		strings.Repeat("a", 129): "",
		"a b":                    "",
		"a\x1b[31m":              "",
		"a\u202eb":               "",
		"a\x7f":                  "",
		"\xff":                   "",
	} {
		t.Run(fmt.Sprintf("%q", id), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newFakeLog(nil)
				r := newRig(t, rejecting(), opens(log))
				r.start(t)
				require.Error(t, r.ConsumeLogs(t.Context(), audit(0, id)))
				require.NoError(t, r.Shutdown(t.Context()))
				require.Equal(t, want, log.refused(t)[0].Listed[0].ID)
			})
		})
	}
}
