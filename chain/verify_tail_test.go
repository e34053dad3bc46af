package chain

import (
	"io"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
)

func TestVerifyTail(t *testing.T) {
	const marked = true
	tests := []struct {
		name   string
		lock   LockView
		marked bool
		make   func(l *testLog) // after an opening entry, the mark, and an event
		fault  string
		tail   int64 // bytes
	}{
		{name: "whole", marked: marked, make: func(*testLog) {}},
		{name: "torn above the mark", marked: marked, make: func(l *testLog) { l.torn([]byte(`{"seq"`)) }, tail: 6},
		{name: "zeros above the mark", marked: marked, make: func(l *testLog) { l.torn(make([]byte, 512)) }, tail: 512},
		{name: "good lines after a fault", marked: marked, make: func(l *testLog) {
			l.torn([]byte("\n"))
			l.event(`{}`)
		}, tail: int64(1 + lineSize(3, Event, 2))},
		{name: "torn without a mark", make: func(l *testLog) { l.torn([]byte("x")) }, fault: "1:3 bytes without a line end"},
		{name: "torn without a mark, opening", lock: LockOwn, make: func(l *testLog) { l.torn([]byte("x")) }, tail: 1},
		{name: "after closed", lock: LockOwn, marked: marked, make: func(l *testLog) {
			l.closed()
			l.torn([]byte("x"))
		}, fault: "1:4 bytes follow the closed entry"},
		{name: "fault below the mark", lock: LockOwn, marked: marked, make: func(l *testLog) {
			l.setMark()
			l.last().data[len(l.last().data)-2] = ' '
		}, fault: "1:2 line does not end with }"},
		{name: "opening entry", lock: LockOwn, make: func(l *testLog) { l.last().data[3] = ' ' }, fault: "1:1 line does not begin"},
		{name: "mark of another entry", marked: marked, make: func(l *testLog) { l.mark.Hash[0] ^= 1 }, fault: "1:0 another entry than the mark's"},
		{name: "mark between entries", marked: marked, make: func(l *testLog) { l.mark.Offset++ }, fault: "1:0 no entry ends where the mark stands"},
		{name: "mark of another log", make: func(l *testLog) { l.setMark(); l.mark.LogID[0] ^= 1; l.mark.Offset += 9 }},
		{name: "mark in an earlier segment", marked: marked, make: func(l *testLog) {
			l.open(CauseRotation)
			l.torn([]byte("x"))
		}, tail: 1},
		{name: "mark in cut bytes", marked: marked, make: func(l *testLog) {
			before, end := l.head, l.last().valid
			l.event(`{}`)
			l.setMark()
			l.head, l.last().valid = before, end
			l.open(CauseStart, l.torn(nil))
		}, fault: "1:3 the mark stands in bytes that are cut"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLog(t)
			l.open(CauseCreated)
			if tt.marked {
				l.setMark()
			}
			l.event(`{"n":1}`)
			tt.make(l)
			r := l.verify(VerifyOptions{Lock: tt.lock})
			if tt.fault == "" {
				require.Empty(t, r.Faults)
			} else {
				requirePlaces(t, l, []string{tt.fault}, r.Faults)
			}
			if tt.tail == 0 {
				require.Nil(t, r.Tail)
				return
			}
			require.NotNil(t, r.Tail)
			require.Equal(t, tt.tail, r.Tail.Length)
			require.EqualValues(t, l.last().name.String(), r.Tail.Segment)
		})
	}
}

