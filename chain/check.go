package chain

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/otelaudit/auditexporter/internal/sha256pair"
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

// inspected is a line as far as it can be judged without the one before it, so
// that lines are inspected in parallel.
type inspected struct {
	Entry
	err    error // why the line is no entry
	hashed bool  // its hash is that of the seq, prev_hash and body it states
}

// inspector inspects lines; one goroutine owns it.
type inspector struct {
	json  jsonScanner
	links [2]linkText
	// The hash that the line before states, which the next states as its
	// prev_hash, and its text. Zero if there is none, which is no text of a hash.
	last     Hash
	lastText [hexLen]byte
}

// inspect takes apart a line and computes its hash.
func (in *inspector) inspect(line []byte, i *inspected) {
	if in.parse(line, i); i.err == nil {
		in.hash(i)
	}
}

// parse takes apart a line and leaves its hashes to be computed.
func (in *inspector) parse(line []byte, i *inspected) {
	*i = inspected{}
	p, err := splitLine(line)
	if err != nil {
		i.err = err
		return
	}
	i.Seq, i.Kind, i.Body = p.seq, p.kind, p.body
	if string(p.prev) == string(in.lastText[:]) {
		i.Prev = in.last
	} else if decodeHex(i.Prev[:], p.prev) != nil {
		i.err = errPrevForm
		return
	}
	if i.err = in.json.body(p.body); i.err != nil {
		return
	}
	if decodeHex(in.last[:], p.hash) != nil {
		in.lastText = [hexLen]byte{}
		i.err = errHashForm
		return
	}
	i.Hash = in.last
	copy(in.lastText[:], p.hash)
}

// hash computes the hash of a line that is parsed.
func (in *inspector) hash(i *inspected) {
	body := Hash(sha256.Sum256(i.Body))
	i.hashed = i.Hash == sha256pair.Short(in.links[0].make(&i.Prev, i.Seq, i.Kind, &body))
}

// hashBoth computes the hashes of two lines that are parsed.
func (in *inspector) hashBoth(i, j *inspected) {
	a, b := sha256pair.Sum(i.Body, j.Body)
	a, b = sha256pair.Sum(
		in.links[0].make(&i.Prev, i.Seq, i.Kind, (*Hash)(&a)),
		in.links[1].make(&j.Prev, j.Seq, j.Kind, (*Hash)(&b)),
	)
	i.hashed, j.hashed = i.Hash == a, j.Hash == b
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

	unread *FormatError // why the segment can't be judged, nil if it can

	id    LogID
	until uint64 // first seq of the next segment, 0 if there is none
	// adopt: the head before is not known, as what stands before is faulty. The
	// first entry's word is taken for it.
	adopt bool
}

// checkSegment reads a segment of log id whose opening entry follows prev, and
// stops before the entry with sequence number until, 0 for none. visit is given
// each entry with the offset of its line. An error is one of reading; what is
// wrong with the bytes is a Fault.
func checkSegment(r io.Reader, name SegmentName, id LogID, prev Head, until uint64, visit func(Entry, int64)) (segmentCheck, error) {
	c := segmentCheck{Name: name, Head: prev, id: id, until: until}
	lines, in := newLineReader(r), &inspector{}
	for !c.done() {
		line, off, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		i := inspected{err: err}
		if err == nil {
			in.inspect(line, &i)
		} else if !errors.Is(err, errTorn) && !errors.Is(err, errLong) {
			return c, fmt.Errorf("couldn't read segment %s at offset %d: %w", name, off, err)
		}
		if c.add(&i, lines.off) && visit != nil {
			visit(i.Entry, off)
		}
	}
	if c.unread != nil {
		return c, c.unread
	}
	c.end()
	return c, nil
}

// done tells whether nothing more of the segment is to be added.
func (c *segmentCheck) done() bool {
	return c.Fault != nil || c.unread != nil || c.until != 0 && c.Head.Seq+1 >= c.until && !c.adopting()
}

func (c *segmentCheck) adopting() bool { return c.adopt && c.Lines == 0 }

// add takes the next line, which ends before offset end, and tells whether it
// is an entry that counts.
func (c *segmentCheck) add(i *inspected, end int64) bool {
	if err := c.check(i); errors.As(err, &c.unread) {
		return false
	} else if err != nil {
		c.fault(err.Error())
		return false
	}
	if i.Kind == System {
		c.System++
	} else {
		c.Events++
	}
	c.Lines++
	c.Head = i.Head()
	c.Valid = end
	return true
}

func (c *segmentCheck) check(i *inspected) error {
	if c.Closed {
		return errAfterClosed
	}
	if i.err != nil {
		return i.err
	}
	if c.adopting() {
		c.Head = Head{Seq: i.Seq - 1, Hash: i.Prev}
	}
	switch {
	case i.Seq != c.Head.Seq+1:
		return fmt.Errorf("seq is %d, want %d", i.Seq, c.Head.Seq+1)
	case i.Prev != c.Head.Hash:
		return errors.New("prev_hash does not match the entry before")
	case !i.hashed:
		return errors.New("hash does not match the entry")
	}
	if i.Kind == Event && c.Lines > 0 {
		return nil
	}
	return c.checkSystem(&i.Entry)
}

// checkSystem looks into the system entries, and so finds the opening and the
// closed one.
func (c *segmentCheck) checkSystem(e *Entry) (err error) {
	if c.Lines == 0 {
		c.Opened, err = checkOpening(e, c.Name, c.id)
		return err
	}
	s, err := ParseSystem(e.Body)
	switch {
	case err != nil:
		return errors.New("system entry can't be read")
	case s.Type == TypeOpened:
		return errors.New("an opening entry stands here that is not its segment's first")
	}
	c.Closed = s.Type == TypeClosed
	return nil
}

var errAfterClosed = errors.New("bytes follow the closed entry")

// end says that the segment holds no more lines.
func (c *segmentCheck) end() {
	if !c.done() && (c.until != 0 || c.Lines == 0) {
		c.fault("segment ends before this entry")
	}
}

// fault notes what is wrong with the line after the last that counts.
func (c *segmentCheck) fault(reason string) {
	seq := c.Head.Seq + 1
	if c.adopting() {
		seq = c.Name.FirstSeq
	}
	c.Fault = &Fault{Segment: c.Name.String(), Line: c.Lines + 1, Offset: c.Valid, Seq: seq, Reason: reason}
}

// checkOpening checks that e, a segment's first entry, is an opening entry that
// matches the segment's name and log.
func checkOpening(e *Entry, name SegmentName, id LogID) (Opened, error) {
	if e.Kind != System {
		return Opened{}, errors.New("segment does not begin with an opening entry")
	}
	o, err := ParseOpened(e.Body)
	switch {
	case err != nil:
		return Opened{}, errors.New("opening entry can't be read")
	case o.Type != TypeOpened:
		return Opened{}, errors.New("segment does not begin with an opening entry")
	case o.Format == 0:
		return Opened{}, errors.New("opening entry states no format")
	case o.Format != FormatVersion:
		return Opened{}, &FormatError{Segment: name.String(), Format: o.Format}
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
