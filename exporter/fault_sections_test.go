package exporter_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/judge"
	auditevent "github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const (
	everythingDir = "/audit"
	copiesDir     = "/copies"
	lifeClients   = 3
	lifeRequests  = 6 // of a client in a session
)

// full is a machine whose exporter has idempotency, integrity and checkpoints on, and its clients, which send
// again what was not acknowledged, and after a restart all that they ever sent.
type full struct {
	t    *testing.T
	fs   *faultfs.FS
	seed uint64
	key  *checkpoint.Key
	o    exporter.Options
	rig  *rig

	mu    sync.Mutex
	acked map[string]bool // by record id; whether it had to be synced
	sent  [lifeClients]int
	kept  map[string]judge.Statement // all that was found in copies after a crash

	count fullCounts
}

type fullCounts struct {
	deaths, cuts, acked, again, refused, lost, checkpoints int
}

func (c *fullCounts) plus(d fullCounts) {
	c.deaths += d.deaths
	c.cuts += d.cuts
	c.acked += d.acked
	c.again += d.again
	c.refused += d.refused
	c.lost += d.lost
	c.checkpoints += d.checkpoints
}

func newFull(t *testing.T, mode string, seed uint64) *full {
	w := &full{t: t, fs: faultfs.New(t, everythingDir), seed: seed, key: newKey(t), acked: map[string]bool{}, kept: map[string]judge.Statement{}}
	require.NoError(t, w.fs.Mkdir(copiesDir, 0o700))
	require.NoError(t, w.fs.SyncDir("/"))
	w.o = trusting("annotate")
	w.o.Directory, w.o.MaxSegmentSize, w.o.CriticalDefaults = everythingDir, 12_000, true
	w.o.Mode, w.o.BatchSize, w.o.BatchInterval = mode, batchSize, batchInterval
	w.o.Idempotency = &exporter.Idempotency{Horizon: 24 * time.Hour, MaxRecords: 100_000, Keys: []string{"log.record.uid"}}
	w.o.Checkpoint = &exporter.Checkpoint{
		Origin: w.key.Name(), Key: configopaque.String(w.key.Text()), Interval: 20 * time.Millisecond, Heartbeat: time.Second,
		Copies: []string{copiesDir},
	}
	return w
}

// must says whether a client's request had to be synced before it was acknowledged.
func (w *full) must(request int) bool {
	return w.o.Mode == "immediate" || w.o.Mode == "hybrid" && request%3 == 0
}

// request is the nth of a client: two records, signed, and numbered.
func (w *full) request(client, n int) (plog.Logs, []string) {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("audit.integrity.algorithm", "HMAC-SHA256")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	var ids []string
	for i := range 2 {
		id := fmt.Sprintf("%d-%d-%d", client, n, i)
		ids = append(ids, id)
		lr := records.AppendEmpty()
		lr.SetTimestamp(1)
		if n%3 == 0 {
			lr.SetEventName("auth.failure")
		}
		lr.Body().SetStr(strings.Repeat("x", (n*97+client*31)%400))
		lr.Attributes().PutStr("log.record.uid", id)
		lr.Attributes().PutStr("user.id", fmt.Sprint(client))
		lr.Attributes().PutStr("audit.sequence.stream_id", fmt.Sprint(client))
		lr.Attributes().PutInt("audit.sequence.number", int64(2*n+i+1))
		sign(w.t, lr)
	}
	logs.MarkReadOnly()
	return logs, ids
}

// boot starts the exporter, and again without faults if it can't start.
func (w *full) boot() {
	for {
		w.rig = newRigNamed(w.t, "", func(set collector.Settings) (collector.Logs, error) {
			return exporter.NewOn(w.t.Context(), set, w.o, w.fs, w.fs.BootID(), 0)
		})
		err := w.rig.Start(w.t.Context(), w.rig.host)
		if err == nil || w.fs.Off() {
			return
		}
		_ = w.rig.Shutdown(w.t.Context())
		w.fs.Intercept(nil)
	}
}

