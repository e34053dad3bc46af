package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/flush"
)

// audit is the exporter.
type audit struct {
	o         Options
	flush     flush.Options[*chain.Batch]
	chain     chain.Options
	open      func(context.Context, chain.Options) (auditLog, error)
	id        string // of the component
	logger    *zap.Logger
	encoder   *encoder
	refusals  refusals
	withhold  *withholding // nil: nothing is withheld
	producers *producers
	telemetry *telemetry
	health    health

	notaryOptions *checkpoint.Options // set by start; nil: checkpoints are off
	notary        atomic.Pointer[checkpoint.Notary]
	entries       entries
	claims        *claims // nil: idempotency is off

	gate atomic.Pointer[gate]

	mu       sync.Mutex // guards all below
	started  bool
	returned bool  // Start has returned: what fails it must be reported
	failure  error // of opening, for Start to return
	stopped  bool  // Shutdown was called
	expired  bool  // Shutdown has returned before the log was open: nothing is written any more
	cancel   context.CancelFunc
	opening  chan struct{} // closed when nobody tries to open the log any more
	owner    *owner
}

// gather is how many bytes a Write takes about as long for as waking another goroutine for it.
const gather = 64 << 10

// gate is what a request meets: an open log, or why there is none.
type gate struct {
	committer *flush.Committer[*chain.Batch]
	log       *measured
	refusal   *refusal // nil if the log is open
}

// storage is how a log is opened, and the longest body in bytes that it takes.
type storage struct {
	open    func(context.Context, chain.Options) (auditLog, error)
	maxBody int
}

// auditLog is the log as flush, telemetry and lifecycle need it: a [chain.Writer].
type auditLog interface {
	flush.Log[*chain.Batch]
	Info() chain.Info // at any time; it never waits for the storage
	Closing()
}

// New returns the exporter. It touches no disk before Start.
func New(ctx context.Context, set collector.Settings, o Options) (collector.Logs, error) {
	return newLogs(ctx, set, o, onDisk())
}

func onDisk() storage {
	return storage{
		open: func(ctx context.Context, c chain.Options) (auditLog, error) {
			w, err := chain.Open(ctx, c)
			if err != nil {
				return nil, err // not w: a nil *chain.Writer is no nil auditLog
			}
			return w, nil
		},
		maxBody: chain.MaxBody,
	}
}

func newLogs(ctx context.Context, set collector.Settings, o Options, s storage) (collector.Logs, error) {
	a, err := newAudit(set, o, s)
	if err != nil {
		return nil, err
	}
	return a.logs(ctx, set)
}

// logs is the exporter as the collector runs it. No queue and no retry: both would answer before the
// log does. No timeout: a request that was given up on may have been written.
func (a *audit) logs(ctx context.Context, set collector.Settings) (collector.Logs, error) {
	set.Logger = atMost(set.Logger, refusalLogs, refusalTick)
	return exporterhelper.NewLogs(ctx, set, &a.o, a.consume,
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithStart(a.start),
		exporterhelper.WithShutdown(a.shutdown))
}

func newAudit(set collector.Settings, o Options, s storage) (*audit, error) {
	mode, err := o.mode()
	if err != nil {
		return nil, err
	}
	co, err := o.chain(&set)
	if err != nil {
		return nil, err
	}
	t, err := newTelemetry(set)
	if err != nil {
		return nil, fmt.Errorf("couldn't create telemetry: %w", err)
	}
	conditions, err := predicate(o.CriticalConditions, t, set.Logger)
	if err != nil {
		return nil, err
	}
	h := newWithholding(o.Withhold, set.Logger)
	e, err := event.NewEncoder(h.options(o.event(conditions)))
	if err != nil {
		return nil, fmt.Errorf("couldn't create encoder: %w", err)
	}
	a := &audit{
		o: o, chain: co, open: s.open, id: set.ID.String(), logger: set.Logger,
		encoder: newEncoder(e, s.maxBody, o.RejectInvalid), telemetry: t,
		health: health{logger: atMost(set.Logger, stateLogs, stateTick)},
	}
	a.chain.Notice = a.health.notice
	a.open = func(ctx context.Context, c chain.Options) (auditLog, error) { return a.openSigned(ctx, c, s.open) }
	a.flush = flush.Options[*chain.Batch]{
		Mode: mode, BatchSize: o.BatchSize, BatchInterval: o.BatchInterval,
		CriticalImmediate: o.CriticalImmediate, SyncTimeout: o.SyncTimeout, MaxInFlight: o.MaxInFlight, Gather: gather,
		Release: a.released, OnState: a.health.state,
	}
	a.withholds(h)
	a.producers = newProducers(o.Integrity, a.encoder, o.SyncTimeout)
	a.open = a.producers.recalling(a.open, a.health.notice)
	if o.Idempotency != nil {
		a.recognise(*o.Idempotency)
	}
	a.refusals.encoder = a.encoder
	a.gate.Store(&gate{refusal: errNotStarted})
	return a, nil
}

// consume acknowledges a request when the flush mode lets it. Nothing of logs is kept or changed.
func (a *audit) consume(ctx context.Context, logs plog.Logs) error {
	start := time.Now()
	n := logs.LogRecordCount()
	if n == 0 {
		return nil
	}
	f, err := a.take(ctx, logs, n)
	if err != nil {
		label, answer := refuse(err)
		a.telemetry.refused(ctx, label)
		return answer
	}
	a.telemetry.acknowledged(ctx, time.Since(start), f)
	return nil
}

// released takes back a batch that neither the committer nor the log reads any more.
func (a *audit) released(b *chain.Batch, synced bool) {
	if a.entries.released(b, synced) {
		return
	}
	a.producers.release(b, synced)
	a.encoder.batches.put(b)
}

// take encodes a request and hands it to the log.
func (a *audit) take(ctx context.Context, logs plog.Logs, n int) (found, error) {
	g := a.gate.Load()
	if g.refusal != nil {
		return found{}, g.refusal
	}
	// What would be refused now is not worth its encoding.
	if err := g.committer.Ready(); err != nil {
		return found{}, err
	}
	if a.claims != nil {
		return a.takeIdentified(ctx, g, logs, n)
	}
	return a.takeAll(ctx, g, logs, n, nil)
}

// takeAll hands all records to the log, but for those that c, if there is one, calls duplicates.
func (a *audit) takeAll(ctx context.Context, g *gate, logs plog.Logs, n int, c *idClaim) (found, error) {
	x, err := a.producers.examine(ctx, a.encoder, logs, n)
	j := judged{producers: x, ids: c.identities()}
	if err != nil {
		if unverified := (*unverifiedError)(nil); errors.As(err, &unverified) {
			a.telemetry.producers(ctx, x)
			a.refusals.add(ctx, g.committer, logs, n, j)
		}
		return found{}, err
	}
	x.place(c.leaves())
	b, f, err := a.encoder.encode(ctx, logs, n, j)
	if err != nil {
		x.drop()
		if invalid := (*invalidError)(nil); errors.As(err, &invalid) {
			a.telemetry.invalid(ctx, f)
			a.refusals.add(ctx, g.committer, logs, n, j)
		}
		return found{}, err
	}
	a.producers.submitting(b, x)
	err = a.submit(ctx, g, b, c, f.critical)
	a.producers.settle(x, err)
	if err == nil {
		a.telemetry.producers(ctx, x)
	}
	return f, err
}
