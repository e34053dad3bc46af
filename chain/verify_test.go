package chain

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
)

func verifyLogAt(t *testing.T, folder string, o VerifyOptions) Report {
	t.Helper()
	r, err := Verify(t.Context(), durable.OS(), folder, o)
	require.NoError(t, err)
	return r
}

func (l *testLog) verify(o VerifyOptions) Report { return verifyLogAt(l.t, l.save(l.t.TempDir()), o) }

func TestVerifySample(t *testing.T) {
	l := sampleLog(t)
	for _, workers := range []int{1, 2, 7} {
		r := l.verify(VerifyOptions{Workers: workers})
		require.Empty(t, r.Faults)
		require.Nil(t, r.Tail)
		require.Nil(t, r.Pending)
		require.False(t, r.Held)
		require.Equal(t, l.id, r.LogID)
		require.Equal(t, 4, r.Segments)
		require.EqualValues(t, 6, r.Events)
		require.EqualValues(t, 6, r.System)
		require.Equal(t, l.head, r.Head)
		require.Equal(t, l.mark, r.Mark)
		require.Len(t, r.Cuts, 2)
		require.True(t, r.Cuts[0].Same)
		require.False(t, r.Cuts[0].Failover)
		require.True(t, r.Cuts[1].Same)
		require.True(t, r.Cuts[1].Failover)
		var valid int
		for _, s := range l.segments {
			valid += s.valid
		}
		require.EqualValues(t, valid, r.Bytes)
	}
}

// lines longer than a block and longer than a large block, between short ones.
func TestVerifyLongLines(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	for _, n := range []int{10, blockSize - 200, blockSize, 3*blockSize + 1, 10, largeBlock + 1, 20, 2 * largeBlock, 5} {
		l.event(`{"s":"` + strings.Repeat("x", n) + `"}`)
	}
	var done, total int64
	r := l.verify(VerifyOptions{Workers: 3, Progress: func(d, n int64) {
		require.GreaterOrEqual(t, d, done)
		done, total = d, n
	}})
	require.Empty(t, r.Faults)
	require.Equal(t, l.head, r.Head)
	require.Equal(t, int64(l.last().valid), total)
	require.Equal(t, total, done)

	data := l.last().data
	data[len(data)-40] ^= 1
	r = l.verify(VerifyOptions{Lock: LockFree})
	require.Len(t, r.Faults, 1)
	require.Equal(t, 10, r.Faults[0].Line)
}

// Many blocks of many short lines, in order.
func TestVerifyManyBlocks(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	for i := range 20000 {
		if i%6000 == 5999 {
			l.open(CauseRotation)
		}
		l.event(fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("p", i%97)))
	}
	r := l.verify(VerifyOptions{Workers: 4})
	require.Empty(t, r.Faults)
	require.Equal(t, l.head, r.Head)
	require.EqualValues(t, 20000, r.Events)
}

// place is a fault's segment ordinal and line, "folder" for none.
func (l *testLog) place(f Fault) string {
	for _, s := range l.segments {
		if s.name.String() == f.Segment {
			return fmt.Sprintf("%d:%d %s", s.name.Ordinal, f.Line, f.Reason)
		}
	}
	return "folder " + f.Reason
}

