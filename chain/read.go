package chain

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// ReadOptions may be zero.
type ReadOptions struct {
	From uint64 // the first sequence number to give; 0: 1
	Lock LockView
	// Unsynced: while a writer is at work, go beyond the mark, and so show what
	// a power cut can take. Such entries can be cut and others take their place.
	Unsynced bool
	// Check computes the hashes of all entries. Without it only those are checked
	// that neither a mark nor a successor vouches for.
	Check bool
	// Missing is called when the reader goes over bytes that were removed while a
	// writer was at work, as a later opening entry records; nil drops it.
	Missing func(Range)
}

// Line is an entry and where it lies.
type Line struct {
	Entry
	Text    []byte // of the line, without its LF
	Segment string // file name
	Number  int    // of the line, from 1
	Offset  int64  // of the line's first byte
}

// Reader gives the entries of a log that count, across segments. While a writer
// is at work it ends at the mark, so that nobody is shown what is not synced; at
// other times at the last entry that counts. One goroutine may use it.
type Reader struct {
	fsys   durable.FS
	folder string
	id     LogID
	o      ReadOptions
	view   view
	in     inspector

	check segmentCheck // of the segment that is read
	file  durable.File // of it, nil until opened
	lines *lineReader  // of it, nil until needed
	short bool         // the rest of it is recorded as missing
}

// OpenReader opens the log in folder, whose name is the log's id.
func OpenReader(fsys durable.FS, folder string, o ReadOptions) (*Reader, error) {
	id, ok := ParseLogID(filepath.Base(folder))
	if !ok {
		return nil, fmt.Errorf("folder %s is not named by a log id", folder)
	}
	o.From = max(o.From, 1)
	r := &Reader{fsys: fsys, folder: folder, id: id, o: o}
	if err := r.Refresh(); err != nil {
		return nil, err
	}
	return r, nil
}

// start puts the reader at the beginning of the last segment that can hold From.
func (r *Reader) start() {
	at := -1
	for i, s := range r.view.segments[:r.view.shown] {
		if at < 0 || s.FirstSeq <= r.o.From {
			at = i
		}
	}
	if at < 0 {
		return
	}
	first := r.view.segments[at]
	r.enter(first)
	if at == 0 && first.Ordinal > 1 && r.o.From < first.FirstSeq {
		r.pass(0, first)
	}
}

// enter makes name the segment that is read.
func (r *Reader) enter(name SegmentName) {
	before := r.check
	r.short = false
	r.check = segmentCheck{Name: name, id: r.id, until: r.view.until(name), adopt: true}
	switch {
	case name.Ordinal == 1:
		r.check.Head, r.check.adopt = Genesis(r.id), false
	case before.Name.Ordinal+1 == name.Ordinal && before.Head.Seq+1 == name.FirstSeq:
		r.check.Head, r.check.adopt = before.Head, false
	}
}

// Refresh looks again for the lock, the mark and new segments. After it, Next
// may give what it did not before.
func (r *Reader) Refresh() error {
	v, err := look(r.fsys, r.folder, r.id, r.o)
	if err != nil {
		return err
	}
	r.view, r.lines = v, nil
	if r.check.Name.Ordinal == 0 {
		r.start()
	} else {
		r.check.until = v.until(r.check.Name)
	}
	return nil
}

// Next returns the next entry; it is valid until the next call. At the end of
// what is to be shown it returns io.EOF, and goes on from there after Refresh. A
// [*TamperError] says that the log is broken at or before the next entry.
func (r *Reader) Next() (Line, error) {
	for {
		if r.check.Name.Ordinal == 0 {
			return Line{}, io.EOF
		}
		if err := r.broken(); err != nil {
			return Line{}, err
		}
		if r.short || r.check.done() {
			if err := r.advance(); err != nil {
				return Line{}, err
			}
			continue
		}
		l, err := r.read()
		if err != nil {
			return Line{}, err
		}
		if !r.short && l.Seq >= r.o.From {
			return l, nil
		}
	}
}

