package exporter_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"

	"github.com/otelaudit/auditexporter/chain"
	auditevent "github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/event/canonical"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadatatest"
)

// edgeSecret is the HMAC key of the producer "edge".
const edgeSecret = "the secret of the producer edge"

// trusting is options with that key.
func trusting(verify string) exporter.Options {
	o := defaults()
	o.CriticalDefaults = false
	o.Integrity = &exporter.Integrity{Verify: verify, Sequences: true, MaxStreams: 10, Keys: []exporter.TrustedKey{
		{ID: "edge", Algorithm: "HMAC-SHA256", Secret: "dGhlIHNlY3JldCBvZiB0aGUgcHJvZHVjZXIgZWRnZQ=="},
	}}
	return o
}

// signed is a request of records that the producer "edge" signed, each changed before.
func signed(t testing.TB, change ...func(plog.LogRecord)) plog.Logs {
	t.Helper()
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "edge")
	rl.Resource().Attributes().PutStr("audit.integrity.algorithm", "HMAC-SHA256")
	for _, c := range change {
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		valid(lr)
		c(lr)
		sign(t, lr)
	}
	return logs
}

func valid(lr plog.LogRecord) {
	lr.SetEventName("order.shipped")
	lr.SetTimestamp(1)
	lr.SetObservedTimestamp(2)
	lr.Body().SetStr(canary)
	for k, v := range map[string]string{
		"audit.record.id": "id", "audit.actor.id": "alice", "audit.actor.type": "user", "audit.action": "SHIP", "audit.outcome": "success",
	} {
		lr.Attributes().PutStr(k, v)
	}
}

func sign(t testing.TB, lr plog.LogRecord) {
	t.Helper()
	text, err := canonical.JSON(lr, canonical.TaggedBody)
	require.NoError(t, err)
	m := hmac.New(sha256.New, []byte(edgeSecret))
	m.Write(text)
	lr.Attributes().PutStr("audit.integrity.value", base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

func asIs(plog.LogRecord) {}

func record(logs plog.Logs, i int) plog.LogRecord {
	return logs.ResourceLogs().At(0).ScopeLogs().At(i).LogRecords().At(0)
}

// events are the events that a log holds, in order.
func (l *fakeLog) events(t testing.TB) (all []auditevent.Event) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := json.NewDecoder(strings.NewReader(strings.Join(l.bodies, ""))); ; {
		var body json.RawMessage
		if err := d.Decode(&body); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		if !strings.Contains(string(body), `"type":"refused"`) {
			e, err := auditevent.Parse(body)
			require.NoError(t, err)
			all = append(all, e)
		}
	}
}

func TestAnnotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, trusting("annotate"), opens(log))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), signed(t, asIs)))
		require.Zero(t, log.Info().Synced.Seq, "it is routine")

		logs := signed(t, asIs, asIs, asIs, func(lr plog.LogRecord) { lr.SetSeverityText("INFO") })
		record(logs, 0).Attributes().PutStr("audit.actor.id", "mallory")
		record(logs, 1).Attributes().Remove("audit.integrity.value")
		plain := logs.ResourceLogs().AppendEmpty()
		plain.Resource().Attributes().PutStr("service.name", "another")
		valid(plain.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
		logs.MarkReadOnly()
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
		require.Equal(t, uint64(6), log.Info().Synced.Seq, "what is not verified is critical")

		var got []*auditevent.Integrity
		var rules []string
		for _, e := range log.events(t) {
			got, rules = append(got, e.Integrity), append(rules, e.Rule)
		}
		require.Equal(t, []*auditevent.Integrity{
			{Verified: true, Key: "edge"},
			{Reason: "mismatch"},
			{Reason: "missing_value"},
			{Verified: true, Key: "edge"},
			{Verified: true, Key: "edge", Uncovered: []string{"severity_text"}},
			nil,
		}, got)
		require.Equal(t, []string{"", "integrity:signature", "integrity:signature", "", "", ""}, rules)
		metadatatest.AssertEqualExporterAuditProducerSignatures(t, r.telemetry, []metricdata.DataPoint[int64]{
			point(3, "result", "verified"), point(1, "result", "mismatch"), point(1, "result", "missing_value"),
		}, ignore...)
		metadatatest.AssertEqualExporterAuditCriticalEvents(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(2, "rule", "integrity")}, ignore...)
		requireNoTrace(t, r, "secret of the producer")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// One record that is not verified refuses its request whole, for good, with what is wrong and nothing