func TestVerifyFaults(t *testing.T) {
	tests := []struct {
		name string
		make func(l *testLog) // on an empty log
		want []string         // as place has them, by prefix
	}{
		{name: "bytes after the entries, not declared", make: func(l *testLog) {
			l.open(CauseCreated)
			l.torn([]byte("x"))
			l.open(CauseStart)
		}, want: []string{"1:2 1 bytes follow the entries that count, and no cut declares them"}},
		{name: "an entry replaced and not declared", make: func(l *testLog) {
			l.open(CauseCreated)
			before, end := l.head, l.last().valid
			l.event(`{"n":1}`)
			l.head, l.last().valid = before, end
			l.open(CauseFailover)
		}, want: []string{"1:2 "}},
		{name: "cut with another digest", make: func(l *testLog) {
			l.open(CauseCreated)
			c := l.torn([]byte("torn"))
			c.SHA256[0] ^= 1
			l.open(CauseStart, c)
		}, want: []string{"1:2 cut bytes are not those declared"}},
		{name: "cut longer than declared", make: func(l *testLog) {
			l.open(CauseCreated)
			c := l.torn([]byte("torn"))
			l.torn([]byte("more"))
			l.open(CauseStart, c)
		}, want: []string{"1:2 8 bytes follow the entries that count, declared as cut are 4"}},
		{name: "cut bytes removed", make: func(l *testLog) {
			l.open(CauseCreated)
			c := l.torn([]byte("torn"))
			s := l.last()
			s.data = s.data[:s.valid]
			l.open(CauseStart, c)
		}, want: []string{"1:2 0 bytes follow"}},
		{name: "cut at another offset", make: func(l *testLog) {
			l.open(CauseCreated)
			c := l.torn([]byte("torn"))
			c.Offset++
			l.open(CauseStart, c)
		}, want: []string{"2:1 opening entry declares a cut that is not of the end"}},
		{name: "cut of another segment", make: func(l *testLog) {
			l.open(CauseCreated)
			c := l.torn([]byte("torn"))
			c.Segment = "mark"
			l.open(CauseStart, c)
		}, want: []string{"2:1 opening entry declares a cut that is not of the end"}},
		{name: "cut declared twice", make: func(l *testLog) {
			l.open(CauseCreated)
			c := l.torn([]byte("torn"))
			l.open(CauseStart, c, c)
		}, want: []string{"2:1 opening entry declares a cut that is not of the end"}},
		{name: "cut declared by a rotation", make: func(l *testLog) {
			l.open(CauseCreated)
			l.open(CauseRotation, l.torn([]byte("torn")))
		}, want: []string{"2:1 opening entry declares a cut, which its cause"}},
		{name: "cut declared by the first segment", make: func(l *testLog) {
			l.open(CauseCreated, Cut{Segment: "x"})
		}, want: []string{"1:1 opening entry declares a cut, and no segment"}},
		{name: "cut after closed", make: func(l *testLog) {
			l.open(CauseCreated)
			l.closed()
			l.open(CauseStart, l.torn([]byte("torn")))
		}, want: []string{"1:3 bytes follow the closed entry"}},
		{name: "entry after closed", make: func(l *testLog) {
			l.open(CauseCreated)
			l.closed()
			l.event(`{}`)
		}, want: []string{"1:3 bytes follow the closed entry"}},
		{name: "previous of another length", make: func(l *testLog) {
			l.open(CauseCreated)
			l.event(`{}`)
			l.openPrevious(func(p *Previous) { p.Length-- })
		}, want: []string{"2:1 opening entry states that"}},
		{name: "previous of another name", make: func(l *testLog) {
			l.open(CauseCreated)
			l.openPrevious(func(p *Previous) { p.Segment = "other" })
		}, want: []string{"2:1 opening entry names another segment"}},
		{name: "previous of another head", make: func(l *testLog) {
			l.open(CauseCreated)
			l.openPrevious(func(p *Previous) { p.Hash[3] ^= 1 })
		}, want: []string{"2:1 opening entry does not follow the head it names"}},
		{name: "no previous", make: func(l *testLog) {
			l.open(CauseCreated)
			l.openAs(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened}, LogID: l.id, Ordinal: 2, Format: 1, Cause: CauseRotation})
		}, want: []string{"2:1 opening entry must name the segment before"}},
		{name: "opening entry of another log", make: func(l *testLog) {
			l.openAs(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened}, Ordinal: 1, Format: 1, Cause: CauseCreated})
		}, want: []string{"1:1 opening entry is of log"}},
		{name: "opening entry from a record", make: func(l *testLog) {
			l.open(CauseCreated)
			l.segments[0].data, l.head = nil, Genesis(l.id)
			l.event(`{"v":1,"type":"opened","log_id":"` + l.id.String() + `","ordinal":1,"format":1}`)
		}, want: []string{"1:1 segment does not begin with an opening entry"}},
		{name: "body is no object", make: func(l *testLog) {
			l.open(CauseCreated)
			l.event(`[1]`)
			l.setMark()
		}, want: []string{"1:2 body is not a JSON object"}},
		{name: "body is two objects", make: func(l *testLog) {
			l.open(CauseCreated)
			l.event(`{}{}`)
			l.setMark()
		}, want: []string{"1:2 body is not valid JSON"}},
		{name: "body is not UTF-8", make: func(l *testLog) {
			l.open(CauseCreated)
			l.event("{\"a\":\"\xff\"}")
			l.setMark()
		}, want: []string{"1:2 body is not UTF-8"}},
		{name: "an entry made anew, its own hash right", make: func(l *testLog) {
			l.open(CauseCreated)
			s := l.last()
			before, end := l.head, s.valid
			l.event(`{"n":1}`)
			after, rest := l.head, len(s.data)
			l.event(`{"n":2}`)
			tail := bytes.Clone(s.data[rest:])
			l.head, s.data = before, s.data[:end]
			l.event(`{"n":7}`)
			l.head = after
			s.data = append(s.data, tail...)
		}, want: []string{"1:3 prev_hash does not match the entry before"}},
		{name: "a segment made anew, its own hashes right", make: func(l *testLog) {
			l.open(CauseCreated)
			before, end := l.head, l.last().valid
			l.event(`{"n":1}`)
			l.open(CauseRotation)
			l.head, l.segments[0].data = before, l.segments[0].data[:end]
			second := l.segments[1]
			l.segments = l.segments[:1]
			l.event(`{"n":7}`)
			l.segments = append(l.segments, second)
		}, want: []string{"2:1 prev_hash does not match the entry before"}},
		{name: "faults in several segments", make: func(l *testLog) {
			for range 3 {
				l.open(CauseRotation)
				l.event(`{"n":1}`)
				l.last().data[len(l.last().data)-4] ^= 1
			}
		}, want: []string{"1:2 hash", "2:2 hash", "3:2 hash"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLog(t)
			tt.make(l)
			r := l.verify(VerifyOptions{})
			require.True(t, r.Broken())
			requirePlaces(t, l, tt.want, r.Faults)
		})
	}
}

