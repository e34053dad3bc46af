package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/shop"
)

// jq reads every segment, and the commands of event/FORMAT.md answer on them.
func TestJq(t *testing.T) {
	t.Parallel()
	o := options(t)
	c := start(t, o)
	s, err := shop.Open(t.Context(), c.GRPC, false)
	require.NoError(t, err)
	s.OneDay(t.Context(), "alice")
	require.NoError(t, s.Close(t.Context()))
	stop(t, c)
	stop(t, start(t, o))
	for _, name := range segments(t, c.Audit) {
		code, out := run(t, "jq", "-e", ".seq", name)
		require.Equal(t, 0, code, out)
	}

	format, err := os.ReadFile(filepath.Join(root, "event", "FORMAT.md"))
	require.NoError(t, err)
	commands := regexp.MustCompile("(?m)^```sh\n(jq .*)\n```$").FindAllSubmatch(format, -1)
	require.Len(t, commands, 3)
	for _, command := range commands {
		code, out := run(t, "sh", "-c", string(command[1])+" "+segments(t, c.Audit)[0])
		require.Equal(t, 0, code, out)
		require.NotEmpty(t, strings.TrimSpace(strings.Trim(out, "{}\n")), "%s", command[1])
	}
}
