package chain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// TableRows returns the cells of the rows of the one table in a text whose head
// begins with a cell.
func TableRows(t *testing.T, file, head string) (rows [][]string) {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(data), "\n| "+head+" |")
	require.True(t, ok, "%s has no table of %s", file, head)
	for i, line := range strings.Split(table, "\n") {
		if i < 2 { // the rest of the head, and the line below it
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	require.NotEmpty(t, rows)
	return rows
}

// marked makes a log of two segments; the newest has the mark after its first
// event, of two.
func marked(l *testLog) {
	l.open(CauseCreated)
	l.event(signIn)
	l.open(CauseRotation)
	l.event(`{"n":1}`)
	l.setMark()
	l.event(`{"n":2}`)
}

func markless(l *testLog) {
	marked(l)
	l.mark = nil
}

func (l *testLog) goodLines() {
	l.event(`{"n":3}`)
	l.event(`{"n":4}`)
}

// shapes are the logs that each row of "A crash or tampering" in FORMAT.md names.
var shapes = map[string][]func(*testLog){
	"entries to the end, the mark at one of their ends": {
		marked,
		with(marked, (*testLog).setMark),
		with(marked, (*testLog).closed),
		two,
		func(l *testLog) { // in an earlier segment
			running(l)
			l.setMark()
			l.open(CauseRotation)
		},
	},
	"entries to the end, no mark": {markless, with(two, func(l *testLog) { l.mark = nil }), with(marked, func(l *testLog) { l.mark.LogID[0]++ })},
	"a torn or zero-filled end, at or after the mark": {
		with(marked, func(l *testLog) { l.torn([]byte(`{"seq":6`)) }),
		with(marked, func(l *testLog) { l.torn(make([]byte, 512)) }),
		with(marked, func(l *testLog) { l.torn(append([]byte(`{"seq":6,"prev_hash":"`), make([]byte, 100)...)) }),
		with(marked, func(l *testLog) { clear(l.last().data[l.mark.Offset+9:]) }),
		with(marked, func(l *testLog) { l.last().data = l.last().data[:l.mark.Offset+1] }),
		with(marked, func(l *testLog) { l.setMark(); l.torn([]byte("x")) }),
	},
	"a faulty line at or after the mark, good-looking lines after it": {
		with(marked, func(l *testLog) { l.torn([]byte("\n")); l.goodLines() }),
		with(marked, func(l *testLog) { l.replace(2, 3, `"n":2`, `"n":7`); l.goodLines() }),
		with(marked, func(l *testLog) { l.setMark(); l.torn(make([]byte, 512)); l.goodLines() }),
	},
	"either without a readable mark of this log": {
		with(markless, func(l *testLog) { l.torn([]byte(`{"seq":6`)) }),
		with(markless, func(l *testLog) { l.replace(2, 2, `"n":1`, `"n":7`) }),
		with(markless, func(l *testLog) { l.torn(make([]byte, 512)); l.goodLines() }),
		with(marked, func(l *testLog) { l.mark.LogID[0]++; l.torn([]byte("x")) }),
	},
	"a faulty line that begins before the mark": {
		with(marked, func(l *testLog) { l.replace(2, 2, `"n":1`, `"n":7`) }),
		with(marked, func(l *testLog) { clear(l.lines(2)[1]) }),
		with(marked, func(l *testLog) { l.setMark(); l.replace(2, 3, `"seq":5`, `"seq":6`) }),
	},
	"no whole opening entry": {
		with(marked, func(l *testLog) { l.last().data = nil }),
		with(markless, func(l *testLog) { l.last().data = l.last().data[:40] }),
		with(markless, func(l *testLog) { l.replace(2, 1, "rotation", "Rotation") }),
		with(markless, func(l *testLog) { l.setLines(2, l.lines(2)[1:]...) }),
		func(l *testLog) { l.open(CauseCreated); clear(l.last().data) },
	},
	"bytes after `closed`": {
		with(two, func(l *testLog) { l.torn([]byte("x")) }),
		with(two, func(l *testLog) { l.goodLines() }),
		with(markless, func(l *testLog) { l.closed(); l.torn(make([]byte, 4096)) }),
	},
	"fewer bytes than the mark's offset, or another entry there": {
		with(marked, func(l *testLog) { l.last().data = l.last().data[:l.mark.Offset-1] }),
		with(marked, func(l *testLog) { l.setLines(2, l.lines(2)[0]) }),
		with(marked, func(l *testLog) { l.mark.Hash[31]++ }),
		with(marked, func(l *testLog) { l.mark.Offset-- }),
		with(marked, func(l *testLog) { l.mark.Seq++ }),
	},
	"the mark in a later segment": {with(marked, func(l *testLog) { l.mark.Ordinal++ })},
	"a first seq at or below the mark's, the mark in an earlier segment": {func(l *testLog) {
		running(l)
		l.setMark()
		l.head = Head{Seq: 2}
		e, err := ParseLine(l.lines(1)[1][:len(l.lines(1)[1])-1])
		mustDo(err)
		l.head.Hash, l.last().valid = e.Hash, len(l.lines(1)[0])+len(l.lines(1)[1])
		l.open(CauseFailover, l.torn(nil))
	}},
}

// TestNamedShapes holds opening and verifying to the table of FORMAT.md.
func TestNamedShapes(t *testing.T) {
	rows := TableRows(t, "FORMAT.md", "the newest segment")
	require.Len(t, rows, len(shapes))
	made := 0
	for _, row := range rows {
		require.Len(t, row, 3)
		require.NotEmpty(t, shapes[row[0]], row[0])
		for _, make := range shapes[row[0]] {
			made++
			t.Run(row[0], func(t *testing.T) {
				l := newTestLog(t)
				make(l)
				dir := t.TempDir()
				folder := l.save(dir)
				before := verifyLogAt(t, folder, VerifyOptions{Lock: LockFree})
				require.Equal(t, row[2], verdict(before))
				// Opening cuts all that follows the fault, whatever it is.
				want := strings.Replace(row[1], "crash, cut", "crash, all cut", 1)
				require.Equal(t, want, l.opened(dir, folder, before))
			})
		}
	}
	t.Log("rows:", len(rows), "shapes:", made)
}

// verdict is what verify answers, in the words of FORMAT.md.
func verdict(r Report) string {
	switch {
	case r.Broken():
		return "broken"
	case r.Tail != nil:
		return "crash not yet recovered"
	}
	return "intact"
}

// opened opens and closes the log and returns what opening did, in the words of
// FORMAT.md. Whatever it does, no byte changes.
func (l *testLog) opened(dir, folder string, before Report) string {
	defer func() {
		for _, s := range l.segments {
			data, err := os.ReadFile(filepath.Join(folder, s.name.String()))
			require.NoError(l.t, err)
			require.Equal(l.t, string(s.data), string(data))
		}
	}()
	w, err := Open(l.t.Context(), Options{Directory: dir})
	if err != nil {
		var tampered *TamperError
		require.ErrorAs(l.t, err, &tampered)
		list, err := listFolder(durable.OS(), folder)
		require.NoError(l.t, err)
		require.Len(l.t, list.segments, len(l.segments))
		return "tampering"
	}
	after := w.Info()
	require.NoError(l.t, w.Close())
	name, _ := ParseSegmentName(after.Segment)
	o, fault, err := readOpening(durable.OS(), folder, l.id, name)
	require.NoError(l.t, err)
	require.Nil(l.t, fault)
	s := l.last()
	require.Equal(l.t, s.name.String(), o.Previous.Segment)
	if r := verifyLogAt(l.t, folder, VerifyOptions{}); r.Broken() || r.Tail != nil {
		require.Fail(l.t, "the log is not whole after opening", "%v %v", r.Faults, r.Tail)
	}
	if len(o.Cuts) == 0 {
		require.EqualValues(l.t, len(s.data), o.Previous.Length)
		return "goes on"
	}
	require.Equal(l.t, before.Head, o.Previous.Head)
	require.EqualValues(l.t, len(s.data), o.Cuts[0].Offset+o.Cuts[0].Length)
	return "crash, all cut"
}
