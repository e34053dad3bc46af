package auditexporter_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/threat-model.md names a test for each thing that somebody can do, and for
// each that nothing detects, and the tests are there.
func TestThreatModelNamesTests(t *testing.T) {
	text, err := os.ReadFile("docs/threat-model.md")
	require.NoError(t, err)
	names := testNames(t)
	named := regexp.MustCompile("`([a-z0-9/]+\\.(?:Test|Fuzz)[A-Za-z0-9]+)`")
	for _, m := range named.FindAllStringSubmatch(string(text), -1) {
		require.True(t, names[m[1]], "docs/threat-model.md names %s, which is not there", m[1])
	}
	rows, tested := 0, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			tested = false
		case strings.HasSuffix(line, "| test |"):
			tested = true
		case tested && !strings.HasPrefix(line, "|---"):
			rows++
			cells := strings.Split(strings.Trim(line, "|"), "|")
			require.Regexp(t, named, cells[len(cells)-1], line)
		}
	}
	require.Greater(t, rows, 35)
	_, nothing, ok := strings.Cut(string(text), "\n## What nothing detects\n")
	require.True(t, ok)
	points := strings.Split(nothing, "\n- **")[1:]
	require.Greater(t, len(points), 3)
	for _, p := range points[:len(points)-1] {
		require.Regexp(t, named, p)
	}
}
