package exporter

import (
	"context"

	collector "go.opentelemetry.io/collector/exporter"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

type AuditLog = auditLog

// NewWith is New on another log, which takes bodies of maxBody bytes.
func NewWith(ctx context.Context, set collector.Settings, o Options, open func(context.Context, chain.Options) (AuditLog, error), maxBody int) (collector.Logs, error) {
	return newLogs(ctx, set, o, storage{open: open, maxBody: maxBody})
}

// NewOn is New on another file system, of a machine's boot. At most reread bytes of a log are read for an
// index of record ids that lacks them; 0: as many as ever.
func NewOn(ctx context.Context, set collector.Settings, o Options, fsys durable.FS, boot string, reread int64) (collector.Logs, error) {
	a, err := newAudit(set, o, onDisk())
	if err != nil {
		return nil, err
	}
	a.chain.FS, a.chain.BootID = fsys, boot
	if reread > 0 {
		a.claims.reread = reread
	}
	return a.logs(ctx, set)
}
