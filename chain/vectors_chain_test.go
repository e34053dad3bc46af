package chain

import (
	"bytes"
	"slices"
)

var segmentVectors = []vector{
	{name: "segment-first-removed", what: "The first segment removed.", exit: 1, chain: 1, says: "segment with ordinal 1 is missing", make: with(two, func(l *testLog) { l.segments = l.segments[1:] })},
	{name: "segment-middle-removed", what: "A segment in the middle removed.", exit: 1, chain: 1, says: "segment with ordinal 2 is missing", make: func(l *testLog) {
		*l = *sampleLog(l.t)
		l.segments = slices.Delete(l.segments, 1, 2)
	}},
	{name: "segment-swapped", what: "The contents of two segments swapped.", exit: 1, chain: 1, at: "1:1", says: "seq is 4, want 1", make: with(two, func(l *testLog) {
		a, b := l.segments[0], l.segments[1]
		a.data, b.data = b.data, a.data
	})},
	{name: "segment-other-ordinal", what: "A segment under a higher ordinal.", exit: 1, chain: 1, says: "segment with ordinal 2 is missing", make: with(two, func(l *testLog) { l.segments[1].name.Ordinal++ })},
	{name: "segment-other-seq", what: "A segment under another first seq.", exit: 1, chain: 1, at: "1:4", says: "segment ends before this entry", make: with(two, func(l *testLog) { l.segments[1].name.FirstSeq++ })},
	{name: "segment-repeated", what: "The last segment repeated under the next ordinal.", exit: 1, chain: 1, at: "3:1", says: "seq is 4, want 8", make: with(two, func(l *testLog) {
		l.mark = nil
		copied := *l.segments[1]
		copied.name = SegmentName{3, 8}
		l.segments = append(l.segments, &copied)
	})},
	{name: "segment-same-ordinal", what: "Two segments with one ordinal.", exit: 1, chain: 1, says: "two segments have ordinal 2", make: with(two, func(l *testLog) {
		copied := *l.segments[1]
		copied.name.FirstSeq = 99
		l.segments = append(l.segments, &copied)
	})},
	{name: "segment-ordinal-zero", what: "A file that is named like a segment, with an ordinal that none has.", exit: 1, chain: 1, says: "an ordinal or a seq that no segment can have", make: two, files: map[string]string{
		"0000000000-00000000000000000001.jsonl": "",
	}},
	{name: "segment-seq-too-large", what: "A file that is named like a segment, with a seq beyond 2^64.", exit: 1, chain: 1, says: "an ordinal or a seq that no segment can have", make: two, files: map[string]string{
		"0000000003-99999999999999999999.jsonl": "",
	}},
	{name: "segment-misnamed-alone", what: "A log's folder that holds nothing but a file that is named like a segment, with a seq of 0.", exit: 1, chain: 1, says: "folder holds no segment", make: func(*testLog) {}, files: map[string]string{
		"0000000001-00000000000000000000.jsonl": "",
	}},
	{name: "segment-symbolic-link", what: "A symbolic link with a segment's name, to that segment's own file.", exit: 1, chain: 1, at: "1:1", says: "not a regular file", make: two, links: map[string]string{
		"0000000001-00000000000000000001.jsonl": "moved",
	}},
	{name: "segment-last-symbolic-link", what: "A symbolic link with the newest segment's name, to that segment's own file.", exit: 1, chain: 1, at: "2:1", says: "not a regular file", make: two, links: map[string]string{
		"0000000002-00000000000000000004.jsonl": "moved",
	}},
	{name: "segment-folder", what: "A folder with the name of the next segment.", exit: 1, chain: 1, at: "3:1", says: "not a regular file", make: two, files: map[string]string{
		"0000000003-00000000000000000008.jsonl/file": "",
	}},
	{name: "segment-emptied", what: "A segment emptied.", exit: 1, chain: 1, at: "1:1", says: "segment ends before this entry", make: with(two, func(l *testLog) { l.setLines(1) })},
	{name: "segment-last-emptied", what: "The last segment emptied, and the mark removed.", exit: 1, chain: 1, at: "2:1", says: "segment ends before this entry", make: with(two, func(l *testLog) {
		l.mark = nil
		l.setLines(2)
	})},
	{name: "segment-end-cut", what: "The last entry of a segment that has a successor removed.", exit: 1, chain: 1, at: "1:3", says: "segment ends before this entry", make: with(two, func(l *testLog) { l.setLines(1, l.lines(1)[:2]...) })},
	{name: "segment-end-torn", what: "The last entry of a segment that has a successor torn.", exit: 1, chain: 1, at: "1:3", says: "bytes without a line end", make: with(two, func(l *testLog) {
		s := l.segments[0]
		s.data = s.data[:len(s.data)-9]
	})},
	{name: "segment-of-another-log", what: "A segment of another log in this one's place.", exit: 1, chain: 1, at: "2:1", says: "prev_hash does not match the entry before", make: with(two, func(l *testLog) {
		other := newTestLog(l.t)
		other.id[0]++
		other.head = Genesis(other.id)
		two(other)
		l.segments[1] = other.segments[1]
	})},
	{name: "segment-made-anew", what: "A segment made anew from a changed entry on, the next one left as it was.", exit: 1, chain: 1, at: "2:1", says: "prev_hash does not match the entry before", make: func(l *testLog) {
		two(l)
		forged := newTestLog(l.t)
		forged.open(CauseCreated)
		forged.event(export)
		forged.event(export)
		l.segments[0] = forged.segments[0]
	}},
	{name: "segment-missing-recorded", what: "A segment removed while the writer was at work, which could not copy it back and recorded it.", exit: 1, chain: 1, says: "removed while the writer was at work, as 0000000003", make: missingRecorded(0)},
	{name: "segment-shortened-recorded", what: "A segment shortened while the writer was at work, which recorded it.", exit: 1, chain: 1, at: "1:3", says: "removed while the writer was at work, as 0000000003", make: missingRecorded(2)},
}