// of its content, and leaves a system entry.
func TestRequireRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, trusting("require"), opens(log))
		r.start(t)
		logs := signed(t, asIs, asIs, asIs)
		record(logs, 1).Attributes().PutStr("audit.actor.id", canary)
		record(logs, 2).Attributes().Remove("audit.integrity.value")
		logs.MarkReadOnly()
		err := r.ConsumeLogs(t.Context(), logs)
		requireCode(t, codes.InvalidArgument, err)
		require.ErrorContains(t, err, "2 of 3 records are not verified, and none was taken: audit.integrity.value: mismatch, missing_value")
		require.NotContains(t, err.Error(), canary)
		require.Equal(t, uint64(1), log.Info().Synced.Seq, "the entry is synced, and the only one")

		told := log.refused(t)
		require.Len(t, told, 1)
		require.Equal(t, uint64(3), told[0].Records)
		require.Len(t, told[0].Listed, 3)
		require.Equal(t, []string{"audit.integrity.value: mismatch"}, told[0].Listed[0].Invalid)
		require.Equal(t, []string{"audit.integrity.value: missing_value"}, told[0].Listed[1].Invalid)
		require.Equal(t, "id", told[0].Listed[1].ID)
		require.Empty(t, told[0].Listed[2].Invalid)

		metadatatest.AssertEqualExporterAuditRefusedRequests(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "cause", "unverified")}, ignore...)
		metadatatest.AssertEqualExporterAuditProducerSignatures(t, r.telemetry, []metricdata.DataPoint[int64]{
			point(1, "result", "verified"), point(1, "result", "mismatch"), point(1, "result", "missing_value"),
		}, ignore...)
		require.NoError(t, r.ConsumeLogs(t.Context(), signed(t, asIs)), "what is signed is taken")
		requireNoTrace(t, r, canary)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Which records must be signed is the profile's to say.
func TestRequireByProfile(t *testing.T) {
	unsigned := plog.NewLogs()
	rl := unsigned.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "edge")
	valid(rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	for profile, want := range map[string][2]bool{"auto": {false, true}, "audit": {false, false}, "any": {true, true}} {
		synctest.Test(t, func(t *testing.T) {
			o := trusting("require")
			o.Profile = profile
			r := newRig(t, o, opens(newFakeLog(nil)))
			r.start(t)
			for i, logs := range []plog.Logs{unsigned, records(1, false)} {
				if err := r.ConsumeLogs(t.Context(), logs); want[i] {
					require.NoError(t, err, profile)
				} else {
					requireCode(t, codes.InvalidArgument, err)
				}
			}
			require.NoError(t, r.ConsumeLogs(t.Context(), signed(t, asIs)))
			forged := signed(t, asIs)
			record(forged, 0).SetEventName("x")
			requireCode(t, codes.InvalidArgument, r.ConsumeLogs(t.Context(), forged))
			require.NoError(t, r.Shutdown(t.Context()))
		})
	}
}

