package chain

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// Writer appends to a log. Its caller never has two Writes or two Syncs at
// once; a Write and a Sync may overlap; Rotate, Renew, Close and Abandon
// exclude everything else but Info and Tidy.
//
// After an error of Write, Sync or Rotate the segment is given up: Write refuses
// until Renew has succeeded. After an error of Write, one Sync may still make
// durable what stands before it.
type Writer struct {
	o        Options
	id       LogID
	folder   string
	folderID durable.Info
	lock     *dirLock
	link     linker // owned by Write
	clock    *clock // likewise

	mark *markFile // nil if it can't be opened; owned by Sync and what excludes it

	// Owned by the calls that exclude each other.
	failure *Failure // what Renew recovers from
	missing []Range  // what of them, and of seg, is known to be gone
	suspect bool     // the log was touched since seg was born

	tidying chan struct{} // capacity 1: full while somebody seals or prepares; taken before mu

	mu      sync.Mutex // guards all below
	seg     *segment
	earlier []extent   // the segments before seg that were there, in order
	sealing []*segment // have a successor and are not sealed yet
	next    *prepared  // nil: there is none
	ordinal uint64     // of seg; used up
	written point      // the end of the last whole entry
	synced  point      // everything up to here is durable
	chunks  []chunk    // handed to the system after synced, in order
	handed  int64      // where the last chunk ends
	adding  bool       // a Write adds to the last chunk: its memory is not given back
	links   []Hash     // of the entries after synced, if Options.Synced is to be told
	events  bool       // seg holds more than system entries
	failed  error      // why seg is given up; nil while it is not
	unsafe  bool       // a Sync of seg failed: none is believed again
	over    bool       // the lock is released
	closed  bool       // in order
	counts  Counts
	// free are buffers for Write; freeBytes is what they hold.
	free      [][]byte
	freeBytes int
}

// newWriter returns the writer of a directory that lock is on.
func newWriter(o Options, lock *dirLock) *Writer {
	return &Writer{o: o, lock: lock, clock: newClock(), tidying: make(chan struct{}, 1)}
}

// point is a place in the current segment between two entries.
type point struct {
	offset int64
	head   Head
}

// Counts only grow.
type Counts struct {
	Events, System uint64 // entries written
	Bytes          uint64
	MarkFailures   uint64
}

// Info describes a log as its writer sees it.
type Info struct {
	LogID    LogID
	Folder   string
	Segment  string // file name
	Ordinal  uint64
	Head     Head  // of the last written entry
	Synced   Head  // of the last synced entry
	Unsynced int64 // bytes
	Missing  []Range
	Counts   Counts
}

// Info may be called at any time.
func (w *Writer) Info() Info {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Info{
		LogID: w.id, Folder: w.folder, Segment: w.seg.name.String(), Ordinal: w.ordinal,
		Missing: w.missing, Head: w.written.head, Synced: w.synced.head, Unsynced: w.handed - w.synced.offset, Counts: w.counts,
	}
}

// Write hands the entries of all batches to the operating system, in order. On
// nil they survive a crash of the process. An error means that none of them
// counts and that the segment is given up.
func (w *Writer) Write(batches []*Batch) error {
	if by := w.clock.jump(); by != 0 {
		batches = append([]*Batch{w.systemBatch(ClockJumped{SystemEvent: w.event(TypeClockJumped), By: by.String()})}, batches...)
	}
	entries, size := 0, 0
	for _, b := range batches {
		entries += b.Len()
		size += b.linesSize()
	}
	if entries == 0 {
		return nil
	}
	w.mu.Lock()
	if w.failed != nil {
		defer w.mu.Unlock()
		return fmt.Errorf("segment is given up: %w", w.failed)
	}
	seg, from := w.seg, w.written
	lines := w.room(size)
	w.mu.Unlock()

	if err := w.unshortened(seg, from.offset); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.adding, w.failed = false, err
		return err
	}
	w.link.keep, w.link.tell, w.link.links = w.o.KeepHashes, w.o.Synced != nil, w.link.links[:0]
	before, head, counts := len(lines), from.head, Counts{}
	for _, b := range batches {
		lines, head = b.appendLines(lines, head, &w.link)
		events := b.events()
		counts.Events += uint64(events)
		counts.System += uint64(b.Len() - events)
	}
	added := lines[before:]
	end := from.offset + int64(len(added))
	w.reserve(seg, end)
	w.mu.Lock()
	// Known before the bytes can be there: a Sync that runs meanwhile compares
	// the file's size with it, and a cut is of all that was handed over.
	w.hand(lines, end)
	w.mu.Unlock()
	_, err := seg.file.WriteAt(added, from.offset)

	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed = &writeError{fmt.Errorf("couldn't write to segment %s: %w", seg.name, err)}
		return w.failed
	}
	w.written = point{offset: end, head: head}
	w.links = append(w.links, w.link.links...)
	w.events = w.events || counts.Events > 0
	w.counts.Events += counts.Events
	w.counts.System += counts.System
	w.counts.Bytes += uint64(len(added))
	return nil
}

