package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// A log as the exporter signs it is proven to its last entry while it is written,
// and when it is closed; between two checkpoints its end is not.
func TestVerifyOfASignedLog(t *testing.T) {
	key, err := checkpoint.GenerateKey("example.com/audit")
	require.NoError(t, err)
	vkey, dir := key.Public().VKey(), filepath.Join(t.TempDir(), "audit")
	var folder string
	for run := range 2 {
		n := checkpoint.NewNotary(checkpoint.Options{Key: key, Interval: time.Hour})
		w, err := chain.Open(t.Context(), chain.Options{Directory: dir, Anchor: n.Anchor, Synced: n.Synced, LetGo: n.LetGo})
		require.NoError(t, err)
		require.NoError(t, n.Begin(w.Info()))
		folder = w.Info().Folder
		write := func() {
			b := new(chain.Batch)
			b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, run))
			require.NoError(t, w.Write([]*chain.Batch{b}))
			require.NoError(t, w.Sync())
		}
		write()
		require.NoError(t, n.Cover(t.Context(), w.Info().Synced.Seq))
		v := verdictOf(t, dir, "--key", vkey)
		require.Equal(t, exitOK, v.Exit, "%v", v.Says)
		require.True(t, v.Logs[0].Held)
		require.Equal(t, w.Info().Synced.Seq, v.Anchors[filepath.Base(folder)].Proven.Size)

		write()
		v = verdictOf(t, dir, "--key", vkey)
		a := v.Anchors[filepath.Base(folder)]
		if v.Exit == exitOK { // a request to sign from before was served late
			require.Equal(t, w.Info().Synced.Seq, a.Proven.Size)
		} else {
			require.Equal(t, exitUnanchored, v.Exit)
			require.Equal(t, w.Info().Synced.Seq, a.Unproven.First)
		}

		require.NoError(t, w.Rotate())
		require.NoError(t, w.Close())
		v = verdictOf(t, dir, "--key", vkey)
		require.Equal(t, exitOK, v.Exit, "%v", v.Says)
		require.Empty(t, v.Logs[0].Others, "the file of checkpoints is part of the log")
	}

	// A log that found itself shorter than what it had signed says so for ever.
	line := []byte(`{"v":1,"refused":"the log has 3 entries, a checkpoint covers 9"`)
	file, err := os.OpenFile(filepath.Join(folder, checkpoint.FileName), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = fmt.Fprintf(file, `%s,"crc":"%08x"}`+"\n", line, crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli)))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	v := verdictOf(t, dir, "--key", vkey)
	require.Equal(t, exitBroken, v.Exit)
	require.Contains(t, v.Logs[0].Faults[0].Reason, "refused to sign any more: the log has 3 entries")
}
