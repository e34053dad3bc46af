package chain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// resume opens the existing log id: checks it, makes durable what it holds, and
// begins a segment that cuts what a crash tore. Nothing of the log is changed
// before it was found to be sound.
func (w *Writer) resume(ctx context.Context, id LogID, l listing) error {
	w.id, w.folder = id, filepath.Join(w.o.Directory, id.String())
	if err := w.enterFolder(); err != nil {
		return err
	}
	w.report(l)
	anchor, err := w.anchor()
	if err != nil {
		return err
	}
	if w.o.VerifyOnStart == VerifyFull {
		r, err := Verify(ctx, w.o.FS, w.folder, VerifyOptions{Lock: LockOwn, Synced: anchor.Seq})
		if err != nil {
			return err
		}
		for _, f := range r.Faults {
			if f.Recorded == "" {
				return w.tampered(f)
			}
		}
	}
	n, err := w.examine(l, anchor)
	if err != nil {
		return err
	}
	defer n.file.Close()
	if err := w.harden(n); err != nil {
		return err
	}
	if err := w.removeTemps(l); err != nil {
		return err
	}
	return w.resumeAfter(l, n)
}

// newest is the newest segment as opening found it.
type newest struct {
	segmentCheck
	file durable.File
	size int64 // bytes
	mark Mark  // zero if there is none, or if it is of an earlier segment
	// anchored is the hash of the anchor's entry, if it stands in this segment.
	anchored Hash
}

// examine checks what every opening checks: names and ordinals, the newest
// segment whole, the extent and opening entry of the one before, the mark, and
// the entry that a checkpoint vouches for.
func (w *Writer) examine(l listing, anchor Head) (n newest, err error) {
	if f := l.imposter(); f != nil {
		return n, w.tampered(*f)
	}
	last := len(l.segments) - 1
	o, fault, err := readOpening(w.o.FS, w.folder, w.id, l.segments[last])
	if err != nil {
		return n, err
	}
	if fault == nil {
		fault = l.fault(o.Missing)
	}
	if fault != nil {
		return n, w.tampered(*fault)
	}
	w.missing = o.Missing
	prev := Genesis(w.id)
	if o.Previous != nil {
		if err := w.examineBefore(o); err != nil {
			return n, err
		}
		prev = o.Previous.Head
	}
	mark, marked, err := readMark(w.o.FS, w.folder, w.id)
	if err != nil {
		return n, err
	}
	if n.file, err = w.openNewest(l.segments[last]); err != nil {
		return n, err
	}
	fault, err = n.check(w.id, l.segments[last], prev, mark, marked, anchor.Seq)
	if err == nil && fault != nil {
		err = w.tampered(*fault)
	}
	if err == nil {
		err = w.examineAnchor(&n, anchor)
	}
	if err != nil {
		return n, errors.Join(err, n.file.Close())
	}
	return n, nil
}

// openNewest opens the newest segment for writing: also one that was closed in
// order, which is read-only by permission.
func (w *Writer) openNewest(name SegmentName) (durable.File, error) {
	path := filepath.Join(w.folder, name.String())
	f, err := w.o.FS.OpenWrite(path)
	if err == nil {
		return f, nil
	}
	ro, roErr := w.o.FS.Open(path)
	if roErr != nil {
		return nil, fmt.Errorf("couldn't open segment: %w", err)
	}
	if err := errors.Join(ro.Chmod(w.o.FileMode), ro.Close()); err != nil {
		return nil, fmt.Errorf("couldn't open segment: %w", err)
	}
	if f, err = w.o.FS.OpenWrite(path); err != nil {
		return nil, fmt.Errorf("couldn't open segment: %w", err)
	}
	return f, nil
}

