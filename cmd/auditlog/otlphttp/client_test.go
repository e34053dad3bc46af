package otlphttp_test

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/cmd/auditlog/otlphttp"
)

func record() plog.Logs {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetEventName("audit.log.read")
	return ld
}

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    string
		env  map[string]string
		path string // that is asked for, on a server whose URL is $URL
		says string
	}{
		{name: "base", o: "$URL", path: "/v1/logs"},
		{name: "base with slash", o: "$URL/", path: "/v1/logs"},
		{name: "with a path", o: "$URL/v1/audit", path: "/v1/audit"},
		{name: "base of the environment", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "$URL/otlp/"}, path: "/otlp/v1/logs"},
		{name: "that of logs wins", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://no.example", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "$URL/own"}, path: "/own"},
		{name: "the flag wins", o: "$URL", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://no.example", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, path: "/v1/logs"},
		{name: "gRPC", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "$URL", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, says: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{name: "plain http elsewhere", o: "http://192.0.2.1:4318", says: "want https"},
		{name: "a name like a loopback", o: "http://localhost.example:4318", says: "want https"},
		{name: "another scheme", o: "unix:///run/otlp", says: "want a URL"},
		{name: "password in the URL", o: "https://canary:canary@collector", says: "without a password"},
		{name: "timeout", o: "$URL", env: map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, says: "want milliseconds"},
		{name: "headers", o: "$URL", env: map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "canary"}, says: "want NAME=VALUE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.Path
				io.WriteString(w, "{}")
			}))
			defer s.Close()
			expand := func(v string) string {
				return os.Expand(v, func(string) string { return s.URL })
			}
			env := func(name string) string { return expand(tt.env[name]) }
			c, err := otlphttp.New(otlphttp.Options{Endpoint: expand(tt.o)}, env)
			if tt.says != "" {
				require.ErrorContains(t, err, tt.says)
				require.NotContains(t, err.Error(), "canary")
				return
			}
			require.NoError(t, err)
			require.NoError(t, c.Send(t.Context(), record()))
			require.Equal(t, tt.path, asked)
		})
	}
}

// The collector's certificate is checked, and the client's own is shown.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c, err := otlphttp.New(otlphttp.Options{Endpoint: s.URL}, environment(nil))
	require.NoError(t, err)
	require.ErrorContains(t, c.Send(t.Context(), record()), "certificate")

	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	c, err = otlphttp.New(otlphttp.Options{Endpoint: s.URL}, environment(map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": ca}))
	require.NoError(t, err)
	require.NoError(t, c.Send(t.Context(), record()))

	_, err = otlphttp.New(otlphttp.Options{Endpoint: s.URL, CA: ca, Cert: ca}, environment(nil))
	require.ErrorContains(t, err, "certificate and key")
	require.NoError(t, os.WriteFile(ca, []byte("none"), 0o600))
	_, err = otlphttp.New(otlphttp.Options{Endpoint: s.URL, CA: ca}, environment(nil))
	require.ErrorContains(t, err, "no certificate in PEM")
}

// A redirection takes no record, nor the token, elsewhere.
func TestRedirectionIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("followed")
		io.WriteString(w, "{}")
	}))
	defer elsewhere.Close()
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	c, err := otlphttp.New(otlphttp.Options{Endpoint: s.URL, Headers: []string{"Authorization=canary"}}, environment(nil))
	require.NoError(t, err)
	require.ErrorContains(t, c.Send(t.Context(), record()), "307")
}

// A collector that says so is asked again, with the same bytes, and not for ever.
func TestTriesAgain(t *testing.T) {
	for _, tt := range []struct {
		name     string
		statuses []int
		ok       bool
		took     time.Duration
	}{
		{"once", []int{503, 200}, true, 2 * time.Second},
		{"overload", []int{429, 429, 200}, true, 4 * time.Second},
		{"for ever", []int{503}, false, 10 * time.Second},
		{"for good", []int{400}, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bodies := map[string]int{}
				n := 0
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					bodies[string(body)]++
					w.Header().Set("Retry-After", "2")
					w.WriteHeader(tt.statuses[min(n, len(tt.statuses)-1)])
					n++
					io.WriteString(w, `{"message":"busy"}`)
				})
				c, err := otlphttp.New(otlphttp.Options{}, environment(nil))
				require.NoError(t, err)
				c.SetDial(pipes(t, handler))
				began := time.Now()
				err = c.Send(t.Context(), record())
				require.Equal(t, tt.ok, err == nil, "%v", err)
				if err != nil {
					require.ErrorContains(t, err, "busy")
				}
				require.Equal(t, tt.took, time.Since(began))
				require.Len(t, bodies, 1)
			})
		})
	}
}

// pipes serves h over pipes, so that the clock of a test's bubble holds.
func pipes(t *testing.T, h http.Handler) func() (net.Conn, error) {
	l := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func() (net.Conn, error) {
		client, server := net.Pipe()
		l.conns <- server
		return client, nil
	}
}

type listener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }
