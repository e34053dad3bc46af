package auditexporter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelaudit/auditexporter"
	"github.com/otelaudit/auditexporter/chain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFactory(t *testing.T) {
	f := auditexporter.NewFactory()
	require.Equal(t, component.MustNewType("audit"), f.Type())
	require.Equal(t, component.StabilityLevelDevelopment, f.LogsStability())
	cfg := defaults(func(c *auditexporter.Config) { c.Directory = t.TempDir() })
	set := exportertest.NewNopSettings(f.Type())
	_, err := f.CreateTraces(t.Context(), set, cfg)
	require.ErrorIs(t, err, pipeline.ErrSignalNotSupported)
	_, err = f.CreateMetrics(t.Context(), set, cfg)
	require.ErrorIs(t, err, pipeline.ErrSignalNotSupported)
	l, err := f.CreateLogs(t.Context(), set, cfg)
	require.NoError(t, err)
	require.False(t, l.Capabilities().MutatesData)
	require.NoError(t, l.Shutdown(t.Context()), "without start")
}

// entries reads the lines of a directory's one log in order.
func entries(t *testing.T, directory string) []chain.Entry {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(directory, "*", "*.jsonl"))
	require.NoError(t, err)
	slices.Sort(names)
	var out []chain.Entry
	for _, name := range names {
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			e, err := chain.ParseLine(s.Bytes())
			require.NoError(t, err)
			e.Body = slices.Clone(e.Body)
			out = append(out, e)
		}
	}
	return out
}

func systemType(t *testing.T, e chain.Entry) string {
	t.Helper()
	require.Equal(t, chain.System, e.Kind)
	s, err := chain.ParseSystem(e.Body)
	require.NoError(t, err)
	return s.Type
}

