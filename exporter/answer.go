package exporter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/event/producer"
	"github.com/otelaudit/auditexporter/flush"
)

// retryDelay is what a client is told to wait for when the memory budget is full: long enough for a
// sync to free some of it.
const retryDelay = time.Second

// Causes of refusals, as the metric has them. Those of [flush.Reason] come besides.
const (
	causeOverloaded = "overloaded"
	causeNotOpen    = "not_open"
	causeTampered   = "tampered"
	causeInvalid    = "invalid"
	causeConflict   = "conflict"
	causeTooLarge   = "too_large"
	causeCanceled   = "canceled"
	causeUnverified = "unverified"
	causeUndecided  = "undecided"
)

// refusal is the answer to a request that is not acknowledged. The OTLP receiver sends its status;
// the cause, which may name files, is for this process only.
type refusal struct {
	label  string // cause, as the metric has it
	status *status.Status
	cause  error
}

func (r *refusal) Error() string              { return r.status.Message() }
func (r *refusal) GRPCStatus() *status.Status { return r.status }
func (r *refusal) Unwrap() error              { return r.cause }

// unavailable refuses a request that may be sent again later.
func unavailable(label, why string, cause error) *refusal {
	return &refusal{label: label, status: status.New(codes.Unavailable, "audit log is unavailable: "+why), cause: cause}
}

var (
	errNotStarted = unavailable(causeNotOpen, "it is not open", nil)
	errClosing    = unavailable(flush.ReasonClosing.String(), "it is shutting down", nil)

	overloaded = func() *status.Status {
		s := status.New(codes.ResourceExhausted, "audit log is overloaded: its memory budget of unsynced entries is full")
		s, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)})
		if err != nil {
			panic(err) // a constant message
		}
		return s
	}()
)

// tooLargeError is an event that no log line can hold; sending it again can't help.
type tooLargeError struct{ size, limit int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("a record's event has %d bytes, the audit log takes at most %d", e.size, e.limit)
}

// invalidError is a request that is refused for records that are structurally invalid. It holds nothing
// of their content.
type invalidError struct {
	records, invalid int // of the request, and those of them that are
	faults           event.Structural
}

func (e *invalidError) Error() string {
	return fmt.Sprintf("%d of %d records are not valid audit records, and none was taken: %s",
		e.invalid, e.records, strings.Join(e.faults.Strings(), "; "))
}

// refuse turns an error into the answer of the table in design.md. An error of the storage is never
// permanent: the client keeps what it could not deliver.
func refuse(err error) (label string, answer error) {
	var (
		r        *refusal
		gone     *flush.UnavailableError
		tooLarge *tooLargeError
		invalid  *invalidError
		forged   *unverifiedError
		conflict *conflictError
	)
	switch {
	case errors.As(err, &r):
	case errors.Is(err, flush.ErrOverloaded):
		r = &refusal{label: causeOverloaded, status: overloaded, cause: err}
	case errors.As(err, &gone):
		r = unavailable(gone.Reason.String(), reasonText(gone.Reason), err)
	case errors.As(err, &tooLarge):
		return causeTooLarge, forGood(causeTooLarge, codes.InvalidArgument, tooLarge)
	case errors.As(err, &invalid):
		return causeInvalid, forGood(causeInvalid, codes.InvalidArgument, invalid)
	case errors.As(err, &conflict):
		return causeConflict, forGood(causeConflict, codes.AlreadyExists, conflict)
	case errors.As(err, &forged):
		return causeUnverified, forGood(causeUnverified, codes.InvalidArgument, forged)
	case errors.Is(err, producer.ErrUndecided):
		r = unavailable(causeUndecided, producer.ErrUndecided.Error(), err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		r = &refusal{label: causeCanceled, status: status.FromContextError(err), cause: err}
	default:
		r = unavailable(flush.ReasonIO.String(), reasonText(flush.ReasonIO), err)
	}
	return r.label, r
}

// forGood refuses a request that would be refused again.
func forGood(label string, code codes.Code, err error) error {
	return consumererror.NewPermanent(&refusal{label: label, status: status.New(code, err.Error())})
}

// reasonText tells a client why, and nothing of the machine.
func reasonText(r flush.Reason) string {
	switch r {
	case flush.ReasonStall:
		return "its storage does not respond"
	case flush.ReasonFailingOver:
		return "its storage failed and has not recovered yet"
	case flush.ReasonClosing:
		return "it is shutting down"
	default:
		return "its storage failed"
	}
}