// missingRecorded makes a log of three segments of whose first all lines but so
// many are gone, as the newest records.
func missingRecorded(left int) func(*testLog) {
	return func(l *testLog) {
		l.twoEntered()
		l.recordMissing(0, len(bytes.Join(l.lines(1)[:left], nil)))
		if left == 0 {
			l.segments = l.segments[1:]
		}
	}
}

// twoEntered makes two segments of three and two lines.
func (l *testLog) twoEntered() {
	l.open(CauseCreated)
	l.event(signIn)
	l.event(export)
	l.open(CauseRotation)
	l.event(signIn)
}

// recordMissing begins a segment that records all but n bytes of the i-th as
// missing, which they are.
func (l *testLog) recordMissing(i, n int) {
	from, s := l.segments[i], l.last()
	l.openAs(Opened{
		SystemEvent: SystemEvent{V: 1, Type: TypeOpened, Time: testTime}, Cause: CauseFailover, LogID: l.id, Ordinal: 3, Format: 1,
		Previous: &Previous{Segment: s.name.String(), Length: int64(s.valid), Head: l.head}, Cuts: []Cut{l.torn(nil)},
		Missing: []Range{{Segment: from.name.String(), Offset: int64(n), Length: int64(len(from.data) - n)}},
	})
	l.entry(System, marshalSystem(Failure{SystemEvent: SystemEvent{V: 1, Type: TypeTouched, Time: testTime}, Error: "gone"}))
	l.setMark()
	from.data = from.data[:n]
}

// cutting makes a log whose second segment begins after torn bytes.
func cutting(cause string, edit func(*Cut)) func(*testLog) {
	return func(l *testLog) {
		running(l)
		c := l.torn([]byte(`{"seq":4,"prev`))
		edit(&c)
		l.open(cause, c)
		l.setMark()
	}
}

