package exporter

import (
	"context"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// counting counts what is asked of the operating system.
type counting struct {
	durable.FS
	syncs, writes atomic.Int64 // of files
}

func (c *counting) Create(name string, perm fs.FileMode) (durable.File, error) {
	return c.file(c.FS.Create(name, perm))
}

func (c *counting) file(f durable.File, err error) (durable.File, error) {
	return countedFile{f, c}, err
}

type countedFile struct {
	durable.File
	c *counting
}

func (f countedFile) Sync() error {
	f.c.syncs.Add(1)
	return f.File.Sync()
}

func (f countedFile) WriteAt(b []byte, at int64) (int, error) {
	f.c.writes.Add(1)
	return f.File.WriteAt(b, at)
}

// What a request costs where no clock is needed to tell: a write, and a sync if it is critical; routine
// requests share theirs.
func TestCostOfARequest(t *testing.T) {
	const requests = 400
	for _, tt := range []struct {
		name               string
		logs               plog.Logs
		minSyncs, maxSyncs int64
	}{
		// A sync for every 100 events, or 50 while requests wait for one, and one for the last.
		{"routine", ordinary(1), requests / 100, requests/50 + 1},
		{"critical", critical(1), requests, requests},
		{"many critical records", critical(50), requests, requests},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := &counting{FS: durable.OS()}
			a, _ := startedOn(t, func(ctx context.Context, c chain.Options) (auditLog, error) {
				c.FS = files
				return chain.Open(ctx, c)
			})
			require.NoError(t, a.consume(t.Context(), tt.logs)) // it is open
			syncs, writes := files.syncs.Load(), files.writes.Load()
			for range requests {
				require.NoError(t, a.consume(t.Context(), tt.logs))
			}
			syncs, writes = files.syncs.Load()-syncs, files.writes.Load()-writes
			require.GreaterOrEqual(t, syncs, tt.minSyncs-1)
			require.LessOrEqual(t, syncs, tt.maxSyncs)
			// One more for each sync: the mark.
			require.InDelta(t, requests+syncs, writes, 2)
		})
	}
}

// critical is a request of n records that must not be lost.
func critical(n int) plog.Logs {
	logs := plog.NewLogs()
	ordinary(n).CopyTo(logs) // it can't be changed
	for _, lr := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		lr.SetEventName("auth.failure")
	}
	return logs
}