// unshortened compares the size of the file with what was written: bytes written
// behind a cut-off end would hide it from the check after the sync.
func (w *Writer) unshortened(seg *segment, size int64) error {
	info, err := seg.file.Stat()
	switch {
	case err != nil:
		return &writeError{fmt.Errorf("couldn't stat segment %s: %w", seg.name, err)}
	case info.Size != size:
		return &TouchedError{Segment: seg.name.String(), What: fmt.Sprintf("the file has %d bytes instead of %d", info.Size, size)}
	}
	return nil
}

// Sync makes durable what Writes that returned before the call have written.
// An error is final for the segment.
func (w *Writer) Sync() error {
	w.mu.Lock()
	if w.unsafe {
		defer w.mu.Unlock()
		return fmt.Errorf("segment is given up: %w", w.failed)
	}
	seg, to := w.seg, w.written
	w.mu.Unlock()

	err := w.beforeSync()
	if err == nil {
		if err = seg.file.Sync(); err != nil {
			err = fmt.Errorf("couldn't sync segment %s: %w", seg.name, err)
		}
	}
	if err == nil {
		// A Write may be under way; it can only make the file longer.
		err = w.touched(seg, to.offset, w.handedTo)
	}
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unsafe = true
		if w.failed == nil {
			w.failed = err
		}
		return err
	}
	w.advance(to)
	w.writeMark(to, false)
	return nil
}

func (w *Writer) beforeSync() error {
	if w.o.BeforeSync == nil {
		return nil
	}
	return w.o.BeforeSync()
}

// handedTo returns how long the segment's file can be.
func (w *Writer) handedTo() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.handed
}

// advance notes that the segment is synced up to p.
func (w *Writer) advance(p point) {
	w.mu.Lock()
	first := w.synced.head.Seq + 1
	w.synced = p
	n := 0
	for n < len(w.chunks) && w.chunks[n].end <= p.offset && (!w.adding || n < len(w.chunks)-1) {
		w.giveBuffer(w.chunks[n].buf)
		n++
	}
	w.chunks = append(w.chunks[:0], w.chunks[n:]...)
	told := w.links
	if w.o.Synced != nil {
		told, w.links = w.links[:p.head.Seq+1-first], w.links[p.head.Seq+1-first:]
	}
	w.mu.Unlock()
	w.tell(first, told)
}

// tell is called by Sync and what excludes it, so that it is never out of order.
func (w *Writer) tell(first uint64, links []Hash) {
	if w.o.Synced != nil && len(links) > 0 {
		w.o.Synced(first, links)
	}
}

// writeMark notes that everything up to p is synced. Failing to refuses nothing.
func (w *Writer) writeMark(p point, sync bool) {
	err := errNoMark
	if w.mark != nil {
		err = w.mark.write(Mark{LogID: w.id, Ordinal: w.ordinal, Offset: p.offset, Head: p.head})
		if err == nil && sync {
			err = w.mark.f.Sync()
		}
	}
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.counts.MarkFailures++
	}
}

var errNoMark = errors.New("mark is not open")

// RotateIn tells in how long the segment is due for rotation, at most 0 if it is
// due. ok is false if it will not be before more is written: a segment to which
// nothing was added does not rotate, and one that holds only system entries does
// not by age.
func (w *Writer) RotateIn() (d time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.failed != nil || w.written.offset == w.seg.bornSize:
		return 0, false
	case w.o.MaxSize > 0 && w.written.offset >= w.o.MaxSize:
		return 0, true
	case w.o.MaxAge > 0 && w.events:
		return w.o.MaxAge - time.Since(w.seg.born), true
	}
	return 0, false
}

