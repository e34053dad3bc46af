package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/metadata"
	"github.com/otelaudit/auditexporter/withhold"
)

// holding is a directory with an exporter that withholds user.email and user.id.
type holding struct {
	t         *testing.T
	dir, keys string
	worm      bool
	kek       string
}

func newHolding(t *testing.T) *holding {
	t.Helper()
	base := t.TempDir()
	return &holding{t: t, dir: filepath.Join(base, "log"), keys: filepath.Join(base, "keys")}
}

func (h *holding) start() collector.Logs {
	h.t.Helper()
	x, err := exporter.New(h.t.Context(), exportertest.NewNopSettings(metadata.Type), exporter.Options{
		Directory: h.dir, DirectoryMode: 0o700, FileMode: 0o600, SealedMode: 0o400,
		Mode: "hybrid", BatchSize: 100, BatchInterval: time.Second, CriticalImmediate: true,
		SyncTimeout: 10 * time.Second, MaxInFlight: 64 << 20, MaxSegmentSize: 100 << 20, MaxSegmentAge: 24 * time.Hour,
		CriticalDefaults: true, VerifyOnStart: "tail", OnTampering: "refuse", ShutdownTimeout: 10 * time.Second,
		Withhold: &exporter.Withhold{Fields: []string{"user.email", "user.id"}, Subject: []string{"user.id"}, KeyStore: h.keys, Worm: h.worm, KeyFile: h.kek},
	})
	require.NoError(h.t, err)
	require.NoError(h.t, x.Start(h.t.Context(), componenttest.NewNopHost()))
	return x
}

func (h *holding) consume(x collector.Logs, users ...string) {
	h.t.Helper()
	logs := plog.NewLogs()
	sl := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for _, user := range users {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetEventName("auth.failure")
		if user != "" {
			lr.Attributes().PutStr("user.id", user)
		}
		lr.Attributes().PutStr("user.email", user+"@example.com")
	}
	require.NoError(h.t, x.ConsumeLogs(h.t.Context(), logs))
}

// log writes the users' events and closes the log.
func (h *holding) log(users ...string) {
	h.t.Helper()
	x := h.start()
	h.consume(x, users...)
	require.NoError(h.t, x.Shutdown(h.t.Context()))
}

// run runs a command and returns its exit code and output.
func (h *holding) run(args ...string) (int, string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	code := run(h.t.Context(), args, &out, &errs)
	return code, out.String() + errs.String()
}

func (h *holding) openings() []string {
	h.t.Helper()
	paths, err := filepath.Glob(filepath.Join(h.dir, "*", chain.OpeningsFolder, "*.openings"))
	require.NoError(h.t, err)
	require.NotEmpty(h.t, paths)
	return paths
}

// seqOf is the sequence number of the n-th event, from 0: entry 1 is of the log itself.
func seqOf(n int) string { return fmt.Sprint(n + 2) }

func TestRevealAndVerify(t *testing.T) {
	h := newHolding(t)
	h.log("alice", "bob", "")
	code, out := h.run("reveal", "--key-store", h.keys, seqOf(0), h.dir)
	require.Zero(t, code, out)
	require.Equal(t, "/attributes/user.id: alice\n/attributes/user.email: alice@example.com\n", out)
	code, out = h.run("reveal", "--key-store", h.keys, "1", h.dir)
	require.Zero(t, code, out)
	require.Empty(t, out)
	code, out = h.run("reveal", "--key-store", h.keys, "99", h.dir)
	require.Equal(t, exitUnreadable, code, out)
	code, out = h.run("show", seqOf(0), h.dir)
	require.Zero(t, code)
	require.Contains(t, out, "withheld   /attributes/user.id: hmac ")
	require.NotContains(t, out, "alice")

	code, out = h.run("verify", "--chain-only", h.dir)
	require.Zero(t, code, out)
	require.Contains(t, out, "3 events with withheld values: 0 opened and as committed to, 3 there and not opened")
	code, out = h.run("verify", "--chain-only", "--key-store", h.keys, "--json", h.dir)
	require.Zero(t, code, out)
	var answer struct {
		Openings map[string]openingsReport
	}
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	for _, r := range answer.Openings {
		require.Equal(t, openingsReport{Events: 3, Opened: 3}, r)
	}
	require.Len(t, answer.Openings, 1)
	code, _ = h.run("verify", "--openings=some", h.dir)
	require.Equal(t, exitUsage, code)
}

