package chain

import (
	"crypto/sha256"
	"errors"
	"time"
)

// Renew gives up the segment and continues from the last synced entry in a new
// one, whose opening entry declares the cut. The entries of keep follow it, in
// order, with new sequence numbers. On nil all of them are synced and the writer
// is whole again; on an error nothing counts and Renew can be called again.
func (w *Writer) Renew(cause error, keep []*Batch) error {
	if w.failure == nil {
		w.failure = &Failure{SystemEvent: w.event(failureType(cause)), Error: rootCause(cause), Since: time.Now().UTC()}
	}
	w.failure.Attempts++
	w.failure.Time = time.Now().UTC()
	w.mu.Lock()
	if w.failed == nil {
		w.failed = cause
	}
	cut := w.cut(cause)
	w.mu.Unlock()

	if err := w.restore(cause); err != nil {
		return err
	}
	events := 0
	for _, b := range keep {
		events += b.events()
	}
	seg, size, head, err := w.birth(w.previous(), Opened{Cause: CauseFailover, Cuts: []Cut{cut}}, []any{*w.failure}, keep)
	if err != nil {
		return err
	}
	w.failure, w.suspect = nil, false
	w.adopt(seg, size, head, 2, events)
	return nil
}

// cut describes what was handed to the system after the last synced entry. The
// file may hold less of it, or other bytes. w.mu is held.
func (w *Writer) cut(cause error) Cut {
	sum := sha256.New()
	for _, c := range w.chunks {
		start := int64(0)
		if from := c.end - int64(len(c.buf)); from < w.synced.offset {
			start = w.synced.offset - from
		}
		sum.Write(c.buf[start:])
	}
	c := Cut{
		Segment: w.seg.name.String(), Offset: w.synced.offset, Length: w.handed - w.synced.offset,
		Cause: CutSyncFailed,
	}
	var write *writeError
	var touched *TouchedError
	switch {
	case errors.As(cause, &touched):
		c.Cause = CutTouched
	case errors.As(cause, &write):
		c.Cause = CutWriteFailed
	}
	sum.Sum(c.SHA256[:0])
	return c
}

func failureType(cause error) string {
	var write *writeError
	var touched *TouchedError
	switch {
	case isDiskFull(cause):
		return TypeDiskFull
	case errors.As(cause, &touched):
		return TypeTouched
	case errors.As(cause, &write):
		return TypeWriteFailed
	}
	return TypeSyncFailed
}

// rootCause is the innermost error's text, of joined ones the first's: the
// system's, without paths.
func rootCause(err error) string {
	for {
		switch e := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() []error }:
			err = e.Unwrap()[0]
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err.Error()
			}
			err = e.Unwrap()
		default:
			return err.Error()
		}
	}
}
