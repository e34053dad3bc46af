package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// signedConfig is an OTLP collector whose log is signed; %s is the rest of the section.
const signedConfig = `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:${env:OTLP_GRPC_PORT}"}
      http: {endpoint: "127.0.0.1:${env:OTLP_HTTP_PORT}"}
exporters:
  audit:
    directory: ${env:AUDIT_DIRECTORY}
    checkpoint:
      origin: %s
      key_file: %s
      interval: 100ms
      heartbeat: 1s
%s
service:
  telemetry:
    metrics:
      readers: [pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:METRICS_PORT}"}}}]
  pipelines:
    logs: {receivers: [otlp], exporters: [audit]}
`

// party is a machine: a collector with a signed log, and its keys.
type party struct {
	name, vkey, key string
	o               collector.Options
}

func newParty(t *testing.T, name string) *party {
	p := &party{name: name, o: options(t)}
	p.key = filepath.Join(p.o.Dir, "log.key")
	p.vkey = keygen(t, name, p.key)
	return p
}

// keygen makes a key and returns its public half.
func keygen(t *testing.T, name, file string) string {
	t.Helper()
	code, out := run(t, bin("auditlog"), "keygen", name, file)
	require.Equal(t, 0, code, out)
	return strings.TrimSpace(out)
}

// start starts the collector with the rest of its checkpoint section, each line indented by six.
func (p *party) start(t *testing.T, section string) *collector.Collector {
	t.Helper()
	p.o.Config = filepath.Join(p.o.Dir, "config.yaml")
	require.NoError(t, os.WriteFile(p.o.Config, fmt.Appendf(nil, signedConfig, p.name, p.key, section), 0o600))
	return start(t, p.o)
}

func (p *party) audit() string { return filepath.Join(p.o.Dir, "audit") }

func (p *party) folder(t *testing.T) string { return logFolder(t, p.audit()) }

// copied is a machine with a copy of p's folder and key.
func (p *party) copied(t *testing.T) *party {
	t.Helper()
	c := &party{name: p.name, vkey: p.vkey, o: options(t)}
	c.key = filepath.Join(c.o.Dir, "log.key")
	for from, to := range map[string]string{p.key: c.key, p.folder(t): filepath.Join(c.audit(), filepath.Base(p.folder(t)))} {
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
		out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return c
}

// witnessOf is a running auditlog witness.
type witnessOf struct{ vkey, url string }

func startWitness(t *testing.T, name, log string) witnessOf {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	keygen(t, name, key)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, bin("auditlog"), "witness", "--listen", "127.0.0.1:0", "--key", key,
		"--state", filepath.Join(dir, "state"), "--log", log)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	vkey, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	lines := bufio.NewReader(said)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	address := regexp.MustCompile(`listens on (\S+)`).FindStringSubmatch(line)
	require.Len(t, address, 2, line)
	return witnessOf{strings.TrimSpace(vkey), "http://" + address[1]}
}

func (w witnessOf) section() string {
	return fmt.Sprintf("      witnesses: [{url: %q, key: %q}]\n", w.url, w.vkey)
}

// policy is a file by which an auditor trusts p's log as far as w has cosigned it.
func (w witnessOf) policy(t *testing.T, p *party) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(name, fmt.Appendf(nil, "log %s\nwitness w %s\nquorum w\n", p.vkey, w.vkey), 0o600))
	return name
}

// seen is the newest checkpoint that the witness tells of p's log, and its size.
func (w witnessOf) seen(t *testing.T, p *party) (text string, size int) {
	t.Helper()
	origin := p.name + "/" + filepath.Base(p.folder(t))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/%x/checkpoint", w.url, sha256.Sum256([]byte(origin))), nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if res.StatusCode == http.StatusNotFound {
		return "", 0
	}
	require.Equal(t, 200, res.StatusCode)
	_, err = fmt.Sscanf(string(b), origin+"\n%d\n", &size)
	require.NoError(t, err, "%s", b)
	return string(b), size
}

// awaitSeen waits until the witness has at least so many entries of p's log.
func (w witnessOf) awaitSeen(t *testing.T, p *party, size int) {
	t.Helper()
	require.Eventually(t, func() bool { _, n := w.seen(t, p); return n >= size }, 20*time.Second, 50*time.Millisecond)
}

func pour(t *testing.T, c *collector.Collector, name string, requests int) {
	t.Helper()
	l := &load{name: name, connections: 1, requests: requests, batch: 3}
	require.Empty(t, l.run(t.Context(), c.GRPC))
}

