package independent

import (
	"bytes"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestGoodLogsPass(t *testing.T) {
	l := goodLog(t)
	for len(l.segments) > 0 {
		l.mark = nil
		require.NoError(t, CheckFS(l.files(), l.id))
		l.note()
		require.NoError(t, CheckFS(l.files(), l.id))
		folder := save(t, l.id, l.files())
		require.NoError(t, Check(folder))
		require.NoError(t, CheckChain(folder))
		s := l.newest()
		l.heads = l.heads[:len(l.heads)-len(s.lines)]
		l.segments = l.segments[:len(l.segments)-1]
		if len(l.segments) > 0 {
			l.newest().cut = "" // as it was before the next opening, but for the crash
		}
	}
}

func TestUnreadableLogIsNoFault(t *testing.T) {
	folder := t.TempDir() + "/" + testLogID
	for _, err := range []error{Check(folder), CheckChain(folder)} {
		var fault *Error
		require.Error(t, err)
		require.NotErrorAs(t, err, &fault)
	}
}

// Every byte of every entry that counts, changed to each of a few values, removed, and preceded by
// another, breaks the chain, at the entry it belongs to. The segments before are read once.
func TestEveryByteEditBreaksTheChain(t *testing.T) {
	l := goodLog(t)
	seq := uint64(0)
	for k, s := range l.segments {
		before, last := seq, seq+uint64(len(s.lines))
		seq = last
		if k == len(l.segments)-1 {
			last = 0
		}
		good := s.bytes()
		read := func(data []byte) *Error {
			edited := &segment{name: s.name, ordinal: uint64(k) + 1, first: before + 1, data: data}
			_, _, fault := edited.read(l.id, before, l.heads[before], last)
			return fault
		}
		require.Nil(t, read(good))
		at := 0
		for i, text := range s.lines {
			for range len(text) {
				changed := slices.Clone(good)
				for _, b := range edits(good[at]) {
					changed[at] = b
					requirePlace(t, read(changed), i+1, at)
				}
				requirePlace(t, read(slices.Delete(slices.Clone(good), at, at+1)), i+1, at)
				requirePlace(t, read(slices.Insert(slices.Clone(good), at, 'x')), i+1, at)
				at++
			}
		}
	}
}

func requirePlace(t *testing.T, fault *Error, line, at int) {
	t.Helper()
	if fault == nil || fault.Line != line {
		t.Fatalf("edit of byte %d, in line %d: %v", at, line, fault)
	}
}

// edits are the values that differ from b in one bit, and those that have a meaning in a line.
func edits(b byte) []byte {
	var to []byte
	for bit := range 8 {
		to = append(to, b^1<<bit)
	}
	to = append(to, "\n\x00 0f}\""...)
	return slices.DeleteFunc(to, func(v byte) bool { return v == b })
}

// lineEdit changes the lines of a segment. Two edits pass the chain check and need the full one:
// without its last entry a log is a shorter log, which only the mark tells; and what is added behind
// the last entry of a sealed segment is an undeclared cut, unless a failover declared one there.
type lineEdit struct {
	name string
	do   func(lines []string, i int) []string
}

var lineEdits = []lineEdit{
	{"removed", func(lines []string, i int) []string { return slices.Delete(lines, i, i+1) }},
	{"doubled", func(lines []string, i int) []string { return slices.Insert(lines, i, lines[i]) }},
	{"swapped", func(lines []string, i int) []string {
		j := (i + 1) % len(lines)
		lines[i], lines[j] = lines[j], lines[i]
		return lines
	}},
	{"inserted", func(lines []string, i int) []string { return slices.Insert(lines, i, "{}\n") }},
	{"forged", func(lines []string, i int) []string {
		e, err := parseLine([]byte(lines[i]))
		if err != nil {
			panic(err)
		}
		forger := &testLog{heads: make([]hash, e.seq), segments: []*testSegment{{}}}
		copy(forger.heads[e.seq-1][:], "unknown to the forger's reader..")
		forger.add("event", `{"forged":true}`)
		return slices.Insert(lines, i, forger.newest().lines[0])
	}},
	{"followed by an empty line", func(lines []string, i int) []string { return slices.Insert(lines, i, "\n") }},
}

func TestEntriesRemovedDoubledSwappedInserted(t *testing.T) {
	good := goodLog(t)
	for k, s := range good.segments {
		for i := range s.lines {
			for _, edit := range lineEdits {
				l := goodLog(t)
				l.segments[k].lines = edit.do(slices.Clone(s.lines), i)
				what := []any{"%s line %d %s", s.name, i + 1, edit.name}
				truncated := edit.name == "removed" && k == len(good.segments)-1 && i == len(s.lines)-1
				cut := edit.name == "doubled" && k < len(good.segments)-1 && i == len(s.lines)-1
				if cut && k == failoverCut {
					require.NoError(t, CheckFS(l.files(), l.id), what...)
					continue
				}
				requireFault(t, CheckFS(l.files(), l.id), what...)
				if truncated || cut {
					require.NoError(t, checkChain(l.files()), what...)
				} else {
					require.Equal(t, s.name, requireFault(t, checkChain(l.files()), what...).Segment, what...)
				}
			}
		}
	}
}

func TestSegmentsRemovedSwappedInserted(t *testing.T) {
	good := goodLog(t)
	last := len(good.segments) - 1
	for k, s := range good.segments {
		removed := good.files()
		delete(removed, s.name)
		requireFault(t, CheckFS(removed, good.id), "%s removed", s.name)
		if k < last {
			requireFault(t, checkChain(removed), "%s removed", s.name)
		} else {
			require.NoError(t, checkChain(removed), "truncation is excluded by the mark only")
		}
		for _, other := range good.segments[k+1:] {
			swapped := good.files()
			swapped[s.name], swapped[other.name] = swapped[other.name], swapped[s.name]
			requireFault(t, checkChain(swapped), "%s and %s swapped", s.name, other.name)
		}
		emptied := good.files()
		emptied[s.name] = &fstest.MapFile{}
		requireFault(t, checkChain(emptied), "%s emptied", s.name)
		doubled := good.files()
		doubled[s.name[:10]+"-00000000000000000099.jsonl"] = doubled[s.name]
		requireFault(t, checkChain(doubled), "%s doubled", s.name)
	}
}

func TestNames(t *testing.T) {
	first := goodLog(t).segments[0].name
	for _, name := range []string{
		"0000000000-00000000000000000001.jsonl",
		"0000000001-00000000000000000002.jsonl",
		"0000000007-00000000000000000099.jsonl",
		"0000000006-00000000000000000001.jsonl",
		"0000000006-99999999999999999999.jsonl",
	} {
		files := goodLog(t).files()
		files[name] = &fstest.MapFile{Data: bytes.Clone(files[first].Data)}
		fault := requireFault(t, checkChain(files), name)
		require.Zero(t, fault.Offset)
	}
	for _, name := range []string{
		"0000000006-00000000000000000099.jsonl.tmp", "0000000006-00000000000000000099.json",
		"6-99.jsonl", "x0000000006-00000000000000000099.jsonl",
	} {
		files := goodLog(t).files()
		files[name] = &fstest.MapFile{Data: []byte("not read")}
		require.NoError(t, CheckFS(files, testLogID), name)
	}
	requireFault(t, CheckFS(fstest.MapFS{}, testLogID))
	_, fault, err := readLog(goodLog(t).files(), "8F14E45FCEEA167A5A36DEDD4BEA2543")
	require.NoError(t, err)
	require.NotNil(t, fault)
	_, fault, err = readLog(goodLog(t).files(), "8f14e45fceea167a5a36dedd4bea2544")
	require.NoError(t, err)
	require.Equal(t, 1, fault.Line, "another log id is another genesis")
}
