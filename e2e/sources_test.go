package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/collector"
	"github.com/otelaudit/auditexporter/e2e/shop"
)

func TestTelemetrygen(t *testing.T) {
	t.Parallel()
	c := start(t, options(t))
	args := []string{
		"logs", "--otlp-insecure", "--workers", "2", "--logs", "500", "--rate", "0",
		"--telemetry-attributes", `user.name="ada"`, "--body", "an order was placed",
	}
	code, out := run(t, bin("telemetrygen"), append(args, "--otlp-endpoint", c.GRPC)...)
	require.Equal(t, 0, code, out)
	code, out = run(t, bin("telemetrygen"), append(args, "--otlp-endpoint", c.HTTP, "--otlp-http")...)
	require.Equal(t, 0, code, out)
	stop(t, c)

	requireIntact(t, c.Audit)
	got := events(t, c.Audit)
	require.Len(t, got, 2000)
	for _, e := range got {
		require.Equal(t, "ada", e.Attributes["user.name"])
		require.Contains(t, e.raw, "an order was placed")
	}
}

func TestGoSDK(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := start(t, options(t))
			endpoint := c.GRPC
			if protocol == "http" {
				endpoint = c.HTTP
			}
			s, err := shop.Open(t.Context(), endpoint, protocol == "http")
			require.NoError(t, err)
			s.OneDay(t.Context(), "ada", "grace")
			require.NoError(t, s.Close(within(t, 20*time.Second)))
			awaitEvents(t, c, 5) // synced by the age timer: nothing is stopped yet
			stop(t, c)

			requireIntact(t, c.Audit)
			got := events(t, c.Audit)
			require.Len(t, got, 5)
			named := map[any][]*event{}
			for _, e := range got {
				named[e.Attributes["event.name"]] = append(named[e.Attributes["event.name"]], e)
			}
			require.Len(t, named["auth.success"], 2)
			require.Equal(t, "s-ada", named["auth.success"][0].Attributes["session.id"])
			require.Len(t, named["order.placed"], 2)
			order := named["order.placed"][0].Attributes
			require.EqualValues(t, 1000, order["order.number"])
			require.Equal(t, map[string]any{"tea": 1.0, "cup": 2.0}, order["order.items"])
			require.Len(t, named["auth.failure"], 1)
			require.Equal(t, "wrong password", named["auth.failure"][0].Attributes["reason"])
		})
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	c := start(t, options(t))
	body := filepath.Join(t.TempDir(), "request.json")
	require.NoError(t, os.WriteFile(body, []byte(`{"resourceLogs":[{
		"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"by-hand"}}]},
		"scopeLogs":[{"logRecords":[{
			"timeUnixNano":"1700000000000000000","severityNumber":13,"eventName":"auth.failure",
			"body":{"stringValue":"no such user"},
			"attributes":[{"key":"attempted_user","value":{"stringValue":"mallory"}},
				{"key":"tries","value":{"intValue":"9007199254740993"}}]}]}]}]}`), 0o600))
	code, out := run(t, "curl", "-sS", "-w", " %{http_code}", "-H", "Content-Type: application/json",
		"--data", "@"+body, "http://"+c.HTTP+"/v1/logs")
	require.Equal(t, 0, code, out)
	require.Equal(t, `{"partialSuccess":{}} 200`, out)

	// The event is critical: what is acknowledged is synced, and so at once there for a reader.
	got := events(t, c.Audit)
	require.Len(t, got, 1)
	require.Equal(t, "mallory", got[0].Attributes["attempted_user"])
	require.Contains(t, got[0].raw, "9007199254740993")
	require.Contains(t, got[0].raw, "by-hand")

	code, out = run(t, "curl", "-sS", "http://"+c.Metrics+"/metrics")
	require.Equal(t, 0, code, out)
	require.Regexp(t, `(?m)^otelcol_[a-z_]*audit[a-z_]*(\{[^}]*\})? `, out)
	stop(t, c)
	requireIntact(t, c.Audit)
}