// While the lock is held nothing beyond the mark is judged, and all below is.
func TestVerifyHeld(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	l.event(`{"n":1}`)
	l.open(CauseRotation)
	l.event(`{"n":2}`)
	l.setMark()
	head, end := l.head, l.last().valid
	l.event(`{"n":3}`)
	l.last().data[len(l.last().data)-4] ^= 1
	beyond := len(l.last().data) - end
	l.open(CauseRotation)
	l.last().data[0] = 'x'
	beyond += len(l.last().data)

	r := l.verify(VerifyOptions{Lock: LockHeld})
	require.Empty(t, r.Faults)
	require.Nil(t, r.Tail)
	require.True(t, r.Held)
	require.Equal(t, head, r.Head)
	require.Equal(t, 2, r.Segments)
	require.Equal(t, &Pending{Segments: 1, Bytes: int64(beyond)}, r.Pending)
	requirePlaces(t, l, []string{"2:3 hash", "3:1 line does not begin"}, l.verify(VerifyOptions{Lock: LockFree}).Faults)

	// Without a mark, what a successor vouches for is judged.
	mark := l.mark
	l.mark = nil
	r = l.verify(VerifyOptions{Lock: LockHeld})
	requirePlaces(t, l, []string{"2:3 hash"}, r.Faults)
	require.Equal(t, 1, r.Pending.Segments)

	l2 := newTestLog(t)
	l2.open(CauseCreated)
	l2.open(CauseFailover, l2.torn([]byte("what a failed sync left")))
	require.Empty(t, l2.verify(VerifyOptions{Lock: LockHeld}).Faults)

	// A fault below the mark, and a log that ends before it.
	l.mark = mark
	l.segments[1].data[end-4] ^= 1
	requirePlaces(t, l, []string{"2:2 hash"}, l.verify(VerifyOptions{Lock: LockHeld}).Faults)
	l.segments[1].data[end-4] ^= 1
	l.segments[1].data = l.segments[1].data[:end-3]
	requirePlaces(t, l, []string{"2:2 bytes without", "2:2 log is shorter"}, l.verify(VerifyOptions{Lock: LockHeld}).Faults)
	l.segments = l.segments[:1]
	requirePlaces(t, l, []string{"folder log is shorter"}, l.verify(VerifyOptions{Lock: LockHeld}).Faults)
}

// The lock is looked for by Verify itself.
func TestVerifyLooksAtTheLock(t *testing.T) {
	if _, known, err := durable.LockHeld(t.TempDir()); err != nil || !known {
		t.Logf("the system does not tell who holds a lock")
		return
	}
	l := newTestLog(t)
	l.open(CauseCreated)
	l.setMark()
	l.torn([]byte("half an entry"))
	dir := t.TempDir()
	folder := l.save(dir)
	require.NotNil(t, verifyLogAt(t, folder, VerifyOptions{}).Tail)
	lock, err := durable.OS().Lock(dir)
	require.NoError(t, err)
	r := verifyLogAt(t, folder, VerifyOptions{})
	require.True(t, r.Held)
	require.Nil(t, r.Tail)
	require.EqualValues(t, 13, r.Pending.Bytes)
	require.NoError(t, lock.Unlock())
	require.NotNil(t, verifyLogAt(t, folder, VerifyOptions{}).Tail)
}

// lateWriter takes the lock on a directory when a log in it is listed first.
type lateWriter struct {
	durable.FS
	t    *testing.T
	dir  string
	held bool
}

func (f *lateWriter) ReadDir(name string) ([]fs.DirEntry, error) {
	if !f.held {
		f.held = true
		lock, err := f.FS.Lock(f.dir)
		require.NoError(f.t, err)
		f.t.Cleanup(func() { lock.Unlock() })
	}
	return f.FS.ReadDir(name)
}

// A writer that comes after the look at the lock is not taken for a crash, and
// what it has not synced is not shown.
func TestWriterComesAfterTheLook(t *testing.T) {
	if _, known, err := durable.LockHeld(t.TempDir()); err != nil || !known {
		t.Logf("the system does not tell who holds a lock")
		return
	}
	l := newTestLog(t)
	l.open(CauseCreated)
	l.setMark()
	l.event(`{"not":"synced"}`)
	l.torn([]byte("half an entry"))
	dir := t.TempDir()
	folder := l.save(dir)
	told, again := []uint64{}, 0
	r, err := Verify(t.Context(), &lateWriter{FS: durable.OS(), t: t, dir: dir}, folder, VerifyOptions{
		System: func(e Entry) { told = append(told, e.Seq) },
		Again:  func() { told, again = told[:0], again+1 },
	})
	require.NoError(t, err)
	require.Equal(t, 1, again)
	require.Equal(t, []uint64{1}, told)
	require.True(t, r.Held)
	require.Nil(t, r.Tail)
	require.EqualValues(t, 1, r.Entries())

	dir = t.TempDir()
	reader, err := OpenReader(&lateWriter{FS: durable.OS(), t: t, dir: dir}, l.save(dir), ReadOptions{})
	require.NoError(t, err)
	defer reader.Close()
	got, err := readAll(reader)
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, 1)
}
