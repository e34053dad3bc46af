package chain

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// lineReader yields the lines of a segment with their offsets.
type lineReader struct {
	r    *bufio.Reader
	buf  []byte
	off  int64 // of the next line
	line int   // number of the last line read, from 1
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 256<<10)}
}

// errTorn is bytes at the end of a segment without an LF, errLong a line longer
// than [MaxLine].
var (
	errTorn = errors.New("bytes without a line end")
	errLong = fmt.Errorf("line is longer than %d bytes", MaxLine)
)

// next returns the next line without its LF, valid until the next call, and
// its offset. At the end it returns io.EOF or errTorn.
func (l *lineReader) next() (line []byte, off int64, err error) {
	l.buf = l.buf[:0]
	off = l.off
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && len(l.buf) == 0 {
			l.line++
			l.off += int64(len(part))
			return part[:len(part)-1], off, nil
		}
		l.buf = append(l.buf, part...)
		switch {
		case err == nil:
			l.line++
			l.off += int64(len(l.buf))
			return l.buf[:len(l.buf)-1], off, nil
		case len(l.buf) >= MaxLine:
			l.line++
			return nil, off, errLong
		case errors.Is(err, io.EOF):
			if len(l.buf) == 0 {
				return nil, off, io.EOF
			}
			l.line++
			return nil, off, errTorn
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, off, err
		}
	}
}

// segmentCheck is what a segment holds, up to its first fault.
type segmentCheck struct {
	Name           SegmentName
	Valid          int64 // bytes of the longest prefix of entries that count
	Lines          int   // entries in it
	Events, System uint64
	Head           Head   // after its last entry
	Opened         Opened // its opening entry
	Closed         bool   // its last entry is `closed`
	// Fault is why the prefix ends before the segment does; nil if it does not,
	// or if it ends because the next segment takes over.
	Fault *Fault
}

// checkSegment reads a segment of log id whose opening entry follows prev, and
// stops before the entry with sequence number until, 0 for none. An error is
// one of reading; what is wrong with the bytes is a Fault.
func checkSegment(r io.Reader, name SegmentName, id LogID, prev Head, until uint64, visit func(Entry, int64)) (segmentCheck, error) {
	c := segmentCheck{Name: name, Head: prev}
	lines, link := newLineReader(r), &linker{}
	for until == 0 || c.Head.Seq+1 < until {
		line, off, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.add(line, id, link, func(e Entry) {
				if visit != nil {
					visit(e, off)
				}
			})
		} else if !errors.Is(err, errTorn) && !errors.Is(err, errLong) {
			return c, fmt.Errorf("couldn't read segment %s at offset %d: %w", name, off, err)
		}
		if err != nil {
			c.Fault = &Fault{Segment: name.String(), Line: lines.line, Offset: off, Seq: c.Head.Seq + 1, Reason: err.Error()}
			return c, nil
		}
		c.Valid = lines.off
	}
	if until != 0 && c.Head.Seq+1 < until || c.Lines == 0 {
		c.Fault = &Fault{
			Segment: name.String(), Line: lines.line + 1, Offset: lines.off, Seq: c.Head.Seq + 1,
			Reason: "segment ends before this entry",
		}
	}
	return c, nil
}

// add takes the next line of the segment.
func (c *segmentCheck) add(line []byte, id LogID, link *linker, visit func(Entry)) error {
	if c.Closed {
		return errors.New("bytes follow the closed entry")
	}
	e, err := ParseLine(line)
	if err != nil {
		return err
	}
	if err := e.check(c.Head, sha256.Sum256(e.Body), link); err != nil {
		return err
	}
	if c.Lines == 0 {
		if c.Opened, err = checkOpening(e, c.Name, id); err != nil {
			return err
		}
	}
	if e.Kind == System {
		c.System++
		c.Closed = isClosed(e.Body)
	} else {
		c.Events++
	}
	c.Lines++
	c.Head = e.Head()
	visit(e)
	return nil
}

// checkOpening checks that e, a segment's first entry, is an opening entry that
// matches the segment's name and log.
func checkOpening(e Entry, name SegmentName, id LogID) (Opened, error) {
	if e.Kind != System {
		return Opened{}, errors.New("segment does not begin with an opening entry")
	}
	o, err := ParseOpened(e.Body)
	switch {
	case err != nil:
		return Opened{}, fmt.Errorf("opening entry can't be read: %w", err)
	case o.Type != TypeOpened:
		return Opened{}, errors.New("segment does not begin with an opening entry")
	case o.V != SystemVersion || o.Format != FormatVersion:
		return Opened{}, fmt.Errorf("segment is of format %d, this program reads format %d", o.Format, FormatVersion)
	case e.Seq != name.FirstSeq:
		return Opened{}, fmt.Errorf("opening entry has seq %d, the segment's name %d", e.Seq, name.FirstSeq)
	case o.LogID != id:
		return Opened{}, fmt.Errorf("opening entry is of log %s", o.LogID)
	case o.Ordinal != name.Ordinal:
		return Opened{}, fmt.Errorf("opening entry has ordinal %d", o.Ordinal)
	case (name.Ordinal == 1) != (o.Previous == nil):
		return Opened{}, errors.New("opening entry must name the segment before, and only the first must not")
	case o.Previous != nil && (o.Previous.Seq+1 != e.Seq || o.Previous.Hash != e.Prev):
		return Opened{}, errors.New("opening entry does not follow the head it names")
	}
	return o, nil
}

func isClosed(body []byte) bool {
	if !bytes.Contains(body, []byte(`"`+TypeClosed+`"`)) {
		return false
	}
	e, err := ParseSystem(body)
	return err == nil && e.Type == TypeClosed
}
