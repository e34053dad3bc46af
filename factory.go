package auditexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	collector "go.opentelemetry.io/collector/exporter"

	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/metadata"
)

// NewFactory returns the factory of the exporter "audit", which takes logs only.
func NewFactory() collector.Factory {
	return collector.NewFactory(metadata.Type, createDefaultConfig,
		collector.WithLogs(createLogs, metadata.LogsStability))
}

func createLogs(ctx context.Context, set collector.Settings, cfg component.Config) (collector.Logs, error) {
	o, err := cfg.(*Config).options()
	if err != nil {
		return nil, err
	}
	return exporter.New(ctx, set, o)
}
