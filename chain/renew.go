package chain

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// foreignExt is added to the name of a file that took a segment's name.
const foreignExt = ".foreign"

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

	if err := w.restore(); err != nil {
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
	w.failure = nil
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

// rootCause is the innermost error's text: the system's, without paths.
func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// restore gives the given-up segment its name back if that is gone or another
// file has it: the synced bytes are copied from the descriptor that is still
// open, checked, and synced under the name.
func (w *Writer) restore() error {
	seg, length := w.seg, w.synced.offset
	named, err := w.o.FS.Stat(seg.path)
	switch {
	case err == nil && durable.SameFile(named, seg.id):
		return nil
	case err == nil:
		if err := w.o.FS.Rename(seg.path, seg.path+foreignExt); err != nil {
			return fmt.Errorf("couldn't put aside the file that has segment %s's name: %w", seg.name, err)
		}
	case !durable.IsNotExist(err):
		return fmt.Errorf("couldn't stat segment %s: %w", seg.name, err)
	}
	buf := make([]byte, length)
	if _, err := seg.file.ReadAt(buf, 0); err != nil {
		return fmt.Errorf("couldn't read segment %s back: %w", seg.name, err)
	}
	c, err := checkSegment(bytes.NewReader(buf), seg.name, w.id, seg.after, 0, nil)
	if err == nil && (c.Fault != nil || c.Head != w.synced.head) {
		err = errors.New("its bytes are not those written")
	}
	if err != nil {
		return fmt.Errorf("couldn't read segment %s back: %w", seg.name, err)
	}
	f, err := w.writeNew(seg.path+tempExt, buf)
	if err != nil {
		return fmt.Errorf("couldn't copy segment %s back: %w", seg.name, err)
	}
	info, err := f.Stat()
	if err == nil {
		err = w.o.FS.Rename(seg.path+tempExt, seg.path)
	}
	if err == nil {
		err = w.o.FS.SyncDir(filepath.Dir(seg.path))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("couldn't name segment %s again: %w", seg.name, err), f.Close())
	}
	old := seg.file
	seg.file, seg.id = f, info
	return old.Close()
}
