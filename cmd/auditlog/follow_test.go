package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// tail -f across a rotation, an unclean end and a restart of a real writer.
func TestTailFollows(t *testing.T) {
	if _, known, _ := durable.LockHeld(t.TempDir()); !known {
		t.Log("the system does not tell who holds a lock, so tail can't tell what is synced")
		return
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		open := func() *chain.Writer {
			w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
			require.NoError(t, err)
			return w
		}
		w := open()
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		var stderr strings.Builder
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"tail", "-f", "-n", "1", dir}, in, &stderr)
			in.Close()
		}()
		lines := bufio.NewScanner(out)
		sees := func(want ...string) {
			t.Helper()
			for _, s := range want {
				require.True(t, lines.Scan())
				require.Contains(t, lines.Text(), s)
			}
		}
		sees("SYSTEM opened  segment=1  cause=created")
		require.NoError(t, w.Write([]*chain.Batch{events(signIn, order)}))
		require.NoError(t, w.Rotate())
		sees("CRITICAL [", "order 4711", "segment=2  cause=rotation")
		require.NoError(t, w.Abandon())
		w = open()
		sees("segment=3  cause=start")
		require.NoError(t, w.Close())
		sees("SYSTEM closed")
		cancel()
		require.False(t, lines.Scan())
		require.Equal(t, exitOK, <-code)
		require.Empty(t, stderr.String())
	})
}
