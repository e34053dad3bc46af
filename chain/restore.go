package chain

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// foreignExt is added to the name of a file that took a segment's name.
const foreignExt = ".foreign"

// extent is a sealed segment as the writer knows it.
type extent struct {
	name   SegmentName
	length int64 // bytes that must be there; unknown before Tidy has looked
}

const unknown = -1

// earlierSegments returns those before the current one.
func (w *Writer) earlierSegments() []extent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.earlier)
}

// restore puts back what was touched from outside, as far as it can: the folders,
// and the given-up segment under its name, copied from the descriptor that is
// still open and checked. What can't be copied back is noted as missing. It looks
// whatever the cause was, as a fault of the disk can hide that somebody touched
// the log meanwhile. Each step can be repeated; a crash in between leaves what
// opening calls tampering, which it is.
func (w *Writer) restore(cause error) error {
	var touched *TouchedError
	w.suspect = w.suspect || errors.As(cause, &touched)
	if err := w.restoreDirectory(); err != nil {
		return err
	}
	if err := w.restoreFolder(); err != nil {
		return err
	}
	if err := w.restoreSegment(); err != nil {
		return err
	}
	if !w.suspect {
		return nil
	}
	return w.missEarlier()
}

// restoreMark goes on in the file that has the mark's name, or a new one. It
// comes before anything of the log is moved or copied: a folder with a mark and
// no segment is tampering, one without would be taken for a log never born.
func (w *Writer) restoreMark() {
	if w.mark != nil {
		w.mark.f.Close()
		w.mark = nil
	}
	w.openMark()
	w.mu.Lock()
	p := w.synced
	w.mu.Unlock()
	w.writeMark(p, true)
}

// restoreDirectory makes sure that the directory's name is that of the folder
// whose lock is held. Another folder is locked before it is used.
func (w *Writer) restoreDirectory() error {
	locked, err := w.lock.Stat()
	if err != nil {
		return fmt.Errorf("couldn't stat the locked directory: %w", err)
	}
	named, err := w.o.FS.Stat(w.o.Directory)
	if err == nil && durable.SameFile(locked, named) {
		return nil
	}
	w.suspect = true
	if err := makeDirectory(w.o.FS, w.o.Directory, w.o.DirectoryMode); err != nil {
		return err
	}
	lock, err := lockNamed(w.o.FS, w.o.Directory)
	if errors.Is(err, durable.ErrLocked) {
		return &HeldError{Directory: w.o.Directory}
	}
	if err != nil {
		return fmt.Errorf("couldn't lock directory: %w", err)
	}
	old := w.lock.Lock
	w.lock.Lock = lock
	if err := old.Unlock(); err != nil {
		return fmt.Errorf("couldn't unlock the directory that lost its name: %w", err)
	}
	return nil
}

// restoreFolder makes the log's folder again if it is gone. In one that came from
// elsewhere, segments that this log does not have are put aside. The folder is
// known as ours only when all of this is done.
func (w *Writer) restoreFolder() error {
	named, err := w.o.FS.Stat(w.folder)
	if err == nil && durable.SameFile(named, w.folderID) {
		return nil
	}
	w.suspect = true
	if err := w.o.FS.Mkdir(w.folder, w.o.DirectoryMode); err != nil && !durable.IsExist(err) {
		return fmt.Errorf("couldn't make log folder again: %w", err)
	}
	if err := w.o.FS.SyncDir(w.o.Directory); err != nil {
		return fmt.Errorf("couldn't sync directory: %w", err)
	}
	w.restoreMark()
	l, err := listFolder(w.o.FS, w.folder)
	if err != nil {
		return err
	}
	earlier := w.earlierSegments()
	for _, name := range l.segments {
		ours := name == w.seg.name || slices.ContainsFunc(earlier, func(e extent) bool { return e.name == name })
		if !ours {
			if err := w.putAside(filepath.Join(w.folder, name.String())); err != nil {
				return err
			}
		}
	}
	return w.enterFolder()
}

