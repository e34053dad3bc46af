package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// tail -f across a rotation, an unclean end and a restart of a real writer.
func TestTailFollows(t *testing.T) {
	if _, known, _ := durable.LockHeld(t.TempDir()); !known {
		t.Log("the system does not tell who holds a lock, so tail can't tell what is synced")
		return
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		open := func() *chain.Writer {
			w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
			require.NoError(t, err)
			return w
		}
		w := open()
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		var stderr strings.Builder
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"tail", "-f", "-n", "1", dir}, in, &stderr)
			in.Close()
		}()
		lines := bufio.NewScanner(out)
		sees := func(want ...string) {
			t.Helper()
			for _, s := range want {
				require.True(t, lines.Scan())
				require.Contains(t, lines.Text(), s)
			}
		}
		sees("SYSTEM opened  segment=1  cause=created")
		require.NoError(t, w.Write([]*chain.Batch{events(signIn, order)}))
		require.NoError(t, w.Rotate())
		sees("CRITICAL [", "order 4711", "segment=2  cause=rotation")
		require.NoError(t, w.Abandon())
		w = open()
		sees("segment=3  cause=start")
		require.NoError(t, w.Close())
		sees("SYSTEM closed")
		cancel()
		require.False(t, lines.Scan())
		require.Equal(t, exitOK, <-code)
		require.Empty(t, stderr.String())
	})
}

// tail -f and export -f go on with the log that new_log begins beside a broken
// one, and say so; each access to it is recorded before any of it is shown.
func TestFollowsIntoASuccessor(t *testing.T) {
	for _, tt := range []struct {
		args []string
		has  map[string]string // by what is waited for
	}{
		{[]string{"tail", "-f", "-n", "1"}, map[string]string{
			"first": "SYSTEM closed", "second": "segment=1  cause=created  succeeds=", "third": "order 4711",
		}},
		{[]string{"export", "--format", "ecs", "-f", "--from", "4"}, map[string]string{
			"first": `"auditlog.closed"`, "second": `"auditlog.opened"`, "third": "order 4711",
		}},
	} {
		t.Run(tt.args[0], func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
				require.NoError(t, err)
				require.NoError(t, w.Write([]*chain.Batch{events(signIn, order)}))
				require.NoError(t, w.Sync())
				require.NoError(t, w.Close())
				old := w.Info()

				ctx, cancel := context.WithCancel(t.Context())
				out, in := io.Pipe()
				var stderr strings.Builder
				code := make(chan int, 1)
				go func() {
					code <- run(ctx, append(tt.args, dir), in, &stderr)
					in.Close()
				}()
				lines := bufio.NewScanner(out)
				sees := func(want string) {
					t.Helper()
					require.True(t, lines.Scan(), stderr.String())
					require.Contains(t, lines.Text(), want)
				}
				sees(tt.has["first"])
				segment := filepath.Join(old.Folder, old.Segment)
				data, err := os.ReadFile(segment)
				require.NoError(t, err)
				require.NoError(t, os.Chmod(segment, 0o600))
				require.NoError(t, os.WriteFile(segment, bytes.Replace(data, []byte("4711"), []byte("4712"), 1), 0o600))
				w, err = chain.Open(t.Context(), chain.Options{Directory: dir, OnTampering: chain.TamperNewLog})
				require.NoError(t, err)
				require.NotEqual(t, old.LogID, w.Info().LogID)
				sees(tt.has["second"])
				require.NoError(t, w.Write([]*chain.Batch{events(order)}))
				require.NoError(t, w.Sync())
				sees(tt.has["third"])
				require.NoError(t, w.Close())
				sees("closed")
				cancel()
				require.False(t, lines.Scan())
				require.Equal(t, exitOK, <-code)
				require.Contains(t, stderr.String(), "log "+w.Info().LogID.String()+" begins")
			})
		})
	}
}

// Following ends when the access to the next log can't be recorded.
func TestFollowingASuccessorIsRecorded(t *testing.T) {
	dir, _ := smallLog(t)
	r := newRecorder(t)
	var rec accessFlags
	rec.on, rec.to.Endpoint = true, r.URL
	cmd := newTailCommand()
	cmd.SetContext(t.Context())
	x := exportation{format: "ecs", rec: rec}
	folder, err := findLog(dir)
	require.NoError(t, err)
	require.NoError(t, x.succeeded(cmd)(folder))
	require.Len(t, r.records, 1)
	r.status = http.StatusBadRequest
	require.ErrorContains(t, x.succeeded(cmd)(folder), "couldn't be recorded")
}