// client sends again all that it ever sent, and then new requests.
func (w *full) client(c int) {
	r := rand.New(rand.NewPCG(w.seed, uint64(c)))
	before := w.sent[c]
	for n := range before + lifeRequests {
		logs, ids := w.request(c, n)
		w.sent[c] = max(w.sent[c], n+1)
		time.Sleep(time.Duration(r.IntN(12)) * time.Millisecond)
		if !w.insist(logs, r) {
			return
		}
		w.mu.Lock()
		for _, id := range ids {
			w.acked[id] = w.must(n)
		}
		w.count.acked++
		if n < before {
			w.count.again++
		}
		w.mu.Unlock()
	}
}

// insist sends a request until it is acknowledged; false if the machine was turned off.
func (w *full) insist(logs plog.Logs, r *rand.Rand) bool {
	for range 300 {
		if w.fs.Off() {
			return false
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(1+r.IntN(3))*8*time.Second)
		err := w.rig.ConsumeLogs(ctx, logs)
		cancel()
		if err == nil {
			return true
		}
		w.mu.Lock()
		w.count.refused++
		w.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Errorf("seed %d: a request was never acknowledged", w.seed)
	return false
}

// session lets the clients send until they are done, or until a crash, which is judged.
func (w *full) session(c *chance) {
	var left *faultfs.FS
	var acked map[string]bool
	death := false
	var mu sync.Mutex
	fs := w.fs
	fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
		mu.Lock()
		if c.death > 0 && c.IntN(4*c.death) == 0 && left == nil {
			w.mu.Lock()
			acked = maps.Clone(w.acked)
			w.mu.Unlock()
			if death = c.IntN(2) == 0; death {
				left = fs.ProcessDeath()
			} else {
				left = fs.PowerCut(c.Uint64())
			}
			w.keep(fs)
			fs.TurnOff()
		}
		mu.Unlock()
		time.Sleep(duration(w.seed, op))
		return faultfs.Outcome{}
	})
	w.boot()
	var all sync.WaitGroup
	for i := range lifeClients {
		all.Go(func() { w.client(i) })
	}
	all.Wait()
	if !fs.Off() {
		fs.Intercept(nil)
	}
	_ = w.rig.Shutdown(w.t.Context())
	if left != nil {
		w.fs = left
		w.judgeCrash(death, acked)
	}
}

// keep keeps what has left the machine: a crash does not reach it.
func (w *full) keep(fs *faultfs.FS) {
	trust := judge.Trust{Keys: []*checkpoint.PublicKey{w.key.Public()}}
	for name, b := range fs.Files(copiesDir) {
		if !strings.HasSuffix(name, ".checkpoint") {
			continue
		}
		s, err := trust.Open(judge.Place{File: name}, b)
		if err == nil {
			w.kept[string(b)] = s
		} else {
			w.t.Errorf("seed %d: copy %s: %v", w.seed, name, err)
		}
	}
}

// stands are the records in the log by id, each of which stands once. A torn end is no fault.
func (w *full) stands() map[string]bool {
	files := w.fs.Files(everythingDir)
	var segments []string
	for p := range files {
		if strings.HasSuffix(p, ".jsonl") {
			segments = append(segments, p)
		}
	}
	slices.Sort(segments)
	ids, seq := map[string]bool{}, uint64(0)
	for i, p := range segments {
		require.Equal(w.t, filepath.Dir(segments[0]), filepath.Dir(p), "seed %d: two logs", w.seed)
		until := ^uint64(0)
		if i+1 < len(segments) {
			until, _ = strconv.ParseUint(strings.TrimSuffix(filepath.Base(segments[i+1])[11:], ".jsonl"), 10, 64)
		}
		for line := range strings.Lines(string(files[p])) {
			e, err := chain.ParseLine([]byte(strings.TrimSuffix(line, "\n")))
			if err != nil || e.Seq != seq+1 || e.Seq >= until {
				break
			}
			if seq++; e.Kind != chain.Event {
				continue
			}
			parsed, err := auditevent.Parse(e.Body)
			require.NoError(w.t, err)
			require.False(w.t, ids[parsed.ID], "seed %d: record %s stands twice", w.seed, parsed.ID)
			ids[parsed.ID] = true
		}
	}
	return ids
}

