package exporter_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
)

// server is the real OTLP receiver in front of an exporter, and clients of both transports.
type server struct {
	grpc plogotlp.GRPCClient
	http string // URL
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func serve(t *testing.T, next collector.Logs) *server {
	t.Helper()
	f := otlpreceiver.NewFactory()
	cfg := f.CreateDefaultConfig().(*otlpreceiver.Config)
	g, h := cfg.Protocols.GRPC.GetOrInsertDefault(), cfg.Protocols.HTTP.GetOrInsertDefault()
	g.NetAddr.Endpoint, h.ServerConfig.NetAddr.Endpoint = freePort(t), freePort(t)
	cfg.Protocols.GRPC, cfg.Protocols.HTTP = configoptional.Some(*g), configoptional.Some(*h)
	r, err := f.CreateLogs(t.Context(), receivertest.NewNopSettings(f.Type()), cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	conn, err := grpc.NewClient(g.NetAddr.Endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, r.Shutdown(context.Background()))
	})
	return &server{grpc: plogotlp.NewGRPCClient(conn), http: "http://" + h.ServerConfig.NetAddr.Endpoint + "/v1/logs"}
}

// reply is what a client sees.
type reply struct {
	status     *status.Status // of gRPC, or in the body of an HTTP answer
	http       int            // 0: gRPC
	retryAfter string         // header
}

func (r reply) retryDelay() time.Duration {
	for _, d := range r.status.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.RetryDelay.AsDuration()
		}
	}
	return 0
}

// send sends a request over grpc, protobuf or json (both HTTP).
func (s *server) send(t *testing.T, transport string, logs plog.Logs) reply {
	t.Helper()
	req := plogotlp.NewExportRequestFromLogs(logs)
	if transport == "grpc" {
		_, err := s.grpc.Export(t.Context(), req)
		return reply{status: status.Convert(err)}
	}
	contentType, marshal, unmarshal := "application/x-protobuf", req.MarshalProto, func(b []byte, st *spb.Status) error { return proto.Unmarshal(b, st) }
	if transport == "json" {
		contentType, marshal, unmarshal = "application/json", req.MarshalJSON, func(b []byte, st *spb.Status) error { return protojson.Unmarshal(b, st) }
	}
	body, err := marshal()
	require.NoError(t, err)
	res, err := http.Post(s.http, contentType, bytes.NewReader(body))
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	r := reply{http: res.StatusCode, retryAfter: res.Header.Get("Retry-After"), status: status.New(codes.OK, "")}
	if res.StatusCode != http.StatusOK {
		st := &spb.Status{}
		require.NoError(t, unmarshal(answer, st), "%s", answer)
		r.status = status.FromProto(st)
	}
	return r
}

