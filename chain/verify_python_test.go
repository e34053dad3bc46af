package chain

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pythonChecks prints a line for each folder it is given: whether the chain
// holds by verify.py.
const pythonChecks = `
import sys, verify
for folder in sys.argv[1:]:
    try:
        verify.check(folder)
        print(True)
    except verify.Broken:
        print(False)
`

// A sample of the edits by verify.py, in one process.
func TestPythonAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	require.NoError(t, err, "this test needs python3, as chain/verify.py is part of what is promised")
	l := sampleLog(t)
	edits := []edit{{"none", func(string) {}}}
	for i, e := range append(lineEdits(l), segmentEdits(l)...) {
		if i%2 == 0 {
			edits = append(edits, e)
		}
	}
	for i, s := range l.segments {
		for n := i; n < len(s.data); n += 71 {
			edits = append(edits, edit{fmt.Sprintf("%s: offset %d", s.name, n), func(f string) {
				data := slices.Clone(s.data)
				data[n] ^= flips[n%len(flips)]
				mustWrite(filepath.Join(f, s.name.String()), data)
			}})
		}
	}
	dir := t.TempDir()
	var folders []string
	for i, e := range edits {
		folder := l.save(filepath.Join(dir, fmt.Sprint(i)))
		e.apply(folder)
		folders = append(folders, folder)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", pythonChecks}, folders...)...)
	cmd.Dir, cmd.Stderr = ".", os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	answers := strings.Fields(string(out))
	require.Len(t, answers, len(edits))
	require.GreaterOrEqual(t, len(edits), 100)
	require.Equal(t, "True", answers[0])
	for i, e := range edits {
		holds, err := chainCheckHolds(folders[i])
		require.NoError(t, err)
		require.Equal(t, answers[i] == "True", holds, "%s: verify.py says %s", e.name, answers[i])
	}
}