func (w *Writer) putAside(path string) error {
	if err := w.o.FS.Rename(path, path+foreignExt); err != nil {
		return fmt.Errorf("couldn't put aside a file that has a segment's name: %w", err)
	}
	return nil
}

// restoreSegment gives the given-up segment its name back if that is gone or
// another file has it. Of a segment that was shortened, only the entries before
// that are left; only of one that was touched are the bytes looked at.
func (w *Writer) restoreSegment() error {
	seg := w.seg
	named, err := w.o.FS.Stat(seg.path)
	gone := durable.IsNotExist(err)
	if err != nil && !gone {
		return fmt.Errorf("couldn't stat segment %s: %w", seg.name, err)
	}
	ours := !gone && durable.SameFile(named, seg.id)
	if ours && named.Size >= w.synced.offset && !w.suspect {
		return nil
	}
	w.suspect = true
	w.restoreMark()
	w.mu.Lock()
	end := w.written.offset
	w.mu.Unlock()
	// What is exposed is copied, too, though the next segment will hold it: the
	// process may die before that is born.
	c, err := checkSegment(io.NewSectionReader(seg.file, 0, end), seg.name, w.id, seg.after, 0, nil)
	if err != nil {
		return fmt.Errorf("couldn't read segment %s back: %w", seg.name, err)
	}
	if c.Valid < w.synced.offset {
		w.miss(Range{Segment: seg.name.String(), Offset: c.Valid, Length: w.synced.offset - c.Valid})
	}
	if ours {
		return nil
	}
	if !gone {
		if err := w.putAside(seg.path); err != nil {
			return err
		}
	}
	if c.Valid == 0 {
		return nil
	}
	return w.copyBack(seg, c.Valid)
}

// copyBack makes a synced file of the first n bytes of a segment and names it.
func (w *Writer) copyBack(seg *segment, n int64) error {
	buf := make([]byte, n)
	if _, err := seg.file.ReadAt(buf, 0); err != nil {
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
		err = w.o.FS.SyncDir(w.folder)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("couldn't name segment %s again: %w", seg.name, err), f.Close())
	}
	old := seg.file
	seg.file, seg.id = f, info
	if err := old.Close(); err != nil {
		return fmt.Errorf("couldn't close the file that segment %s was: %w", seg.name, err)
	}
	return nil
}

// missEarlier notes what sealed segments lost. What has the name of one and is no
// regular file is put aside, so that the next start finds a segment that is gone,
// as the opening entry records, and not one that nobody can read.
func (w *Writer) missEarlier() error {
	for _, e := range w.earlierSegments() {
		info, err := w.o.FS.Stat(filepath.Join(w.folder, e.name.String()))
		switch {
		case durable.IsNotExist(err):
			w.miss(Range{Segment: e.name.String(), Length: max(e.length, 0)})
		case err != nil:
			return fmt.Errorf("couldn't stat segment %s: %w", e.name, err)
		case !info.Mode.IsRegular():
			if err := w.putAside(filepath.Join(w.folder, e.name.String())); err != nil {
				return err
			}
			w.miss(Range{Segment: e.name.String(), Length: max(e.length, 0)})
		case info.Size < e.length:
			w.miss(Range{Segment: e.name.String(), Offset: info.Size, Length: e.length - info.Size})
		}
	}
	return nil
}

// miss notes a range, in place of one known before of that segment.
func (w *Writer) miss(r Range) {
	if !w.note(r) {
		return
	}
	w.o.Notice(Notice{Text: "bytes of the log were removed from outside and could not be copied back", Attrs: map[string]any{
		"segment": r.Segment, "offset": r.Offset, "length": r.Length,
	}})
}

// note is miss, and tells whether that is news.
func (w *Writer) note(r Range) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missing = slices.Clone(w.missing) // Info has handed it out
	i := slices.IndexFunc(w.missing, func(m Range) bool { return m.Segment == r.Segment })
	switch {
	case i < 0:
		w.missing = append(w.missing, r)
	case r.Offset < w.missing[i].Offset:
		w.missing[i] = r
	default:
		return false
	}
	return true
}