const notAtTheEnd = "declares a cut that is not of the end of the segment before"

var cutVectors = []vector{
	{name: "cut-undeclared", what: "Bytes follow the entries that count, and no cut declares them.", exit: 1, chain: 0, at: "1:4", says: "no cut declares them", make: func(l *testLog) {
		running(l)
		l.torn([]byte(`{"seq":4`))
		l.open(CauseStart)
	}},
	{name: "cut-entry-replaced", what: "An entry and all after it taken back by a forged opening entry that declares no cut.", exit: 1, chain: 0, at: "1:3", says: "no cut declares them", make: func(l *testLog) {
		l.open(CauseCreated)
		l.event(signIn)
		head, valid := l.head, l.last().valid
		l.event(export)
		l.head, l.last().valid = head, valid
		l.open(CauseStart)
	}},
	{name: "cut-changed", what: "A byte changed of what a crash tore and an opening declared.", exit: 1, chain: 0, at: "1:4", says: "cut bytes are not those declared", make: cutting(CauseStart, func(c *Cut) { c.SHA256[0] ^= 1 })},
	{name: "cut-longer", what: "Bytes added to what an opening declared.", exit: 1, chain: 0, at: "1:4", says: "declared as cut are 13", make: cutting(CauseStart, func(c *Cut) { c.Length-- })},
	{name: "cut-removed", what: "The bytes that an opening declared are gone.", exit: 1, chain: 0, at: "1:4", says: "0 bytes follow the entries that count, declared as cut are 14", make: func(l *testLog) {
		cutting(CauseStart, func(*Cut) {})(l)
		s := l.segments[0]
		s.data = s.data[:s.valid]
	}},
	{name: "cut-elsewhere", what: "A cut declared within the entries that count.", exit: 1, chain: 0, at: "2:1", says: notAtTheEnd, make: cutting(CauseStart, func(c *Cut) { c.Offset = 10 })},
	{name: "cut-of-no-segment", what: "A cut declared of what is no segment.", exit: 1, chain: 0, at: "2:1", says: notAtTheEnd, make: cutting(CauseStart, func(c *Cut) { c.Segment = markName })},
	{name: "cut-at-a-rotation", what: "A cut declared by a rotation, which has none.", exit: 1, chain: 0, at: "2:1", says: "which its cause does not allow", make: cutting(CauseRotation, func(*Cut) {})},
	{name: "cut-twice", what: "A cut declared twice.", exit: 1, chain: 0, at: "2:1", says: notAtTheEnd, make: func(l *testLog) {
		running(l)
		c := l.torn([]byte("torn"))
		l.open(CauseStart, c, c)
	}},
	{name: "cut-in-the-first-segment", what: "A cut declared by the first segment.", exit: 1, chain: 0, at: "1:1", says: "and no segment stands before it", make: func(l *testLog) {
		l.open(CauseCreated, Cut{Segment: "x"})
		l.setMark()
	}},
	{name: "cut-after-closed", what: "Bytes after a closed entry, declared by the next opening as a cut.", exit: 1, chain: 0, at: "1:3", says: "bytes follow the closed entry", make: func(l *testLog) {
		l.open(CauseCreated)
		l.closed()
		l.open(CauseStart, l.torn([]byte("torn")))
	}},
	{name: "cut-previous-length", what: "An opening entry that states another length of the segment before.", exit: 1, chain: 0, at: "2:1", says: "opening entry states that", make: func(l *testLog) {
		running(l)
		l.openPrevious(func(p *Previous) { p.Length-- })
		l.setMark()
	}},
	{name: "cut-previous-name", what: "An opening entry that names another segment as the one before.", exit: 1, chain: 0, at: "2:1", says: "opening entry names another segment", make: func(l *testLog) {
		running(l)
		l.openPrevious(func(p *Previous) { p.Segment = SegmentName{7, 1}.String() })
		l.setMark()
	}},
}

