package flush

import (
	"errors"
	"fmt"
)

// ErrOverloaded refuses a request that the memory budget (MaxInFlight) has no room for. Nothing of
// it was written; it may be sent again.
var ErrOverloaded = errors.New("memory budget of unsynced entries is full")

var errStall = errors.New("sync_timeout passed before the log's last write or sync returned")

// Reason says why a request can't be taken now.
type Reason int

// The reasons.
const (
	ReasonNone        Reason = iota
	ReasonIO                 // a write or sync failed, and no new segment took over
	ReasonStall              // a write or sync has not returned by sync_timeout
	ReasonFailingOver        // the segment was given up, and no new one could be opened yet
	ReasonClosing            // Close was called
)

// String returns the reason as a metric attribute.
func (r Reason) String() string {
	switch r {
	case ReasonIO:
		return "io"
	case ReasonStall:
		return "stall"
	case ReasonFailingOver:
		return "failing_over"
	case ReasonClosing:
		return "shutting_down"
	default:
		return "none"
	}
}

func (r Reason) text() string {
	switch r {
	case ReasonIO:
		return "log failed"
	case ReasonStall:
		return "log stalls"
	case ReasonFailingOver:
		return "log is failing over"
	case ReasonClosing:
		return "log is shutting down"
	default:
		return "log is unavailable"
	}
}

// UnavailableError refuses a request that may be sent again later. Its entries may still stand in
// the log: at least once.
type UnavailableError struct {
	Reason Reason
	Err    error // the cause; may be nil
}

// Error names the reason and the cause.
func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return e.Reason.text()
	}
	return fmt.Sprintf("%s: %v", e.Reason.text(), e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// CloseError says that a log could not be closed in order.
type CloseError struct {
	Exposed int   // acknowledged entries that are not known to be synced
	Err     error // why
}

// Error names the number of exposed entries and the cause.
func (e *CloseError) Error() string {
	return fmt.Sprintf("couldn't close log, %d acknowledged entries are not synced: %v", e.Exposed, e.Err)
}

// Unwrap returns the cause.
func (e *CloseError) Unwrap() error { return e.Err }
