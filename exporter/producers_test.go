package exporter_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
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

// chainOf is n requests of one record each, a producer's chain.
func chainOf(t testing.TB, stream string, n int) (all []plog.Logs) {
	t.Helper()
	prev := ""
	for i := range n {
		logs := plog.NewLogs()
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "edge")
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		valid(lr)
		lr.Attributes().PutStr("audit.record.id", stream+string(rune('a'+i)))
		lr.Attributes().PutStr("audit.sequence.stream_id", stream)
		lr.Attributes().PutInt("audit.sequence.number", int64(i+1))
		if prev != "" {
			lr.Attributes().PutStr("audit.sequence.previous_hash", prev)
		}
		sum, err := canonical.Hash(lr, canonical.TaggedBody)
		require.NoError(t, err)
		prev = hex.EncodeToString(sum[:])
		logs.MarkReadOnly()
		all = append(all, logs)
	}
	return all
}

// sequences are what the events of a log say of chains: "next", "broken gap".
func (l *fakeLog) sequences(t testing.TB) (all []string) {
	t.Helper()
	for _, e := range l.events(t) {
		if e.Sequence != nil {
			all = append(all, strings.TrimSpace(e.Sequence.State+" "+e.Sequence.Break))
		}
	}
	return all
}

func onlySequences() exporter.Options {
	o := defaults()
	o.CriticalDefaults = false
	o.Integrity = &exporter.Integrity{Verify: "off", Sequences: true, MaxStreams: 10}
	return o
}

// A break is in the event, critical and counted, and is no reason to refuse; the record is as it was.
func TestSequences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, onlySequences(), opens(log))
		r.start(t)
		all := chainOf(t, "s", 4)
		for _, i := range []int{0, 1, 1} {
			require.NoError(t, r.ConsumeLogs(t.Context(), all[i]))
		}
		require.Zero(t, log.Info().Synced.Seq)
		require.NoError(t, r.ConsumeLogs(t.Context(), all[3]))
		require.Equal(t, uint64(4), log.Info().Synced.Seq, "a break is critical")
		require.Equal(t, []string{"first", "next", "again", "broken gap"}, log.sequences(t))
		require.Equal(t, "integrity:sequence", log.events(t)[3].Rule)
		metadatatest.AssertEqualExporterAuditProducerChainBreaks(t, r.telemetry,
			[]metricdata.DataPoint[int64]{point(1, "break", "gap")}, ignore...)
		back, err := auditevent.Decode([]byte(log.bodies[3]))
		require.NoError(t, err)
		want := pcommon.NewMap()
		all[3].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().CopyTo(want)
		require.Equal(t, want.AsRaw(), back.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw())
		require.NoError(t, r.Shutdown(t.Context()))

		again := newFakeLog(nil)
		r = newRig(t, onlySequences(), opens(again))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), all[2]))
		require.Equal(t, []string{"unknown"}, again.sequences(t), "no false alarm after a start")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A request that was refused moves no stream: sent again, it is what follows.
func TestSequencesOfRefusedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := 1
		log := newFakeLog(map[string]func() error{"write": func() error {
			if fails--; fails == 0 {
				return errDisk
			}
			return nil
		}})
		o := onlySequences()
		o.Mode, o.RejectInvalid = "immediate", true
		r := newRig(t, o, opens(log))
		r.start(t)
		all := chainOf(t, "s", 3)
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), all[0]))
		time.Sleep(time.Minute) // the segment is given up meanwhile
		require.NoError(t, r.ConsumeLogs(t.Context(), all[0]))

		invalid := plog.NewLogs()
		all[1].CopyTo(invalid)
		record(invalid, 0).Attributes().Remove("audit.actor.id")
		requireCode(t, codes.InvalidArgument, r.ConsumeLogs(t.Context(), invalid))
		require.NoError(t, r.ConsumeLogs(t.Context(), all[1]))
		require.NoError(t, r.ConsumeLogs(t.Context(), all[2]))
		require.Equal(t, []string{"first", "next", "next"}, log.sequences(t))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Nor does one that the memory budget had no room for.
func TestSequencesOfOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		log := newFakeLog(map[string]func() error{"sync": hang(release)})
		o := onlySequences()
		o.Mode, o.MaxInFlight = "immediate", 32<<10
		r := newRig(t, o, opens(log))
		r.start(t)
		other := make(chan error, 1)
		go func() { other <- r.ConsumeLogs(t.Context(), records(1, false)) }()
		synctest.Wait()
		large := plog.NewLogs()
		chainOf(t, "s", 1)[0].CopyTo(large)
		record(large, 0).Body().SetStr(strings.Repeat("x", 60<<10))
		requireCode(t, codes.ResourceExhausted, r.ConsumeLogs(t.Context(), large))
		close(release)
		require.NoError(t, <-other)
		require.NoError(t, r.ConsumeLogs(t.Context(), large))
		require.Equal(t, []string{"first"}, log.sequences(t))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A client that leaves while its records are being written leaves its stream undecided: what follows
