package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
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
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// post sends a body to a collector's OTLP/HTTP endpoint, and requires that all of it is taken.
func post(t *testing.T, c *collector.Collector, contentType string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, 20*time.Second), http.MethodPost, "http://"+c.HTTP+"/v1/logs", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
	require.NotContains(t, string(answer), "rejectedLogRecords")
}

// hostileLogs hold what a replay could lose: two resources, two scopes, and values that JSON carries
// badly. The keys twice1 and twice2 are then made one.
func hostileLogs(t *testing.T) []byte {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("https://opentelemetry.io/schemas/1.44.0")
	rl.Resource().Attributes().PutStr("service.name", "shop")
	rl.Resource().Attributes().PutInt("big", math.MinInt64)
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("shop/orders")
	sl.Scope().Attributes().PutEmptyBytes("raw").FromRaw([]byte{0, 255})

	lr := sl.LogRecords().AppendEmpty()
	lr.SetTimestamp(math.MaxUint64)
	lr.SetObservedTimestamp(1)
	lr.SetEventName("order\u202e.placed\x1b")
	lr.SetSeverityNumber(13)
	lr.SetDroppedAttributesCount(math.MaxUint32)
	lr.SetFlags(math.MaxUint32)
	lr.SetTraceID([16]byte{15: 1})
	lr.SetSpanID([8]byte{1})
	a := lr.Attributes()
	a.PutInt("int", math.MaxInt64)
	a.PutInt("beyond", 1<<53+1)
	a.PutDouble("nan", math.NaN())
	a.PutDouble("infinity", math.Inf(-1))
	a.PutDouble("whole", 5)
	a.PutDouble("minus zero", math.Copysign(0, -1))
	a.PutEmptyBytes("bytes").FromRaw([]byte("\x00\x01\xff"))
	a.PutEmptyBytes("no bytes")
	a.PutStr("no text", "")
	a.PutEmpty("absent")
	a.PutEmptySlice("no list")
	a.PutEmptyMap("no map")
	a.PutStr("twice1", "the first")
	a.PutInt("twice2", 2)
	m := a.PutEmptyMap("map")
	m.PutEmptyMap("twice1").PutEmptySlice("deep").AppendEmpty().SetEmptyMap().PutDouble("er", math.Inf(1))
	m.PutEmpty("twice2")
	a.PutStr("controls", "\x00\u009b\u2028\ufeff\u202e\ufffd</script>")
	lr.Body().SetEmptyMap().PutEmptySlice("list").AppendEmpty()

	sl.LogRecords().AppendEmpty().Body().SetStr("") // empty text, and nothing else
	sl.LogRecords().AppendEmpty()                   // nothing at all

	rl = ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "till")
	sl = rl.ScopeLogs().AppendEmpty()
	for _, fill := range []func(plog.LogRecord){
		func(lr plog.LogRecord) {
			lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 3, 4, 5, 6, 7, 1, time.UTC)))
			lr.SetEventName("user.login.failure")
			lr.Attributes().PutStr("user.id", "ada")
		},
		// What the event does not hold as it came.
		func(lr plog.LogRecord) {
			lr.SetEventName("redacted")
			lr.Attributes().PutStr("user.password", "hunter2")
		},
		func(lr plog.LogRecord) {
			lr.SetEventName("cut")
			lr.Attributes().PutStr("stack", strings.Repeat("at shop.Sell ", 10000))
		},
		func(lr plog.LogRecord) {
			lr.SetEventName("no text")
			lr.Attributes().PutStr("name", "\xff")
		},
	} {
		fill(sl.LogRecords().AppendEmpty())
	}
	body, err := new(plog.ProtoMarshaler).MarshalLogs(ld)
	require.NoError(t, err)
	body = bytes.ReplaceAll(body, []byte("twice1"), []byte("twice!"))
	return bytes.ReplaceAll(body, []byte("twice2"), []byte("twice!"))
}

