//go:build unix

package chain_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// plants are what can take the place of a segment's file that now lies at moved.
var plants = map[string]func(segment, moved string) error{
	"link":           func(segment, moved string) error { return os.Symlink(moved, segment) },
	"link to itself": func(segment, _ string) error { return os.Symlink(segment, segment) },
	"folder":         func(segment, _ string) error { return os.Mkdir(segment, 0o700) },
	"pipe":           func(segment, _ string) error { return syscall.Mkfifo(segment, 0o600) },
}

// TestPlantedInPlaceOfASegment: what has a segment's name and is no file is
// tampering to whoever opens, verifies or reads the log, whichever segment it is,
// and not an error that is tried again.
func TestPlantedInPlaceOfASegment(t *testing.T) {
	for name, plant := range plants {
		for i, segment := range threeSegments {
			t.Run(name, func(t *testing.T) {
				folder := threeSegmentLog(t)
				path := filepath.Join(folder, segment)
				moved := filepath.Join(t.TempDir(), "moved")
				require.NoError(t, os.Rename(path, moved))
				require.NoError(t, plant(path, moved))

				_, err := chain.Open(t.Context(), chain.Options{Directory: filepath.Dir(folder)})
				requirePlanted(t, segment, err)
				r, err := chain.VerifyDirectory(t.Context(), durable.OS(), filepath.Dir(folder), chain.VerifyOptions{})
				require.NoError(t, err)
				require.Equal(t, segment, r.Logs[0].Faults[0].Segment)
				require.Equal(t, "not a regular file", r.Logs[0].Faults[0].Reason)
				requirePlanted(t, segment, readAll(folder))
				info, err := os.Lstat(path)
				require.NoError(t, err)
				require.False(t, info.Mode().IsRegular(), "segment %d: nothing is repaired", i+1)
			})
		}
	}
}

var threeSegments = []string{
	"0000000001-00000000000000000001.jsonl", "0000000002-00000000000000000003.jsonl", "0000000003-00000000000000000005.jsonl",
}

// threeSegmentLog makes a closed log of three segments and returns its folder.
func threeSegmentLog(t *testing.T) string {
	w, err := chain.Open(t.Context(), chain.Options{Directory: filepath.Join(t.TempDir(), "audit")})
	require.NoError(t, err)
	for _, event := range []string{"1", "2", "3"} {
		require.NoError(t, w.Write([]*chain.Batch{batch(event)}))
		require.NoError(t, w.Sync())
		if event != "3" {
			require.NoError(t, w.Rotate())
		}
	}
	require.NoError(t, w.Close())
	return w.Info().Folder
}

func readAll(folder string) error {
	r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{})
	if err != nil {
		return err
	}
	for err == nil {
		_, err = r.Next()
	}
	return errors.Join(err, r.Close())
}

func requirePlanted(t *testing.T, segment string, err error) {
	t.Helper()
	var tampered *chain.TamperError
	require.ErrorAs(t, err, &tampered)
	require.Equal(t, segment, tampered.Fault.Segment)
	require.Equal(t, "not a regular file", tampered.Fault.Reason)
}

// TestPlantedWhileTheWriterIsAtWork: a link that took the place of a sealed
// segment is put aside when the writer has to look, and all of that segment is
// recorded as missing, whatever size the link has.
func TestPlantedWhileTheWriterIsAtWork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err)
	require.NoError(t, w.Write([]*chain.Batch{batch("1")}))
	require.NoError(t, w.Rotate())
	folder := w.Info().Folder
	sealed := filepath.Join(folder, threeSegments[0])
	before, err := os.Stat(sealed)
	require.NoError(t, err)
	target := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.Rename(sealed, target))
	require.NoError(t, os.Symlink(target, sealed))
	require.NoError(t, os.Remove(filepath.Join(folder, threeSegments[1])))

	require.NoError(t, w.Write([]*chain.Batch{batch("2")}))
	err = w.Sync()
	require.Error(t, err)
	require.NoError(t, w.Renew(err, nil))
	require.Equal(t, []chain.Range{{Segment: threeSegments[0], Length: before.Size()}}, w.Info().Missing)
	require.NoFileExists(t, sealed)
	_, err = os.Readlink(sealed + ".foreign")
	require.NoError(t, err)
	require.NoError(t, w.Close())

	w, err = chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err, "just what is recorded is missing")
	require.NoError(t, w.Close())
	r, err := chain.Verify(t.Context(), durable.OS(), folder, chain.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, r.Broken())
	for _, f := range r.Faults {
		require.NotEmpty(t, f.Recorded, f)
	}
}
