package exporter

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/flush"
)

// lockPatience is longer than opening tries for a lock that another holds.
const lockPatience = 6 * time.Second

// start opens the log, or goes on opening it when it returns: it fails only for what the operator
// must put right first. A disk that hangs does not hold it.
func (a *audit) start(ctx context.Context, host component.Host) error {
	path, err := filepath.Abs(a.o.Directory)
	if err != nil {
		return fmt.Errorf("couldn't make directory absolute: %w", err)
	}
	a.mu.Lock()
	if a.started || a.stopped {
		a.mu.Unlock()
		return errors.New("the exporter was started before")
	}
	if err := errors.Join(a.loadKeys(), a.signCheckpoints()); err != nil {
		a.mu.Unlock()
		return err
	}
	a.started = true
	a.chain.Directory = path
	opening, cancel := context.WithCancel(context.Background())
	a.cancel, a.opening = cancel, make(chan struct{})
	a.mu.Unlock()

	if err := a.telemetry.observe(a.gate.Load); err != nil {
		cancel()
		close(a.opening)
		return fmt.Errorf("couldn't register metrics: %w", err)
	}
	a.warnOfExposure()
	a.health.begin(host)

	tried := make(chan struct{})
	go a.openLog(opening, tried)
	patience := time.NewTimer(max(a.o.SyncTimeout, lockPatience))
	defer patience.Stop()
	select {
	case <-tried:
	case <-patience.C:
	case <-ctx.Done():
		cancel()
		return ctx.Err()
	}
	return a.leaveStart()
}

// leaveStart returns what Start must fail for. From then on opening reports such itself.
func (a *audit) leaveStart() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.returned = true
	if a.failure != nil {
		a.health.end()
		a.telemetry.Shutdown()
		return a.failure
	}
	// Under the lock, so that this is told before what serve has to tell.
	if g := a.gate.Load(); g.refusal == errNotStarted {
		a.health.recoverable("The audit log is not open yet. Requests are refused until it is.",
			fmt.Errorf("opening the log in %s takes longer than flush.sync_timeout", a.chain.Directory))
	}
	return nil
}

// warnOfExposure warns of a configuration that acknowledges critical events before they are synced.
func (a *audit) warnOfExposure() {
	if a.flush.Mode == flush.Batched || a.flush.Mode == flush.Hybrid && !a.flush.CriticalImmediate {
		a.logger.Warn("Critical events are acknowledged before they are synced: a power cut can take some. "+
			"Set flush.mode to hybrid and flush.critical_immediate to true, or flush.mode to immediate, to prevent that.",
			zap.Stringer("flush.mode", a.flush.Mode), zap.Int("flush.batch_size", a.flush.BatchSize))
	}
}

// shutdown refuses new requests, waits for those under way, syncs and closes the log, all within
// shutdown_timeout. An error means that acknowledged events may be lost, or that the log was not
// closed in order.
func (a *audit) shutdown(ctx context.Context) error {
	a.mu.Lock()
	first := a.started && !a.stopped
	a.stopped = true
	if a.owner != nil {
		a.owner.leave()
	}
	a.mu.Unlock()
	if !first {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.o.ShutdownTimeout)
	defer cancel()
	defer a.telemetry.Shutdown()
	a.health.end()
	a.cancel()

	g := a.gate.Load()
	if g.refusal != nil {
		a.gate.Store(&gate{refusal: errClosing})
		return a.stopOpening(ctx)
	}
	g.log.Closing()
	a.refusals.end(ctx, g.committer)
	a.withhold.end(ctx)
	err := g.committer.Close(ctx)
	a.claims.end()
	info := g.log.Info()
	if err == nil {
		a.logger.Info("The audit log is closed.", zap.Stringer("log_id", info.LogID),
			zap.Uint64("seq", info.Head.Seq), zap.Stringer("hash", info.Head.Hash))
		return nil
	}
	exposed := 0
	var lost *flush.CloseError
	if errors.As(err, &lost) {
		exposed = lost.Exposed
	}
	a.logger.Error("The audit log could not be closed in order. Exposed events, acknowledged and not synced, may be lost in a power cut.",
		zap.Int("exposed", exposed), zap.Error(err))
	return err
}

// stopOpening waits until nobody tries to open the log any more. A log that opens after all is let go.
func (a *audit) stopOpening(ctx context.Context) error {
	select {
	case <-a.opening:
	case <-ctx.Done():
		a.mu.Lock()
		a.expired = true
		a.mu.Unlock()
		a.logger.Error("The audit log was still being opened at shutdown. No event was acknowledged.", zap.Int("exposed", 0))
		return fmt.Errorf("couldn't open the audit log until shutdown: %w", ctx.Err())
	}
	return nil
}
