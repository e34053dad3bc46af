package exporter_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	collector "go.opentelemetry.io/collector/exporter"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
)

const (
	ok          = componentstatus.StatusOK
	recoverable = componentstatus.StatusRecoverableError
	permanent   = componentstatus.StatusPermanentError
	fatal       = componentstatus.StatusFatalError
)

func requireCode(t *testing.T, want codes.Code, err error) {
	t.Helper()
	s, is := status.FromError(err)
	require.True(t, is, "%v", err)
	require.Equal(t, want, s.Code(), "%v", err)
}

func TestStartServeShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, defaults(), opens(log))
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		r.start(t)
		require.False(t, r.Capabilities().MutatesData)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(3, false)))
		require.Equal(t, uint64(3), log.Info().Head.Seq)
		require.Zero(t, log.Info().Synced.Seq)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, true)))
		require.Equal(t, uint64(4), log.Info().Synced.Seq)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(2, false)))
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, uint64(6), log.Info().Synced.Seq)
		require.Equal(t, 1, log.called("closing"))
		require.Equal(t, 1, log.called("close"))
		require.Equal(t, []componentstatus.Status{ok}, r.host.statuses())
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		require.Equal(t, uint64(6), log.Info().Head.Seq)
	})
}

func TestEmptyRequestLeavesNoEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(nil)
		r := newRig(t, defaults(), opens(log))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(0, false)))
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, 0, log.called("write"))
	})
}

func TestShutdownWhileOpening(t *testing.T) {
	for name, tt := range map[string]struct {
		opensAfter time.Duration
		wantErr    bool
		wantCall   string
	}{
		"opens in time":  {5 * time.Second, false, "close"},
		"opens too late": {time.Minute, true, "abandon"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newFakeLog(nil)
				r := newRig(t, defaults(), func(context.Context, chain.Options) (exporter.AuditLog, error) {
					time.Sleep(10*time.Second + tt.opensAfter)
					return log, nil
				})
				r.start(t) // returns after 10 s
				begin := time.Now()
				err := r.Shutdown(t.Context())
				require.Equal(t, tt.wantErr, err != nil)
				require.LessOrEqual(t, time.Since(begin), 10*time.Second)
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Equal(t, 1, log.called(tt.wantCall))
				require.Equal(t, 0, log.called("write"))
				require.Len(t, log.allCalls(), 1)
			})
		})
	}
}

func TestShutdownWithHungDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		log := newFakeLog(map[string]func() error{"sync": hang(release)})
		r := newRig(t, defaults(), opens(log))
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(7, false)))
		begin := time.Now()
		require.Error(t, r.Shutdown(context.Background())) // no deadline
		require.Equal(t, 10*time.Second, time.Since(begin))
		lines := r.logs.FilterField(zapcore.Field{Key: "exposed", Type: zapcore.Int64Type, Integer: 7}).All()
		require.Len(t, lines, 1)
		require.Equal(t, zapcore.ErrorLevel, lines[0].Level)
		close(release)
		synctest.Wait()
		require.Equal(t, 0, log.called("close"))
		require.Equal(t, 1, log.called("abandon"))
	})
}

func TestLifecycleMisuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, defaults(), opens(newFakeLog(nil)))
		require.NoError(t, r.Shutdown(t.Context()), "without start")
		require.Error(t, r.Start(t.Context(), r.host), "after shutdown")

		r = newRig(t, defaults(), opens(newFakeLog(nil)))
		r.start(t)
		require.ErrorContains(t, r.Start(t.Context(), r.host), "started before")
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, false)))
		require.NoError(t, r.Shutdown(t.Context()))
		require.NoError(t, r.Shutdown(t.Context()), "twice")
	})
}

func TestStalledSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, defaults(), opens(newFakeLog(map[string]func() error{"sync": hang(release)})))
		r.start(t)
		begin := time.Now()
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, true)))
		require.Equal(t, 10*time.Second, time.Since(begin))
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, false)))
		require.Equal(t, 10*time.Second, time.Since(begin))
		close(release)
		synctest.Wait()
		require.NoError(t, r.ConsumeLogs(t.Context(), records(1, true)))
		require.Equal(t, []componentstatus.Status{ok, recoverable, ok}, r.host.statuses())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A log that turns out to be tampered with while it is written can't be left but by a restart.
func TestTamperingWhileServingIsPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(map[string]func() error{"sync": fail(errDisk), "renew": fail(errTampered)})
		r := newRig(t, defaults(), opens(log))
		r.start(t)
		requireCode(t, codes.Unavailable, r.ConsumeLogs(t.Context(), records(1, true)))
		synctest.Wait()
		require.Contains(t, r.host.statuses(), permanent)
		require.Error(t, r.Shutdown(t.Context()))
	})
}

func TestTwoExportersOnOneDirectory(t *testing.T) {
	real := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.Mkdir(real, 0o700))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(real, link))
	create := func(dir, name string) *rig {
		o := defaults()
		o.Directory = dir
		return newRigNamed(t, name, func(set collector.Settings) (collector.Logs, error) {
			return exporter.NewWith(t.Context(), set, o, opens(newFakeLog(nil)), chain.MaxBody)
		})
	}
	first := create(real, "a")
	first.start(t)
	above := filepath.Join(t.TempDir(), "above")
	require.NoError(t, os.Symlink(filepath.Dir(real), above))
	for name, dir := range map[string]string{"same": real, "dots": real + "/../log", "link": link, "link above": above + "/log"} {
		t.Run(name, func(t *testing.T) {
			err := create(dir, "b").Start(t.Context(), &host{})
			require.ErrorContains(t, err, "exporters audit/a and audit/b both write to")
		})
	}
	require.NoError(t, first.Shutdown(t.Context()))
	again := create(above+"/log", "b")
	again.start(t)
	require.NoError(t, again.Shutdown(t.Context()))
}

// A path where no log can ever be is wrong configuration, not a storage that may recover.
func TestImpossibleDirectoryFailsStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for name, want := range map[string]string{"link": "is a symbolic link: name its target instead", "file": "is not a directory"} {
		o := defaults()
		o.Directory = filepath.Join(dir, name)
		r := newRig(t, o, opens(newFakeLog(nil)))
		require.ErrorContains(t, r.Start(t.Context(), r.host), "directory: "+o.Directory+" "+want)
		require.NoError(t, r.Shutdown(t.Context()))
	}
}

func TestStartWarnings(t *testing.T) {
	wide := t.TempDir()
	require.NoError(t, os.Chmod(wide, 0o755))
	for name, tt := range map[string]struct {
		change func(*exporter.Options)
		want   string
	}{
		"default":                               {func(*exporter.Options) {}, ""},
		"batched":                               {func(o *exporter.Options) { o.Mode = "batched" }, "Critical events are acknowledged before they are synced"},
		"exposing":                              {func(o *exporter.Options) { o.CriticalImmediate = false }, "Critical events are acknowledged before they are synced"},
		"immediate needs no critical_immediate": {func(o *exporter.Options) { o.Mode, o.CriticalImmediate = "immediate", false }, ""},
		"wide directory":                        {func(o *exporter.Options) { o.Directory = wide }, "open to more users"},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults()
			tt.change(&o)
			r := newRig(t, o, opens(newFakeLog(nil)))
			r.start(t)
			require.NoError(t, r.Shutdown(t.Context()))
			var got []string
			for _, l := range r.logs.FilterLevelExact(zapcore.WarnLevel).All() {
				if _, ok := l.ContextMap()["file_system"]; !ok { // of the machine that tests
					got = append(got, l.Message)
				}
			}
			if tt.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Contains(t, got[0], tt.want)
		})
	}
	info, err := os.Stat(wide)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm(), "no chmod")
}
