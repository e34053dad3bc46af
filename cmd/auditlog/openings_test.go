package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A crash can leave entries that no sync had covered without what opens them: the next start declares
// that, so it is not recovered, and not broken. Below the mark it is broken.
func TestOpeningsThatACrashTook(t *testing.T) {
	h := newHolding(t)
	x := h.start()
	h.consume(x, "alice")
	mark, err := filepath.Glob(filepath.Join(h.dir, "*", "mark"))
	require.NoError(t, err)
	before := map[string][]byte{} // by path below the directory
	for _, path := range []string{mark[0], h.openings()[0]} {
		name, err := filepath.Rel(h.dir, path)
		require.NoError(t, err)
		before[name], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	h.consume(x, "bob")
	crashed := filepath.Join(t.TempDir(), "crashed")
	require.NoError(t, os.CopyFS(crashed, os.DirFS(h.dir)))
	require.NoError(t, x.Shutdown(t.Context()))

	for _, name := range []string{"openings", "mark"} {
		for path, data := range before {
			if (name == "mark") == (filepath.Base(path) == "mark") {
				require.NoError(t, os.WriteFile(filepath.Join(crashed, path), data, 0o600))
			}
		}
		code, out := h.run("verify", "--chain-only", crashed)
		if name == "openings" {
			require.Equal(t, exitBroken, code, out)
			require.Contains(t, out, errNoFrame)
		} else {
			require.Equal(t, exitUnanchored, code, out)
			require.Contains(t, out, "NOT RECOVERED: what opens the withheld values of the last 1 event is not there")
		}
	}
}
