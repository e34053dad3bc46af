package exporter_test

import (
	"context"
	"encoding/hex"
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

// With idempotency a record that comes again leaves no entry, and moves no chain.
func TestSequencesWithIdempotency(t *testing.T) {
	all := chainOf(t, "s", 4)
	o := onlySequences()
	o.Directory = t.TempDir()
	o.Idempotency = &exporter.Idempotency{Horizon: time.Hour, MaxRecords: 10_000, Keys: []string{"audit.record.id"}}
	for _, requests := range [][]plog.Logs{{all[0], all[1], all[0], all[1], all[2]}, {all[2], all[1], all[3], all[3]}} {
		r := newRigNamed(t, "", func(set collector.Settings) (collector.Logs, error) { return exporter.New(t.Context(), set, o) })
		r.start(t)
		for _, logs := range requests {
			require.NoError(t, r.ConsumeLogs(t.Context(), logs))
		}
		require.NoError(t, r.Shutdown(t.Context()))
	}
	require.Equal(t, []string{"first", "next", "next", "next"}, statesIn(t, o.Directory))
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
