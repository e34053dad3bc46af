package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds = 4
	o := options(t)
	dir := filepath.Join(o.Dir, "audit")
	l := &load{connections: 4, requests: 10_000}
	files := map[string][]byte{} // segments as the last kill left them
	torn := ""
	for round := range rounds {
		c := start(t, o)
		requireUntouched(t, files)
		l.name = "round" + string(rune('0'+round))
		// Small requests, and large ones, which a kill can meet inside a write.
		l.batch, l.body = 20, 100
		if round%2 == 1 {
			l.batch, l.body = 300, 4000
		}
		before := l.acknowledged.Load()
		ended := make(chan struct{})
		go func() { l.run(t.Context(), c.GRPC); close(ended) }()
		l.awaitAcknowledged(t, before+1500+int64(round)*371)
		require.Error(t, c.Stop(within(t, 10*time.Second), syscall.SIGKILL))
		<-ended
		if round == 2 {
			torn = tearLastWrite(t, dir)
		}
		for _, name := range segments(t, dir) {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			files[name] = b
		}
	}
	stop(t, start(t, o))
	requireUntouched(t, files)

	all := l.requireKept(t, dir)
	require.Equal(t, "closed", all[len(all)-1].System.Type)
	declared := requireCutsDeclared(t, dir, all)
	require.Contains(t, declared, filepath.Base(torn))
}

// tearLastWrite leaves at the end of the newest segment what a kill inside a write leaves: the first
// half of a line.
func tearLastWrite(t *testing.T, dir string) string {
	t.Helper()
	names := segments(t, dir)
	newest := names[len(names)-1]
	b, err := os.ReadFile(newest)
	require.NoError(t, err)
	line := b[:bytes.IndexByte(b, '\n')]
	f, err := os.OpenFile(newest, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.Write(line[:len(line)/2])
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return newest
}

// requireUntouched holds if each segment still has the bytes it had.
func requireUntouched(t *testing.T, files map[string][]byte) {
	t.Helper()
	for name, was := range files {
		is, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(was, is), "%s has changed", name)
	}
}

// requireCutsDeclared holds if the bytes behind the last entry that counts are, in each segment with
// a successor, exactly those that its successor declares as cut. It returns the segments that have
// such bytes.
func requireCutsDeclared(t *testing.T, dir string, all []entry) []string {
	t.Helper()
	var declared []string
	for _, e := range all {
		if e.System == nil || e.System.Type != "opened" || e.System.Previous.Segment == "" {
			continue
		}
		name := e.System.Previous.Segment
		b, err := os.ReadFile(filepath.Join(logFolder(t, dir), name))
		require.NoError(t, err)
		rest := b[e.System.Previous.Length:]
		if len(rest) == 0 {
			continue
		}
		digest := sha256.Sum256(rest)
		require.Len(t, e.System.Cuts, 1, "cuts of %s", name)
		cut := e.System.Cuts[0]
		require.Equal(t, name, cut.Segment)
		require.Equal(t, e.System.Previous.Length, cut.Offset)
		require.Equal(t, int64(len(rest)), cut.Length)
		require.Equal(t, hex.EncodeToString(digest[:]), cut.SHA256)
		declared = append(declared, name)
	}
	return declared
}
