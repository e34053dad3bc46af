package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// A new log goes on, and its first entry holds what was accepted.
func TestAcceptLoss(t *testing.T) {
	dir := t.TempDir()
	accept := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = run(t.Context(), append([]string{"accept-loss", dir}, args...), &out, &errs)
		return code, strings.TrimSpace(out.String()), errs.String()
	}
	code, _, _ := accept("--reason", "x")
	require.Equal(t, exitUnreadable, code, "there is no log")

	k, err := checkpoint.GenerateKey("example.com/audit")
	require.NoError(t, err)
	n := checkpoint.NewNotary(checkpoint.Options{Key: k, Interval: 1})
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir, Anchor: n.Anchor, Synced: n.Synced, LetGo: n.LetGo})
	require.NoError(t, err)
	require.NoError(t, n.Begin(w.Info()))
	require.NoError(t, n.Cover(t.Context(), 1))
	code, _, stderr := accept("--reason", "x")
	require.Equal(t, exitUnreadable, code, "it is held")
	require.Contains(t, stderr, "another")
	require.NoError(t, w.Close())
	old := w.Info()

	code, _, _ = accept()
	require.Equal(t, exitUsage, code, "no reason")
	code, id, stderr := accept("--reason", "restored")
	require.Equal(t, exitOK, code, stderr)
	folder, err := chain.FindLog(durable.OS(), dir)
	require.NoError(t, err)
	require.Equal(t, id, filepath.Base(folder))
	report, err := chain.Verify(t.Context(), durable.OS(), folder, chain.VerifyOptions{})
	require.NoError(t, err)
	require.Len(t, report.Follows, 1)
	s := report.Follows[0]
	require.Equal(t, old.LogID, s.LogID)
	require.Equal(t, "restored", s.Reason)
	require.Equal(t, uint64(2), s.Head.Seq)
	c, err := checkpoint.Parse([]byte(s.Checkpoint))
	require.NoError(t, err)
	require.Equal(t, uint64(2), c.Size)

	bad := filepath.Join(t.TempDir(), "note")
	require.NoError(t, os.WriteFile(bad, []byte("x"), 0o600))
	code, _, _ = accept("--reason", "x", "--checkpoint", bad)
	require.Equal(t, exitUsage, code)
	require.NoError(t, os.WriteFile(bad, []byte(s.Checkpoint), 0o600))
	code, _, stderr = accept("--reason", "x", "--checkpoint", bad)
	require.Equal(t, exitOK, code, stderr)
}
