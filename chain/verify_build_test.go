package chain

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testLog builds a log from the format alone, so that it can also build what a
// writer never makes. It is in memory until saved.
type testLog struct {
	t        *testing.T
	id       LogID
	head     Head
	segments []*testSegment
	mark     *Mark
}

type testSegment struct {
	name  SegmentName
	data  []byte
	valid int // bytes of the entries that count
	end   Head
}

var testTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newTestLog(t *testing.T) *testLog {
	l := &testLog{t: t, id: LogID{1, 2, 3}}
	l.head = Genesis(l.id)
	return l
}

func (l *testLog) last() *testSegment { return l.segments[len(l.segments)-1] }

// open begins a segment after the entries that count.
func (l *testLog) open(cause string, cuts ...Cut) {
	o := Opened{
		SystemEvent: SystemEvent{V: SystemVersion, Type: TypeOpened, Time: testTime},
		Cause:       cause, LogID: l.id, Ordinal: uint64(len(l.segments)) + 1, Format: FormatVersion, Software: "test", Cuts: cuts,
	}
	if len(l.segments) > 0 {
		s := l.last()
		o.Previous = &Previous{Segment: s.name.String(), Length: int64(s.valid), Head: l.head}
	}
	l.openAs(o)
}

func (l *testLog) openAs(o Opened) {
	name := SegmentName{Ordinal: uint64(len(l.segments)) + 1, FirstSeq: l.head.Seq + 1}
	l.segments = append(l.segments, &testSegment{name: name})
	l.entry(System, marshalSystem(o))
}

// entry appends an entry that counts.
func (l *testLog) entry(k Kind, body []byte) {
	prev := l.head
	l.head = (&linker{}).next(prev, k, sha256.Sum256(body))
	s := l.last()
	s.data = appendLine(s.data, prev.Hash, l.head, k, body)
	s.valid, s.end = len(s.data), l.head
}

func (l *testLog) event(body string) { l.entry(Event, []byte(body)) }

func (l *testLog) closed() {
	l.entry(System, marshalSystem(Closed{SystemEvent{V: SystemVersion, Type: TypeClosed, Time: testTime}}))
}

// torn appends bytes that do not count and returns the cut that declares them.
func (l *testLog) torn(b []byte) Cut {
	s := l.last()
	s.data = append(s.data, b...)
	rest := s.data[s.valid:]
	return Cut{Segment: s.name.String(), Offset: int64(s.valid), Length: int64(len(rest)), SHA256: sha256.Sum256(rest), Cause: CutCrash}
}

// setMark puts the mark after the last entry that counts.
func (l *testLog) setMark() {
	s := l.last()
	l.mark = &Mark{LogID: l.id, Ordinal: s.name.Ordinal, Offset: int64(s.valid), Head: l.head}
}

// save writes the log's folder below dir and returns its path.
func (l *testLog) save(dir string) string {
	l.t.Helper()
	folder := filepath.Join(dir, l.id.String())
	require.NoError(l.t, os.MkdirAll(folder, 0o700))
	for _, s := range l.segments {
		require.NoError(l.t, os.WriteFile(filepath.Join(folder, s.name.String()), s.data, 0o600))
	}
	if l.mark != nil {
		b := l.mark.appendSlot(nil)
		require.NoError(l.t, os.WriteFile(filepath.Join(folder, markName), l.mark.appendSlot(b), 0o600))
	}
	return folder
}

// sampleLog has four segments: rotated, torn by a crash, given up by a failover,
// closed in order.
func sampleLog(t *testing.T) *testLog {
	l := newTestLog(t)
	l.open(CauseCreated)
	l.event(`{"v":1,"type":"user.login","actor":{"id":"anna"}}`)
	l.event(`{"a":[1,-2.5e3,true,null,"\u00e9 \" ü"]}`)
	l.open(CauseRotation)
	l.event(`{"n":1}`)
	l.event(`{"n":2}`)
	l.open(CauseStart, l.torn([]byte(`{"seq":9,"prev_ha`)))
	l.event(`{"n":3}`)
	l.open(CauseFailover, l.torn([]byte("what a failed sync left\n")))
	l.entry(System, marshalSystem(Failure{SystemEvent: SystemEvent{V: 1, Type: TypeSyncFailed, Time: testTime}, Error: "EIO"}))
	l.event(`{"n":4}`)
	l.closed()
	l.setMark()
	return l
}
