package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"auditlog": main, "writelog": writeLog})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mklog":  cmdMklog,
			"exits":  cmdExits,
			"edit":   cmdEdit,
			"chop":   cmdChop,
			"append": cmdAppend,
			"hold":   cmdHold,
			"sign":   cmdSign,
		},
	})
}

// mklog [-abandon] DIR has writelog do its work. $LOG is then the log's folder,
// $SEG1 and so on are its segments.
func cmdMklog(ts *testscript.TestScript, _ bool, args []string) {
	// The writer is a process of its own: a child that the scripts beside this one
	// fork would hold its lock for a moment longer.
	ts.Check(ts.Exec("writelog", args...))
	dir := ts.MkAbs(args[len(args)-1])
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	ts.Check(err)
	folder := filepath.Dir(paths[0])
	ts.Setenv("LOG", folder)
	ts.Setenv("ID", filepath.Base(folder))
	for i, p := range paths {
		ts.Check(os.Chmod(p, 0o600))
		ts.Setenv(fmt.Sprintf("SEG%d", i+1), p)
		ts.Setenv(fmt.Sprintf("NAME%d", i+1), filepath.Base(p))
	}
}

// writeLog is the command writelog [-abandon] DIR: it opens the log in DIR with
// the real writer, writes two events, rotates, writes two more, and closes or
// abandons it.
func writeLog() {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	w, err := chain.Open(context.Background(), chain.Options{Directory: os.Args[len(os.Args)-1], Software: "test"})
	check(err)
	check(w.Write([]*chain.Batch{events(signIn, order)}))
	check(w.Rotate())
	check(w.Write([]*chain.Batch{events(order, hostile)}))
	check(w.Sync())
	if os.Args[1] == "-abandon" {
		check(w.Abandon())
	} else {
		check(w.Close())
	}
}

// exits CODE COMMAND... runs a command that must end with the code.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// edit FILE OLD NEW replaces the first OLD by a NEW of its length.
func cmdEdit(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(args[1]) != len(args[2]) || !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("can't edit %q to %q", args[1], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Replace(data, []byte(args[1]), []byte(args[2]), 1), 0o600))
}

// chop FILE [N] takes the last N bytes off a file, or its last line.
func cmdChop(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	n := len(data) - bytes.LastIndexByte(data[:len(data)-1], '\n') - 1
	if len(args) > 1 {
		n, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(len(data)-n)))
}

// append FILE TEXT appends without a line end.
func cmdAppend(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteString(args[1])
	ts.Check(errors.Join(err, f.Close()))
}

// hold DIR holds the lock, as a collector does, to the script's end.
func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	l, err := durable.OS().Lock(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { l.Unlock() })
}

func signIn(r plog.LogRecord) {
	r.SetEventName("auth.success")
	r.Attributes().PutStr("audit.actor.id", "anna")
	r.Attributes().PutStr("audit.action", "LOGIN")
	r.Attributes().PutStr("audit.outcome", "success")
}

func order(r plog.LogRecord) { r.Body().SetStr("order 4711 shipped") }

// hostile would change the terminal's title, go back on the line, and turn text
// around.
func hostile(r plog.LogRecord) {
	r.Body().SetStr("\x1b]0;owned\x07\rfine \u202egnp.exe \u009b31m")
}

// events encodes records as the collector does.
func events(fill ...func(plog.LogRecord)) *chain.Batch {
	enc, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}})
	if err != nil {
		panic(err)
	}
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	sl := rl.ScopeLogs().AppendEmpty()
	var s event.Source
	enc.Resource(&s, rl)
	enc.Scope(&s, sl)
	b := new(chain.Batch)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i, f := range fill {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(i) * time.Second)))
		f(r)
		buf, _ := enc.Append(b.Buffer(), &s, r, at)
		b.EndEvent(buf)
	}
	return b
}

