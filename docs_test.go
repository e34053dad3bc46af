package auditexporter_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testNames are all tests of the tree, by folder and name: exporter.TestAnswers; those of the root
// folder are of auditexporter.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\([a-z]+ \*testing\.[TF]\)`)
	names := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), "_"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if folder == "." {
			folder = "auditexporter"
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			names[folder+"."+string(m[1])] = true
		}
		return nil
	}))
	return names
}

// docs/conformance.md has a row for each rule of the draft, and each test that a row names exists. No
// rule that binds a sink stands without a test, or the words that say who else has to keep it.
func TestConformanceNamesTests(t *testing.T) {
	text, err := os.ReadFile("docs/conformance.md")
	require.NoError(t, err)
	names := testNames(t)
	require.Greater(t, len(names), 300)
	named := regexp.MustCompile("`([a-z0-9/]+\\.(?:Test|Fuzz)[A-Za-z0-9]+)`")
	rules, musts := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			require.True(t, names[m[1]], "docs/conformance.md names %s, which is not there", m[1])
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rule, level, does, shown := cells[0], cells[2], cells[3], cells[4]
		if rule == "rule" {
			continue
		}
		require.Regexp(t, `^[A-Z][0-9]+$`, rule)
		require.False(t, rules[rule], "rule %s stands twice", rule)
		rules[rule] = true
		require.Regexp(t, `^(MUST|SHOULD|MAY)( NOT)?$`, level, rule)
		require.NotEmpty(t, does, rule)
		if strings.HasPrefix(level, "MUST") {
			musts++
			require.True(t, named.MatchString(shown), "%s is a MUST without a test", rule)
		}
		if !named.MatchString(shown) {
			require.Regexp(t, `^(Not ours|Not done)`, does, "%s has no test", rule)
			require.Equal(t, "none", shown, rule)
		}
	}
	require.Greater(t, musts, 25)
}

// The distribution has nothing that acknowledges a request before the log does, or samples, so that no
// pipeline of it can break the promise.
func TestDistributionHasNoQueue(t *testing.T) {
	text, err := os.ReadFile("builder-config.yaml")
	require.NoError(t, err)
	for _, module := range []string{"batchprocessor", "groupbyattrs", "sampl", "logdedup", "queue"} {
		require.NotContains(t, string(text), module)
	}
	examples, err := filepath.Glob("testdata/examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, file := range append(examples, "testdata/collector.yaml") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			setting, _, _ := strings.Cut(line, "#")
			require.NotRegexp(t, `^\s+(batch|sending_queue)\s*:|processors: \[.*batch`, setting, file)
		}
	}
}
