package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

var recordedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// recorder is a collector that keeps what it is sent, and answers with status.
type recorder struct {
	*httptest.Server
	status  int
	records []plog.Logs
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil && r.status == http.StatusOK {
			var ld plog.Logs
			if ld, err = new(plog.JSONUnmarshaler).UnmarshalLogs(body); err == nil {
				r.records = append(r.records, ld)
			}
		}
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(r.status)
		io.WriteString(w, `{"partialSuccess":{}}`)
	}))
	t.Cleanup(r.Close)
	return r
}

// smallLog is a log of six entries: opened, two events, opened, two events.
func smallLog(t *testing.T) (dir, id string) {
	t.Helper()
	dir = t.TempDir()
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err)
	require.NoError(t, w.Write([]*chain.Batch{events(signIn, order)}))
	require.NoError(t, w.Rotate())
	require.NoError(t, w.Write([]*chain.Batch{events(order, hostile)}))
	require.NoError(t, w.Sync())
	require.NoError(t, w.Abandon())
	return dir, w.Info().LogID.String()
}

func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints strings.Builder
	code = run(t.Context(), args, &out, &complaints)
	return code, out.String(), complaints.String()
}

// What is recorded is a whole audit record of the draft, and says who, what of
// which log, and how.
func TestAccessIsRecorded(t *testing.T) {
	dir, id := smallLog(t)
	for _, tt := range []struct {
		args           []string
		action, target string
		outcome, shows string
	}{
		{[]string{"show", "2", dir}, "READ", id + ":2-2", "success", "auth.success"},
		{[]string{"show", "9", dir}, "READ", id + ":9-9", "failure", ""},
		{[]string{"cat", dir}, "READ", id + ":1-6", "success", `{"seq":6,`},
		{[]string{"cat", "--from", "3", "--to", "5", dir}, "READ", id + ":3-5", "success", `{"seq":5,`},
		{[]string{"tail", "-n", "2", dir}, "READ", id + ":5-6", "success", "order 4711"},
		{[]string{"export", "--format", "otlp", dir}, "EXPORT", id + ":1-6", "success", "order 4711"},
		{[]string{"export", "--format", "ocsf", "--from", "3", "--to", "9", dir}, "EXPORT", id + ":3-6", "success", "order 4711"},
	} {
		t.Run(strings.Join(tt.args[:len(tt.args)-1], " "), func(t *testing.T) {
			r := newRecorder(t)
			_, want, _ := command(t, tt.args...)
			require.Empty(t, r.records)
			_, got, _ := command(t, append(tt.args, "--record-access", "--record-endpoint", r.URL)...)
			require.Equal(t, want, got)
			require.Contains(t, got, tt.shows)
			require.Len(t, r.records, 1)

			encoder, err := event.NewEncoder(event.Options{Profile: event.ProfileAudit, Critical: event.Critical{Defaults: true}})
			require.NoError(t, err)
			var s event.Source
			rl := r.records[0].ResourceLogs().At(0)
			encoder.Resource(&s, rl)
			encoder.Scope(&s, rl.ScopeLogs().At(0))
			body, info := encoder.Append(nil, &s, rl.ScopeLogs().At(0).LogRecords().At(0), recordedAt)
			require.False(t, info.Invalid(), "%s", body)
			require.True(t, info.Critical, "synced before it is acknowledged")
			require.Zero(t, info.Redacted)
			e, err := event.Parse(body)
			require.NoError(t, err)
			v, err := uuid.Parse(e.ID)
			require.NoError(t, err)
			require.Equal(t, uuid.Version(4), v.Version())
			require.Equal(t, "audit.log."+strings.ToLower(tt.action), e.Type)
			require.Equal(t, tt.action, e.Action)
			require.Equal(t, tt.outcome, e.Outcome)
			require.Equal(t, event.Entity{ID: tt.target, Type: "audit.log"}, e.Target)
			require.NotEmpty(t, e.Actor.ID)
			require.Equal(t, "user", e.Actor.Type)
			if uid := os.Getuid(); uid >= 0 {
				require.Contains(t, string(body), `"auditlog.uid":"`+strconv.Itoa(uid)+`"`)
			}
		})
	}
}

// If it can't be recorded, nothing is shown: whatever the reason.
func TestAccessFailsClosed(t *testing.T) {
	dir, _ := smallLog(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello") }))
	t.Cleanup(page.Close)
	part := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no room"}}`)
	}))
	t.Cleanup(part.Close)
	refusing := newRecorder(t)
	refusing.status = http.StatusBadRequest
	for _, tt := range []struct {
		name, endpoint, says string
		code                 int
	}{
		{"nobody listens", closed.URL, "refused", exitUnreadable},
		{"no collector", page.URL, "none of OTLP", exitUnreadable},
		{"partial success", part.URL, "rejected the record: no room", exitUnreadable},
		{"refused", refusing.URL, "400 Bad Request", exitUnreadable},
		{"plain http", "http://collector.example:4318", "want https", exitUsage},
		{"no URL", "collector:4318", "want a URL", exitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, args := range [][]string{{"show", "2", dir}, {"cat", dir}, {"tail", dir}, {"export", "--format", "ecs", dir}, {"export", "-f", "--format", "otlp", dir}} {
				code, stdout, stderr := command(t, append(args, "--record-access", "--record-endpoint", tt.endpoint)...)
				require.Equal(t, tt.code, code)
				require.Empty(t, stdout)
				require.Contains(t, stderr, "access")
				require.Contains(t, stderr, tt.says)
			}
		})
	}
	require.Empty(t, refusing.records)
}

// The environment turns recording on and says where to, and a token of it is sent.
func TestAccessByEnvironment(t *testing.T) {
	dir, _ := smallLog(t)
	var token string
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		token = req.Header.Get("Authorization")
		io.WriteString(w, "{}")
	}))
	t.Cleanup(r.Close)
	t.Setenv("AUDITLOG_RECORD_ACCESS", "true")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary")
	code, stdout, stderr := command(t, "show", "2", dir)
	require.Equal(t, exitOK, code, stderr)
	require.NotEmpty(t, stdout)
	require.Equal(t, "Bearer canary", token)

	t.Setenv("AUDITLOG_RECORD_ACCESS", "perhaps")
	code, stdout, stderr = command(t, "show", "2", dir)
	require.Equal(t, exitUsage, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "AUDITLOG_RECORD_ACCESS")
}

// The name of who reads is the system's, whatever the environment says.
func TestReaderIsNotForged(t *testing.T) {
	want := reader()
	t.Setenv("USER", "mallory")
	t.Setenv("LOGNAME", "mallory")
	t.Setenv("USERNAME", "mallory")
	require.Equal(t, want, reader())
	require.NotEmpty(t, want.name)
	require.NotEqual(t, "mallory", want.name)
}

func TestAccessTarget(t *testing.T) {
	folder := filepath.Join("audit", strings.Repeat("ab", 16))
	require.Equal(t, strings.Repeat("ab", 16), access{folder: folder}.target())
	require.Equal(t, strings.Repeat("ab", 16)+":7-", access{folder: folder, first: 7}.target())
	require.Equal(t, strings.Repeat("ab", 16)+":7-9", access{folder: folder, first: 7, last: 9}.target())
}