func TestFilelogExample(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config = filepath.Join(root, "testdata", "examples", "filelog.yaml")
	authLog := filepath.Join(o.Dir, "auth.log")
	o.Env = []string{"SYSTEM_LOG=" + authLog}
	c := start(t, o)
	const line = "Nov 23 17:50:%02d host sshd[4711]: Failed password for root from 192.0.2.7 port %d ssh2\n"
	write(t, authLog, fmt.Sprintf(line, 1, 1001)+fmt.Sprintf(line, 2, 1002))
	awaitEvents(t, c, 2)
	stop(t, c)

	// What was written meanwhile is read after a restart; what was read is not read again.
	write(t, authLog, fmt.Sprintf(line, 3, 1003))
	c = start(t, o)
	awaitEvents(t, c, 3)
	stop(t, c)
	requireIntact(t, c.Audit)
	for i, e := range events(t, c.Audit) {
		require.Contains(t, e.raw, fmt.Sprintf("port %d ssh2", 1001+i))
		require.Equal(t, "sshd", e.Attributes["process"])
	}
}

func TestSyslogExample(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config = filepath.Join(root, "testdata", "examples", "syslog.yaml")
	ports, err := collector.FreePorts(1)
	require.NoError(t, err)
	o.Env = []string{fmt.Sprintf("SYSLOG_PORT=%d", ports[0])}
	c := start(t, o)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0]))
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("<86>1 2026-11-23T17:50:28.003Z host su 4711 ID47 - session opened for user root\n"))
	require.NoError(t, err)
	awaitEvents(t, c, 1)
	stop(t, c)
	requireIntact(t, c.Audit)
	got := events(t, c.Audit)[0]
	require.Equal(t, "su", got.Attributes["appname"])
	require.EqualValues(t, 10, got.Attributes["facility"])
}

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob(filepath.Join(root, "testdata", "examples", "*.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(examples), 5)
	for _, config := range append(examples, filepath.Join(root, "testdata", "collector.yaml")) {
		t.Run(filepath.Base(config), func(t *testing.T) {
			t.Parallel()
			code, out := run(t, bin("otelcol-audit"), "validate", "--config", config)
			require.Equal(t, 0, code, out)
			text, err := os.ReadFile(config)
			require.NoError(t, err)
			for _, receiver := range []string{"  filelog:", "  syslog:"} {
				if strings.Contains(string(text), receiver) {
					require.Contains(t, string(text), "retry_on_failure: {enabled: true, max_elapsed_time: 0}")
				}
			}
		})
	}
}

// Every value in the list is refused by name before anything starts.
func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	config := filepath.Join(root, "testdata", "collector.yaml")
	for _, tt := range []struct{ set, says string }{
		{set: "exporters::audit::flush::mode=sometimes", says: `exporters::audit: flush.mode: "sometimes"`},
		{set: "exporters::audit::flush::batch_interval=1", says: "write 1s"},
		{set: "exporters::audit::flush::batch_size=0", says: "flush.batch_size: 0"},
		{set: "exporters::audit::sending_queue::queue_size=10", says: "sending_queue"},
		{set: "exporters::audit::permissions::file='0644'", says: "world"},
		{set: "exporters::audit::critical::conditions=[nonsense(]", says: "critical.conditions[0]"},
	} {
		t.Run(tt.set, func(t *testing.T) {
			t.Parallel()
			code, out := run(t, bin("otelcol-audit"), "validate", "--config", config, "--set", tt.set)
			require.NotEqual(t, 0, code)
			require.Contains(t, out, tt.says)
		})
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	code, out := run(t, "go", "run", "./demo", "-bin", bin(""), "-config", filepath.Join(root, "testdata", "collector.yaml"))
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "1001")
	require.Contains(t, out, "(exit 1)")
}

func write(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
