package exporter_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configopaque"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// notarised is an exporter that signs checkpoints of a log on f.
func notarised(t *testing.T, f *faultfs.FS, key *checkpoint.Key, change func(*exporter.Options)) *rig {
	o := defaults()
	o.Directory = faultDir
	o.Checkpoint = &exporter.Checkpoint{
		Origin: key.Name(), Key: configopaque.String(key.Text()), Interval: time.Second, Heartbeat: time.Minute,
	}
	if change != nil {
		change(&o)
	}
	return newRigNamed(t, "", func(set collector.Settings) (collector.Logs, error) {
		return exporter.NewOn(t.Context(), set, o, f, f.BootID(), 0)
	})
}

func newKey(t *testing.T) *checkpoint.Key {
	k, err := checkpoint.GenerateKey("example.com/audit")
	require.NoError(t, err)
	return k
}

// checkSigned verifies the log, all its checkpoints, and that the last covers all of it.
func checkSigned(t *testing.T, f *faultfs.FS, key *checkpoint.Key) checkpoint.File {
	folder, err := chain.FindLog(f, faultDir)
	require.NoError(t, err)
	file, err := checkpoint.ReadFile(f, folder)
	require.NoError(t, err)
	require.Empty(t, file.Damaged)
	var sizes []uint64
	for _, r := range file.Records {
		sizes = append(sizes, r.Size)
	}
	roots := checkpoint.NewRoots(sizes)
	report, err := chain.Verify(t.Context(), f, folder, chain.VerifyOptions{Lock: chain.LockFree, Fold: roots})
	require.NoError(t, err)
	require.False(t, report.Broken())
	require.Empty(t, report.Others)
	v, err := key.Public().For("example.com/audit/" + filepath.Base(folder))
	require.NoError(t, err)
	for _, r := range file.Records {
		_, at, err := v.Open(r.Note)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Hour)
		root, ok := roots.Root(r.Size)
		require.True(t, ok)
		require.Equal(t, root, r.Root)
	}
	require.Equal(t, report.Head, file.Records[len(file.Records)-1].Head)
	return file
}

// The exporter signs at the interval, at rotation, at closing and when nothing
// happens, across restarts, and counts what it signs.
func TestCheckpoints(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		f, key := faultfs.New(t, faultDir), newKey(t)
		small := func(o *exporter.Options) { o.MaxSegmentSize = 4 << 10 }
		for range 3 {
			r := notarised(t, f, key, small)
			r.start(t)
			for range 5 {
				require.NoError(t, r.ConsumeLogs(t.Context(), records(3, true)))
				time.Sleep(700 * time.Millisecond)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			require.GreaterOrEqual(t, r.value(t, "otelcol_exporter_audit_checkpoints"), int64(6))
			require.Positive(t, r.value(t, "otelcol_exporter_audit_checkpoint_size"))
			require.Zero(t, r.value(t, "otelcol_exporter_audit_checkpoint_failures"))
			require.NoError(t, r.Shutdown(t.Context()))
			require.Equal(t, []componentstatus.Status{componentstatus.StatusOK}, r.host.statuses())
			checkSigned(t, f, key)
		}
		file := checkSigned(t, f, key)
		require.Greater(t, len(file.Records), 15)
	})
}

// Forward-secure keys: a new epoch at each start and each interval, whatever the
// clients do meanwhile.
func TestCheckpointEpochs(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		f, key := faultfs.New(t, faultDir), newKey(t)
		for _, dir := range []string{"/etc", "/etc/keys"} {
			require.NoError(t, f.Mkdir(dir, 0o700))
		}
		for range 2 {
			r := notarised(t, f, key, func(o *exporter.Options) {
				o.Checkpoint.Epochs = &exporter.Epochs{Interval: time.Minute, Directory: "/etc/keys"}
			})
			r.start(t)
			for range 100 {
				require.NoError(t, r.ConsumeLogs(t.Context(), records(3, true)))
				time.Sleep(time.Second)
			}
			require.NoError(t, r.Shutdown(t.Context()))
			require.Equal(t, []componentstatus.Status{componentstatus.StatusOK}, r.host.statuses())
		}
		file := checkSigned(t, f, key)
		folder, err := chain.FindLog(f, faultDir)
		require.NoError(t, err)
		v, err := key.Public().For("example.com/audit/" + filepath.Base(folder))
		require.NoError(t, err)
		epochs := checkpoint.NewEpochs(v)
		_, err = chain.Verify(t.Context(), f, folder, chain.VerifyOptions{Lock: chain.LockFree, System: func(e chain.Entry) {
			require.NoError(t, epochs.Add(e.Seq, e.Body))
		}})
		require.NoError(t, err)
		require.Len(t, epochs.Seals(), 4)
		for _, r := range file.Records {
			require.NoError(t, epochs.Check(r.Checkpoint))
		}
	})
}

