package exporter

import (
	"context"

	collector "go.opentelemetry.io/collector/exporter"

	"github.com/otelaudit/auditexporter/chain"
)

type AuditLog = auditLog

// NewWith is New on another log, which takes bodies of maxBody bytes.
func NewWith(ctx context.Context, set collector.Settings, o Options, open func(context.Context, chain.Options) (AuditLog, error), maxBody int) (collector.Logs, error) {
	return newLogs(ctx, set, o, storage{open: open, maxBody: maxBody})
}
