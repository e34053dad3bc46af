package exporter

import (
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/flush"
)

// health tells the collector, as component status, and the operator, as log lines, how the log is,
// once at each change. Permanent is what only a restart ends: nothing is reported after it.
type health struct {
	logger *zap.Logger

	mu    sync.Mutex // held while reporting, so that reports keep their order
	host  component.Host
	last  componentstatus.Status
	error string // of last
	// unsigned is why no checkpoints are signed; nil: they are, or are off. Requests are taken all the
	// same, so it is the component's status only while the log itself is well.
	unsigned error
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

// tell reports e and logs a line at level, unless the same was told before.
func (h *health) tell(e *componentstatus.Event, level zapcore.Level, msg string, fields ...zap.Field) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := ""
	if e.Err() != nil {
		text = msg + e.Err().Error()
		fields = append(fields, zap.Error(e.Err()))
	}
	if e.Status() == h.last && text == h.error {
		return
	}
	h.logger.Log(level, msg, fields...)
	if h.host == nil || h.last == componentstatus.StatusPermanentError || h.last == componentstatus.StatusFatalError {
		return
	}
	h.last, h.error = e.Status(), text
	if h.last == componentstatus.StatusOK && h.unsigned != nil {
		e = componentstatus.NewRecoverableErrorEvent(h.unsigned)
	}
	componentstatus.ReportStatus(h.host, e)
}

// signing takes whether checkpoints are signed.
func (h *health) signing(s checkpoint.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsigned = s.Err
	e := componentstatus.NewEvent(componentstatus.StatusOK)
	switch {
	case s.Err == nil:
		h.logger.Info("Checkpoints are signed again.")
	case s.Permanent:
		h.logger.Error("No checkpoints are signed for the audit log any more. Requests are still taken.", zap.Error(s.Err))
	default:
		h.logger.Error("No checkpoints are signed for the audit log at the moment. Requests are still taken.", zap.Error(s.Err))
	}
	if s.Err != nil {
		e = componentstatus.NewRecoverableErrorEvent(s.Err)
	}
	if h.host != nil && h.last == componentstatus.StatusOK {
		componentstatus.ReportStatus(h.host, e)
	}
}

func (h *health) ok(msg string, fields ...zap.Field) {
	h.tell(componentstatus.NewEvent(componentstatus.StatusOK), zap.InfoLevel, msg, fields...)
}

func (h *health) recoverable(msg string, err error) {
	h.tell(componentstatus.NewRecoverableErrorEvent(err), zap.ErrorLevel, msg)
}

func (h *health) permanent(msg string, err error) {
	h.tell(componentstatus.NewPermanentErrorEvent(err), zap.ErrorLevel, msg)
}

// fatal makes the collector shut down.
func (h *health) fatal(msg string, err error) {
	h.tell(componentstatus.NewFatalErrorEvent(err), zap.ErrorLevel, msg)
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
