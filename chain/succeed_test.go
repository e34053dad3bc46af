package chain_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// The new log's first entry holds what was accepted, and a writer goes on in it.
func TestSucceed(t *testing.T) {
	f := faultfs.New(t, faultDir)
	o := chain.Options{Directory: faultDir, FS: f, BootID: f.BootID(), Software: "test"}
	_, err := chain.Succeed(t.Context(), o, chain.Succession{Reason: "x"})
	require.True(t, durable.IsNotExist(err), err)

	w, err := chain.Open(t.Context(), o)
	require.NoError(t, err)
	old := w.Info()
	_, err = chain.Succeed(t.Context(), o, chain.Succession{Reason: "x"})
	var held *chain.HeldError
	require.ErrorAs(t, err, &held)
	require.NoError(t, w.Close())
	left, err := chain.ReadHead(f, old.Folder, chain.ReadOptions{Lock: chain.LockFree})
	require.NoError(t, err)

	_, err = chain.Succeed(t.Context(), o, chain.Succession{})
	require.ErrorContains(t, err, "reason")
	info, err := chain.Succeed(t.Context(), o, chain.Succession{Reason: "restored", Checkpoint: "note\n"})
	require.NoError(t, err)
	require.NotEqual(t, old.LogID, info.LogID)
	report, err := chain.Verify(t.Context(), f, info.Folder, chain.VerifyOptions{Lock: chain.LockFree})
	require.NoError(t, err)
	require.False(t, report.Broken())
	require.Equal(t, []chain.Succeeded{{
		LogID: old.LogID, Fault: chain.FaultAccepted, Reason: "restored", Head: &left, Checkpoint: "note\n",
	}}, report.Follows)

	w, err = chain.Open(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, info.LogID, w.Info().LogID)
	require.Equal(t, uint64(3), w.Info().Head.Seq)
	require.NoError(t, w.Close())

	again, err := chain.Succeed(t.Context(), o, chain.Succession{Reason: "again"})
	require.NoError(t, err)
	report, err = chain.Verify(t.Context(), f, again.Folder, chain.VerifyOptions{Lock: chain.LockFree})
	require.NoError(t, err)
	require.Len(t, report.Follows, 2)
	for _, s := range report.Follows {
		require.Equal(t, s.LogID == info.LogID, s.Head != nil, "only of the log that went on until now")
	}
	require.Empty(t, f.OpenFiles())
}

// Wherever it is interrupted, one log goes on: the old one or the new one.
func TestSucceedInterrupted(t *testing.T) {
	for at, done := 1, false; !done; at++ {
		f := faultfs.New(t, faultDir)
		o := chain.Options{Directory: faultDir, FS: f, BootID: f.BootID()}
		w, err := chain.Open(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		before, seen := f.Ops(), false
		f.Intercept(func(op faultfs.Op) faultfs.Outcome {
			if op.N == before+at {
				seen = true
				f.TurnOff()
			}
			return faultfs.Outcome{}
		})
		_, _ = chain.Succeed(t.Context(), o, chain.Succession{Reason: "x"})
		done = !seen
		for seed := range uint64(3) {
			after := f.PowerCut(seed)
			w, err := chain.Open(t.Context(), chain.Options{Directory: faultDir, FS: after, BootID: after.BootID()})
			require.NoError(t, err, "operation %d", at)
			require.NoError(t, w.Close())
			folder, err := chain.FindLog(after, faultDir)
			require.NoError(t, err)
			require.Equal(t, w.Info().Folder, filepath.Clean(folder))
		}
	}
}
