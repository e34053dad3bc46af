package exporter_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"google.golang.org/grpc/codes"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
)

func TestStartRecoversFromStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, defaults(), opens(errDisk, errDisk, errDisk, newFakeLog(nil)))
		r.start(t)
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		require.Equal(t, []componentstatus.Status{recoverable}, r.host.statuses())
		time.Sleep(701 * time.Millisecond) // 100 + 200 + 400
		synctest.Wait()
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, false)))
		require.Equal(t, []componentstatus.Status{recoverable, ok}, r.host.statuses())
		require.Equal(t, 1, r.logs.FilterMessageSnippet("can't be opened").Len())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestOpeningBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
			n++
			return nil, errDisk
		})
		r.start(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 17, n) // after 0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3 s, then every 5 s
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestTamperedLog(t *testing.T) {
	for policy, want := range map[string]chain.TamperPolicy{
		"refuse": chain.TamperRefuse, "exit": chain.TamperRefuse, "new_log": chain.TamperNewLog,
	} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := defaults()
				o.OnTampering = policy
				n := 0
				r := newRig(t, o, func(_ context.Context, c chain.Options) (exporter.AuditLog, error) {
					n++
					require.Equal(t, want, c.OnTampering)
					return nil, errTampered
				})
				if err := r.Start(t.Context(), r.host); policy == "exit" {
					require.ErrorIs(t, err, errTampered)
					require.ErrorContains(t, err, "on_tampering")
					require.Empty(t, r.host.statuses())
				} else {
					require.NoError(t, err)
					require.Equal(t, []componentstatus.Status{permanent}, r.host.statuses())
				}
				time.Sleep(time.Hour)
				require.Equal(t, 1, n)
				requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

// No attempt to open what a later version wrote can succeed, and none is made.
func TestLogOfLaterVersion(t *testing.T) {
	for _, policy := range []string{"refuse", "exit", "new_log"} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := defaults()
				o.OnTampering = policy
				n := 0
				r := newRig(t, o, func(context.Context, chain.Options) (exporter.AuditLog, error) {
					n++
					return nil, errors.Join(&chain.FormatError{Segment: "segment", Format: 2}, errDisk)
				})
				r.start(t)
				require.Equal(t, []componentstatus.Status{permanent}, r.host.statuses())
				time.Sleep(time.Hour)
				require.Equal(t, 1, n)
				err := r.ConsumeLogs(t.Context(), records(1, false))
				requireCode(t, codes.Unavailable, err)
				require.ErrorContains(t, err, "later version")
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

func TestHeldDirectoryFailsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, defaults(), opens(&chain.HeldError{Directory: "/log"}))
		require.ErrorContains(t, r.Start(t.Context(), r.host), "directory: /log: held by another writer")
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestTakesOverFromEarlierWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaving := &chain.HeldError{Directory: "/log", Closing: true}
		r := newRig(t, defaults(), opens(leaving, leaving, newFakeLog(nil)))
		r.start(t)
		require.Equal(t, []componentstatus.Status{recoverable}, r.host.statuses())
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		time.Sleep(201 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, false)))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// An exporter whose disk hangs holds its directory beyond its Shutdown; the next one waits for it.
func TestTakesOverFromHungExporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hung := newFakeLog(map[string]func() error{"sync": hang(release)})
		first := newRig(t, defaults(), opens(hung))
		first.start(t)
		require.NoError(t, first.ConsumeLogs(t.Context(), records(7, false)))
		require.Error(t, first.Shutdown(t.Context()))

		second := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
			if hung.called("abandon") == 0 {
				return nil, &chain.HeldError{Directory: "/log"}
			}
			return newFakeLog(nil), nil
		})
		second.start(t)
		require.Equal(t, []componentstatus.Status{recoverable}, second.host.statuses())
		close(release)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, second.ConsumeLogs(t.Context(), records(1, false)))
		require.NoError(t, second.Shutdown(t.Context()))
	})
}

// The same when the earlier one was shut down while its disk held it at the opening.
func TestTakesOverFromHungOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		held := newFakeLog(nil)
		first := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
			<-release
			return held, nil
		})
		first.start(t)
		require.Error(t, first.Shutdown(t.Context()))

		second := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
			if held.called("abandon") == 0 {
				return nil, &chain.HeldError{Directory: "/log"}
			}
			return newFakeLog(nil), nil
		})
		second.start(t)
		require.Equal(t, []componentstatus.Status{recoverable}, second.host.statuses())
		close(release)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, second.ConsumeLogs(t.Context(), records(1, false)))
		require.NoError(t, second.Shutdown(t.Context()))
	})
}

// A Start that its caller gave up on leaves nothing that serves.
func TestStartGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
			time.Sleep(time.Second)
			return log, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, r.Start(ctx, r.host), context.DeadlineExceeded)
		time.Sleep(time.Minute)
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		require.Equal(t, []string{"close"}, log.allCalls())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestSlowOpeningDoesNotHoldStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		log := newFakeLog(nil)
		r := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
			<-release
			return log, nil
		})
		begin := time.Now()
		r.start(t)
		require.Equal(t, 10*time.Second, time.Since(begin)) // sync_timeout
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		close(release)
		synctest.Wait()
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, false)))
		require.Equal(t, []componentstatus.Status{recoverable, ok}, r.host.statuses())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// What would have failed Start, had it been known in time.
func TestTamperingFoundLateIsFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults()
		o.OnTampering = "exit"
		r := newRig(t, o, opens(errDisk, errTampered))
		r.start(t)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []componentstatus.Status{recoverable, fatal}, r.host.statuses())
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		require.NoError(t, r.Shutdown(t.Context()))
	})
}