// What keeps checkpoints from being signed is told, and refuses no request.
func TestCheckpointsThatFail(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		f, key := faultfs.New(t, faultDir), newKey(t)
		r := notarised(t, f, key, nil)
		r.start(t)
		synctest.Wait()
		f.Intercept(func(op faultfs.Op) (o faultfs.Outcome) {
			if strings.Contains(op.Path, checkpoint.FileName) && op.Kind == faultfs.Sync {
				o.Err = errors.New("input/output error")
			}
			return o
		})
		for range 5 {
			require.NoError(t, r.ConsumeLogs(t.Context(), records(3, true)))
			time.Sleep(time.Second)
		}
		require.Positive(t, r.value(t, "otelcol_exporter_audit_checkpoint_failures"))
		f.Intercept(nil)
		time.Sleep(time.Minute)
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, []componentstatus.Status{
			componentstatus.StatusOK, componentstatus.StatusRecoverableError, componentstatus.StatusOK,
		}, r.host.statuses())
		checkSigned(t, f, key)
	})
}

// Another key is told of at each start, and the log goes on unsigned.
func TestCheckpointsWithAnotherKey(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		f, key := faultfs.New(t, faultDir), newKey(t)
		for i, k := range []*checkpoint.Key{key, newKey(t)} {
			r := notarised(t, f, k, nil)
			r.start(t)
			synctest.Wait()
			require.NoError(t, r.ConsumeLogs(t.Context(), records(3, true)))
			time.Sleep(time.Minute)
			last := r.host.statuses()[len(r.host.statuses())-1]
			if i == 0 {
				require.Equal(t, componentstatus.StatusOK, last)
			} else {
				require.Equal(t, componentstatus.StatusRecoverableError, last)
			}
			require.NoError(t, r.Shutdown(t.Context()))
			for _, l := range r.logs.All() {
				require.NotContains(t, l.Message, "PRIVATE")
				for _, v := range l.ContextMap() {
					require.NotContains(t, fmt.Sprint(v), "PRIVATE+KEY")
				}
			}
		}
	})
}

// A key that can't be read, or is for another name, is for the operator to put
// right: the collector does not start.
func TestKeyAtStart(t *testing.T) {
	key := newKey(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	require.NoError(t, checkpoint.WriteKeyFile(file, key))
	require.NoError(t, os.Chmod(file, 0o644))
	for name, c := range map[string]struct {
		change func(c *exporter.Checkpoint)
		want   string
	}{
		"no file":      {func(c *exporter.Checkpoint) { c.KeyFile = filepath.Join(dir, "none") }, "checkpoint.key_file: "},
		"open to all":  {func(c *exporter.Checkpoint) { c.KeyFile = file }, "checkpoint.key_file: "},
		"another name": {func(c *exporter.Checkpoint) { c.Key, c.Origin = configopaque.String(key.Text()), "x" }, "checkpoint.key: the key was made for"},
	} {
		t.Run(name, func(t *testing.T) {
			f := faultfs.New(t, faultDir)
			r := notarised(t, f, key, func(o *exporter.Options) {
				o.Checkpoint.Key = ""
				c.change(o.Checkpoint)
			})
			err := r.Start(t.Context(), r.host)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "PRIVATE")
			require.NoError(t, r.Shutdown(t.Context()))
			require.Empty(t, f.Files("/"))
		})
	}
}

// value is that of a metric with one point.
func (r *rig) value(t *testing.T, name string) int64 {
	m, err := r.telemetry.GetMetric(name)
	require.NoError(t, err)
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		return d.DataPoints[0].Value
	case metricdata.Gauge[int64]:
		return d.DataPoints[0].Value
	}
	t.Fatalf("%s is %T", name, m.Data)
	return 0
}
