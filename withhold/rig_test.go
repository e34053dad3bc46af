package withhold_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/withhold"
)

var never, always = false, true

const (
	keysDir = "/keys"
	logDir  = "/audit/log"
)

// machine is a disk with the folders that the exporter and the log have made.
func machine(t testing.TB) *faultfs.FS {
	t.Helper()
	f := faultfs.New(t, "/audit")
	for _, dir := range []string{"/audit", "/keys"} {
		require.NoError(t, f.Mkdir(dir, 0o700))
	}
	lock, err := f.Lock("/audit")
	require.NoError(t, err)
	t.Cleanup(func() { _ = lock.Unlock() })
	require.NoError(t, f.Mkdir(logDir, 0o700))
	require.NoError(t, f.SyncDir("/audit"))
	require.NoError(t, f.SyncDir("/"))
	return f
}

func open(t testing.TB, f *faultfs.FS) *withhold.Store {
	t.Helper()
	s, err := withhold.OpenStore(f, keysDir, nil, &never)
	require.NoError(t, err)
	return s
}

// keep writes and syncs what is new.
func keep(t testing.TB, s *withhold.Store) {
	t.Helper()
	require.NoError(t, errors.Join(s.Write(), s.Sync()))
}

// unsealed tells whether the key store of f can open a frame.
func unsealed(t testing.TB, f *faultfs.FS, frame withhold.Frame) (string, bool) {
	t.Helper()
	k, err := withhold.OpenKeys(f, keysDir, nil)
	require.NoError(t, err)
	defer k.Close()
	key, err := k.Key(frame.Key)
	require.NoError(t, err)
	if key == nil {
		return "", false
	}
	b, err := key.Open(frame)
	require.NoError(t, err)
	return string(b), true
}

func writer(t testing.TB, f *faultfs.FS) *withhold.Writer {
	t.Helper()
	w, err := withhold.NewWriter(f, logDir, "withheld", withhold.ID{1})
	require.NoError(t, err)
	require.NoError(t, w.Begin(1))
	return w
}

// frames reads all frames of a log, by event.
func frames(t testing.TB, f *faultfs.FS) map[withhold.ID]withhold.Frame {
	t.Helper()
	files, err := withhold.List(f, logDir+"/withheld")
	require.NoError(t, err)
	all := map[withhold.ID]withhold.Frame{}
	for _, file := range files {
		_, err := file.Frames(func(fr withhold.Frame) error {
			fr.Sealed = append([]byte(nil), fr.Sealed...)
			all[fr.Event] = fr
			return nil
		})
		require.NoError(t, err)
	}
	return all
}
