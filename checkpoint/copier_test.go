package checkpoint_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const copies = "/mnt/evidence"

func (r *rig) withCopies() {
	for _, dir := range []string{"/mnt", copies} {
		require.NoError(r.t, r.fs.Mkdir(dir, 0o700))
	}
	r.o.Copies = []string{copies}
}

func (r *rig) copied() string {
	return string(r.fs.Files(copies)[filepath.Base(r.folder())+".checkpoint"])
}

// The newest checkpoint lies in the other folder, a plain note, also after closing.
func TestCopies(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.withCopies()
		for range 2 {
			r.open()
			for range 3 {
				r.append(2)
				r.sign()
				require.Equal(t, string(r.last().Note), r.copied())
			}
			r.close()
			require.Equal(t, string(r.last().Note), r.copied())
		}
		require.Len(t, r.fs.Files(copies), 1)
		r.check()
	})
}

// A copy that can't be written is told of once, and keeps nothing else from going on.
func TestCopiesThatFail(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.withCopies()
		r.open()
		fails := func(op faultfs.Op) (o faultfs.Outcome) {
			if filepath.Dir(op.Path) == copies {
				o.Err = errors.New("stale file handle")
			}
			return o
		}
		r.fs.Intercept(fails)
		for range 3 {
			r.append(2)
			r.sign()
		}
		require.Equal(t, []string{"couldn't copy the newest checkpoint"}, r.notices)
		require.Equal(t, r.w.Info().Synced, r.last().Head)
		require.NotEqual(t, string(r.last().Note), r.copied())
		r.fs.Intercept(nil)
		r.append(1)
		r.sign()
		require.Equal(t, string(r.last().Note), r.copied())
		r.close()

		r.fs.Intercept(fails) // at an opening, nothing is signed before it can be read
		r.open()
		r.append(1)
		signed := len(r.file().Records)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, r.file().Records, signed)
		require.ErrorContains(t, r.state().Err, "stale file handle")
		r.fs.Intercept(nil)
		time.Sleep(time.Minute)
		require.NoError(t, r.state().Err)
		r.close()
		r.check()
	})
}

// A copy of more than the log holds: it was cut together with its own file.
func TestCopyOfALongerLog(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.withCopies()
		r.open()
		r.append(2)
		r.close()
		image := r.fs.Files(directory)
		r.open()
		r.append(5)
		r.close()
		newer := r.copied()

		cut := newRig(t)
		cut.withCopies()
		for _, dir := range []string{"/var", directory} {
			if err := cut.fs.Mkdir(dir, 0o700); !durable.IsExist(err) {
				require.NoError(t, err)
			}
		}
		lock, err := cut.fs.Lock(directory)
		require.NoError(t, err)
		require.NoError(t, cut.fs.Mkdir(filepath.Join(directory, filepath.Base(r.folder())), 0o700))
		for name, text := range image {
			put(t, cut.fs, filepath.Join(directory, name), text)
		}
		require.NoError(t, lock.Unlock())
		put(t, cut.fs, filepath.Join(copies, filepath.Base(r.folder())+".checkpoint"), []byte(newer))
		cut.open()
		cut.append(20)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, cut.state().Permanent)
		require.ErrorContains(t, cut.state().Err, "the log was cut: "+copies)
		require.NotEmpty(t, cut.file().Refused)
		require.Equal(t, newer, cut.copied(), "it is not replaced")
		cut.close()
	})
}

// put writes a file as its name demands.
func put(t *testing.T, fs *faultfs.FS, path string, text []byte) {
	temp := path + ".new"
	f, err := fs.Create(temp, 0o600)
	require.NoError(t, err)
	_, err = f.WriteAt(text, 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, fs.Rename(temp, path))
	require.NoError(t, fs.SyncDir(filepath.Dir(path)))
}
