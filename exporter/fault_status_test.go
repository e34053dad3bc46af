package exporter_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// onFaultFS opens logs on the file system.
func onFaultFS(f *faultfs.FS) openFunc {
	return func(ctx context.Context, o chain.Options) (exporter.AuditLog, error) {
		o.FS, o.BootID = f, f.BootID()
		l, err := chain.Open(ctx, o)
		if err != nil {
			return nil, err
		}
		return l, nil
	}
}

// TestFailingStorageAtStartAndLater: the whole exporter starts while the storage
// fails, refuses with UNAVAILABLE, reports RecoverableError, and serves when the
// storage is back; and so again when it fails later.
func TestFailingStorageAtStartAndLater(t *testing.T) {
	for _, set := range settings {
		for _, err := range errs {
			inBubble(t, 1, func(t *testing.T) {
				f := faultfs.New(t, faultDir)
				fails := func(op faultfs.Op) faultfs.Outcome {
					if op.Kind == faultfs.Sync || op.Kind == faultfs.Create || op.Kind == faultfs.Mkdir {
						return faultfs.Outcome{Err: err}
					}
					return faultfs.Outcome{}
				}
				f.Intercept(fails)
				o := defaults()
				o.Directory, o.Mode, o.CriticalImmediate, o.BatchSize = faultDir, set.mode.String(), set.critical, batchSize
				r := newRig(t, o, onFaultFS(f))
				r.start(t)
				acked := r.sendMinute(t, 0)
				f.Intercept(nil)
				acked += r.sendMinute(t, 40)
				f.Intercept(fails)
				exposed := r.sendMinute(t, 0)
				require.LessOrEqual(t, exposed, batchSize)
				f.Intercept(nil)
				acked += exposed + r.sendMinute(t, 20)
				require.NoError(t, r.Shutdown(t.Context()))
				require.Equal(t, []componentstatus.Status{
					componentstatus.StatusRecoverableError, componentstatus.StatusOK,
					componentstatus.StatusRecoverableError, componentstatus.StatusOK,
				}, r.host.distinct())
				require.Empty(t, f.OpenFiles())
				r.checkStands(t, f, acked)
			})
		}
	}
}

// distinct is what was reported, without repetitions, from the first error on.
func (h *host) distinct() (out []componentstatus.Status) {
	for _, s := range h.statuses() {
		if s != componentstatus.StatusStarting && (len(out) == 0 || out[len(out)-1] != s) {
			out = append(out, s)
		}
	}
	return out
}

// sendMinute sends a record each second for a minute, every second one critical.
// It returns how many were acknowledged, which are at least so many; all others
// were refused with UNAVAILABLE.
func (r *rig) sendMinute(t *testing.T, atLeast int) (acked int) {
	t.Helper()
	for i := range 60 {
		err := r.ConsumeLogs(t.Context(), records(1, i%2 == 0))
		if err == nil {
			acked++
		} else {
			require.Equal(t, codes.Unavailable, status.Code(err), err)
		}
		time.Sleep(time.Second)
	}
	require.GreaterOrEqual(t, acked, atLeast)
	return acked
}

// checkStands checks that the one log verifies and holds at least the events
// acknowledged, and tells of the failure.
func (r *rig) checkStands(t *testing.T, f *faultfs.FS, acked int) {
	t.Helper()
	folder, err := chain.FindLog(f, faultDir)
	require.NoError(t, err)
	report, err := chain.Verify(t.Context(), f, folder, chain.VerifyOptions{Lock: chain.LockFree, Workers: 1})
	require.NoError(t, err)
	require.Empty(t, report.Faults)
	require.Nil(t, report.Tail)
	require.GreaterOrEqual(t, int(report.Events), acked)
	require.Len(t, report.Cuts, 1, "the segment in which syncs began to fail")
	require.True(t, report.Cuts[0].Failover)
}

// TestStallIsRecoverable: a sync that hangs for a minute refuses with
// UNAVAILABLE from sync_timeout on, is reported, and begins no new segment.
func TestStallIsRecoverable(t *testing.T) {
	for _, set := range settings {
		inBubble(t, 1, func(t *testing.T) {
			f := faultfs.New(t, faultDir)
			o := defaults()
			o.Directory, o.Mode, o.CriticalImmediate, o.BatchSize = faultDir, set.mode.String(), set.critical, batchSize
			r := newRig(t, o, onFaultFS(f))
			r.start(t)
			acked := r.sendMinute(t, 60)
			once := false
			f.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.Kind == faultfs.Sync && !once {
					once = true
					time.Sleep(time.Minute)
				}
				return faultfs.Outcome{}
			})
			// In immediate the first request is the one that waits.
			acked += r.sendMinute(t, 0)
			acked += r.sendMinute(t, 50)
			require.NoError(t, r.Shutdown(t.Context()))
			require.Equal(t, []componentstatus.Status{
				componentstatus.StatusOK, componentstatus.StatusRecoverableError, componentstatus.StatusOK,
			}, r.host.distinct())
			folder, err := chain.FindLog(f, faultDir)
			require.NoError(t, err)
			report, err := chain.Verify(t.Context(), f, folder, chain.VerifyOptions{Lock: chain.LockFree, Workers: 1})
			require.NoError(t, err)
			require.Empty(t, report.Faults)
			require.Equal(t, 1, report.Segments)
			require.GreaterOrEqual(t, int(report.Events), acked)
		})
	}
}