// judgeCrash holds what a crash left against what was acknowledged and signed.
func (w *full) judgeCrash(death bool, acked map[string]bool) {
	stands, lost := w.stands(), 0
	for id, must := range acked {
		if !stands[id] {
			require.False(w.t, must || death, "seed %d: record %s was acknowledged and is lost", w.seed, id)
			lost++
		}
	}
	require.LessOrEqual(w.t, lost, batchSize, "seed %d: records lost", w.seed)
	w.acked = map[string]bool{}
	for id := range stands {
		w.acked[id] = acked[id] || !death // what a power cut left is certain
	}
	for id := range acked {
		if stands[id] {
			w.acked[id] = acked[id] || !death
		}
	}
	w.count.lost += lost
	if death {
		w.count.deaths++
	} else {
		w.count.cuts++
	}
	w.examine(chain.LockOwn)
}

// examine has an auditor judge the log, who has the key and all that left the machine.
func (w *full) examine(lock chain.LockView) (chain.Report, judge.Anchoring) {
	folder, err := chain.FindLog(w.fs, everythingDir)
	if err != nil || folder == "" { // it crashed before there was one
		require.Empty(w.t, w.kept, "seed %d: signed, and the log is gone", w.seed)
		return chain.Report{}, judge.Anchoring{}
	}
	trust := judge.Trust{Keys: []*checkpoint.PublicKey{w.key.Public()}}
	report, a, err := trust.Examine(w.t.Context(), w.fs, folder, slices.Collect(maps.Values(w.kept)), chain.VerifyOptions{Lock: lock, Workers: 1})
	require.NoError(w.t, err, "seed %d", w.seed)
	require.False(w.t, report.Broken(), "seed %d: %v", w.seed, report.Faults)
	w.count.checkpoints += a.Matched
	return report, a
}

// finish has the clients come to an end without faults, and looks at the log as it is closed.
func (w *full) finish() {
	w.fs.Intercept(nil)
	w.boot()
	var all sync.WaitGroup
	for i := range lifeClients {
		all.Go(func() { w.client(i) })
	}
	all.Wait()
	require.NoError(w.t, w.rig.Shutdown(w.t.Context()))
	require.Empty(w.t, w.fs.OpenFiles())
	w.keep(w.fs)
	report, a := w.examine(chain.LockFree)
	require.Equal(w.t, report.Head.Seq, a.Proven.Size, "seed %d: anchored to its end", w.seed)
	stands, want := w.stands(), 0
	for c, n := range w.sent {
		for k := range n {
			for i := range 2 {
				require.True(w.t, stands[fmt.Sprintf("%d-%d-%d", c, k, i)], "seed %d: record %d-%d-%d", w.seed, c, k, i)
				want++
			}
		}
	}
	require.Len(w.t, stands, want, "seed %d", w.seed)
	w.checkEvents()
}

// checkEvents holds that the log says of each record what its producer deserves.
func (w *full) checkEvents() {
	folder, err := chain.FindLog(w.fs, everythingDir)
	require.NoError(w.t, err)
	for p, b := range w.fs.Files(folder) {
		if filepath.Ext(p) != ".jsonl" {
			continue
		}
		require.NotContains(w.t, string(b), `"break":`, "seed %d", w.seed)
		require.NotContains(w.t, string(b), `"verified":false`, "seed %d", w.seed)
		require.NotContains(w.t, string(b), `"conflict":true`, "seed %d", w.seed)
	}
}

// In lives in which the process dies and the power goes off at random, a log with
// idempotency, integrity and checkpoints on keeps the promises of each: nothing acknowledged is lost but what
// may be, what is sent again stands once, no checkpoint covers an entry that is gone, and producers' chains
// have no break that is not theirs.
func TestLivesWithSectionsOn(t *testing.T) {
	for _, mode := range []string{"hybrid", "immediate"} {
		t.Run(mode, func(t *testing.T) {
			var total fullCounts
			for seed := range uint64(12 * *faults) {
				inBubble(t, seed, func(t *testing.T) {
					w := newFull(t, mode, seed)
					c := newChance(seed)
					c.death = 20 + int(seed%10)*15
					for range 3 {
						w.session(c)
					}
					w.finish()
					total.plus(w.count)
				})
				if t.Failed() {
					return
				}
			}
			require.Positive(t, total.deaths)
			require.Positive(t, total.cuts)
			require.Positive(t, total.again)
			t.Logf("%+v", total)
		})
	}
}