// What is signed is the record as it came: what redaction and limits take away counts.
func TestVerifiedAsReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := trusting("require")
		o.Limits = exporter.Limits{Value: 1 << 10}
		log := newFakeLog(nil)
		r := newRig(t, o, opens(log))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), signed(t, func(lr plog.LogRecord) {
			lr.Attributes().PutStr("user.password", canary)
			lr.Body().SetStr(strings.Repeat("x", 5000))
		})))
		e := log.events(t)[0]
		require.True(t, e.Integrity.Verified)
		require.Len(t, e.Redacted, 1)
		require.Len(t, e.Truncated, 1)
		for _, change := range []func(plog.LogRecord){
			func(lr plog.LogRecord) { lr.Attributes().PutStr("user.password", "another") },
			func(lr plog.LogRecord) { lr.Body().SetStr(strings.Repeat("x", 4999) + "y") },
		} {
			logs := signed(t, func(lr plog.LogRecord) {
				lr.Attributes().PutStr("user.password", canary)
				lr.Body().SetStr(strings.Repeat("x", 5000))
			})
			change(record(logs, 0))
			requireCode(t, codes.InvalidArgument, r.ConsumeLogs(t.Context(), logs))
		}
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A large request is looked at in two halves: each record has its own result.
func TestVerifiedInHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := make([]func(plog.LogRecord), 301)
		for i := range changes {
			changes[i] = func(lr plog.LogRecord) {
				lr.Attributes().PutInt("audit.sequence.number", int64(i+1))
				lr.Attributes().PutStr("audit.sequence.stream_id", "s")
			}
		}
		logs := signed(t, changes...)
		for i := range changes {
			if i%3 == 1 {
				record(logs, i).SetEventName("changed")
			}
		}
		log := newFakeLog(nil)
		r := newRig(t, trusting("annotate"), opens(log))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
		events := log.events(t)
		require.Len(t, events, len(changes))
		for i, e := range events {
			require.Equal(t, i%3 != 1, e.Integrity.Verified, i)
			require.Equal(t, map[bool]string{true: "first", false: "next"}[i == 0], e.Sequence.State, i)
		}
		metadatatest.AssertEqualExporterAuditProducerSignatures(t, r.telemetry, []metricdata.DataPoint[int64]{
			point(201, "result", "verified"), point(100, "result", "mismatch"),
		}, ignore...)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Without the section nothing is said, whatever a record claims.
func TestIntegrityOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, defaults(), opens(log))
		r.start(t)
		logs := signed(t, asIs)
		record(logs, 0).Attributes().PutInt("audit.sequence.number", -1)
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
		e := log.events(t)[0]
		require.Nil(t, e.Integrity)
		require.Nil(t, e.Sequence)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Keys are read at start, which fails for one that can't be used; the log's opening entry names them.
func TestKeysAreReadAtStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "edge.key")
	o := trusting("require")
	o.Integrity.Keys = []exporter.TrustedKey{{ID: "edge", Algorithm: "HMAC-SHA256", KeyFile: file}}
	for content, want := range map[string]string{
		"":         "integrity.trusted_keys[0].key_file: " + file + ": secret: 0 bytes: must be at least 16",
		"not ever": "integrity.trusted_keys[0].key_file: " + file + ": secret: must be standard base64",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		require.NoError(t, exporter.CheckKeys(o.Integrity.Keys), "configuration is checked without a look at files")
		r := newRig(t, o, opens(newFakeLog(nil)))
		require.EqualError(t, r.Start(t.Context(), r.host), want)
		require.NoError(t, r.Shutdown(t.Context()))
	}
	require.NoError(t, os.Remove(file))
	r := newRig(t, o, opens(newFakeLog(nil)))
	require.ErrorIs(t, r.Start(t.Context(), r.host), os.ErrNotExist)
	require.NoError(t, r.Shutdown(t.Context()))

	require.NoError(t, os.WriteFile(file, []byte("dGhlIHNlY3JldCBvZiB0aGUgcHJvZHVjZXIgZWRnZQ==\n"), 0o600))
	synctest.Test(t, func(t *testing.T) {
		o := o
		o.ConfigSettings = map[string]string{"profile": "auto"}
		log := newFakeLog(nil)
		var settings map[string]string
		r := newRig(t, o, func(_ context.Context, c chain.Options) (exporter.AuditLog, error) {
			settings = c.Config.Settings
			return log, nil
		})
		r.start(t)
		require.Equal(t, map[string]string{"profile": "auto", "integrity.trusted_keys[0]": "edge HMAC-SHA256"}, settings)
		require.Len(t, o.ConfigSettings, 1, "the configuration's own is not changed")
		require.NoError(t, r.ConsumeLogs(t.Context(), signed(t, asIs)))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}