// examineBefore checks the opening entry of the segment before the newest, and
// the end that the newest's opening entry o states of it.
func (w *Writer) examineBefore(o Opened) error {
	name, ok := ParseSegmentName(o.Previous.Segment)
	if !ok || name.Ordinal+1 != o.Ordinal {
		return w.tampered(Fault{Segment: o.Previous.Segment, Reason: "the newest segment names this one as the one before"})
	}
	gone := o.missingFrom(name.String())
	if gone == 0 {
		return nil
	}
	_, fault, err := readOpening(w.o.FS, w.folder, w.id, name)
	if err != nil {
		return err
	}
	if fault != nil {
		return w.tampered(*fault)
	}
	f, err := w.o.FS.Open(filepath.Join(w.folder, name.String()))
	if err != nil {
		return fmt.Errorf("couldn't open segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("couldn't stat segment: %w", err)
	}
	if gone > 0 && info.Size < o.Previous.Length {
		if info.Size < gone {
			return w.tampered(Fault{Segment: name.String(), Offset: info.Size, Reason: fmt.Sprintf("what is recorded as missing begins at offset %d", gone)})
		}
		return nil
	}
	reason, err := checkExtent(f, info.Size, o)
	if err != nil {
		return fmt.Errorf("couldn't read segment %s: %w", name, err)
	}
	if reason != "" {
		return w.tampered(Fault{Segment: name.String(), Offset: o.Previous.Length, Reason: reason})
	}
	return nil
}

// checkExtent compares a segment's end with what its successor states, and
// returns what is wrong. Cut bytes are not read.
func checkExtent(f io.ReaderAt, size int64, next Opened) (reason string, err error) {
	p := next.Previous
	switch {
	case size < p.Length:
		return fmt.Sprintf("the segment has %d bytes, the next one vouches for %d", size, p.Length), nil
	case size > p.Length && next.cutAt(p.Segment, p.Length) == nil:
		return fmt.Sprintf("%d bytes follow that the next segment does not declare as cut", size-p.Length), nil
	}
	line, err := lineBefore(f, p.Length)
	if err != nil {
		return "", err
	}
	if e, err := ParseLine(line); err != nil || e.Head() != p.Head {
		return "no entry ends here with the head that the next segment states", nil
	}
	return "", nil
}

func (o *Opened) cutAt(segment string, offset int64) *Cut {
	for i, c := range o.Cuts {
		if c.Segment == segment && c.Offset == offset {
			return &o.Cuts[i]
		}
	}
	return nil
}

// missingFrom returns the offset from which on a segment is recorded as missing,
// -1 if it is not.
func (o *Opened) missingFrom(segment string) int64 {
	for _, m := range o.Missing {
		if m.Segment == segment {
			return m.Offset
		}
	}
	return -1
}

// lineBefore returns the line that ends at offset end, without its LF; nil if
// there is none.
func lineBefore(f io.ReaderAt, end int64) ([]byte, error) {
	for n := int64(4 << 10); ; n *= 4 {
		from := max(0, end-n)
		b := make([]byte, end-from)
		if _, err := f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(b) == 0 || b[len(b)-1] != '\n' {
			return nil, nil
		}
		b = b[:len(b)-1]
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] == '\n' {
				return b[i+1:], nil
			}
		}
		if from == 0 {
			return b, nil
		}
		if n > MaxLine {
			return nil, nil
		}
	}
}

// check reads the newest segment whole and tells tampering, which it returns as
// a fault, from what a crash can leave. The rule stands in FORMAT.md, "A crash
// or tampering".
func (n *newest) check(id LogID, name SegmentName, prev Head, mark Mark, marked bool, anchor uint64) (*Fault, error) {
	info, err := n.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("couldn't stat segment: %w", err)
	}
	n.size = info.Size
	if marked && mark.Ordinal == name.Ordinal {
		n.mark = mark
	}
	atMark := n.mark == Mark{}
	n.segmentCheck, err = checkSegment(readerOf(n.file), name, id, prev, 0, func(e Entry, offset int64) {
		if offset+int64(lineSize(e.Seq, e.Kind, len(e.Body))) == n.mark.Offset && e.Head() == n.mark.Head {
			atMark = true
		}
		if e.Seq == anchor {
			n.anchored = e.Hash
		}
	})
	if err != nil {
		return nil, err
	}
	switch {
	case n.Lines == 0:
		return n.Fault, nil
	case n.Closed && n.Fault != nil:
		n.Fault.Reason = "bytes follow the closed entry"
		return n.Fault, nil
	case marked && mark.Ordinal > name.Ordinal:
		return &Fault{Segment: name.String(), Offset: n.size, Reason: fmt.Sprintf("the log is shorter than its mark, which is in segment %d", mark.Ordinal)}, nil
	case marked && mark.Ordinal < name.Ordinal && mark.Seq >= name.FirstSeq:
		return &Fault{Segment: name.String(), Reason: fmt.Sprintf("it takes the place of entry %d, which the mark calls synced", mark.Seq)}, nil
	case n.size < n.mark.Offset:
		return &Fault{Segment: name.String(), Offset: n.size, Reason: fmt.Sprintf("the log is shorter than its mark at offset %d", n.mark.Offset)}, nil
	case n.Valid < n.mark.Offset:
		return n.Fault, nil
	case !atMark:
		return &Fault{Segment: name.String(), Offset: n.mark.Offset, Reason: "no entry ends here with the head that the mark states"}, nil
	}
	return nil, nil
}