// openPrevious begins a segment with an edited statement on the one before.
func (l *testLog) openPrevious(edit func(*Previous)) {
	s := l.last()
	p := &Previous{Segment: s.name.String(), Length: int64(s.valid), Head: l.head}
	edit(p)
	l.openAs(Opened{
		SystemEvent: SystemEvent{V: 1, Type: TypeOpened}, LogID: l.id, Ordinal: uint64(len(l.segments)) + 1, Format: 1, Cause: CauseRotation, Previous: p,
	})
}

func requirePlaces(t *testing.T, l *testLog, want []string, faults []Fault) {
	t.Helper()
	require.Len(t, faults, len(want), "%v", faults)
	for i, f := range faults {
		require.True(t, strings.HasPrefix(l.place(f), want[i]), "fault %d is %q, want %q", i, l.place(f), want[i])
	}
}

func TestVerifyFolder(t *testing.T) {
	l := sampleLog(t)
	name := func(i int) string { return l.segments[i].name.String() }
	tests := []struct {
		name string
		edit func(folder string)
		want []string
	}{
		{"first removed", func(f string) { os.Remove(filepath.Join(f, name(0))) }, []string{"folder segment with ordinal 1 is missing"}},
		{"middle removed", func(f string) { os.Remove(filepath.Join(f, name(1))) }, []string{"folder segment with ordinal 2 is missing"}},
		{"two removed", func(f string) {
			os.Remove(filepath.Join(f, name(1)))
			os.Remove(filepath.Join(f, name(2)))
		}, []string{"folder segments with ordinals 2 to 3 are missing"}},
		{"last removed", func(f string) { os.Remove(filepath.Join(f, name(3))) }, []string{"folder log is shorter than its mark: segment with ordinal 4 is missing"}},
		{"all removed", func(f string) {
			for i := range l.segments {
				os.Remove(filepath.Join(f, name(i)))
			}
		}, []string{"folder folder holds no segment", "folder log is shorter than its mark"}},
		{"doubled under another seq", func(f string) {
			os.WriteFile(filepath.Join(f, SegmentName{2, 99}.String()), l.segments[1].data, 0o600)
		}, []string{
			"folder two segments have ordinal 2", "3:0 first seq is not above", "2:4 bytes without a line end", "folder opening entry has seq 4, the segment's name 99",
		}},
		{"appended", func(f string) {
			os.WriteFile(filepath.Join(f, SegmentName{5, 99}.String()), l.segments[1].data, 0o600)
		}, []string{"4:5 segment ends before this entry", "folder opening entry has seq"}},
		{"swapped", func(f string) {
			os.WriteFile(filepath.Join(f, name(1)), l.segments[2].data, 0o600)
			os.WriteFile(filepath.Join(f, name(2)), l.segments[1].data, 0o600)
		}, []string{"2:1 seq is", "3:1 opening entry has seq"}},
		{"empty", func(f string) { os.Truncate(filepath.Join(f, name(1)), 0) }, []string{"2:1 segment ends before this entry"}},
		{"cut at an entry, sealed", func(f string) {
			os.Truncate(filepath.Join(f, name(0)), int64(bytes.LastIndex(l.segments[0].data[:l.segments[0].valid-1], []byte("\n"))+1))
		}, []string{"1:3 segment ends before this entry"}},
		{"cut at an entry, newest", func(f string) {
			os.Truncate(filepath.Join(f, name(3)), int64(bytes.LastIndex(l.segments[3].data[:l.segments[3].valid-1], []byte("\n"))+1))
		}, []string{"4:4 log is shorter than its mark"}},
		{"link", func(f string) {
			os.Rename(filepath.Join(f, name(1)), filepath.Join(f, "away"))
			os.Symlink("away", filepath.Join(f, name(1)))
		}, []string{"2:1 not a regular file"}},
		{"failover's cut changed", func(f string) { os.Truncate(filepath.Join(f, name(2)), int64(l.segments[2].valid)+3) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := l.save(t.TempDir())
			tt.edit(folder)
			r := verifyLogAt(t, folder, VerifyOptions{})
			requirePlaces(t, l, tt.want, r.Faults)
			require.Equal(t, len(tt.want) > 0, r.Broken())
		})
	}
}