func startExporter(t *testing.T, cfg component.Config) exporter.Logs {
	t.Helper()
	f := auditexporter.NewFactory()
	l, err := f.CreateLogs(t.Context(), exportertest.NewNopSettings(f.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, l.Start(t.Context(), componenttest.NewNopHost()))
	return l
}

// Requests go to a real log on disk in order, through a restart within the process.
func TestEventsOnDisk(t *testing.T) {
	for _, mode := range []string{"hybrid", "immediate", "batched"} {
		t.Run(mode, func(t *testing.T) {
			cfg := defaults(func(c *auditexporter.Config) {
				c.Directory, c.Flush.Mode = filepath.Join(t.TempDir(), "a", "log"), mode
			})
			n := 0
			for range 2 {
				l := startExporter(t, cfg)
				for _, size := range []int{1, 3, 600} {
					logs := plog.NewLogs()
					rs := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
					for range size {
						n++
						rs.AppendEmpty().Body().SetStr(fmt.Sprintf("line %d", n))
					}
					logs.MarkReadOnly()
					require.NoError(t, l.ConsumeLogs(t.Context(), logs))
				}
				require.NoError(t, l.Shutdown(t.Context()))
			}

			all := entries(t, cfg.Directory)
			require.Len(t, all, 1208+4)
			var events []string
			for i, e := range all {
				require.Equal(t, uint64(i+1), e.Seq)
				if e.Kind == chain.Event {
					events = append(events, string(e.Body))
				}
			}
			require.Len(t, events, 1208)
			for i, body := range events {
				require.Contains(t, body, fmt.Sprintf(`"line %d"`, i+1))
			}
			for i, want := range map[int]string{0: "opened", 605: "closed", 606: "opened", 1211: "closed"} {
				require.Equal(t, want, systemType(t, all[i]))
			}
		})
	}
}

// The opening entry says under which rules the log was written.
func TestOpeningEntryTellsConfiguration(t *testing.T) {
	var digests []string
	for _, size := range []int{100, 101, 100} {
		t.Chdir(t.TempDir())
		cfg := defaults(func(c *auditexporter.Config) {
			c.Directory, c.Flush.BatchSize, c.Flush.CriticalImmediate = "log", size, false
			c.Critical.Attributes = []string{"payment.id"}
		})
		l := startExporter(t, cfg)
		require.NoError(t, l.Shutdown(t.Context()))
		o, err := chain.ParseOpened(entries(t, cfg.Directory)[0].Body)
		require.NoError(t, err)
		require.Equal(t, map[string]string{
			"flush.mode": "hybrid", "flush.batch_size": fmt.Sprint(size), "flush.batch_interval": "1s",
			"flush.critical_immediate": "false", "profile": "auto", "validation.on_invalid": "record",
			"redaction.extra_keys": "0", "redaction.except": "0", "critical.defaults": "true", "critical.attributes": "1",
			"critical.conditions": "0", "verify_on_start": "tail", "on_tampering": "refuse",
		}, o.Config.Settings)
		require.Regexp(t, "^[0-9a-f]{64}$", o.Config.Digest)
		require.Contains(t, o.Software, "auditexporter ")
		require.Contains(t, o.Instance, "audit")
		digests = append(digests, o.Config.Digest)
	}
	require.NotEqual(t, digests[0], digests[1])
	require.Equal(t, digests[0], digests[2])
}

// The digest key is known by its id, and to nobody who reads the log or the collector's output.
func TestDigestKeyInTheLog(t *testing.T) {
	const key = "s3cret-canary-0123456789"
	digests := map[string]bool{}
	for _, key := range []string{key, key[1:]} {
		cfg := defaults(func(c *auditexporter.Config) {
			c.Directory, c.Redaction.DigestKey = t.TempDir(), configopaque.String(key)
			c.Validation.OnInvalid = "reject"
		})
		core, output := observer.New(zapcore.DebugLevel)
		f := auditexporter.NewFactory()
		set := exportertest.NewNopSettings(f.Type())
		set.Logger = zap.New(core)
		l, err := f.CreateLogs(t.Context(), set, cfg)
		require.NoError(t, err)
		require.NoError(t, l.Start(t.Context(), componenttest.NewNopHost()))
		logs := plog.NewLogs()
		lr := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.Attributes().PutStr("user.password", "hunter2")
		require.NoError(t, l.ConsumeLogs(t.Context(), logs))
		lr.Attributes().PutStr("audit.action", "hunter2")
		require.ErrorContains(t, l.ConsumeLogs(t.Context(), logs), "audit.actor.id: missing")
		require.NoError(t, l.Shutdown(t.Context()))

		all := entries(t, cfg.Directory)
		require.Len(t, all, 4)
		o, err := chain.ParseOpened(all[0].Body)
		require.NoError(t, err)
		require.Regexp(t, "^[0-9a-f]{8}$", o.Config.Settings["redaction.key_id"])
		digests[o.Config.Settings["redaction.key_id"]] = true
		require.Regexp(t, `"hmac":"[0-9a-f]{64}"`, string(all[1].Body))
		require.Equal(t, "refused", systemType(t, all[2]))
		for _, e := range all {
			require.NotContains(t, string(e.Body), key)
			require.NotContains(t, string(e.Body), "hunter2")
		}
		require.NotZero(t, output.Len())
		for _, line := range output.All() {
			text := fmt.Sprint(line.Message, line.ContextMap())
			require.NotContains(t, text, key)
			require.NotContains(t, text, "hunter2")
		}
	}
	require.Len(t, digests, 2)
}

func TestRelativeDirectoryAndPermissions(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg := defaults(func(c *auditexporter.Config) {
		c.Directory = "./audit-log"
		c.Permissions.Directory, c.Permissions.File, c.Permissions.Sealed = "0750", "0640", "0440"
	})
	l := startExporter(t, cfg)
	modes := func() (dir, segment os.FileMode) {
		names, err := filepath.Glob("audit-log/*/*.jsonl")
		require.NoError(t, err)
		require.Len(t, names, 1)
		d, err := os.Stat("audit-log")
		require.NoError(t, err)
		s, err := os.Stat(names[0])
		require.NoError(t, err)
		return d.Mode().Perm(), s.Mode().Perm()
	}
	dir, segment := modes()
	require.Equal(t, os.FileMode(0o750), dir)
	require.Equal(t, os.FileMode(0o640), segment)
	require.NoError(t, l.Shutdown(t.Context()))
	_, segment = modes()
	require.Equal(t, os.FileMode(0o440), segment)
}

// What the operator must see of a log that somebody edited.
func TestTamperedLogOnDisk(t *testing.T) {
	cfg := defaults(func(c *auditexporter.Config) { c.Directory = t.TempDir() })
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("paid 100")
	l := startExporter(t, cfg)
	require.NoError(t, l.ConsumeLogs(t.Context(), logs))
	require.NoError(t, l.Shutdown(t.Context()))

	names, err := filepath.Glob(filepath.Join(cfg.Directory, "*", "*.jsonl"))
	require.NoError(t, err)
	text, err := os.ReadFile(names[0])
	require.NoError(t, err)
	require.NoError(t, os.Chmod(names[0], 0o600))
	require.NoError(t, os.WriteFile(names[0], []byte(strings.Replace(string(text), "paid 100", "paid 900", 1)), 0o600))

	l = startExporter(t, cfg)
	require.ErrorContains(t, l.ConsumeLogs(t.Context(), logs), "tampered with")
	require.NoError(t, l.Shutdown(t.Context()))

	cfg.OnTampering = "exit"
	f := auditexporter.NewFactory()
	l, err = f.CreateLogs(t.Context(), exportertest.NewNopSettings(f.Type()), cfg)
	require.NoError(t, err)
	var tampered *chain.TamperError
	require.ErrorAs(t, l.Start(t.Context(), componenttest.NewNopHost()), &tampered)

	cfg.OnTampering = "new_log"
	l = startExporter(t, cfg)
	require.NoError(t, l.ConsumeLogs(t.Context(), logs))
	require.NoError(t, l.Shutdown(t.Context()))
	folders, err := filepath.Glob(filepath.Join(cfg.Directory, "*", "*-00000000000000000001.jsonl"))
	require.NoError(t, err)
	require.Len(t, folders, 2)
}

// One id in two pipelines is one exporter to the collector; many requests at once are one log.
func TestConcurrentRequests(t *testing.T) {
	cfg := defaults(func(c *auditexporter.Config) { c.Directory = t.TempDir() })
	l := startExporter(t, cfg)
	errs := make(chan error)
	for i := range 8 {
		go func() {
			for j := range 25 {
				logs := plog.NewLogs()
				rs := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
				for k := range 3 {
					lr := rs.AppendEmpty()
					lr.Body().SetStr(fmt.Sprintf("%d %d %d", i, j, k))
					if j%5 == 0 {
						lr.SetEventName("auth.failure")
					}
				}
				if err := l.ConsumeLogs(context.Background(), logs); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 8 {
		require.NoError(t, <-errs)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, l.Shutdown(ctx))

	var bodies []string
	for _, e := range entries(t, cfg.Directory) {
		if e.Kind == chain.Event {
			var event struct{ Body string }
			require.NoError(t, json.Unmarshal(e.Body, &event))
			bodies = append(bodies, event.Body)
		}
	}
	require.Len(t, bodies, 8*25*3)
	next := map[string]int{} // requests of a caller stand in order, and their records together
	for i := 0; i < len(bodies); i += 3 {
		var caller, request, record int
		_, err := fmt.Sscan(bodies[i], &caller, &request, &record)
		require.NoError(t, err)
		key := fmt.Sprint(caller)
		require.Equal(t, next[key], request)
		next[key]++
		for k := range 3 {
			require.Equal(t, fmt.Sprintf("%d %d %d", caller, request, k), bodies[i+k])
		}
	}
}
