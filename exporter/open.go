package exporter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/flush"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Delays between attempts to open the log: after an error of the storage, growing, and while an
// earlier exporter of this process leaves the directory.
const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = 5 * time.Second
	leavingDelay = 100 * time.Millisecond
)

// openLog opens the log, trying again until it is open, hopeless, or ctx ends. It closes tried after
// the first attempt, when a.failure says whether Start must fail.
func (a *audit) openLog(ctx context.Context, tried chan struct{}) {
	var fatal error
	defer func() {
		if fatal != nil {
			// The collector may take this only when it shuts down, which waits for opening's end.
			a.health.fatal("The audit log can't be opened, and the collector must not run without it.", fatal)
		}
	}()
	defer close(a.opening)
	defer a.cancel()
	first := func() {
		if tried != nil {
			close(tried)
			tried = nil
		}
	}
	defer first()

	owner, err := claim(a.id, a.chain.Directory)
	if err != nil {
		fatal = a.fail(err)
		return
	}
	a.mu.Lock()
	a.owner = owner
	if a.stopped {
		owner.leave()
	}
	a.mu.Unlock()
	for delay := firstDelay; ; {
		l, err := a.open(ctx, a.chain)
		if err == nil {
			owner.found()
			a.serve(ctx, newMeasured(l, a.telemetry,
				newSpace(a.chain.Directory, a.o.MaxSegmentSize, durable.Free, a.logger), owner.release))
			return
		}
		if ctx.Err() != nil {
			owner.release()
			return
		}
		wait, err := a.judge(err, &delay)
		if wait == 0 {
			owner.release()
			if err != nil {
				fatal = a.fail(err)
			}
			return
		}
		first()
		select {
		case <-ctx.Done():
			owner.release()
			return
		case <-time.After(wait):
		}
	}
}

// fail makes Start return err, or returns it if that is too late.
func (a *audit) fail(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gate.Store(&gate{refusal: unavailable(causeNotOpen, "it could not be opened", err)})
	if a.returned {
		return err
	}
	a.failure = err
	return nil
}

// judge says after what delay to try again, 0 for never, and in that case why the collector must not
// run, nil if it may and only refuses.
func (a *audit) judge(err error, delay *time.Duration) (time.Duration, error) {
	var (
		tampered *chain.TamperError
		later    *chain.FormatError
		held     *chain.HeldError
	)
	switch {
	case errors.As(err, &later):
		a.gate.Store(&gate{refusal: unavailable(causeNotOpen, "it was written by a later version", err)})
		a.health.permanent("The audit log was written by a later version. Requests are refused until the collector is restarted with that version, or with another directory.", err)
		return 0, nil
	case errors.As(err, &tampered):
		if a.o.OnTampering == "exit" {
			return 0, fmt.Errorf("on_tampering is exit: %w", err)
		}
		a.gate.Store(&gate{refusal: unavailable(causeTampered, "it was tampered with", err)})
		a.health.permanent("The audit log was tampered with. Requests are refused until it is looked at and the collector restarted.", err)
		return 0, nil
	case errors.As(err, &held):
		if held.Closing || a.owner.rivalLeaves() {
			a.refuseUntilOpen("an earlier exporter is shutting down", "An earlier exporter of this process still has the audit log. Requests are refused until it is done.", err)
			return leavingDelay, nil
		}
		a.mu.Lock()
		late := a.returned
		a.mu.Unlock()
		if !late {
			return 0, fmt.Errorf("directory: %w", err)
		}
	}
	a.refuseUntilOpen("it could not be opened yet", "The audit log can't be opened. Requests are refused until it can.", err)
	wait := *delay
	*delay = min(2*wait, longestDelay)
	return wait, nil
}

func (a *audit) refuseUntilOpen(why, msg string, err error) {
	a.gate.Store(&gate{refusal: unavailable(causeNotOpen, why, err)})
	a.health.recoverable(msg, err)
}

// serve lets requests in, or lets the log go if Shutdown was called meanwhile, or Start given up.
func (a *audit) serve(ctx context.Context, l *measured) {
	a.warnOfDirectory()
	l.notary = a.notary.Load()
	a.mu.Lock()
	stopped, expired := a.stopped || ctx.Err() != nil, a.expired
	if !stopped {
		a.gate.Store(&gate{committer: flush.New[*chain.Batch](l, a.flush), log: l})
		a.beginSigning(l) // before Shutdown can close the log
	}
	a.mu.Unlock()
	switch info := l.Info(); {
	case !stopped:
		a.withhold.serve(a.gate.Load().committer)
		a.health.ok("The audit log is open.", zap.String("folder", info.Folder), zap.String("segment", info.Segment),
			zap.Uint64("seq", info.Head.Seq), zap.Stringer("hash", info.Head.Hash))
	case expired:
		l.Abandon()
	default:
		if err := l.Close(); err != nil {
			l.Abandon()
			a.logger.Error("The audit log could not be closed in order.", zap.Error(err))
		}
	}
}

// warnOfDirectory warns of what makes the log less durable or less private than its configuration
// says. Nothing is changed: the directory is its administrator's.
func (a *audit) warnOfDirectory() {
	dir := a.chain.Directory
	if what := durable.Warning(dir); what != "" {
		a.logger.Warn("The audit log's directory is on a file system whose sync can't be relied on. Use a local one, such as ext4 or XFS.",
			zap.String("directory", dir), zap.String("file_system", what))
	}
	info, err := os.Stat(dir)
	if err != nil {
		return
	}
	if mode := info.Mode().Perm(); mode&^a.o.DirectoryMode&fs.ModePerm != 0 {
		a.logger.Warn("The audit log's directory is open to more users than permissions.directory says.",
			zap.String("directory", dir), zap.String("mode", fmt.Sprintf("%04o", mode)),
			zap.String("fix", fmt.Sprintf("chmod %04o %s", a.o.DirectoryMode, dir)))
	}
}