// Two machines watch each other. One's folder and key are copied, and both copies go on: its witness
// follows one of them, and verify names the fork of the other.
func TestWitnessesRefuseTheSecondOfTwoHistories(t *testing.T) {
	t.Parallel()
	a, b := newParty(t, "example.com/audit/a"), newParty(t, "example.com/audit/b")
	ofA, ofB := startWitness(t, "witness.b.example.com", a.vkey), startWitness(t, "witness.a.example.com", b.vkey)
	ca, cb := a.start(t, ofA.section()), b.start(t, ofB.section())
	pour(t, ca, "a", 20)
	pour(t, cb, "b", 20)
	ofA.awaitSeen(t, a, 61)
	ofB.awaitSeen(t, b, 61)
	stop(t, cb)
	code, out := run(t, bin("auditlog"), "verify", "--policy", ofB.policy(t, b), b.audit())
	require.Equal(t, 0, code, out)

	stop(t, ca)
	code, out = run(t, bin("auditlog"), "verify", "--policy", ofA.policy(t, a), a.audit())
	require.Equal(t, 0, code, out)
	shared := len(entries(t, a.audit()))
	away, short := a.copied(t), a.copied(t)

	// The first that goes on is followed.
	ca = a.start(t, ofA.section())
	pour(t, ca, "on", 10)
	ofA.awaitSeen(t, a, shared+30)
	stop(t, ca)
	text, size := ofA.seen(t, a)
	require.Equal(t, len(entries(t, a.audit())), size, "the witness has it all, the end included")

	// The second meets a witness that has more: it takes requests and signs nothing.
	cs := short.start(t, ofA.section())
	pour(t, cs, "short", 1)
	require.Eventually(t, func() bool { return strings.Contains(cs.Log(), "the log was cut") }, 20*time.Second, 50*time.Millisecond)
	stop(t, cs)
	// The third grows past it without a witness, and then asks for one.
	cw := away.start(t, "")
	pour(t, cw, "away", 60)
	stop(t, cw)
	cw = away.start(t, ofA.section())
	require.Eventually(t, func() bool { return strings.Contains(cw.Log(), "the log is another") }, 20*time.Second, 50*time.Millisecond)
	stop(t, cw)
	after, _ := ofA.seen(t, a)
	require.Equal(t, text, after, "the witness has followed another")

	seen := filepath.Join(t.TempDir(), "seen")
	require.NoError(t, os.WriteFile(seen, []byte(text), 0o600))
	for _, one := range []struct {
		p    *party
		code int
		says string
	}{
		{a, 0, ""},
		{short, 1, fmt.Sprintf("log is shorter than a checkpoint of it, which covers entry %d", size)},
		{away, 1, fmt.Sprintf("fork: the key of this log signed other first %d entries", size)},
	} {
		code, out := run(t, bin("auditlog"), "verify", "--key", a.vkey, "--checkpoint", seen, one.p.audit())
		require.Equal(t, one.code, code, out)
		require.Contains(t, out, one.says)
	}
}

// With require_witness nothing is acknowledged as synced that the witness has not cosigned, and
// requests go through again when it is back.
func TestRequiredWitness(t *testing.T) {
	t.Parallel()
	p := newParty(t, "example.com/audit/r")
	w := startWitness(t, "w.example.com", p.vkey)
	c := p.start(t, w.section()+"      require_witness: true\n    flush: {mode: immediate}\n")
	for i := range 5 {
		pour(t, c, fmt.Sprint("r", i), 1)
		_, size := w.seen(t, p)
		require.GreaterOrEqual(t, size, 1+3*(i+1))
	}
	stop(t, c)
	code, out := run(t, bin("auditlog"), "verify", "--policy", w.policy(t, p), p.audit())
	require.Equal(t, 0, code, out)

	// A witness that is not there: no acknowledgement, and an end in time.
	gone := witnessOf{vkey: w.vkey, url: "http://127.0.0.1:1"}
	c = p.start(t, gone.section()+"      require_witness: true\n    flush: {mode: immediate, sync_timeout: 500ms}\n    shutdown_timeout: 1s\n")
	l := &load{name: "none", connections: 1, requests: 1, batch: 1}
	require.NotEmpty(t, l.run(within(t, 10*time.Second), c.GRPC))
	require.Zero(t, l.acknowledged.Load())
	require.NoError(t, c.Signal(syscall.SIGTERM))
	_ = c.Wait(within(t, 30*time.Second))
	require.True(t, c.Ended())

	c = p.start(t, w.section()+"      require_witness: true\n    flush: {mode: immediate}\n")
	pour(t, c, "again", 1)
	stop(t, c)
}
