package exporter

import (
	"context"
	"errors"
	"sync"
	"time"

	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelaudit/auditexporter/internal/metadata"
)

// telemetry is the exporter's metrics, all with the exporter's id. What a request adds costs no
// allocation, but for a critical one.
type telemetry struct {
	*metadata.TelemetryBuilder
	id                attribute.KeyValue
	all               metric.MeasurementOption // the id alone
	critical, routine []metric.RecordOption
	sync              []metric.RecordOption
	rules             sync.Map // class of rule -> []metric.AddOption

	count, structural, identity []metric.AddOption
}

func newTelemetry(set collector.Settings) (*telemetry, error) {
	b, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{TelemetryBuilder: b, id: attribute.String("exporter", set.ID.String())}
	t.all = t.with()
	t.sync, t.count = []metric.RecordOption{t.all}, []metric.AddOption{t.all}
	t.structural = []metric.AddOption{t.with(attribute.String("violation", "structural"))}
	t.identity = []metric.AddOption{t.with(attribute.String("violation", "identity"))}
	t.critical = []metric.RecordOption{t.with(attribute.String("class", "critical"))}
	t.routine = []metric.RecordOption{t.with(attribute.String("class", "routine"))}
	return t, nil
}

func (t *telemetry) with(kv ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(kv, t.id)...))
}

func (t *telemetry) acknowledged(ctx context.Context, d time.Duration, f found) {
	class := t.routine
	if f.critical {
		class = t.critical
	}
	t.ExporterAuditAcknowledgementDuration.Record(ctx, d.Seconds(), class...)
	for _, r := range f.rules {
		o, ok := t.rules.Load(r.class)
		if !ok {
			o, _ = t.rules.LoadOrStore(r.class, []metric.AddOption{t.with(attribute.String("rule", r.class))})
		}
		t.ExporterAuditCriticalEvents.Add(ctx, r.n, o.([]metric.AddOption)...)
	}
	t.invalid(ctx, f)
	t.conflicted(ctx, f.conflicts)
	if f.duplicates > 0 {
		t.ExporterAuditDuplicateRecords.Add(ctx, f.duplicates, t.count...)
	}
	if f.redacted > 0 {
		t.ExporterAuditRedactedValues.Add(ctx, f.redacted, t.count...)
	}
	if f.truncated > 0 {
		t.ExporterAuditTruncatedValues.Add(ctx, f.truncated, t.count...)
	}
}

// invalid counts records of requests that were acknowledged, or refused for them.
func (t *telemetry) invalid(ctx context.Context, f found) {
	if f.structural > 0 {
		t.ExporterAuditInvalidRecords.Add(ctx, f.structural, t.structural...)
	}
	if f.identity > 0 {
		t.ExporterAuditInvalidRecords.Add(ctx, f.identity, t.identity...)
	}
}

// producers counts what was found out about the producers of a request that was acknowledged, or
// refused for it.
func (t *telemetry) producers(ctx context.Context, x *examined) {
	if x == nil {
		return
	}
	for _, s := range x.signatures {
		t.ExporterAuditProducerSignatures.Add(ctx, s.n, t.with(attribute.String("result", s.class)))
	}
	for _, b := range x.breaks {
		t.ExporterAuditProducerChainBreaks.Add(ctx, b.n, t.with(attribute.String("break", b.class)))
	}
}

// conflicted counts records of requests that were acknowledged, or refused for them.
func (t *telemetry) conflicted(ctx context.Context, n int64) {
	if n > 0 {
		t.ExporterAuditConflictingRecords.Add(ctx, n, t.count...)
	}
}

func (t *telemetry) refused(ctx context.Context, cause string) {
	t.ExporterAuditRefusedRequests.Add(ctx, 1, t.with(attribute.String("cause", cause)))
}

func (t *telemetry) conditionFailed(key string) {
	t.ExporterAuditConditionErrors.Add(context.Background(), 1, t.with(attribute.String("condition", key)))
}

func (t *telemetry) synced(d time.Duration, err error) {
	t.ExporterAuditSyncDuration.Record(context.Background(), d.Seconds(), t.sync...)
	if err == nil {
		t.ExporterAuditSyncs.Add(context.Background(), 1, t.count...)
	}
}

// observe registers what is read when metrics are collected. It ends with Shutdown. Nothing it calls
// waits for the storage, so a hung disk leaves the metrics readable.
func (t *telemetry) observe(current func() *gate) error {
	event := t.with(attribute.String("kind", "event"))
	system := t.with(attribute.String("kind", "system"))
	observe := func(f func(g *gate, o metric.Int64Observer)) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			if g := current(); g.log != nil {
				f(g, o)
			}
			return nil
		}
	}
	return errors.Join(
		t.RegisterExporterAuditKnownRecordIdsCallback(observe(func(g *gate, o metric.Int64Observer) {
			if g.log.ids != nil {
				o.Observe(int64(g.log.ids.Stats().Records), t.all)
			}
		})),
		t.RegisterExporterAuditCheckpointsCallback(observe(func(g *gate, o metric.Int64Observer) {
			if n := g.log.notary; n != nil {
				o.Observe(int64(n.Stats().Signed), t.all)
			}
		})),
		t.RegisterExporterAuditCheckpointFailuresCallback(observe(func(g *gate, o metric.Int64Observer) {
			if n := g.log.notary; n != nil {
				o.Observe(int64(n.Stats().Failures), t.all)
			}
		})),
		t.RegisterExporterAuditCheckpointSizeCallback(observe(func(g *gate, o metric.Int64Observer) {
			if n := g.log.notary; n != nil {
				o.Observe(int64(n.Stats().Size), t.all)
			}
		})),
		t.RegisterExporterAuditCheckpointAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
			if g := current(); g.log != nil && g.log.notary != nil {
				o.Observe(time.Since(g.log.notary.Stats().At).Seconds(), t.all)
			}
			return nil
		}),
		t.RegisterExporterAuditEntriesWrittenCallback(observe(func(g *gate, o metric.Int64Observer) {
			c := g.log.Info().Counts
			o.Observe(int64(c.Events), event)
			o.Observe(int64(c.System), system)
		})),
		t.RegisterExporterAuditBytesWrittenCallback(observe(func(g *gate, o metric.Int64Observer) {
			o.Observe(int64(g.log.Info().Counts.Bytes), t.all)
		})),
		t.RegisterExporterAuditHeadSequenceCallback(observe(func(g *gate, o metric.Int64Observer) {
			o.Observe(int64(g.log.Info().Head.Seq), t.all)
		})),
		t.RegisterExporterAuditSegmentOrdinalCallback(observe(func(g *gate, o metric.Int64Observer) {
			o.Observe(int64(g.log.Info().Ordinal), t.all)
		})),
		t.RegisterExporterAuditFreeSpaceCallback(observe(func(g *gate, o metric.Int64Observer) {
			if bytes, known := g.log.space.left(); known {
				o.Observe(bytes, t.all)
			}
		})),
		t.RegisterExporterAuditExposedEventsCallback(observe(func(g *gate, o metric.Int64Observer) {
			o.Observe(int64(g.committer.Stats().Exposed), t.all)
		})),
		t.RegisterExporterAuditOldestExposedAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
			if g := current(); g.log != nil {
				o.Observe(g.committer.Stats().OldestExposed.Seconds(), t.all)
			}
			return nil
		}),
	)
}
