package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The copies of a log's checkpoints go down another pipeline as log records, here into another audit
// log. What arrives there is a checkpoint that finds out that the first log was cut.
func TestCheckpointsSentElsewhere(t *testing.T) {
	t.Parallel()
	p := newParty(t, "example.com/audit/sent")
	copies := filepath.Join(p.o.Dir, "copies")
	require.NoError(t, os.Mkdir(copies, 0o700))

	sink := start(t, options(t))
	sender := options(t)
	sender.Config = filepath.Join(root, "testdata", "examples", "checkpoints-sent.yaml")
	sender.Env = []string{"CHECKPOINT_COPIES=" + copies, "CHECKPOINT_POLL=100ms", "OTLP_ENDPOINT=" + sink.GRPC}
	forwarder := start(t, sender)

	c := p.start(t, "      copies: ["+copies+"]\n")
	pour(t, c, "sent", 10)
	stop(t, c)
	newest, err := filepath.Glob(filepath.Join(copies, "*.checkpoint"))
	require.NoError(t, err)
	require.Len(t, newest, 1)
	text, err := os.ReadFile(newest[0])
	require.NoError(t, err)

	arrived := func() string {
		for _, e := range events(t, sink.Audit) {
			if strings.Contains(e.raw, `audit.checkpoint`) && isText(e.Body, text) {
				return e.Body.(string)
			}
		}
		return ""
	}
	require.Eventually(t, func() bool { return arrived() != "" }, 20*time.Second, 100*time.Millisecond, "%s", text)
	stop(t, forwarder)
	kept := filepath.Join(p.o.Dir, "kept")
	require.NoError(t, os.WriteFile(kept, []byte(strings.TrimSpace(arrived())+"\n"), 0o600))
	code, out := run(t, bin("auditlog"), "verify", "--key", p.vkey, "--checkpoint", kept, p.audit())
	require.Equal(t, 0, code, out)

	// Cut by its last lines, with the checkpoints that covered them and the mark.
	names := segments(t, p.audit())
	last := names[len(names)-1]
	require.NoError(t, os.Chmod(last, 0o600))
	lines, err := os.ReadFile(last)
	require.NoError(t, err)
	all := strings.SplitAfter(strings.TrimSuffix(string(lines), "\n"), "\n")
	require.NoError(t, os.WriteFile(last, []byte(strings.Join(all[:len(all)-5], "")), 0o600))
	require.NoError(t, os.Remove(filepath.Join(p.folder(t), "mark")))
	require.NoError(t, os.Remove(filepath.Join(p.folder(t), "checkpoints")))
	code, out = run(t, bin("auditlog"), "verify", "--key", p.vkey, "--checkpoint", kept, p.audit())
	require.Equal(t, 1, code, out)
}

func isText(body any, text []byte) bool {
	s, ok := body.(string)
	return ok && strings.TrimSpace(s) == strings.TrimSpace(string(text))
}