// waits until it is known that they are in the log.
func TestSequencesOfRequestsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		log := newFakeLog(map[string]func() error{"sync": hang(release)})
		o := onlySequences()
		o.Mode = "immediate"
		r := newRig(t, o, opens(log))
		r.start(t)
		all := chainOf(t, "s", 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, r.ConsumeLogs(ctx, all[0]))
		answers := make(chan error, 2)
		go func() { answers <- r.ConsumeLogs(t.Context(), all[1]) }()
		synctest.Wait()
		require.Empty(t, answers)
		close(release)
		require.NoError(t, <-answers)
		require.Equal(t, []string{"first", "next"}, log.sequences(t))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// What is undecided for longer than flush.sync_timeout refuses the stream's next request, and no other's.
func TestSequencesUndecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		log := newFakeLog(map[string]func() error{"write": hang(release)})
		o := onlySequences()
		o.Mode, o.SyncTimeout = "immediate", 10*time.Second
		r := newRig(t, o, opens(log))
		r.start(t)
		all := chainOf(t, "s", 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, r.ConsumeLogs(ctx, all[0]))
		answer := make(chan error, 1)
		go func() { answer <- r.ConsumeLogs(t.Context(), all[1]) }()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		requireCode(t, codes.Unavailable, <-answer)
		close(release)
		time.Sleep(time.Minute)
		require.NoError(t, r.ConsumeLogs(t.Context(), all[1]))
		require.Equal(t, []string{"first", "next"}, log.sequences(t))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// Producers at work side by side, with writes that fail now and then: each chain that the log holds is
// whole, as each producer sends again what was refused.
func TestSequencesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		log := newFakeLog(map[string]func() error{"write": func() error {
			if n++; n%7 == 0 {
				return errDisk
			}
			return nil
		}})
		r := newRig(t, onlySequences(), opens(log))
		r.start(t)
		done := make(chan int)
		for _, stream := range []string{"a", "b", "c"} {
			go func() {
				for _, logs := range chainOf(t, stream, 20) {
					for r.ConsumeLogs(t.Context(), logs) != nil {
						time.Sleep(time.Second)
					}
				}
				done <- 1
			}()
		}
		for range 3 {
			<-done
		}
		counts := map[string]int{}
		for _, s := range log.sequences(t) {
			counts[s]++
		}
		require.Equal(t, 3, counts["first"])
		require.GreaterOrEqual(t, counts["next"], 3*19)
		require.Equal(t, counts["first"]+counts["next"]+counts["again"], len(log.sequences(t)), "none is broken")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// After a restart the chains go on from what the log has: a gap over the restart is noticed, and nothing
// is an alarm that is none. A record of which the chain's attributes were cut makes all before it unknown.
func TestSequencesAreRecalled(t *testing.T) {
	all := chainOf(t, "s", 6)
	for name, c := range map[string]struct {
		before, after []plog.Logs
		want          []string
	}{
		"goes on":         {all[:3], all[3:], []string{"next", "next", "next"}},
		"gap":             {all[:3], all[4:], []string{"broken gap", "next"}},
		"delivered twice": {all[:3], all[1:4], []string{"again", "again", "next"}},
		"begins":          {nil, all[:2], []string{"first", "next"}},
		"cut":             {append(all[:3:3], crowded(t, all[3])), all[4:], []string{"unknown", "next"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := onlySequences()
			o.Directory = t.TempDir()
			o.Limits = exporter.Limits{Attributes: 16}
			send := func(requests []plog.Logs) {
				r := newRigNamed(t, "", func(set collector.Settings) (collector.Logs, error) { return exporter.New(t.Context(), set, o) })
				r.start(t)
				for _, logs := range requests {
					require.NoError(t, r.ConsumeLogs(t.Context(), logs))
				}
				require.NoError(t, r.Shutdown(t.Context()))
				require.Empty(t, r.logs.FilterMessageSnippet("could not be read").All())
			}
			send(c.before)
			send(c.after)
			send(nil)
			require.Equal(t, c.want, statesIn(t, o.Directory)[len(c.before):])
		})
	}
}

// crowded is a request with so many attributes before its own that those of the chain are cut.
func crowded(t testing.TB, logs plog.Logs) plog.Logs {
	t.Helper()
	out := plog.NewLogs()
	logs.CopyTo(out)
	a := record(out, 0).Attributes()
	own := pcommon.NewMap()
	a.CopyTo(own)
	a.Clear()
	for i := range 20 {
		a.PutInt("n"+string(rune('a'+i)), 1)
	}
	for k, v := range own.All() {
		v.CopyTo(a.PutEmpty(k))
	}
	return out
}

// statesIn are what the events of the log in a directory say of chains.
func statesIn(t testing.TB, dir string) (states []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			e, err := chain.ParseLine([]byte(strings.TrimSuffix(line, "\n")))
			require.NoError(t, err)
			if e.Kind != chain.Event {
				continue
			}
			got, err := auditevent.Parse(e.Body)
			require.NoError(t, err)
			states = append(states, strings.TrimSpace(got.Sequence.State+" "+got.Sequence.Break))
		}
	}
	return states
}
