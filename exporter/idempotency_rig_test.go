package exporter_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	auditevent "github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/idindex"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// idRig is an exporter with idempotency on a machine in memory.
type idRig struct {
	*rig
	t      *testing.T
	fs     *faultfs.FS
	o      exporter.Options
	reread int64
}

// idempotent runs a test in fake time on a machine whose exporter is up.
func idempotent(t *testing.T, change func(*exporter.Options), test func(r *idRig)) {
	t.Helper()
	inBubble(t, 1, func(t *testing.T) {
		r := &idRig{t: t, fs: faultfs.New(t, faultDir), o: idempotentOptions()}
		if change != nil {
			change(&r.o)
		}
		r.boot()
		test(r)
		r.down()
	})
}

func idempotentOptions() exporter.Options {
	o := defaults()
	o.Directory = faultDir
	o.Idempotency = &exporter.Idempotency{Horizon: 24 * time.Hour, MaxRecords: 100_000, Keys: []string{"audit.record.id", "log.record.uid"}}
	return o
}

func (r *idRig) boot() {
	r.t.Helper()
	r.rig = newRigNamed(r.t, "", func(set collector.Settings) (collector.Logs, error) {
		return exporter.NewOn(r.t.Context(), set, r.o, r.fs, r.fs.BootID(), r.reread)
	})
	r.start(r.t)
}

func (r *idRig) down() {
	r.t.Helper()
	require.NoError(r.t, r.Shutdown(r.t.Context()))
	require.Empty(r.t, r.fs.OpenFiles())
}

// die ends the process, or the machine with it, and boots again.
func (r *idRig) die(seed int) {
	r.t.Helper()
	next := r.fs.ProcessDeath()
	if seed >= 0 {
		next = r.fs.PowerCut(uint64(seed))
	}
	r.fs.TurnOff()
	_ = r.Shutdown(r.t.Context())
	r.fs = next
	r.boot()
}

// rec is a record: an id, what else it says, and whether it is critical.
type rec struct {
	id, says string
	critical bool
}

// logsOf is a request. Says is the body, or behind "password:" an attribute's value.
func logsOf(recs ...rec) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "portal")
	sl := rl.ScopeLogs().AppendEmpty()
	for _, r := range recs {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(1)
		if r.id != "" {
			lr.Attributes().PutStr("log.record.uid", r.id)
		}
		if secret, is := strings.CutPrefix(r.says, "password:"); is {
			lr.Attributes().PutStr("password", secret)
		} else {
			lr.Body().SetStr(r.says)
		}
		if r.critical {
			lr.SetEventName("auth.failure")
		}
	}
	logs.MarkReadOnly()
	return logs
}

func (r *idRig) send(recs ...rec) error {
	return r.ConsumeLogs(r.t.Context(), logsOf(recs...))
}

func (r *idRig) mustSend(recs ...rec) {
	r.t.Helper()
	require.NoError(r.t, r.send(recs...))
}

// lines are the log's entries that count, after a second in which all is synced.
func (r *idRig) lines() (all []chain.Line) {
	r.t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	folder, err := chain.FindLog(r.fs, faultDir)
	require.NoError(r.t, err)
	l, err := chain.OpenReader(r.fs, folder, chain.ReadOptions{Lock: chain.LockFree, Check: true})
	require.NoError(r.t, err)
	defer l.Close()
	for {
		line, err := l.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(r.t, err)
		line.Body = slices.Clone(line.Body)
		all = append(all, line)
	}
}

// stands are the log's events as "id says", "!" behind those that conflict.
func (r *idRig) stands() (all []string) {
	r.t.Helper()
	for _, l := range r.lines() {
		if l.Kind != chain.Event {
			continue
		}
		e, err := auditevent.Parse(l.Body)
		require.NoError(r.t, err)
		text := e.ID + " " + e.Body
		if p, _, ok := auditevent.ReadPrint(l.Body); ok && p.Conflict {
			text += "!"
			require.True(r.t, e.Critical)
			require.Contains(r.t, e.Invalid, auditevent.Violation{Class: "conflict", Field: "log.record.uid", What: []string{"record_id_conflict"}})
		}
		all = append(all, text)
	}
	return all
}

func newLogs(of plog.Logs) plog.Logs {
	logs := plog.NewLogs()
	of.CopyTo(logs)
	return logs
}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// requireIndexed holds if, once the exporter is down, the index names of every event with an id the
// entry that has it.
func (r *idRig) requireIndexed() {
	r.t.Helper()
	r.down()
	folder, err := chain.FindLog(r.fs, faultDir)
	require.NoError(r.t, err)
	id, ok := chain.ParseLogID(filepath.Base(folder))
	require.True(r.t, ok)
	count := 0
	for _, l := range r.lines() {
		p, _, ok := auditevent.ReadPrint(l.Body)
		if !ok || p.Conflict {
			continue
		}
		count++
		found, last, err := idindex.Search(r.fs, folder+"/ids", id, idindex.Key(p.ID))
		require.NoError(r.t, err)
		require.Len(r.t, found, 1)
		require.Equal(r.t, l.Seq, found[0].Seq)
		require.Equal(r.t, idindex.Link(l.Hash[:8]), found[0].Link)
		require.GreaterOrEqual(r.t, last, l.Seq)
	}
	require.Positive(r.t, count)
	r.boot()
}