func TestSafe(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain {\"a\":1} ~", "plain {\"a\":1} ~"},
		{"ü 漢字 👩‍💻 é", "ü 漢字 👩‍💻 é"},
		{"\x1b[31m\x00\t\r\n\x7f", `\u001b[31m\u0000\u0009\u000d\u000a\u007f`},
		{"\u0085\u009b", `\u0085\u009b`},
		{"\u202e\u2066\u200e\u061c", `\u202e\u2066\u200e\u061c`},
		{"\u2028\ufeff\u00ad", `\u2028\ufeff\u00ad`},
		{"\U000e0041", `\udb40\udc41`},
		{"\xff\xc3(\xed\xa0\x80", `\xff\xc3(\xed\xa0\x80`},
		{"\ufffd", "\ufffd"},
	}
	for _, tt := range tests {
		if got := string(appendSafe(nil, tt.in)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, got, tt.want)
		}
		if got := string(appendSafe([]byte("x"), []byte(tt.in))); got != "x"+tt.want {
			t.Errorf("%q as bytes: %s", tt.in, got)
		}
	}
}

// No record looks like an entry of the log itself, or like a critical one.
func TestSummaryIsNotForged(t *testing.T) {
	for _, r := range []func(plog.LogRecord){
		func(r plog.LogRecord) { r.SetEventName("SYSTEM") },
		func(r plog.LogRecord) { r.SetEventName("SYSTEM closed") },
		func(r plog.LogRecord) { r.SetEventName(`x"  SYSTEM closed`) },
		func(r plog.LogRecord) { r.Body().SetStr("SYSTEM closed") },
		func(r plog.LogRecord) { r.Body().SetStr(`x\"  SYSTEM closed`) },
		func(r plog.LogRecord) { r.Body().SetStr("CRITICAL [audit:audit.actor.id]  order") },
		func(r plog.LogRecord) { r.Body().SetStr("a\n7  2026-11-23T12:00:00.000Z  SYSTEM closed") },
		func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("é", 500)) },
	} {
		b := events(r)
		got := summary(chain.Entry{Seq: 5, Kind: chain.Event, Body: b.Buffer()})
		require.Regexp(t, `^5  2026-11-23T12:00:00.000Z  "[^\n]*"$`, got)
		require.NotRegexp(t, `[^\\](\\\\)*" `, got[28:])
		require.Less(t, len(got), 300)
	}
}

// A forged line, with an escape sequence where the writer never puts one.
func TestCatForATerminal(t *testing.T) {
	dir := t.TempDir()
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err)
	require.NoError(t, w.Write([]*chain.Batch{events(order)}))
	require.NoError(t, w.Rotate())
	require.NoError(t, w.Close())
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	require.NoError(t, err)
	data, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	require.NoError(t, os.Remove(paths[0]))
	require.NoError(t, os.WriteFile(paths[0], bytes.Replace(data, []byte("order 4711"), []byte("\x1b[2J"), 1), 0o600))
	for safe, want := range map[bool]string{true: `\u001b[2J`, false: "\x1b[2J"} {
		r, err := chain.OpenReader(durable.OS(), w.Info().Folder, chain.ReadOptions{})
		require.NoError(t, err)
		var out strings.Builder
		require.NoError(t, cat(t.Context(), &out, r, 2, safe))
		require.NoError(t, r.Close())
		require.Contains(t, out.String(), want)
		require.Equal(t, 2, strings.Count(out.String(), "\n"))
	}
}

func TestProgressText(t *testing.T) {
	got := progressText(512<<20, 1536<<20, 2*time.Second)
	if want := "verified 512.0 MiB of 1.5 GiB (33 %), 256.0 MiB/s, 4s left"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := progressText(0, 0, 0); got != "verified 0 bytes of 0 bytes" {
		t.Error(got)
	}
	var out strings.Builder
	p := newProgress(&out)
	p.show(1, 2)
	p.end()
	if out.Len() > 0 {
		t.Errorf("progress on what is no terminal: %q", out.String())
	}
}