// Of a failover's cut, what is there now is told.
func TestVerifyFailoverCutChanged(t *testing.T) {
	l := sampleLog(t)
	s := l.segments[2]
	for _, cut := range []string{"", "wha", "more than a failed sync left"} {
		s.data = append(s.data[:s.valid:s.valid], cut...)
		r := l.verify(VerifyOptions{})
		require.False(t, r.Broken())
		require.EqualValues(t, len(cut), r.Cuts[1].Found)
		require.False(t, r.Cuts[1].Same)
	}
}

func TestVerifyMaxFaults(t *testing.T) {
	l := newTestLog(t)
	for range 5 {
		l.open(CauseRotation)
		l.last().data[10] ^= 1
	}
	r := l.verify(VerifyOptions{MaxFaults: 2})
	require.Len(t, r.Faults, 2)
	require.Equal(t, 3, r.Omitted)
}

func TestVerifyErrors(t *testing.T) {
	l := sampleLog(t)
	folder := l.save(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Verify(ctx, durable.OS(), folder, VerifyOptions{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Verify(t.Context(), durable.OS(), filepath.Dir(folder), VerifyOptions{})
	require.ErrorContains(t, err, "not named by a log id")
	_, err = Verify(t.Context(), durable.OS(), folder[:len(folder)-1]+"f", VerifyOptions{})
	require.True(t, durable.IsNotExist(err))

	l = newTestLog(t)
	l.openAs(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened}, LogID: l.id, Ordinal: 1, Format: 2, Cause: CauseCreated})
	_, err = Verify(t.Context(), durable.OS(), l.save(t.TempDir()), VerifyOptions{})
	var format *FormatError
	require.ErrorAs(t, err, &format)
	require.Equal(t, 2, format.Format)
}

// A line without an end, as long as a line may be, in bounded memory.
func TestVerifyOverlongLine(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	l.setMark()
	folder := l.save(t.TempDir())
	path := filepath.Join(folder, l.last().name.String())
	require.NoError(t, os.Truncate(path, int64(MaxLine)+int64(MaxLine)/2)) // zeros, sparse
	r := verifyLogAt(t, folder, VerifyOptions{})
	require.NotNil(t, r.Tail)
	require.Equal(t, errLong.Error(), r.Tail.Reason)
	require.EqualValues(t, l.last().valid, r.Tail.Offset)
}
