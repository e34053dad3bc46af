package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// certificate writes a self-signed certificate for the loopback and its key to dir.
func certificate(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	return certFile, keyFile
}

// auditSink is a collector with the example of the audit signal, and what a client needs to reach it.
type auditSink struct {
	*collector.Collector
	ca    *x509.CertPool
	pair  tls.Certificate
	files []string // certificate of the server, certificate and key of the client
}

func startAuditSink(t *testing.T) *auditSink {
	t.Helper()
	o := options(t)
	o.Config = filepath.Join(root, "testdata", "examples", "audit-signal.yaml")
	cert, key := certificate(t, o.Dir, "server")
	clientCert, clientKey := certificate(t, o.Dir, "client")
	o.Env = []string{"TLS_CERT=" + cert, "TLS_KEY=" + key, "TLS_CLIENT_CA=" + clientCert}
	s := &auditSink{ca: x509.NewCertPool(), files: []string{cert, clientCert, clientKey}}
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.True(t, s.ca.AppendCertsFromPEM(text))
	s.pair, err = tls.LoadX509KeyPair(clientCert, clientKey)
	require.NoError(t, err)
	s.Collector = start(t, o)
	return s
}

func (s *auditSink) tls() *tls.Config {
	return &tls.Config{RootCAs: s.ca, Certificates: []tls.Certificate{s.pair}}
}

// post sends a request to /v1/audit and returns status and answer.
func (s *auditSink) post(t *testing.T, conf *tls.Config, contentType string, body []byte) (int, string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Post("https://"+s.HTTP+"/v1/audit", contentType, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer), nil
}

// auditRecords are n whole audit records, as the draft has them.
func auditRecords(n int, id string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "portal")
	sl := rl.ScopeLogs().AppendEmpty()
	for i := range n {
		lr := sl.LogRecords().AppendEmpty()
		now := pcommon.NewTimestampFromTime(time.Now())
		lr.SetTimestamp(now)
		lr.SetObservedTimestamp(now)
		lr.SetEventName("user.login.success")
		for name, value := range map[string]string{
			"audit.record.id": fmt.Sprintf("%s-%d", id, i), "audit.actor.id": "alice", "audit.actor.type": "user",
			"audit.action": "LOGIN", "audit.outcome": "success",
		} {
			lr.Attributes().PutStr(name, value)
		}
	}
	return ld
}

// The endpoint of the draft: one record or many, in protobuf or JSON, each acknowledged when it is
// synced, without a partial success.
func TestAuditEndpoint(t *testing.T) {
	t.Parallel()
	s := startAuditSink(t)
	want := 0
	for _, n := range []int{1, 50} {
		protobuf, err := new(plog.ProtoMarshaler).MarshalLogs(auditRecords(n, fmt.Sprint("p", n)))
		require.NoError(t, err)
		code, answer, err := s.post(t, s.tls(), "application/x-protobuf", protobuf)
		require.NoError(t, err)
		require.Equal(t, 200, code)
		require.Equal(t, "\n\x00", answer, "an empty partial_success")
		text, err := new(plog.JSONMarshaler).MarshalLogs(auditRecords(n, fmt.Sprint("j", n)))
		require.NoError(t, err)
		code, answer, err = s.post(t, s.tls(), "application/json", text)
		require.NoError(t, err)
		require.Equal(t, 200, code)
		require.Equal(t, `{"partialSuccess":{}}`, answer)
		want += 2 * n
		require.Len(t, events(t, s.Audit), want, "synced, and so shown, when it is acknowledged")
	}
	stop(t, s.Collector)
	requireIntact(t, s.Audit)
}

// One bad record refuses the whole request for good; nothing of it stands in the log, but that it was refused.
func TestAuditRequestIsRefusedWhole(t *testing.T) {
	t.Parallel()
	s := startAuditSink(t)
	ld := auditRecords(3, "x")
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Attributes().Remove("audit.actor.id")
	for contentType, marshal := range map[string]func(plog.Logs) ([]byte, error){
		"application/json":       new(plog.JSONMarshaler).MarshalLogs,
		"application/x-protobuf": new(plog.ProtoMarshaler).MarshalLogs,
	} {
		body, err := marshal(ld)
		require.NoError(t, err)
		code, answer, err := s.post(t, s.tls(), contentType, body)
		require.NoError(t, err)
		require.Equal(t, 400, code)
		require.Contains(t, answer, "audit.actor.id")
	}
	stop(t, s.Collector)
	require.Empty(t, events(t, s.Audit))
	refused := 0
	for _, e := range entries(t, s.Audit) {
		if e.System.Type == "refused" {
			refused++
		}
	}
	require.NotZero(t, refused)
}

// TLS 1.2 or later, with a client's certificate.
func TestAuditEndpointDemandsTLS(t *testing.T) {
	t.Parallel()
	s := startAuditSink(t)
	body, err := new(plog.JSONMarshaler).MarshalLogs(auditRecords(1, "tls"))
	require.NoError(t, err)
	for name, spoil := range map[string]func(*tls.Config){
		"TLS 1.1":        func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"no certificate": func(c *tls.Config) { c.Certificates = nil },
	} {
		conf := s.tls()
		spoil(conf)
		_, _, err := s.post(t, conf, "application/json", body)
		require.Error(t, err, name)
	}
	plain, err := http.Post("http://"+s.HTTP+"/v1/audit", "application/json", bytes.NewReader(body))
	if err == nil {
		plain.Body.Close()
		require.NotEqual(t, 200, plain.StatusCode)
	}
	require.Empty(t, events(t, s.Audit))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf := s.tls()
		conf.MinVersion, conf.MaxVersion = version, version
		code, answer, err := s.post(t, conf, "application/json", body)
		require.NoError(t, err)
		require.Equal(t, 200, code, answer)
	}

	// auditlog speaks it as well: who reads is recorded there.
	code, out := run(t, bin("auditlog"), "show", "2", s.Audit, "--record-access", "--record-endpoint", "https://"+s.HTTP+"/v1/audit",
		"--record-ca", s.files[0], "--record-cert", s.files[1], "--record-key", s.files[2])
	require.Equal(t, 0, code, out)
	all := events(t, s.Audit)
	require.Equal(t, "READ", all[len(all)-1].Attributes["audit.action"])
}

// A request beyond the receiver's limit is refused for good, and nothing of it is kept.
func TestAuditRequestTooLarge(t *testing.T) {
	t.Parallel()
	o := options(t)
	text, err := os.ReadFile(o.Config)
	require.NoError(t, err)
	const endpoint = "        endpoint: 127.0.0.1:${env:OTLP_HTTP_PORT:-4318}\n"
	require.Contains(t, string(text), endpoint)
	o.Config = filepath.Join(o.Dir, "limited.yaml")
	limited := strings.Replace(string(text), endpoint, endpoint+"        max_request_body_size: 4096\n", 1)
	require.NoError(t, os.WriteFile(o.Config, []byte(limited), 0o600))
	c := start(t, o)
	body, err := new(plog.JSONMarshaler).MarshalLogs(auditRecords(50, "large"))
	require.NoError(t, err)
	require.Greater(t, len(body), 4096)
	resp, err := http.Post("http://"+c.HTTP+"/v1/logs", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	stop(t, c)
	require.Empty(t, events(t, c.Audit))
}
