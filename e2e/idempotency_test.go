package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/otelaudit/auditexporter/e2e/collector"
)

// retrying sends every request, and again until it has an answer that it was taken.
type retrying struct {
	load
	url   atomic.Pointer[string] // of where to send to now
	times int                    // each request is sent, whatever the answer
	tries atomic.Int64
}

// run sends all requests of a connection; the error is ctx's, or of a request that is refused for good.
func (r *retrying) run(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, r.connections)
	for n := range r.connections {
		wg.Go(func() {
			for request := range r.requests {
				logs, ids := r.request(n, request)
				r.note(&r.sent, ids)
				for range r.times {
					if err := r.deliver(ctx, logs); err != nil {
						errs <- err
						return
					}
				}
				r.note(&r.acked, ids)
				r.acknowledged.Add(int64(len(ids)))
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func (r *retrying) deliver(ctx context.Context, logs plog.Logs) error {
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		r.tries.Add(1)
		code, text := postLogs(ctx, *r.url.Load(), body)
		switch code {
		case http.StatusOK:
			return nil
		case http.StatusBadRequest, http.StatusInternalServerError:
			return fmt.Errorf("refused for good: %d %s", code, text)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return ctx.Err()
}

// postLogs returns an answer's code and body, 0 if there is none.
func postLogs(ctx context.Context, url string, body []byte) (int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/logs", bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// losing is a way to a server on which every third answer is lost after the server gave it.
func losing(t *testing.T, server *atomic.Pointer[string]) *httptest.Server {
	t.Helper()
	var answers atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		code, text := postLogs(req.Context(), *server.Load(), body)
		if code == 0 || code == http.StatusOK && answers.Add(1)%3 == 0 {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(proxy.Close)
	return proxy
}

// withSection is options with a section of the exporter's configuration.
func withSection(t *testing.T, section string) collector.Options {
	t.Helper()
	o := options(t)
	text, err := os.ReadFile(o.Config)
	require.NoError(t, err)
	o.Config = filepath.Join(o.Dir, "collector.yaml")
	changed := strings.Replace(string(text), "\nservice:", "\n"+section+"\nservice:", 1)
	require.NoError(t, os.WriteFile(o.Config, []byte(changed), 0o600))
	return o
}

// A client that sends every request twice, and one that loses every third answer and sends again, leave
// each record once, over a restart and a kill -9.
func TestEachRecordOnce(t *testing.T) {
	t.Parallel()
	o := withSection(t, "    idempotency: {keys: [load.id]}\n    rotation: {max_size_mib: 1}\n")
	c := start(t, o)
	var server atomic.Pointer[string]
	at := func(c *collector.Collector) {
		url := "http://" + c.HTTP
		server.Store(&url)
	}
	at(c)
	twice := &retrying{times: 2, load: load{name: "twice", connections: 3, requests: 300, batch: 5, body: 100}}
	lossy := &retrying{times: 1, load: load{name: "lossy", connections: 3, requests: 300, batch: 5, body: 100}}
	direct := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		code, text := postLogs(req.Context(), *server.Load(), body)
		if code == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(direct.Close)
	lost := losing(t, &server)
	twice.url.Store(&direct.URL)
	lossy.url.Store(&lost.URL)

	ended := make(chan error, 2)
	for _, client := range []*retrying{twice, lossy} {
		go func() { ended <- client.run(within(t, 2*time.Minute)) }()
	}
	all := func() int64 { return twice.acknowledged.Load() + lossy.acknowledged.Load() }
	await := func(n int64) {
		require.Eventually(t, func() bool { return all() >= n }, time.Minute, time.Millisecond)
	}
	await(1500)
	require.Error(t, c.Stop(within(t, 10*time.Second), syscall.SIGKILL))
	c = start(t, o)
	at(c)
	await(4000)
	stop(t, c)
	c = start(t, o)
	at(c)
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
	require.Greater(t, lossy.tries.Load(), int64(1000), "answers were lost")
	stop(t, c)

	requireIntact(t, c.Audit)
	times := map[string]int{}
	for _, e := range events(t, c.Audit) {
		id, _ := e.Attributes[idKey].(string)
		times[id]++
	}
	require.Len(t, times, 2*3*300*5)
	for id, n := range times {
		require.Equal(t, 1, n, "record %s", id)
		require.True(t, twice.acked[id] || lossy.acked[id], "record %s", id)
	}
}

// With one byte changed a record is a conflict: recorded as one, or refused. Receipts are of the first.
func TestOneByteChanged(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]int{"record": http.StatusOK, "reject": http.StatusInternalServerError} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			o := withSection(t, "    idempotency: {keys: [load.id]}\n    validation: {on_invalid: "+rule+"}\n")
			c := start(t, o)
			send := func(body string) (int, string) {
				l := load{name: "one", batch: 1}
				logs, _ := l.request(0, 0)
				logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(body)
				b, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
				require.NoError(t, err)
				return postLogs(t.Context(), "http://"+c.HTTP, b)
			}
			for range 2 {
				code, text := send("order 1")
				require.Equal(t, http.StatusOK, code, text)
				code, text = send("order 2")
				require.Equal(t, want, code, text)
			}
			require.Error(t, c.Stop(within(t, 10*time.Second), syscall.SIGKILL))
			c = start(t, o)
			code, text := send("order 2")
			require.Equal(t, want, code, text)
			stop(t, c)
			requireIntact(t, c.Audit)
			all := events(t, c.Audit)
			if rule == "record" {
				require.Len(t, all, 2)
				require.Contains(t, all[1].raw, `"conflict":true`)
				require.Contains(t, all[1].raw, `record_id_conflict`)
			} else {
				require.Len(t, all, 1)
				require.Contains(t, text, "another record has")
			}
			require.NotContains(t, all[0].raw, "conflict")

			exit, out := run(t, bin("auditlog"), "receipt", "one-0-0-0", c.Audit)
			require.Zero(t, exit, out)
			var receipt struct {
				RecordID string `json:"record_id"`
				Seq      uint64 `json:"seq"`
			}
			require.NoError(t, json.Unmarshal([]byte(out), &receipt))
			require.Equal(t, "one-0-0-0", receipt.RecordID)
			file := filepath.Join(o.Dir, "receipt.json")
			require.NoError(t, os.WriteFile(file, []byte(out), 0o600))
			exit, out = run(t, bin("auditlog"), "receipt", "--check", file, c.Audit)
			require.Zero(t, exit, out)
			require.Contains(t, out, fmt.Sprintf("intact: entry %d", receipt.Seq))
		})
	}
}