// opening makes a log of one segment with that opening entry.
func opening(edit func(*Opened)) func(*testLog) {
	return func(l *testLog) {
		o := Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened, Time: testTime}, Cause: CauseCreated, LogID: l.id, Ordinal: 1, Format: 1, Software: "test"}
		edit(&o)
		l.openAs(o)
		l.event(signIn)
		l.setMark()
	}
}

var systemVectors = []vector{
	{name: "system-after-closed", what: "An entry after the closed one, its hashes right.", exit: 1, chain: 1, at: "1:3", says: "bytes follow the closed entry", make: func(l *testLog) {
		l.open(CauseCreated)
		l.closed()
		l.event(signIn)
	}},
	{name: "system-bytes-after-closed", what: "Bytes after the closed entry of the newest segment.", exit: 1, chain: 1, at: "2:5", says: "bytes follow the closed entry", make: with(two, func(l *testLog) { l.torn([]byte("x")) })},
	{name: "system-opened-within", what: "A second opening entry within a segment.", exit: 1, chain: 1, at: "1:3", says: "an opening entry stands here", make: func(l *testLog) {
		l.open(CauseCreated)
		l.event(signIn)
		l.entry(System, marshalSystem(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened, Time: testTime}, Cause: CauseStart, LogID: l.id, Ordinal: 1, Format: 1}))
		l.setMark()
	}},
	{name: "system-opening-by-a-record", what: "A record's entry in the place of the opening entry.", exit: 1, chain: 1, at: "1:1", says: "segment does not begin with an opening entry", make: func(l *testLog) {
		l.segments = []*testSegment{{name: SegmentName{1, 1}}}
		l.event(`{"v":1,"type":"opened","cause":"created","log_id":"` + l.id.String() + `","ordinal":1,"format":1}`)
		l.setMark()
	}},
	{name: "system-opening-missing", what: "A segment that does not begin with an opening entry.", exit: 1, chain: 1, at: "1:1", says: "segment does not begin with an opening entry", make: func(l *testLog) {
		l.segments = []*testSegment{{name: SegmentName{1, 1}}}
		l.closed()
		l.setMark()
	}},
	{name: "system-opening-of-another-log", what: "An opening entry with another log's id.", exit: 1, chain: 1, at: "1:1", says: "opening entry is of log", make: opening(func(o *Opened) { o.LogID[0]++ })},
	{name: "system-opening-of-another-ordinal", what: "An opening entry with another ordinal.", exit: 1, chain: 1, at: "1:1", says: "opening entry has ordinal 2", make: opening(func(o *Opened) { o.Ordinal++ })},
	{name: "system-opening-without-format", what: "An opening entry without a format.", exit: 1, chain: 1, at: "1:1", says: "opening entry", make: func(l *testLog) {
		l.segments = []*testSegment{{name: SegmentName{1, 1}}}
		l.entry(System, []byte(`{"v":1,"type":"opened","cause":"created","log_id":"`+l.id.String()+`","ordinal":1}`))
		l.setMark()
	}},
	{name: "system-previous-missing", what: "An opening entry that names no segment before it, though there is one.", exit: 1, chain: 0, at: "2:1", says: "opening entry must name the segment before", make: func(l *testLog) {
		l.open(CauseCreated)
		l.openAs(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened, Time: testTime}, Cause: CauseRotation, LogID: l.id, Ordinal: 2, Format: 1})
		l.setMark()
	}},
	{name: "system-forged-by-hash-of-an-event", what: "An entry of the log itself whose hash has the tag of a record's.", exit: 1, chain: 1, at: "1:2", says: "hash does not match the entry", make: func(l *testLog) {
		l.open(CauseCreated)
		l.event(`{"v":1,"type":"closed","time":"2026-11-23T12:00:00Z"}`)
		l.setMark()
		l.replace(1, 2, `,"event":`, `,"system":`)
	}},
}
