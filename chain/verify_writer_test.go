package chain_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/independent"
)

// The real writer's log is intact after each step of its life: up to the mark
// while it is at work, and as a whole when it is not.
func TestVerifyFollowsTheWriter(t *testing.T) {
	dir := t.TempDir()
	w := open(t, chain.Options{Directory: dir})
	folder := w.Info().Folder
	verify := func(lock chain.LockView) chain.Report {
		t.Helper()
		r, err := chain.Verify(t.Context(), durable.OS(), folder, chain.VerifyOptions{Lock: lock})
		require.NoError(t, err)
		require.Empty(t, r.Faults)
		return r
	}
	atWork := func() {
		t.Helper()
		r := verify(chain.LockHeld)
		require.Equal(t, w.Info().Synced, r.Head)
		require.NotNil(t, r.Pending)
		require.Equal(t, w.Info().Head, verify(chain.LockFree).Head)
	}
	atWork()
	write(t, w, "a", "b")
	atWork()
	require.NoError(t, w.Write([]*chain.Batch{batch("not synced")}))
	atWork()
	require.NoError(t, w.Rotate())
	atWork()
	require.NoError(t, w.Write([]*chain.Batch{batch("lost")}))
	require.NoError(t, w.Renew(errors.New("a sync that failed"), []*chain.Batch{batch("kept")}))
	atWork()
	require.Len(t, verify(chain.LockHeld).Cuts, 1)
	require.NoError(t, w.Abandon())

	// Torn by a crash, and cut by the next opening.
	paths := segments(t, dir)
	appendTo(t, paths[len(paths)-1], []byte("torn"))
	r := verify(chain.LockFree)
	require.NotNil(t, r.Tail)
	require.EqualValues(t, 4, r.Tail.Length)
	w = open(t, chain.Options{Directory: dir, VerifyOnStart: chain.VerifyFull})
	atWork()
	r = verify(chain.LockHeld)
	require.Len(t, r.Cuts, 2)
	require.True(t, r.Cuts[1].Same)
	require.NoError(t, w.Close())
	require.Nil(t, verify(chain.LockLook).Tail)
	require.NoError(t, independent.Check(folder))

	// Nothing of it can go.
	for _, p := range segments(t, dir) {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		require.NoError(t, os.Remove(p))
		r, err := chain.Verify(t.Context(), durable.OS(), folder, chain.VerifyOptions{})
		require.NoError(t, err)
		require.True(t, r.Broken(), filepath.Base(p))
		require.NoError(t, os.WriteFile(p, data, 0o600))
	}
	verify(chain.LockFree)
}
