package chain

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// recordingFold keeps what it is told, and compares what it prepared.
type recordingFold struct {
	t        *testing.T
	mu       sync.Mutex
	prepares int
	again    int
	prepared int // of the calls of Take
	hashes   []Hash
}

type preparedHashes struct {
	first  uint64
	hashes []Hash
}

func (f *recordingFold) Prepare(first uint64, hashes []Hash, again any) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepares++
	p, ok := again.(*preparedHashes)
	if ok {
		f.again++
	} else {
		p = new(preparedHashes)
	}
	p.first, p.hashes = first, append(p.hashes[:0], hashes...)
	return p
}

func (f *recordingFold) Take(first uint64, hashes []Hash, prepared any) {
	require.EqualValues(f.t, len(f.hashes)+1, first)
	if prepared != nil {
		f.prepared++
		require.Equal(f.t, &preparedHashes{first, hashes}, prepared)
	}
	f.hashes = append(f.hashes, hashes...)
}

// hashes returns those of the entries of l that count, from its lines alone.
func (l *testLog) hashes() (all []Hash) {
	for _, s := range l.segments {
		for line := range strings.Lines(string(s.data[:s.valid])) {
			e, err := ParseLine([]byte(strings.TrimSuffix(line, "\n")))
			mustDo(err)
			all = append(all, e.Hash)
		}
	}
	return all
}

// bigLog has three segments of several blocks each, the first two with cut
// entries behind those that count.
func bigLog(t *testing.T) *testLog {
	l := newTestLog(t)
	for range 3 {
		if len(l.segments) == 0 {
			l.open(CauseCreated)
		} else {
			head, s := l.head, *l.last()
			for range 300 {
				l.event(`{"cut":1}`)
			}
			l.head, l.last().valid = head, s.valid
			l.open(CauseStart, l.torn(nil))
		}
		for n := range 1500 {
			l.event(fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", n%700)))
		}
	}
	l.setMark()
	return l
}

func TestFoldIsToldWhatCounts(t *testing.T) {
	for name, l := range map[string]*testLog{"sample": sampleLog(t), "big": bigLog(t)} {
		for workers := 1; workers <= 4; workers++ {
			folder := l.save(t.TempDir())
			f := &recordingFold{t: t}
			var types []string
			r := verifyLogAt(t, folder, VerifyOptions{Lock: LockFree, Workers: workers, Fold: f, System: func(e Entry) {
				s, err := ParseSystem(e.Body)
				require.NoError(t, err)
				types = append(types, s.Type)
			}})
			require.Empty(t, r.Faults, name)
			require.EqualValues(t, r.System, len(types))
			require.Equal(t, TypeOpened, types[len(l.segments)-2])
			require.Equal(t, l.hashes(), f.hashes)
			require.Equal(t, f.prepares, f.prepared, "all was done by the workers")
			if name == "big" && workers == 1 {
				require.Positive(t, f.again, "what was taken is used again")
			}
		}
	}
}

func TestFoldEndsBeforeTheFirstFault(t *testing.T) {
	l := bigLog(t)
	l.replace(2, 700, `"n":`, `"m":`)
	folder := l.save(t.TempDir())
	f := &recordingFold{t: t}
	r := verifyLogAt(t, folder, VerifyOptions{Lock: LockFree, Fold: f})
	require.Equal(t, uint64(1501+700), r.Faults[0].Seq)
	require.Equal(t, l.hashes()[:1501+699], f.hashes)

	require.NoError(t, os.Remove(filepath.Join(folder, l.segments[1].name.String())))
	f = &recordingFold{t: t}
	require.True(t, verifyLogAt(t, folder, VerifyOptions{Lock: LockFree, Fold: f}).Broken())
	require.True(t, slices.Equal(l.hashes()[:1501], f.hashes[:1501]))
	require.Less(t, len(f.hashes), 1501+400, "what follows the gap is not told")
}

// TestVerifyWithSynced: what a checkpoint vouches for can't be what a crash took,
// and while a writer is at work it is judged although the mark is behind.
func TestVerifyWithSynced(t *testing.T) {
	l := newTestLog(t)
	l.open(CauseCreated)
	l.event(signIn)
	l.setMark()
	l.event(export)
	l.open(CauseRotation)
	l.event(signIn)
	size := l.last().valid
	l.event(export)
	l.torn([]byte("{"))
	folder := l.save(t.TempDir())
	for _, tt := range []struct {
		lock    LockView
		synced  uint64
		head    uint64 // judged up to
		reason  string // of the fault, "" if there is none
		tail    bool
		pending int64 // bytes
	}{
		{lock: LockFree, head: 6, tail: true},
		{lock: LockFree, synced: 6, head: 6, tail: true},
		{lock: LockFree, synced: 7, head: 6, reason: "bytes without a line end"},
		{lock: LockHeld, head: 2, pending: int64(len(l.segments[0].data)) - l.mark.Offset + int64(len(l.last().data))},
		{lock: LockHeld, synced: 1, head: 2, pending: int64(len(l.segments[0].data)) - l.mark.Offset + int64(len(l.last().data))},
		{lock: LockHeld, synced: 3, head: 3, pending: int64(len(l.last().data))},
		{lock: LockHeld, synced: 5, head: 5, pending: int64(len(l.last().data) - size)},
		{lock: LockHeld, synced: 7, head: 6, reason: "bytes without a line end", pending: 1},
	} {
		r := verifyLogAt(t, folder, VerifyOptions{Lock: tt.lock, Synced: tt.synced})
		require.Equal(t, tt.head, r.Head.Seq, "%+v", tt)
		require.Equal(t, tt.tail, r.Tail != nil, "%+v", tt)
		require.Equal(t, tt.reason != "", r.Broken(), "%+v %v", tt, r.Faults)
		if tt.reason != "" {
			require.Equal(t, tt.reason, r.Faults[0].Reason)
		}
		if tt.lock == LockHeld {
			require.Equal(t, tt.pending, r.Pending.Bytes, "%+v", tt)
		}
	}
	l.last().data = l.last().data[:l.last().valid]
	r := verifyLogAt(t, l.save(t.TempDir()), VerifyOptions{Lock: LockFree, Synced: 7})
	require.Equal(t, "0000000002-00000000000000000004.jsonl: line 4, offset "+fmt.Sprint(l.last().valid)+", seq 7: log is shorter than a checkpoint of it, which covers entry 7", r.Faults[0].String())
}
