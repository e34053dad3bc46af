package chain_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// TestSyncErrorIsFinal: after a failed sync the segment's file is touched no
// more, whatever the caller tries, until Renew has given it up.
func TestSyncErrorIsFinal(t *testing.T) {
	inBubble(t, 5, func(t *testing.T) {
		r := newRig(t)
		r.open()
		segment := r.w.Info().Segment
		require.NoError(t, r.tryWrite(1, true))
		r.intercept(failing(r.fs.Ops()+1, 1, faultfs.Outcome{Err: syscall.EIO}))
		err := r.w.Sync()
		require.ErrorIs(t, err, syscall.EIO)

		r.intercept(func(op faultfs.Op) faultfs.Outcome {
			if strings.HasSuffix(op.Path, segment) {
				t.Error("given up, but used:", op)
			}
			return faultfs.Outcome{}
		})
		require.ErrorIs(t, r.w.Sync(), syscall.EIO)
		require.ErrorIs(t, r.w.Rotate(), syscall.EIO)
		require.ErrorIs(t, r.w.Write([]*chain.Batch{batch("refused")}), syscall.EIO)
		_, due := r.w.RotateIn()
		require.False(t, due)
		r.intercept(nil)
		r.renew(err)
		require.NoError(t, r.tryWrite(1, true))
		r.settle()
	})
}

// TestStorageThatStaysAway: while nothing can be opened, opening, renewing and
// closing fail without harm, and each goes on by itself when storage is back.
func TestStorageThatStaysAway(t *testing.T) {
	for _, err := range errs {
		inBubble(t, 6, func(t *testing.T) {
			r := newRig(t)
			changes := func(op faultfs.Op) faultfs.Outcome {
				switch op.Kind {
				case faultfs.Create, faultfs.Mkdir, faultfs.Write, faultfs.Sync:
					return faultfs.Outcome{Err: err}
				}
				return faultfs.Outcome{}
			}
			r.heal = func() { r.intercept(nil) }
			r.intercept(changes)
			r.open()
			r.write(2, true)
			r.intercept(changes)
			r.write(1, true)
			require.Equal(t, []string{"1", "2"}, r.model.synced, "what was exposed is synced, the failed request is refused")
			r.write(1, false)
			r.intercept(changes)
			r.sync(0)
			require.Equal(t, []string{"1", "2"}, r.model.synced, "what waited was refused after the first attempt")
			r.intercept(changes)
			r.close()
			r.intercept(nil)
			r.settle()
			r.checkFailures(err)
		})
	}
}

// checkFailures checks that the log tells of what the storage did.
func (r *rig) checkFailures(cause error) {
	want := chain.TypeDiskFull
	if cause != syscall.ENOSPC && cause != syscall.EDQUOT {
		want = chain.TypeWriteFailed
	}
	told := map[string]int{}
	for _, data := range r.fs.Files(faultDir) {
		for line := range strings.Lines(string(data)) {
			e, err := chain.ParseLine([]byte(strings.TrimSuffix(line, "\n")))
			if err != nil || e.Kind != chain.System {
				continue
			}
			s, err := chain.ParseSystem(e.Body)
			require.NoError(r.t, err)
			told[s.Type]++
			if s.Type == want {
				require.Contains(r.t, string(e.Body), `"error":"`+cause.Error()+`"`)
			}
		}
	}
	require.Positive(r.t, told[want], told)
}

// TestFailedRotationGivesTheSegmentUp: its successor may have its name, so
// nothing is written to it any more.
func TestFailedRotationGivesTheSegmentUp(t *testing.T) {
	inBubble(t, 7, func(t *testing.T) {
		r := newRig(t)
		r.open()
		r.write(1, true)
		r.sync(0)
		r.intercept(func(op faultfs.Op) faultfs.Outcome {
			if op.Kind == faultfs.SyncDir {
				return faultfs.Outcome{Err: syscall.EIO, Effect: faultfs.All}
			}
			return faultfs.Outcome{}
		})
		err := r.w.Rotate()
		require.ErrorIs(t, err, syscall.EIO)
		require.ErrorIs(t, r.w.Write([]*chain.Batch{batch("refused")}), syscall.EIO)
		r.intercept(nil)
		r.renew(err)
		r.settle()
	})
}

// TestLockOfAnother: opening waits a while for a lock that is held, and then
// says that it is; nothing is changed without it.
func TestLockOfAnother(t *testing.T) {
	for held, want := range map[time.Duration]bool{4 * time.Second: true, time.Hour: false} {
		inBubble(t, 8, func(t *testing.T) {
			r := newRig(t)
			r.open()
			r.close()
			release, err := r.fs.HoldLock(faultDir)
			require.NoError(t, err)
			before := r.fs.Files("/")
			timer := time.AfterFunc(held, release)
			began := time.Now()
			w, err := chain.Open(t.Context(), chain.Options{Directory: faultDir, FS: r.fs})
			if want {
				require.NoError(t, err)
				require.NoError(t, w.Abandon())
				return
			}
			var heldErr *chain.HeldError
			require.ErrorAs(t, err, &heldErr)
			require.False(t, heldErr.Closing)
			require.Equal(t, 5*time.Second, time.Since(began).Round(time.Second))
			require.Equal(t, before, r.fs.Files("/"))
			timer.Stop()
		})
	}
}
