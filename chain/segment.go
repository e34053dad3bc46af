package chain

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// segment is the file that entries are appended to.
type segment struct {
	name     SegmentName
	path     string
	file     durable.File
	id       durable.Info // device and inode, as the path must have them
	after    Head         // the head before its first entry
	born     time.Time
	bornSize int64  // bytes it held then
	reserved int64  // room is kept for so many bytes; owned by Write and what excludes it
	links    []Hash // of the entries it was born with, until they are told
}

// birth makes the segment that follows previous, with an opening entry, more
// system events and the entries of keep, and gives it its name. On nil all of
// it is synced and the segment's ordinal is used up.
//
// A crash before the rename leaves a file without a segment name, which opening
// removes. A crash after it leaves a whole segment, in which nothing was
// acknowledged; whether its name survived is for the folder sync to say. An
// attempt that fails anywhere is replaced by the next, which has the same name,
// as previous can't change in between: entries are only synced into a segment
// that is the newest.
func (w *Writer) birth(previous *Previous, o Opened, more []any, keep []*Batch) (*segment, int64, Head, error) {
	after := Genesis(w.id)
	name := SegmentName{Ordinal: 1, FirstSeq: 1}
	if previous != nil {
		after = previous.Head
		name = SegmentName{Ordinal: w.ordinal + 1, FirstSeq: after.Seq + 1}
	}
	o.SystemEvent = w.event(TypeOpened)
	o.LogID, o.Ordinal, o.Format = w.id, name.Ordinal, FormatVersion
	o.Software, o.Instance, o.BootID, o.Config = w.o.Software, w.o.Instance, w.o.BootID, w.o.Config
	o.Previous, o.Missing = previous, w.missing

	var first Batch
	for _, e := range append([]any{o}, more...) {
		first.EndSystem(append(first.Buffer(), marshalSystem(e)...))
	}
	link := &linker{keep: w.o.KeepHashes, tell: w.o.Synced != nil}
	buf, head := first.appendLines(nil, after, link)
	for _, b := range keep {
		buf, head = b.appendLines(buf, head, link)
	}
	path := filepath.Join(w.folder, name.String())
	p, err := w.filled(path, buf)
	if err != nil {
		return nil, 0, Head{}, fmt.Errorf("couldn't write segment %s: %w", name, err)
	}
	seg := &segment{
		name: name, path: path, file: p.file, after: after, born: time.Now(), bornSize: int64(len(buf)),
		reserved: p.reserved, links: link.links,
	}
	if seg.id, err = p.file.Stat(); err == nil {
		if err = w.o.FS.Rename(p.path, path); err == nil {
			// From here the name may stand, so nothing is ever again written to the
			// segment before, whatever the folder sync says.
			err = w.o.FS.SyncDir(w.folder)
		}
	}
	if err != nil {
		return nil, 0, Head{}, errors.Join(fmt.Errorf("couldn't name segment %s: %w", name, err), w.discard(p))
	}
	return seg, int64(len(buf)), head, nil
}

// reserveStep is how many bytes of room are kept ahead of what is written, and reserveBeyond how many
// beyond the size at which the segment is due for rotation.
const (
	reserveStep   = 4 << 20
	reserveBeyond = 64 << 10
)

// roomFor is up to where room is kept for a segment that holds end bytes.
func (w *Writer) roomFor(end int64) int64 {
	if w.o.MaxSize == 0 {
		return end + reserveStep
	}
	return max(end, min(end+reserveStep, w.o.MaxSize+reserveBeyond))
}

// reserve keeps room for s to grow beyond end. A file system that refuses once is not asked again.
func (w *Writer) reserve(s *segment, end int64) {
	if end <= s.reserved {
		return
	}
	s.reserved = w.roomFor(end)
	if s.file.Reserve(s.reserved) != nil {
		s.reserved = math.MaxInt64
	}
}

// giveBack lets go of the room that s does not need any more.
func (s *segment) giveBack() error {
	if s.reserved == 0 || s.reserved == math.MaxInt64 {
		return nil
	}
	return s.file.Reserve(0)
}

// writeNew makes a synced file of buf under a name that a failed attempt may
// have left.
func (w *Writer) writeNew(temp string, buf []byte) (durable.File, error) {
	if err := w.o.FS.Remove(temp); err != nil && !durable.IsNotExist(err) {
		return nil, err
	}
	f, err := w.o.FS.Create(temp, w.o.FileMode)
	if err != nil {
		return nil, err
	}
	if err = fill(f, buf); err != nil {
		return nil, errors.Join(err, f.Close(), w.o.FS.Remove(temp))
	}
	return f, nil
}

// seal makes a segment that has a successor read-only and closes it. Failing to
// is no fault: nothing reads the permission.
func (w *Writer) seal(s *segment) {
	if err := errors.Join(s.giveBack(), s.file.Chmod(w.o.SealedMode), s.file.Close()); err != nil {
		w.o.Notice(Notice{Text: "couldn't make a sealed segment read-only", Attrs: map[string]any{
			"segment": s.name.String(), "error": err.Error(),
		}})
	}
}

// touched compares the segment and its folder with what the writer knows of
// them. The size must be at least low and at most what high returns afterwards.
func (w *Writer) touched(s *segment, low int64, high func() int64) error {
	open, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("couldn't stat segment %s: %w", s.name, err)
	}
	what := ""
	named, err := w.o.FS.Stat(s.path)
	switch {
	case durable.IsNotExist(err):
		what = "the file is gone from its name"
	case err != nil:
		return fmt.Errorf("couldn't stat segment %s: %w", s.name, err)
	case !durable.SameFile(named, s.id):
		what = "another file has its name"
	case open.Links != 1:
		what = fmt.Sprintf("the file has %d links", open.Links)
	case open.Size < low:
		what = fmt.Sprintf("the file was shortened to %d bytes", open.Size)
	case open.Size > high():
		what = fmt.Sprintf("the file was lengthened to %d bytes", open.Size)
	default:
		folder, err := w.o.FS.Stat(w.folder)
		if err != nil {
			return fmt.Errorf("couldn't stat log folder: %w", err)
		}
		if durable.SameFile(folder, w.folderID) {
			return nil
		}
		what = "another folder has the log folder's name"
	}
	return &TouchedError{Segment: s.name.String(), What: what}
}
