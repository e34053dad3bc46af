package chain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// readAll returns what a reader gives up to its first error, as `seq segment
// line offset text`.
func readAll(r *Reader) (lines []string, err error) {
	for {
		l, err := r.Next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("%d %s %d %d %s", l.Seq, l.Segment, l.Number, l.Offset, l.Text))
	}
}

// counting returns the same of the log's entries that count.
func (l *testLog) counting() (lines []string) {
	seq := 0
	for _, s := range l.segments {
		off := 0
		for i, text := range bytes.SplitAfter(s.data[:s.valid], []byte("\n")) {
			if len(text) > 0 {
				seq++
				lines = append(lines, fmt.Sprintf("%d %s %d %d %s", seq, s.name, i+1, off, bytes.TrimSuffix(text, []byte("\n"))))
			}
			off += len(text)
		}
	}
	return lines
}

func (l *testLog) reader(o ReadOptions) *Reader {
	l.t.Helper()
	r, err := OpenReader(durable.OS(), l.save(l.t.TempDir()), o)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { r.Close() })
	return r
}

// The entries that count, from each sequence number on; cut ones are left out.
func TestReaderGivesWhatCounts(t *testing.T) {
	l := sampleLog(t)
	want := l.counting()
	require.Len(t, want, 12)
	for from := range len(want) + 2 {
		for _, check := range []bool{false, true} {
			got, err := readAll(l.reader(ReadOptions{From: uint64(from), Check: check}))
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, want[min(max(from, 1)-1, len(want)):], append([]string{}, got...), "from %d", from)
		}
	}
	head, err := ReadHead(durable.OS(), l.save(t.TempDir()), ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, l.head, head)
}

func TestReaderEnds(t *testing.T) {
	tests := []struct {
		name string
		o    ReadOptions
		make func(l *testLog) // after a segment with an opening entry and an event, and the mark
		want int              // entries
		err  string           // of a TamperError; "" if it just ends
	}{
		{name: "torn", make: func(l *testLog) { l.torn([]byte("{")) }, want: 2},
		{name: "zeros", make: func(l *testLog) { l.torn(make([]byte, 600)) }, want: 2},
		{name: "good lines after a fault", make: func(l *testLog) {
			l.torn([]byte("\n"))
			l.event(`{}`)
		}, want: 2},
		{name: "changed above the mark", make: func(l *testLog) {
			l.event(`{"n":1}`)
			l.last().data[len(l.last().data)-4]++
			l.event(`{}`)
		}, want: 2},
		{name: "above the mark", make: func(l *testLog) { l.event(`{}`) }, want: 3},
		{name: "held: at the mark", o: ReadOptions{Lock: LockHeld}, make: func(l *testLog) {
			l.event(`{}`)
			l.open(CauseRotation)
		}, want: 2},
		{name: "held: beyond the mark, when asked", o: ReadOptions{Lock: LockHeld, Unsynced: true}, make: func(l *testLog) {
			l.event(`{}`)
			l.open(CauseRotation)
			l.torn([]byte("half"))
		}, want: 4},
		{name: "held: no mark, one segment", o: ReadOptions{Lock: LockHeld}, make: func(l *testLog) { l.mark = nil }, want: 0},
		{name: "held: no mark", o: ReadOptions{Lock: LockHeld}, make: func(l *testLog) {
			l.mark = nil
			l.open(CauseFailover, l.torn([]byte("cut")))
			l.event(`{}`)
		}, want: 2},
		{name: "held: shorter than the mark", o: ReadOptions{Lock: LockHeld}, make: func(l *testLog) { l.mark.Offset += 10 }, want: 2, err: "log is shorter than its mark"},
		{name: "shorter than the mark", make: func(l *testLog) { l.mark.Offset += 10 }, want: 2, err: "log is shorter than its mark"},
		{name: "older than the mark", make: func(l *testLog) { l.mark.Ordinal++ }, want: 2, err: "log is shorter than its mark"},
		{name: "after closed", make: func(l *testLog) {
			l.closed()
			l.torn([]byte("x"))
		}, want: 3, err: "bytes follow the closed entry"},
		{name: "form below the mark", make: func(l *testLog) { l.last().data[len(l.last().data)-2] = ' ' }, want: 1, err: "line does not end with }"},
		{name: "body below the mark, checked", o: ReadOptions{Check: true}, make: func(l *testLog) {
			l.last().data[len(l.last().data)-4]++
		}, want: 1, err: "hash does not match the entry"},
		{name: "sealed segment torn", make: func(l *testLog) {
			l.open(CauseRotation)
			l.segments[0].data = l.segments[0].data[:len(l.segments[0].data)-1]
		}, want: 1, err: "bytes without a line end"},
		{name: "sealed segment ends early", make: func(l *testLog) {
			l.open(CauseRotation)
			l.segments[0].data = l.segments[0].data[:bytes.IndexByte(l.segments[0].data, '\n')+1]
		}, want: 1, err: "segment ends before this entry"},
		{name: "newest without an opening entry", make: func(l *testLog) {
			l.open(CauseRotation)
			l.last().data = nil
		}, want: 2, err: "segment has no opening entry"},
		{name: "newest with a torn opening entry", make: func(l *testLog) {
			l.open(CauseRotation)
			l.last().data = l.last().data[:30]
		}, want: 2, err: "bytes without a line end"},
		{name: "segment missing", make: func(l *testLog) {
			l.open(CauseRotation)
			l.open(CauseRotation)
			l.segments = append(l.segments[:1], l.segments[2])
		}, want: 2, err: "segment with ordinal 2 is missing"},
		{name: "first segment missing", make: func(l *testLog) {
			l.open(CauseRotation)
			l.segments = l.segments[1:]
		}, want: 0, err: "segment with ordinal 1 is missing"},
		{name: "first segment missing, not asked for", o: ReadOptions{From: 3}, make: func(l *testLog) {
			l.open(CauseRotation)
			l.segments = l.segments[1:]
		}, want: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLog(t)
			l.open(CauseCreated)
			l.event(`{"n":1}`)
			l.setMark()
			tt.make(l)
			r := l.reader(tt.o)
			for range 2 { // the end stays the end, and a fault a fault
				got, err := readAll(r)
				require.Len(t, got, tt.want)
				var tampered *TamperError
				if tt.err == "" {
					require.ErrorIs(t, err, io.EOF)
				} else {
					require.ErrorAs(t, err, &tampered)
					require.Equal(t, tt.err, tampered.Fault.Reason)
				}
				tt.want = 0
				require.NoError(t, r.Refresh())
			}
		})
	}
}