// harden makes durable what the newest segment holds. A failed sync before the
// process died may have left bytes clean in memory and absent on disk; in the
// same boot only writing them again makes a sync mean anything. The bytes are
// those just read, torn ones included, so a crash in between changes nothing.
func (w *Writer) harden(n newest) error {
	if w.o.BootID == "" || n.Opened.BootID == w.o.BootID {
		if err := rewrite(n.file, n.mark.Offset, n.size); err != nil {
			return fmt.Errorf("couldn't write segment %s again: %w", n.Name, err)
		}
	}
	if err := n.file.Sync(); err != nil {
		return fmt.Errorf("couldn't sync segment %s: %w", n.Name, err)
	}
	for _, dir := range []string{w.folder, w.o.Directory} {
		if err := w.o.FS.SyncDir(dir); err != nil {
			return fmt.Errorf("couldn't sync folder: %w", err)
		}
	}
	return nil
}

// rewrite writes the bytes [from, to) of f over themselves.
func rewrite(f durable.File, from, to int64) error {
	buf := make([]byte, min(1<<20, max(0, to-from)))
	for from < to {
		b := buf[:min(int64(len(buf)), to-from)]
		if _, err := f.ReadAt(b, from); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, from); err != nil {
			return err
		}
		from += int64(len(b))
	}
	return nil
}

// resumeAfter begins the segment that follows the entries that count.
func (w *Writer) resumeAfter(l listing, n newest) error {
	o := Opened{Cause: CauseStart, Checked: w.o.VerifyOnStart.String()}
	previous := &Previous{Segment: n.Name.String(), Length: n.Valid, Head: n.Head}
	if n.size > n.Valid {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(n.file, n.Valid, n.size-n.Valid)); err != nil {
			return fmt.Errorf("couldn't read segment %s: %w", n.Name, err)
		}
		cut := Cut{Segment: n.Name.String(), Offset: n.Valid, Length: n.size - n.Valid, Cause: CutCrash}
		sum.Sum(cut.SHA256[:0])
		o.Cuts = []Cut{cut}
		w.o.Notice(Notice{Text: "cut what a crash tore; the bytes stay in their file", Attrs: map[string]any{
			"segment": cut.Segment, "offset": cut.Offset, "length": cut.Length,
		}})
	}
	w.ordinal = n.Name.Ordinal
	w.knowEarlier(l, n)
	seg, size, head, err := w.birth(previous, o, nil, nil)
	if err != nil {
		return err
	}
	w.openMark()
	w.adopt(seg, size, head, 1, 0)
	// A process that died has kept room for it.
	if err := errors.Join(n.file.Reserve(0), n.file.Chmod(w.o.SealedMode)); err != nil {
		w.o.Notice(Notice{Text: "couldn't make a sealed segment read-only", Attrs: map[string]any{"segment": n.Name.String(), "error": err.Error()}})
	}
	return nil
}

// knowEarlier notes the segments that are there. How long the sealed ones are is for Tidy to find out: it
// would be a system call each while nobody can be served.
func (w *Writer) knowEarlier(l listing, n newest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range l.segments[:len(l.segments)-1] {
		w.earlier = append(w.earlier, extent{name: name, length: unknown})
	}
	w.earlier = append(w.earlier, extent{name: n.Name, length: n.Valid})
}

// removeTemps removes segments that were never born.
func (w *Writer) removeTemps(l listing) error {
	for _, t := range l.temps {
		if err := w.o.FS.Remove(filepath.Join(w.folder, t)); err != nil && !durable.IsNotExist(err) {
			return fmt.Errorf("couldn't remove what a crash left: %w", err)
		}
	}
	return nil
}

// report tells of files that have no place in the folder.
func (w *Writer) report(l listing) {
	if len(l.others) > 0 {
		w.o.Notice(Notice{Text: "the log folder holds files that are no segments; they are ignored", Attrs: map[string]any{
			"folder": w.folder, "files": len(l.others),
		}})
	}
}

func (w *Writer) tampered(f Fault) error { return &TamperError{Folder: w.folder, Fault: f} }

// readerOf reads a file from its beginning.
func readerOf(f io.ReaderAt) io.Reader { return io.NewSectionReader(f, 0, math.MaxInt64) }

// isForm tells whether err, of a lineReader, is about the form of the bytes.
func isForm(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errTorn) || errors.Is(err, errLong)
}
