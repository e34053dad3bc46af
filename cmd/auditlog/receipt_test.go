package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/idindex"
)

// receipts is a log whose entries 2 to 5 are: a record, another with its id (a conflict), one with a
// password, and one that was written with idempotency off.
type receipts struct {
	t                *testing.T
	dir, folder      string
	id               chain.LogID
	whole, withNoIDs [32]byte // digests
}

func newReceipts(t *testing.T, indexed int) *receipts {
	t.Helper()
	r := &receipts{t: t, dir: t.TempDir()}
	w, err := chain.Open(t.Context(), chain.Options{Directory: r.dir, KeepHashes: true})
	require.NoError(t, err)
	e, err := event.NewEncoder(event.Options{})
	require.NoError(t, err)
	b := new(chain.Batch)
	add := func(id, says string, p *event.Print) [32]byte {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		sl := rl.ScopeLogs().AppendEmpty()
		lr := sl.LogRecords().AppendEmpty()
		lr.Attributes().PutStr("log.record.uid", id)
		lr.Attributes().PutStr(says, "x")
		var s event.Source
		e.Resource(&s, rl)
		e.Scope(&s, sl)
		stands, whole := e.Digests(&s, rl, sl, lr)
		if p != nil {
			p.ID, p.SHA256, p.Field = event.HashID(id), stands, "log.record.uid"
			p.Keyed = stands != whole
		}
		buf, _ := e.AppendPrinted(b.Buffer(), &s, lr, time.Unix(1_700_000_000, 7), p)
		b.EndEvent(buf)
		return whole
	}
	r.whole = add("rec-1", "one", new(event.Print))
	add("rec-1", "other", &event.Print{Conflict: true})
	add("rec-2", "password", new(event.Print))
	r.withNoIDs = add("rec-3", "three", nil)
	require.NoError(t, w.Write([]*chain.Batch{b}))
	require.NoError(t, w.Sync())
	info := w.Info()
	r.folder, r.id = info.Folder, info.LogID

	x := idindex.Open(idindex.Options{Folder: filepath.Join(r.folder, "ids"), LogID: r.id})
	x.Resume(b.First() - 1)
	for i := range indexed {
		h := b.Hash(i)
		p, _, ok := event.ReadPrint(bodyOf(b, i))
		var some []idindex.Record
		if ok && !p.Conflict {
			some = append(some, idindex.Record{Key: idindex.Key(p.ID), Seq: b.First() + uint64(i), Link: idindex.Link(h[:8])})
		}
		x.Add(some, b.First()+uint64(i), h, 1)
	}
	require.NoError(t, x.Close())
	require.NoError(t, w.Close())
	return r
}

// bodyOf is the i-th body of a batch of JSON objects.
func bodyOf(b *chain.Batch, i int) []byte {
	d := json.NewDecoder(bytes.NewReader(b.Buffer()))
	var body json.RawMessage
	for range i + 1 {
		if err := d.Decode(&body); err != nil {
			panic(err)
		}
	}
	return body
}

