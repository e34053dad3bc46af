package exporter_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/witness"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// watcher is a witness on a machine of its own, which can be away.
type watcher struct {
	s    *witness.Server
	key  *checkpoint.Key
	vkey string
	away atomic.Bool
}

func newWatcher(t *testing.T, log *checkpoint.Key) *watcher {
	key, err := checkpoint.GenerateKey("witness.example.com")
	require.NoError(t, err)
	signer, err := key.Cosigner()
	require.NoError(t, err)
	l, err := policy.ParseLog(log.Public().VKey())
	require.NoError(t, err)
	w := &watcher{key: log, vkey: signer.Verifier().String()}
	w.s, err = witness.NewServer(witness.ServerOptions{
		FS: faultfs.New(t, "/witness"), Directory: "/witness", Signer: signer, Logs: []policy.Log{l},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	return w
}

func (w *watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.away.Load() {
		return nil, context.DeadlineExceeded
	}
	answer := httptest.NewRecorder()
	w.s.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// latest is what the witness has of the log on f; size 0 if nothing.
func (w *watcher) latest(t *testing.T, f *faultfs.FS) (c checkpoint.Checkpoint) {
	folder, err := chain.FindLog(f, faultDir)
	if err != nil {
		return c
	}
	v, err := w.key.Public().For("example.com/audit/" + filepath.Base(folder))
	require.NoError(t, err)
	own, err := policy.ParseWitness("w", w.vkey)
	require.NoError(t, err)
	client := witness.NewClient(witness.ClientOptions{URL: "http://w.test", Verifier: own.Verifier, HTTP: &http.Client{Transport: w}})
	_, text, err := client.Latest(t.Context(), v.Origin, v.Note)
	if err != nil {
		require.ErrorIs(t, err, witness.ErrNothing)
		return c
	}
	c, err = checkpoint.Parse(text)
	require.NoError(t, err)
	return c
}

func (w *watcher) options(require bool) func(*exporter.Options) {
	return func(o *exporter.Options) {
		o.Mode = "immediate"
		o.Checkpoint.Witnesses = exporter.Witnesses{
			List:    []exporter.Witness{{Key: w.vkey, URL: "http://w.test"}},
			Timeout: time.Second, Require: require, HTTP: &http.Client{Transport: w},
		}
	}
}

// With require_witness what is acknowledged is cosigned, and while the witness is
// away nothing is acknowledged and nothing is lost.
func TestRequiredWitnessHasWhatIsAcknowledged(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		f, key := faultfs.New(t, faultDir), newKey(t)
		w := newWatcher(t, key)
		r := notarised(t, f, key, w.options(true))
		r.start(t)
		for i := range uint64(5) {
			require.NoError(t, r.ConsumeLogs(t.Context(), records(3, true)))
			require.GreaterOrEqual(t, w.latest(t, f).Size, 1+3*(i+1))
		}
		w.away.Store(true)
		require.Error(t, r.ConsumeLogs(t.Context(), records(3, true)), "a stall")
		require.Error(t, r.ConsumeLogs(t.Context(), records(3, true)))
		w.away.Store(false)
		time.Sleep(2 * time.Minute)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(3, true)))
		require.NoError(t, r.Shutdown(t.Context()))
		file := checkSigned(t, f, key)
		require.Equal(t, file.Records[len(file.Records)-1].Size, w.latest(t, f).Size, "the end is cosigned, too")
	})
}

// Wherever the power goes: the witness has nothing that the disk has not, and the
// log goes on under its eyes.
func TestWitnessNeverHasWhatIsGone(t *testing.T) {
	for cut := 25; cut < 400; cut += 31 {
		inBubble(t, uint64(cut), func(t *testing.T) {
			f, key := faultfs.New(t, faultDir), newKey(t)
			w := newWatcher(t, key)
			var left *faultfs.FS
			f.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N >= cut && left == nil {
					left = f.PowerCut(uint64(cut))
					f.TurnOff()
				}
				return faultfs.Outcome{}
			})
			r := notarised(t, f, key, w.options(false))
			r.start(t)
			for i := 0; i < 200 && !f.Off(); i++ {
				_ = r.ConsumeLogs(t.Context(), records(1, true))
				time.Sleep(130 * time.Millisecond)
			}
			_ = r.Shutdown(t.Context())
			synctest.Wait()
			require.NotNil(t, left, "there are fewer operations")

			before := w.latest(t, left)
			again := notarised(t, left, key, w.options(false))
			again.start(t)
			require.NoError(t, again.ConsumeLogs(t.Context(), records(3, true)))
			time.Sleep(3 * time.Minute)
			require.NoError(t, again.Shutdown(t.Context()))
			require.Equal(t, []componentstatus.Status{componentstatus.StatusOK}, again.host.statuses())
			file := checkSigned(t, left, key)
			last := w.latest(t, left)
			require.Greater(t, last.Size, before.Size)
			require.Equal(t, file.Records[len(file.Records)-1].Size, last.Size)
		})
	}
}