// The answers of design.md, on the wire.
func TestAnswers(t *testing.T) {
	diskFull := &net.OpError{Op: "write", Net: "/srv/secret-path", Err: syscall.ENOSPC}
	for name, tt := range map[string]struct {
		open   openFunc
		script map[string]func() error
		change func(*exporter.Options)
		// before brings about what the answer is for. release ends it.
		before func(t *testing.T, r *rig)
		logs   plog.Logs

		code  codes.Code
		http  int
		retry bool
		says  string
	}{
		"acknowledged":       {logs: records(2, true), code: codes.OK, http: 200},
		"acknowledged early": {logs: records(2, false), code: codes.OK, http: 200},
		"nothing to keep":    {logs: records(0, false), code: codes.OK, http: 200},
		"memory budget full": {
			script: map[string]func() error{"sync": hang(t.Context().Done())},
			change: func(o *exporter.Options) { o.MaxInFlight, o.SyncTimeout = 1, time.Minute },
			before: func(t *testing.T, r *rig) {
				require.NoError(t, r.ConsumeLogs(t.Context(), records(1, false))) // larger than the budget: let in alone
			},
			logs: records(1, false), code: codes.ResourceExhausted, http: 429, retry: true, says: "memory budget",
		},
		"i/o error": {
			script: map[string]func() error{"sync": fail(errDisk), "renew": fail(errDisk)},
			logs:   records(1, true), code: codes.Unavailable, http: 503, says: "storage failed",
		},
		"disk full": {
			script: map[string]func() error{"write": fail(diskFull), "renew": fail(diskFull)},
			logs:   records(1, false), code: codes.Unavailable, http: 503, says: "storage failed",
		},
		"stalled": {
			script: map[string]func() error{"sync": hang(t.Context().Done())},
			change: func(o *exporter.Options) { o.SyncTimeout = 10 * time.Millisecond },
			logs:   records(1, true), code: codes.Unavailable, http: 503, says: "does not respond",
		},
		"failing over": {
			script: map[string]func() error{"sync": fail(errDisk), "renew": fail(errDisk)},
			before: func(t *testing.T, r *rig) {
				require.Error(t, r.ConsumeLogs(t.Context(), records(1, true)))
				require.Eventually(t, func() bool { return len(r.host.statuses()) == 2 }, 5*time.Second, time.Millisecond)
			},
			logs: records(1, false), code: codes.Unavailable, http: 503, says: "has not recovered",
		},
		"shutting down": {
			before: func(t *testing.T, r *rig) { require.NoError(t, r.Shutdown(t.Context())) },
			logs:   records(1, false), code: codes.Unavailable, http: 503, says: "shutting down",
		},
		"not open": {
			open: opens(errDisk),
			logs: records(1, false), code: codes.Unavailable, http: 503, says: "not be opened",
		},
		"tampered with": {
			open: opens(errTampered),
			logs: records(1, false), code: codes.Unavailable, http: 503, says: "tampered",
		},
		"structurally invalid": {
			change: func(o *exporter.Options) { o.RejectInvalid = true },
			logs:   audit(1, "a"), code: codes.InvalidArgument, http: 400, says: "audit.outcome: missing",
		},
		"structurally invalid, while the log fails": {
			script: map[string]func() error{"write": fail(errDisk), "renew": fail(errDisk)},
			change: func(o *exporter.Options) { o.RejectInvalid = true },
			logs:   audit(1, "a"), code: codes.InvalidArgument, http: 400, says: "audit.outcome: missing",
		},
		"structurally invalid, and recorded": {logs: audit(0, "a"), code: codes.OK, http: 200},
		"too large": {
			logs: large(), code: codes.InvalidArgument, http: 400, says: "at most 2000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, transport := range []string{"grpc", "protobuf", "json"} {
				t.Run(transport, func(t *testing.T) {
					t.Parallel()
					o := defaults()
					o.Directory = t.TempDir()
					o.ShutdownTimeout = 100 * time.Millisecond
					if tt.change != nil {
						tt.change(&o)
					}
					open := tt.open
					if open == nil {
						open = opens(newFakeLog(tt.script))
					}
					r := newRigLimited(t, o, open, 2000)
					r.start(t)
					defer func() { _ = r.Shutdown(context.Background()) }()
					if tt.before != nil {
						tt.before(t, r)
					}
					got := serve(t, r).send(t, transport, tt.logs)

					require.Equal(t, tt.code, got.status.Code(), got.status.Message())
					if transport != "grpc" {
						require.Equal(t, tt.http, got.http)
					}
					require.Contains(t, got.status.Message(), tt.says)
					require.NotContains(t, got.status.Message(), "secret-path")
					require.NotContains(t, got.status.Message(), canary)
					if tt.retry {
						require.Equal(t, time.Second, got.retryDelay())
					} else {
						require.Zero(t, got.retryDelay())
					}
					if tt.retry && transport != "grpc" {
						require.Equal(t, "1", got.retryAfter)
					} else {
						require.Empty(t, got.retryAfter)
					}
				})
			}
		})
	}
}

// large is a request whose second record has a body that a log of 2000 bytes does not take.
func large() plog.Logs {
	logs := plog.NewLogs()
	rs := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	rs.AppendEmpty().Body().SetStr("small")
	rs.AppendEmpty().Body().SetStr(strings.Repeat("x", 2000))
	return logs
}

// The client's own end is neither the log's fault nor a reason to give up the request.
func TestCancelledRequest(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, defaults(), opens(newFakeLog(map[string]func() error{"sync": hang(release)})))
	r.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := r.ConsumeLogs(ctx, records(1, true))
	requireCode(t, codes.DeadlineExceeded, err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(release)
	require.NoError(t, r.Shutdown(t.Context()))
}

// A client that retries is refused often; the collector's log must not fill with it.
func TestRefusalsAreLoggedRarely(t *testing.T) {
	r := newRig(t, defaults(), opens(&chain.TamperError{}))
	r.start(t)
	for range 1000 {
		require.Error(t, r.ConsumeLogs(t.Context(), records(1, false)))
	}
	require.Equal(t, 1, r.logs.FilterMessageSnippet("Exporting failed").Len())
	require.NoError(t, r.Shutdown(t.Context()))
}