// export is what auditlog export prints, by line.
func export(t *testing.T, args ...string) [][]byte {
	t.Helper()
	cmd := exec.CommandContext(within(t, time.Minute), bin("auditlog"), append([]string{"export"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	require.Empty(t, stderr.String())
	return bytes.Split(bytes.TrimSpace(out), []byte("\n"))
}

var recordedTime = regexp.MustCompile(`"recorded_time":"[^"]*",`)

// texts are the events of a log as they stand, but for the sink's own time.
func texts(t *testing.T, dir string) (all []string) {
	t.Helper()
	for _, e := range events(t, dir) {
		_, text, found := strings.Cut(e.raw, `"event":`)
		require.True(t, found)
		without := recordedTime.ReplaceAllString(text, "")
		require.NotEqual(t, text, without)
		all = append(all, without)
	}
	return all
}

// What is exported and replayed through a second collector stands there as equal events, byte for
// byte, but for the sink's time and what is marked: redacted, cut, or no UTF-8.
func TestExportIsReplayed(t *testing.T) {
	t.Parallel()
	first, second := start(t, options(t)), start(t, options(t))
	post(t, first, "application/x-protobuf", hostileLogs(t))
	awaitEvents(t, first, 7)
	lines := export(t, "--format", "otlp", first.Audit) // of a collector that is at work
	require.Len(t, lines, 2, "one a source")
	for _, line := range lines {
		post(t, second, "application/json", line)
	}
	awaitEvents(t, second, 7)
	stop(t, first)
	stop(t, second)
	requireIntact(t, second.Audit)

	want, got := texts(t, first.Audit), texts(t, second.Audit)
	require.Equal(t, want[:4], got[:4])
	require.Contains(t, want[0], `"exact"`)
	for i, tt := range []struct {
		mark, at string
		lists    []string // of the event, which the second exporter makes anew of what it is given
	}{
		{"audit.export.redacted", "/attributes/user.password", []string{"redacted"}},
		{"audit.export.truncated", "/attributes/stack", []string{"truncated"}},
		{"audit.export.inexact", "/attributes/name", []string{"exact", "escaped"}},
	} {
		var before, after map[string]any
		require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(want[4+i]), "}")), &before))
		require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(got[4+i]), "}")), &after))
		attributes := after["attributes"].(map[string]any)
		marks, ok := attributes[tt.mark].([]any)
		require.True(t, ok, "%s", got[4+i])
		require.Len(t, marks, 1)
		require.Equal(t, tt.at, marks[0].(map[string]any)["at"])
		delete(attributes, tt.mark)
		for _, list := range tt.lists {
			delete(before, list)
			delete(after, list)
		}
		require.Equal(t, before, after)
	}

	// And an export of the replay gives the same lines, but for what is marked.
	again := export(t, "--format", "otlp", second.Audit)
	require.Equal(t, string(lines[0]), string(again[0]))
}

// A collector records who reads its own log, and nothing is shown once it is gone.
func TestAccessIsRecordedByACollector(t *testing.T) {
	t.Parallel()
	c := start(t, options(t))
	post(t, c, "application/x-protobuf", hostileLogs(t))
	awaitEvents(t, c, 7)
	endpoint := []string{"--record-access", "--record-endpoint", "http://" + c.HTTP}
	code, out := run(t, bin("auditlog"), append([]string{"show", "2", c.Audit}, endpoint...)...)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "order")
	last := events(t, c.Audit)[7] // synced, as show has returned
	require.Equal(t, "READ", last.Attributes["audit.action"])
	require.Contains(t, last.Attributes["audit.target.id"], ":2-2")
	code, out = run(t, bin("auditlog"), append([]string{"export", "--format", "ecs", c.Audit}, endpoint...)...)
	require.Equal(t, 0, code, out)
	last = events(t, c.Audit)[8]
	require.Equal(t, "EXPORT", last.Attributes["audit.action"])
	require.Contains(t, last.Attributes["audit.target.id"], ":1-9")
	require.NotContains(t, last.raw, `"invalid"`)
	require.Contains(t, last.raw, `"critical":"audit:`)

	require.NoError(t, c.Signal(syscall.SIGKILL))
	_ = c.Wait(within(t, 10*time.Second))
	code, out = run(t, bin("auditlog"), append([]string{"cat", c.Audit}, endpoint...)...)
	require.Equal(t, 4, code)
	require.Contains(t, out, "access couldn't be recorded")
	require.NotContains(t, out, "seq")
}

// A sink that knows record ids takes an export that is replayed twice once, and each of its records
// is that of the first log.
func TestExportIsReplayedTwice(t *testing.T) {
	t.Parallel()
	first := start(t, options(t))
	o := options(t)
	text, err := os.ReadFile(o.Config)
	require.NoError(t, err)
	const key = "    directory: ${env:AUDIT_DIRECTORY:-./audit-log}\n"
	require.Contains(t, string(text), key)
	o.Config = filepath.Join(o.Dir, "idempotent.yaml")
	require.NoError(t, os.WriteFile(o.Config, []byte(strings.Replace(string(text), key, key+"    idempotency: {horizon: 1h}\n", 1)), 0o600))
	second := start(t, o)

	body, err := new(plog.ProtoMarshaler).MarshalLogs(auditRecords(20, "replay"))
	require.NoError(t, err)
	post(t, first, "application/x-protobuf", body)
	lines := export(t, "--format", "otlp", "--from", "2", first.Audit)
	for range 2 {
		for _, line := range lines {
			post(t, second, "application/json", line)
		}
	}
	stop(t, first)
	stop(t, second)
	digest := regexp.MustCompile(`"digest":\{[^}]*\},`)
	got := texts(t, second.Audit)
	for i := range got {
		got[i] = digest.ReplaceAllString(got[i], "")
	}
	require.Equal(t, texts(t, first.Audit), got)
	require.Len(t, got, 20)
}