func (r *receipts) run(args ...string) (int, string, string) {
	var stdout, stderr bytes.Buffer
	code := run(r.t.Context(), append([]string{"receipt"}, args...), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func (r *receipts) get(id string) (got map[string]any) {
	r.t.Helper()
	code, stdout, stderr := r.run(id, r.dir)
	require.Zero(r.t, code, stderr)
	require.NoError(r.t, json.Unmarshal([]byte(stdout), &got))
	return got
}

func TestReceipt(t *testing.T) {
	for _, indexed := range []int{0, 1, 4} { // entries that the index covers
		t.Run(fmt.Sprint(indexed), func(t *testing.T) {
			r := newReceipts(t, indexed)
			got := r.get("rec-1")
			require.Equal(t, "rec-1", got["record_id"])
			require.Equal(t, hex.EncodeToString(r.whole[:]), got["record_sha256"])
			require.NotContains(t, got, "redacted")
			require.Equal(t, "1700000000000000007", got["sink_timestamp"])
			require.Equal(t, r.id.String(), got["log_id"])
			require.EqualValues(t, 2, got["seq"])

			// The hashes are those of the line, by the file itself.
			segment, err := filepath.Glob(filepath.Join(r.folder, "*.jsonl"))
			require.NoError(t, err)
			text, err := os.ReadFile(segment[0])
			require.NoError(t, err)
			var line struct {
				Hash  string          `json:"hash"`
				Event json.RawMessage `json:"event"`
			}
			require.NoError(t, json.Unmarshal(bytes.Split(text, []byte("\n"))[1], &line))
			body := sha256.Sum256(line.Event)
			require.Equal(t, line.Hash, got["hash"])
			require.Equal(t, hex.EncodeToString(body[:]), got["body_hash"])
			// JCS: keys sorted, as encoding/json has them in a map. No number of this
			// event has a fraction.
			var tree map[string]any
			require.NoError(t, json.Unmarshal(line.Event, &tree))
			sorted, err := json.Marshal(tree)
			require.NoError(t, err)
			canonical := sha256.Sum256(sorted)
			require.Equal(t, hex.EncodeToString(canonical[:]), got["integrity_hash"])

			require.Equal(t, true, r.get("rec-2")["redacted"])
			require.Equal(t, hex.EncodeToString(r.withNoIDs[:]), r.get("rec-3")["record_sha256"])
			code, _, stderr := r.run("rec-4", r.dir)
			require.Equal(t, exitUnreadable, code)
			require.Contains(t, stderr, "no entry of a record with this id")
		})
	}
}

func TestReceiptCheck(t *testing.T) {
	r := newReceipts(t, 4)
	file := filepath.Join(t.TempDir(), "receipt.json")
	check := func(text string) (int, string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, stdout, stderr := r.run("--check", file, r.dir)
		return code, stdout + stderr
	}
	_, good, _ := r.run("rec-1", r.dir)
	code, says := check(good)
	require.Zero(t, code, says)
	require.Contains(t, says, "intact: entry 2 of log "+r.id.String())

	for name, change := range map[string]func(map[string]any){
		"hash of entry 2":                 func(m map[string]any) { m["hash"] = hex.EncodeToString(make([]byte, 32)) },
		"body_hash of entry 2":            func(m map[string]any) { m["body_hash"] = hex.EncodeToString(make([]byte, 32)) },
		"integrity_hash of entry 2":       func(m map[string]any) { m["integrity_hash"] = hex.EncodeToString(make([]byte, 32)) },
		"record_sha256 of entry 2":        func(m map[string]any) { delete(m, "record_sha256") },
		"redacted of entry 2":             func(m map[string]any) { m["redacted"] = true },
		"sink_timestamp of entry 2":       func(m map[string]any) { m["sink_timestamp"] = "1" },
		"not of a record with the":        func(m map[string]any) { m["record_id"] = "rec-2" },
		"the receipt is of log":           func(m map[string]any) { m["log_id"] = "00000000000000000000000000000000" },
		"the log ends before entry 10000": func(m map[string]any) { m["seq"] = 10000 },
		"entry 1 is not of a record":      func(m map[string]any) { m["seq"] = 1 },
	} {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(good), &m))
		change(m)
		text, err := json.Marshal(m)
		require.NoError(t, err)
		code, says := check(string(text))
		require.Equal(t, exitBroken, code, says)
		require.Contains(t, says, name)
	}
	for _, bad := range []string{"", "{}", good + good, `{"v":2,"record_id":"a","seq":1}`, `{"v":1,"record_id":"a","seq":1,"x":1}`} {
		code, says := check(bad)
		require.Equal(t, exitUsage, code, says)
	}

	// The event was changed.
	segment, err := filepath.Glob(filepath.Join(r.folder, "*.jsonl"))
	require.NoError(t, err)
	text, err := os.ReadFile(segment[0])
	require.NoError(t, err)
	require.NoError(t, os.Chmod(segment[0], 0o600))
	require.NoError(t, os.WriteFile(segment[0], bytes.Replace(text, []byte(`"one":"x"`), []byte(`"one":"y"`), 1), 0o600))
	code, says = check(good)
	require.Equal(t, exitBroken, code, says)
	code, _, says = r.run("rec-1", r.dir)
	require.Equal(t, exitBroken, code, says)
}

func TestReceiptUsage(t *testing.T) {
	r := newReceipts(t, 0)
	for _, args := range [][]string{{}, {"a"}, {"", r.dir}, {"a", r.dir, "b"}, {"--check", "f", "a", r.dir}} {
		code, _, _ := r.run(args...)
		require.Equal(t, exitUsage, code, "%q", args)
	}
	code, _, says := r.run("--check", filepath.Join(t.TempDir(), "none"), r.dir)
	require.Equal(t, exitUsage, code, says)
}