// What opens an event is removed, moved, changed, or its key is: broken, unless nobody
// asks.
func TestOpeningsTamperedWith(t *testing.T) {
	type change func(t *testing.T, h *holding, path string, b []byte)
	replace := func(t *testing.T, path string, b []byte) {
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	second := func(b []byte) int { return bytes.Index(b, []byte("auditlog/openings/v1\n")) + 57 }
	for name, c := range map[string]struct {
		change change
		reason string
		keyed  bool // found with the keys only
	}{
		"removed": {func(t *testing.T, _ *holding, path string, _ []byte) { require.NoError(t, os.Remove(path)) }, errNoFrame, false},
		"folder": {func(t *testing.T, _ *holding, path string, _ []byte) {
			require.NoError(t, os.RemoveAll(filepath.Dir(path)))
		}, errNoFrame, false},
		"cut":     {func(t *testing.T, _ *holding, path string, b []byte) { replace(t, path, b[:len(b)-1]) }, errNoFrame, false},
		"changed": {func(t *testing.T, _ *holding, path string, b []byte) { b[second(b)+60] ^= 1; replace(t, path, b) }, errNoFrame, false},
		"resealed": {func(t *testing.T, h *holding, path string, b []byte) {
			// An insider with the key store makes openings of his own.
			store, err := withhold.OpenStore(durable.OS(), h.keys, nil, nil)
			require.NoError(t, err)
			at := second(b)
			event, other := withhold.ID(b[at+4:at+20]), []byte{0, 0, 0, 0, 0, 0, 0, 0}
			forged := append(append([]byte(nil), b[:at]...), store.Key("alice").Seal(nil, event, append(make([]byte, 36), other[:4]...))...)
			require.NoError(t, store.Close())
			replace(t, path, forged)
		}, errCommitment, true},
		"keys": {func(t *testing.T, h *holding, _ string, _ []byte) {
			path := filepath.Join(h.keys, "keys")
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			replace(t, path, b[:len(b)-96])
		}, errNoKey, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHolding(t)
			h.log("alice", "bob")
			path := h.openings()[0]
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			c.change(t, h, path, b)
			code, out := h.run("verify", "--chain-only", "--key-store", h.keys, h.dir)
			require.Equal(t, exitBroken, code, out)
			require.Contains(t, out, c.reason)
			_, out = h.run("verify", "--chain-only", h.dir)
			require.Equal(t, !c.keyed, strings.Contains(out, c.reason), out)
			code, out = h.run("verify", "--chain-only", "--openings=none", h.dir)
			require.Zero(t, code, out)
		})
	}
}

// With no collector the command erases, and the log says so.
func TestEraseAlone(t *testing.T) {
	h := newHolding(t)
	h.kek = filepath.Join(t.TempDir(), "kek")
	require.NoError(t, os.WriteFile(h.kek, []byte(strings.Repeat("0a", 32)+"\n"), 0o600))
	h.log("alice", "bob", "alice", "")
	store := []string{"--key-store", h.keys, "--key-encryption-key-file", h.kek}
	with := func(command string, args ...string) []string {
		return append(append([]string{command}, store...), args...)
	}

	code, out := h.run(with("erase", "--subject", "alice", "--dry-run", h.dir)...)
	require.Zero(t, code, out)
	require.Equal(t, "1 key of the subject in the key store\n", out)
	code, out = h.run(with("erase", "--subject", "alice", "--reason", "request 4711", h.dir)...)
	require.Zero(t, code, out)
	require.Contains(t, out, "1 key destroyed, as entry ")
	require.NotContains(t, out, "NOT REACHED")

	code, out = h.run(with("verify", "--chain-only", h.dir)...)
	require.Zero(t, code, out)
	require.Contains(t, out, "4 events with withheld values: 2 opened and as committed to, 0 there and not opened, 2 erased")
	code, out = h.run(with("reveal", seqOf(0), h.dir)...)
	require.Equal(t, exitUnreadable, code, out)
	require.Contains(t, out, "it was destroyed")
	code, out = h.run(with("reveal", seqOf(1), h.dir)...)
	require.Zero(t, code, out)
	require.Contains(t, out, "bob@example.com")
	code, out = h.run("cat", h.dir)
	require.Zero(t, code)
	require.Contains(t, out, `"reason":"request 4711"`)
	require.NotContains(t, out, "alice")

	code, out = h.run(with("erase", "--subject", "alice", h.dir)...)
	require.Zero(t, code, out)
	require.Contains(t, out, "nothing was left to destroy")
	code, out = h.run(with("erase", "--no-subject", h.dir)...)
	require.Zero(t, code, out)
	require.Contains(t, out, "1 key destroyed")

	// The collector goes on, and who comes again has a new key.
	h.log("alice")
	code, out = h.run(with("verify", "--chain-only", h.dir)...)
	require.Zero(t, code, out)
	require.Contains(t, out, "5 events with withheld values: 2 opened and as committed to, 0 there and not opened, 3 erased")
	code, _ = h.run("verify", "--chain-only", "--key-store", h.keys, h.dir)
	require.Equal(t, exitUnreadable, code, "without the key-encryption key nothing opens")
}

// A collector that holds the log erases for the command.
func TestEraseByTheCollector(t *testing.T) {
	h := newHolding(t)
	x := h.start()
	h.consume(x, "alice", "bob")
	code, out := h.run("erase", "--key-store", h.keys, "--subject", "alice", h.dir)
	require.Zero(t, code, out)
	require.Contains(t, out, "1 key destroyed, as entry 4 says")
	h.consume(x, "alice")
	code, out = h.run("erase", "--key-store", h.keys, "--subject", "nobody", h.dir)
	require.Zero(t, code, out)
	require.Contains(t, out, "nothing was left to destroy")
	require.NoError(t, x.Shutdown(t.Context()))
	code, out = h.run("verify", "--chain-only", "--key-store", h.keys, h.dir)
	require.Zero(t, code, out)
	require.Contains(t, out, "3 events with withheld values: 2 opened and as committed to, 0 there and not opened, 1 erased")
}