// Rotate seals the segment and begins the next. Everything written should be
// synced before, so that an error of Rotate says nothing about entries; what is
// not is synced first.
func (w *Writer) Rotate() error {
	if w.Info().Unsynced > 0 {
		if err := w.Sync(); err != nil {
			return err
		}
	}
	seg, size, head, err := w.birth(w.previous(), Opened{Cause: CauseRotation}, nil, nil)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		// The next segment may have its name already, so this one is over.
		w.failed = err
		return err
	}
	w.adopt(seg, size, head, 1, 0)
	return nil
}

// previous describes the current segment as far as it is synced.
func (w *Writer) previous() *Previous {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &Previous{Segment: w.seg.name.String(), Length: w.synced.offset, Head: w.synced.head}
}

// adopt makes a born segment the one to append to. The one before is sealed by Tidy.
func (w *Writer) adopt(seg *segment, size int64, head Head, system, events int) {
	first, links := seg.after.Seq+1, seg.links
	seg.links = nil
	w.mu.Lock()
	old, sealed := w.seg, w.synced.offset
	for _, c := range w.chunks {
		w.giveBuffer(c.buf)
	}
	p := point{offset: size, head: head}
	w.seg, w.ordinal, w.written, w.synced, w.handed = seg, seg.name.Ordinal, p, p, size
	w.chunks, w.links, w.failed, w.unsafe, w.events = w.chunks[:0], nil, nil, false, events > 0
	w.adding = false
	w.counts.System += uint64(system)
	w.counts.Events += uint64(events)
	w.counts.Bytes += uint64(size)
	w.mu.Unlock()
	w.writeMark(p, true)
	w.tell(first, links)
	if old != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.earlier = append(w.earlier, extent{name: old.name, length: sealed})
		w.sealing = append(w.sealing, old)
	}
}

// Closing announces that Close or Abandon will follow, so that a later writer of
// this process waits for the lock. It may be called at any time.
func (w *Writer) Closing() { w.lock.announceClosing() }

// Close ends the log with a `closed` entry and gives it up. Everything written
// must be synced. On an error the lock is released all the same, and the next
// opening recovers.
func (w *Writer) Close() error {
	w.lock.announceClosing()
	err := w.Write([]*Batch{w.systemBatch(Closed{SystemEvent: w.event(TypeClosed)})})
	if err == nil {
		err = w.Sync()
	}
	if err != nil {
		return errors.Join(err, w.Abandon())
	}
	w.mu.Lock()
	seg, end := w.seg, w.synced
	w.mu.Unlock()
	w.writeMark(end, true)
	if err := errors.Join(seg.giveBack(), seg.file.Chmod(w.o.SealedMode)); err != nil {
		w.o.Notice(Notice{Text: "couldn't make the closed segment read-only", Attrs: map[string]any{"error": err.Error()}})
	}
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	return w.Abandon()
}

// Abandon writes nothing more and releases the lock. The next opening recovers.
// After Close, or a second time, it does nothing.
func (w *Writer) Abandon() error {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return nil
	}
	w.over = true
	seg, mark, closed := w.seg, w.mark, w.closed
	if w.failed == nil {
		w.failed = errClosed
	}
	w.mu.Unlock()
	var errs []error
	if seg != nil {
		errs = append(errs, seg.file.Close())
		w.letGo()
	}
	if mark != nil {
		errs = append(errs, mark.f.Close())
	}
	if w.o.LetGo != nil {
		w.o.LetGo(closed)
	}
	return errors.Join(append(errs, w.lock.release())...)
}

var errClosed = errors.New("writer is closed")

// writeError tells a failed Write from a failed Sync.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

func (w *Writer) event(typ string) SystemEvent {
	return SystemEvent{V: SystemVersion, Type: typ, Time: w.clock.wall().UTC()}
}

// systemBatch makes a batch of one system event.
func (w *Writer) systemBatch(e any) *Batch {
	b := new(Batch)
	b.EndSystem(append(b.Buffer(), marshalSystem(e)...))
	return b
}

// isDiskFull tells whether err is about space or quota, which ends by itself.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
