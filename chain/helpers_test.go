package chain_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func sum(b []byte) chain.Hash { return sha256.Sum256(b) }

func truncateBy(t *testing.T, path string, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()-n))
}

func appendTo(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// snapshot returns the contents of all files below dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	}))
	return files
}

// systemLine makes the line of a system entry by the words of FORMAT.md.
func systemLine(prev chain.Head, body []byte) []byte {
	bodyHash := sum(body)
	pre := append([]byte("auditlog/system/v1\n"), prev.Hash[:]...)
	pre = binary.BigEndian.AppendUint64(pre, prev.Seq+1)
	hash := sum(append(pre, bodyHash[:]...))
	return fmt.Appendf(nil, "{\"seq\":%d,\"prev_hash\":\"%s\",\"hash\":\"%s\",\"system\":%s}\n", prev.Seq+1, prev.Hash, hash, body)
}

// verifyFaults returns what [chain.Verify] finds broken in the logs of dir, or
// the directory itself in having two.
func verifyFaults(t *testing.T, dir string) []chain.Fault {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	if len(names) != 1 {
		return []chain.Fault{{Reason: "two logs"}}
	}
	r, err := chain.Verify(t.Context(), durable.OS(), names[0], chain.VerifyOptions{Lock: chain.LockFree})
	require.NoError(t, err)
	return r.Faults
}

func osFS() durable.FS { return durable.OS() }

// quick is the operating system's file system without waiting for the disk, for
// tests that open a log very often.
type quick struct{ durable.FS }

type quickFile struct{ durable.File }

func (quickFile) Sync() error { return nil }

func (quick) SyncDir(string) error { return nil }

func (q quick) Create(name string, perm fs.FileMode) (durable.File, error) {
	f, err := q.FS.Create(name, perm)
	return quickFile{f}, err
}

func (q quick) OpenWrite(name string) (durable.File, error) {
	f, err := q.FS.OpenWrite(name)
	return quickFile{f}, err
}