func TestEraseIsForbidden(t *testing.T) {
	h := newHolding(t)
	h.worm = true
	h.log("alice")
	for _, args := range [][]string{{"--subject", "alice"}, {"--no-subject"}, {"--subject", "alice", "--dry-run"}} {
		code, out := h.run(append(append([]string{"erase", "--key-store", h.keys}, args...), h.dir)...)
		require.Equal(t, exitUsage, code, out)
		require.Contains(t, out, "retention.worm is true")
	}
	code, out := h.run("reveal", "--key-store", h.keys, seqOf(0), h.dir)
	require.Zero(t, code, out)
	for _, args := range [][]string{
		{}, {"--subject", "a", "--no-subject"}, {"--subject", "a", "--reason", "caf\u00e9"}, {"--subject", "a", "--reason", strings.Repeat("x", 201)},
	} {
		code, out := h.run(append(append([]string{"erase", "--key-store", h.keys}, args...), h.dir)...)
		require.Equal(t, exitUsage, code, out)
	}
}

// Erasing reaches every copy of the openings, cut tails and archives included, as it
// destroys what they are encrypted with; copies of the key store that it is told of; and
// lists what it does not reach.
func TestEraseReaches(t *testing.T) {
	h := newHolding(t)
	h.log("alice", "bob")
	base := t.TempDir()
	archive, copied, dead := filepath.Join(base, "archive"), filepath.Join(base, "copied"), filepath.Join(base, "dead")
	require.NoError(t, os.CopyFS(archive, os.DirFS(h.dir)))
	require.NoError(t, os.CopyFS(copied, os.DirFS(h.keys)))
	// What stands in clear: a segment that was put aside, and an export.
	paths, err := segmentsOf(filepath.Dir(filepath.Dir(h.openings()[0])))
	require.NoError(t, err)
	torn := filepath.Join(filepath.Dir(paths[0]), "0000000009-00000000000000000099.jsonl.foreign")
	require.NoError(t, os.WriteFile(torn, []byte("x\n{\"user\":\"alice\""), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(archive, "export.json"), []byte(`{"who":"alice"}`), 0o600))

	code, out := h.run("erase", "--key-store", h.keys, "--subject", "alice", "--archive", archive,
		"--key-store-copy", copied, "--key-store-copy", dead, h.dir)
	require.Equal(t, exitUnanchored, code, out)
	require.Contains(t, out, "destroyed in the copy "+copied)
	require.Contains(t, out, "NOT REACHED key store "+dead)
	require.Contains(t, out, "NOT REACHED "+filepath.ToSlash(torn)+": 1 line has the subject in clear, the first at offset 2")
	require.Contains(t, out, "NOT REACHED "+filepath.ToSlash(filepath.Join(archive, "export.json")))
	require.Equal(t, 3, strings.Count(out, "NOT REACHED"), out)

	require.NoError(t, os.Remove(filepath.Join(archive, "export.json")))
	for _, keys := range []string{h.keys, copied} {
		for _, where := range []string{h.dir, archive} {
			code, out := h.run("reveal", "--key-store", keys, seqOf(0), where)
			require.Equal(t, exitUnreadable, code, out)
			code, out = h.run("reveal", "--key-store", keys, seqOf(1), where)
			require.Zero(t, code, out)
		}
	}
}

// An entry that says a key is destroyed, and the key is there: a crash came between.
func TestEraseThatIsNotFinished(t *testing.T) {
	h := newHolding(t)
	h.log("alice")
	keys, err := withhold.OpenKeys(durable.OS(), h.keys, nil)
	require.NoError(t, err)
	r := keys.NewRequest("alice", "", "")
	ids, err := keys.Of(r.TagOf())
	require.NoError(t, err)
	require.NoError(t, keys.Close())
	w, err := chain.Open(t.Context(), chain.Options{Directory: h.dir})
	require.NoError(t, err)
	b := new(chain.Batch)
	b.EndSystem(fmt.Appendf(nil, `{"v":1,"type":"erased","time":"2026-11-23T12:00:00Z","subject":%q,"keys":[%q]}`, r.Subject, ids[0].String()))
	require.NoError(t, w.Write([]*chain.Batch{b}))
	require.NoError(t, w.Sync())
	require.NoError(t, w.Close())
	code, out := h.run("verify", "--chain-only", "--key-store", h.keys, h.dir)
	require.Zero(t, code, out)
	require.Contains(t, out, "NOT ERASED YET: key "+ids[0].String())
	code, out = h.run("erase", "--key-store", h.keys, "--subject", "alice", h.dir)
	require.Zero(t, code, out)
	code, out = h.run("verify", "--chain-only", "--key-store", h.keys, h.dir)
	require.Zero(t, code, out)
	require.NotContains(t, out, "NOT ERASED YET")
}
