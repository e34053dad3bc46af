package chain_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// anchoredLog has entries 1 to 4 in its first segment and 5 to 8 in its second,
// whose writer died.
func anchoredLog(t *testing.T) (f *faultfs.FS, heads []chain.Head) {
	f = faultfs.New(t, faultDir)
	heads = []chain.Head{{}}
	w, err := chain.Open(t.Context(), chain.Options{
		Directory: faultDir, FS: f, BootID: f.BootID(),
		Synced: func(first uint64, hashes []chain.Hash) {
			for i, h := range hashes {
				heads = append(heads, chain.Head{Seq: first + uint64(i), Hash: h})
			}
		},
	})
	require.NoError(t, err)
	for segment := range 2 {
		for i := range 3 {
			b := new(chain.Batch)
			b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, i))
			require.NoError(t, w.Write([]*chain.Batch{b}))
			require.NoError(t, w.Sync())
		}
		if segment == 0 {
			require.NoError(t, w.Rotate())
		}
	}
	require.NoError(t, w.Abandon())
	require.Len(t, heads, 9)
	return f, heads
}

// openAnchored opens it with an anchor.
func openAnchored(t *testing.T, f *faultfs.FS, anchor chain.Head, anchorErr error) error {
	closed := 0
	w, err := chain.Open(t.Context(), chain.Options{
		Directory: faultDir, FS: f, BootID: f.BootID(),
		Anchor: func(folder string, id chain.LogID) (chain.Head, error) {
			require.Equal(t, filepath.Join(faultDir, id.String()), folder)
			return anchor, anchorErr
		},
		LetGo: func(inOrder bool) {
			require.True(t, inOrder)
			_, err := f.Lock(faultDir)
			require.ErrorIs(t, err, durable.ErrLocked, "it is still held")
			closed++
		},
	})
	if err != nil {
		require.Zero(t, closed)
		require.Empty(t, f.OpenFiles())
		return err
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Abandon())
	require.Equal(t, 1, closed)
	return nil
}

// A log must hold the entry that a checkpoint vouches for, in whatever segment.
func TestAnchor(t *testing.T) {
	_, heads := anchoredLog(t)
	for seq := range uint64(len(heads)) {
		f, heads := anchoredLog(t)
		require.NoError(t, openAnchored(t, f, heads[seq], nil), seq)
		f, heads = anchoredLog(t)
		require.NoError(t, openAnchored(t, f, chain.Head{Seq: heads[seq].Seq}, nil), "only the number")
		if seq == 0 {
			continue
		}
		f, heads = anchoredLog(t)
		other := heads[seq]
		other.Hash[5] ^= 1
		var tampered *chain.TamperError
		require.ErrorAs(t, openAnchored(t, f, other, nil), &tampered, seq)
		require.ErrorContains(t, tampered, fmt.Sprintf("entry %d is another", seq))
	}
}

func TestAnchorBeyondTheLog(t *testing.T) {
	f, heads := anchoredLog(t)
	var tampered *chain.TamperError
	require.ErrorAs(t, openAnchored(t, f, chain.Head{Seq: uint64(len(heads))}, nil), &tampered)
	require.ErrorContains(t, tampered, "the log ends before entry 9")
	require.ErrorContains(t, openAnchored(t, f, chain.Head{}, errors.New("input/output error")), "input/output error")
	require.NoError(t, openAnchored(t, f, chain.Head{}, nil))
}

// What would be a crash's torn end is tampering if a checkpoint vouches for it.
func TestAnchorAboveATornEnd(t *testing.T) {
	for _, anchored := range []bool{false, true} {
		f, heads := anchoredLog(t)
		folder, err := chain.FindLog(f, faultDir)
		require.NoError(t, err)
		segment := filepath.Join(folder, chain.SegmentName{Ordinal: 2, FirstSeq: 5}.String())
		info, err := f.Stat(segment)
		require.NoError(t, err)
		require.NoError(t, f.TruncateOutside(segment, info.Size-10))
		require.NoError(t, f.RemoveOutside(filepath.Join(folder, "mark")))
		anchor := heads[7]
		if anchored {
			anchor = heads[8]
		}
		err = openAnchored(t, f, anchor, nil)
		if !anchored {
			require.NoError(t, err)
			continue
		}
		var tampered *chain.TamperError
		require.ErrorAs(t, err, &tampered)
		require.ErrorContains(t, tampered, "a checkpoint vouches for all entries up to 8")
		require.Equal(t, uint64(8), tampered.Fault.Seq)
	}
}

// A folder with checkpoints and no segment is no log that was never born.
func TestCheckpointsWithoutASegment(t *testing.T) {
	f, _ := anchoredLog(t)
	folder, err := chain.FindLog(f, faultDir)
	require.NoError(t, err)
	for name := range f.Files(folder) {
		require.NoError(t, f.RemoveOutside(filepath.Join(folder, name)))
	}
	lock, err := f.Lock(faultDir)
	require.NoError(t, err)
	file, err := f.Create(filepath.Join(folder, chain.CheckpointsName), 0o600)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, lock.Unlock())
	var tampered *chain.TamperError
	require.ErrorAs(t, openAnchored(t, f, chain.Head{}, nil), &tampered)
	require.ErrorContains(t, tampered, "checkpoints and no segment")
}