func TestReaderWithoutSegments(t *testing.T) {
	l := newTestLog(t)
	folder := l.save(t.TempDir())
	r, err := OpenReader(durable.OS(), folder, ReadOptions{})
	require.NoError(t, err)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
	l.open(CauseCreated) // born meanwhile
	l.save(filepath.Dir(folder))
	require.NoError(t, r.Refresh())
	got, err := readAll(r)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, l.counting(), got)
	require.NoError(t, r.Close())

	l.setMark()
	l.segments = nil
	var tampered *TamperError
	_, err = OpenReader(durable.OS(), l.save(t.TempDir()), ReadOptions{})
	require.ErrorAs(t, err, &tampered)
	_, err = OpenReader(durable.OS(), t.TempDir(), ReadOptions{})
	require.ErrorContains(t, err, "not named by a log id")
	_, err = OpenReader(durable.OS(), folder[:len(folder)-1]+"f", ReadOptions{})
	require.True(t, durable.IsNotExist(err))
}

// A line read before it is whole is read again.
func TestReaderSeesLinesGrow(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	l.event(`{"n":1}`)
	dir := t.TempDir()
	folder := l.save(dir)
	path := filepath.Join(folder, l.last().name.String())
	data := l.last().data
	first := bytes.IndexByte(data, '\n') + 1
	require.NoError(t, os.WriteFile(path, data[:first], 0o600))
	r, err := OpenReader(durable.OS(), folder, ReadOptions{Lock: LockHeld, Unsynced: true})
	require.NoError(t, err)
	defer r.Close()
	got, err := readAll(r)
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, 1)
	for n := first; n < len(data); n += 17 {
		require.NoError(t, os.WriteFile(path, data[:n], 0o600))
		_, err := r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, r.Refresh())
	}
	l.save(dir)
	line, err := r.Next()
	require.NoError(t, err)
	require.EqualValues(t, 2, line.Seq)
}

// What was shown unsynced and then cut gives way to what took its place.
func TestReaderUnsyncedGivesWay(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	l.event(`{"n":1}`)
	head, valid := l.head, l.last().valid
	l.event(`{"n":"cut"}`)
	dir := t.TempDir()
	folder := l.save(dir)
	r, err := OpenReader(durable.OS(), folder, ReadOptions{Lock: LockHeld, Unsynced: true})
	require.NoError(t, err)
	defer r.Close()
	got, err := readAll(r)
	require.True(t, errors.Is(err, io.EOF) && len(got) == 3)
	l.head, l.last().valid = head, valid
	l.open(CauseFailover, l.torn(nil))
	l.event(`{"n":2}`)
	l.save(dir)
	require.NoError(t, r.Refresh())
	got, err = readAll(r)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, l.counting()[2:], got)
}