// advance enters the next segment, if it is to be shown.
func (r *Reader) advance() error {
	next, ok := r.view.later(r.check.Name)
	if !ok || r.view.limit(next) == 0 {
		return io.EOF
	}
	if !r.pass(r.check.Name.Ordinal, next) {
		return r.broken()
	}
	if err := r.close(); err != nil {
		return fmt.Errorf("couldn't close segment: %w", err)
	}
	r.enter(next)
	return nil
}

// read takes the next line of the segment; there is none if r.short is set.
func (r *Reader) read() (Line, error) {
	limit := r.view.limit(r.check.Name)
	if r.check.Valid >= limit {
		return Line{}, io.EOF
	}
	if err := r.open(limit); err != nil {
		return Line{}, err
	}
	text, off, err := r.lines.next()
	if err != nil && !isForm(err) {
		return Line{}, fmt.Errorf("couldn't read segment %s at offset %d: %w", r.check.Name, off, err)
	}
	vouched := r.view.vouched(r.check.Name, off)
	i := inspected{err: err}
	switch {
	case errors.Is(err, io.EOF):
		r.lines = nil
		if missed, err := r.missed(off, err); missed || err != nil {
			return Line{}, err
		}
		return Line{}, r.end(vouched)
	case err == nil && (r.o.Check || !vouched):
		r.in.inspect(text, &i)
	case err == nil:
		i.Entry, i.err = parseHeader(text)
		i.hashed = true
	}
	if r.check.add(&i, r.lines.off) {
		return Line{Entry: i.Entry, Text: text, Segment: r.check.Name.String(), Number: r.check.Lines, Offset: off}, nil
	}
	if missed, err := r.missed(off, i.err); missed || err != nil {
		return Line{}, err
	}
	return Line{}, r.refuse(vouched)
}

// end judges the end of the segment's file.
func (r *Reader) end(vouched bool) error {
	switch next, later := r.view.later(r.check.Name); {
	case r.check.until != 0:
		r.check.fault("segment ends before this entry")
	case later:
		f := missingSegments(r.check.Name.Ordinal, next)
		r.check.Fault = &f
	case vouched:
		r.check.fault("log is shorter than its mark")
	case r.check.Lines == 0:
		r.check.fault("segment has no opening entry")
	default:
		return io.EOF
	}
	return r.broken()
}

// refuse judges a line that is no entry that counts: what nothing vouches for is
// torn by a crash, or half written, and may be whole when it is read again.
func (r *Reader) refuse(vouched bool) error {
	c := &r.check
	if c.unread == nil && !vouched && c.Lines > 0 && !c.Closed {
		c.Fault, r.lines = nil, nil
		return io.EOF
	}
	return r.broken()
}

// broken tells why nothing more is to be read.
func (r *Reader) broken() error {
	switch {
	case r.check.unread != nil:
		return r.check.unread
	case r.check.Fault != nil:
		return &TamperError{Folder: r.folder, Fault: *r.check.Fault}
	}
	return nil
}

// open opens the segment at the end of what was read of it.
func (r *Reader) open(limit int64) error {
	if r.file == nil {
		f, fault, err := openSegment(r.fsys, r.folder, r.check.Name)
		if fault != nil {
			r.check.Fault = fault
			return r.broken()
		}
		if err != nil {
			return err
		}
		r.file = f
	}
	if r.lines == nil {
		r.lines = newLineReader(io.NewSectionReader(r.file, r.check.Valid, limit-r.check.Valid))
		r.lines.off = r.check.Valid
	}
	return nil
}

func (r *Reader) close() error {
	r.lines = nil
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Close closes what the reader holds open.
func (r *Reader) Close() error { return r.close() }

// ReadHead returns the head of what a [Reader] with these options shows; its
// sequence number is 0 if that is nothing.
func ReadHead(fsys durable.FS, folder string, o ReadOptions) (Head, error) {
	r, err := OpenReader(fsys, folder, o)
	if err != nil {
		return Head{}, err
	}
	defer r.Close()
	if r.view.ends {
		return r.view.mark.Head, nil
	}
	if n := r.view.shown; n > 0 {
		r.enter(r.view.segments[n-1])
	}
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.check.Head, nil
		}
		if err != nil {
			return Head{}, err
		}
	}
}
