package exporter

import (
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/flush"
)

// health tells the collector, as component status, and the operator, as log lines, how the log is,
// at each change. Permanent is what only a restart ends: nothing is reported after it.
type health struct {
	logger *zap.Logger

	mu   sync.Mutex // held while reporting, so that reports keep their order
	host component.Host
	last componentstatus.Status
}

// begin lets reports go to host.
func (h *health) begin(host component.Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host = host
}

// end lets nothing be reported any more: the collector does, while it stops.
func (h *health) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host = nil
}

func (h *health) report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.host == nil || h.last == componentstatus.StatusPermanentError || h.last == componentstatus.StatusFatalError {
		return
	}
	h.last = e.Status()
	componentstatus.ReportStatus(h.host, e)
}

func (h *health) ok(msg string, fields ...zap.Field) {
	h.logger.Info(msg, fields...)
	h.report(componentstatus.NewEvent(componentstatus.StatusOK))
}

func (h *health) recoverable(msg string, err error) {
	h.logger.Error(msg, zap.Error(err))
	h.report(componentstatus.NewRecoverableErrorEvent(err))
}

func (h *health) permanent(msg string, err error) {
	h.logger.Error(msg, zap.Error(err))
	h.report(componentstatus.NewPermanentErrorEvent(err))
}

// fatal makes the collector shut down.
func (h *health) fatal(msg string, err error) {
	h.logger.Error(msg, zap.Error(err))
	h.report(componentstatus.NewFatalErrorEvent(err))
}

// state takes the health of an open log.
func (h *health) state(s flush.State) {
	var tampered *chain.TamperError
	switch {
	case s.Healthy:
		h.ok("The audit log has recovered.")
	case errors.As(s.Err, &tampered):
		h.permanent("The audit log was tampered with. Requests are refused until it is looked at and the collector restarted.", s.Err)
	case s.Reason == flush.ReasonStall:
		h.recoverable("The audit log's storage does not respond. Requests are refused until it does.", s.Err)
	default:
		h.recoverable("The audit log's storage failed. Requests are refused until a new segment can be opened.", s.Err)
	}
}

// notice takes what else the log has to tell.
func (h *health) notice(n chain.Notice) {
	fields := make([]zap.Field, 0, len(n.Attrs))
	for k, v := range n.Attrs {
		fields = append(fields, zap.Any(k, v))
	}
	h.logger.Warn(n.Text, fields...)
}
