package independent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// crashed is a log whose first segment was torn by a crash, without its second.
func crashed(t *testing.T) *testLog {
	l := newTestLog(t)
	l.open("created", nil)
	l.event(1)
	l.newest().cut = `{"seq":3,"prev`
	return l
}

// failed is a log whose first segment was given up with two entries, without its second.
func failed(t *testing.T) *testLog {
	l := newTestLog(t)
	l.open("created", nil)
	l.event(1)
	l.event(2)
	l.event(3)
	l.giveUp(2)
	return l
}

// whole is a log that has lost nothing, without its second segment.
func whole(t *testing.T) *testLog {
	l := newTestLog(t)
	l.open("created", nil)
	l.event(1)
	return l
}

func cutWith(l *testLog, name string, value any) map[string]any {
	cut := l.cut(l.newest().cut)
	cut[name] = value
	return map[string]any{"cuts": []any{cut}}
}

func previousWith(l *testLog, name string, value any) map[string]any {
	s := l.newest()
	previous := map[string]any{
		"segment": s.name, "length": s.length(), "seq": l.seq(), "hash": l.heads[l.seq()].String(),
	}
	previous[name] = value
	return map[string]any{"previous": previous}
}

// What a second segment declares of the first is right, or the full check fails. The chain check
// never looks.
func TestSuccession(t *testing.T) {
	changeCut := func(to func(string) string) func(*testLog) {
		return func(l *testLog) { l.segments[0].cut = to(l.segments[0].cut) }
	}
	without := func(string) string { return "" }
	shorter := func(s string) string { return s[:len(s)-1] }
	longer := func(s string) string { return s + "x" }
	other := func(s string) string { return strings.Replace(s, "seq", "Seq", 1) }
	tests := []struct {
		name    string
		log     func(*testing.T) *testLog
		cause   string
		members func(*testLog) map[string]any
		after   func(*testLog) // done to the log when its second segment is there
		good    bool
	}{
		{name: "crash cut", log: crashed, cause: "start", good: true},
		{name: "failover cut", log: failed, cause: "failover", good: true},
		{name: "crash cut shorter", log: crashed, cause: "start", after: changeCut(shorter)},
		{name: "crash cut longer", log: crashed, cause: "start", after: changeCut(longer)},
		{name: "crash cut changed", log: crashed, cause: "start", after: changeCut(other)},
		{name: "crash cut removed", log: crashed, cause: "start", after: changeCut(without)},
		{name: "failover cut shorter", log: failed, cause: "failover", after: changeCut(shorter), good: true},
		{name: "failover cut changed", log: failed, cause: "failover", after: changeCut(other), good: true},
		{name: "failover cut removed", log: failed, cause: "failover", after: changeCut(without), good: true},
		{name: "failover cut longer", log: failed, cause: "failover", after: changeCut(longer), good: true},
		{name: "start cuts whole entries", log: failed, cause: "start", good: true},
		{name: "rotation with cut", log: crashed, cause: "rotation"},
		{name: "created with cut", log: crashed, cause: "created"},
		{name: "undeclared crash cut", log: crashed, cause: "start", members: func(*testLog) map[string]any {
			return map[string]any{"cuts": nil}
		}},
		{name: "undeclared failover cut", log: failed, cause: "failover", members: func(*testLog) map[string]any {
			return map[string]any{"cuts": nil}
		}},
		{name: "cuts empty", log: failed, cause: "failover", members: func(*testLog) map[string]any {
			return map[string]any{"cuts": []any{}}
		}},
		{name: "cuts no list", log: failed, cause: "failover", members: func(l *testLog) map[string]any {
			return map[string]any{"cuts": l.cut(l.newest().cut)}
		}},
		{name: "cut twice", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return map[string]any{"cuts": []any{l.cut(l.newest().cut), l.cut(l.newest().cut)}}
		}},
		{name: "cut of nothing", log: whole, cause: "failover", members: func(l *testLog) map[string]any {
			return map[string]any{"cuts": []any{l.cut("")}}
		}, good: true},
		{name: "bytes where none were handed over", log: whole, cause: "failover", members: func(l *testLog) map[string]any {
			return map[string]any{"cuts": []any{l.cut("")}}
		}, after: changeCut(func(string) string { return "appended by another" }), good: true},
		{name: "cut of another segment too", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			another := cutWith(l, "segment", "0000000009-00000000000000000009.jsonl")["cuts"].([]any)[0]
			return map[string]any{"cuts": []any{l.cut(l.newest().cut), another}}
		}},
		{name: "cut of another segment", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return cutWith(l, "segment", "0000000009-00000000000000000009.jsonl")
		}},
		{name: "cut at another offset", log: failed, cause: "failover", members: func(l *testLog) map[string]any {
			return cutWith(l, "offset", l.newest().length()+1)
		}},
		{name: "cut of another length", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return cutWith(l, "length", 1)
		}},
		{name: "cut of another digest", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return cutWith(l, "sha256", strings.Repeat("0", 64))
		}},
		{name: "no previous", log: crashed, cause: "start", members: func(*testLog) map[string]any {
			return map[string]any{"previous": nil}
		}},
		{name: "previous of another name", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return previousWith(l, "segment", "0000000001")
		}},
		{name: "previous longer", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return previousWith(l, "length", len(l.newest().bytes()))
		}},
		{name: "previous of another seq", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return previousWith(l, "seq", 1)
		}},
		{name: "previous of another hash", log: crashed, cause: "start", members: func(l *testLog) map[string]any {
			return previousWith(l, "hash", l.heads[1].String())
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := test.log(t)
			var members map[string]any
			if test.members != nil {
				members = test.members(l)
			}
			l.open(test.cause, members)
			if test.after != nil {
				test.after(l)
			}
			l.event(9)
			require.NoError(t, checkChain(l.files()))
			err := CheckFS(l.files(), l.id)
			if test.good {
				require.NoError(t, err)
				return
			}
			require.False(t, requireFault(t, err).Crash)
		})
	}
}

// Bytes behind a sealed segment are found, but where a failover has declared a cut already.
func TestUndeclaredBytesAreFound(t *testing.T) {
	for k := range len(goodLog(t).segments) - 1 {
		l := goodLog(t)
		l.segments[k].cut += "x"
		require.NoError(t, checkChain(l.files()))
		err := CheckFS(l.files(), l.id)
		if k == failoverCut {
			require.NoError(t, err)
			continue
		}
		fault := requireFault(t, err, l.segments[k].name)
		require.Equal(t, l.segments[k].name, fault.Segment)
		require.EqualValues(t, l.segments[k].length(), fault.Offset)
	}
}

func TestDeclaredBytesAfterClosedAreAFault(t *testing.T) {
	l := newTestLog(t)
	l.open("created", nil)
	l.closed()
	l.newest().cut = "x"
	l.open("start", nil)
	require.NoError(t, checkChain(l.files()))
	requireFault(t, CheckFS(l.files(), l.id))
}

func TestFirstSegmentHasNothingBefore(t *testing.T) {
	for _, name := range []string{"previous", "cuts"} {
		l := newTestLog(t)
		l.open("created", map[string]any{name: []any{}})
		require.NoError(t, checkChain(l.files()))
		requireFault(t, CheckFS(l.files(), l.id), name)
	}
}

// The verdicts of FORMAT.md on the newest segment.
func TestCrashOrTampering(t *testing.T) {
	tail := func(cut string) func(*testLog) {
		return func(l *testLog) { l.newest().cut = cut }
	}
	breakLine := func(i int) func(*testLog) {
		return func(l *testLog) {
			s := l.newest()
			s.lines[i] = strings.Replace(s.lines[i], "hash", "Hash", 1)
		}
	}
	markSealed := func(l *testLog) {
		l.mark = []byte(slot(l.id, 1, l.segments[0].length(), 2, l.heads[2].String()))
	}
	noMark := func(l *testLog) { l.mark = nil }
	tests := []struct {
		name  string
		do    []func(*testLog)
		good  bool
		crash bool
	}{
		{name: "entries to the end, mark before it", good: true},
		{name: "entries to the end, no mark", do: []func(*testLog){noMark}, good: true},
		{name: "torn end", do: []func(*testLog){tail(`{"seq":`)}, crash: true},
		{name: "zero-filled end", do: []func(*testLog){tail(strings.Repeat("\x00", 600))}, crash: true},
		{name: "faulty line after the mark", do: []func(*testLog){breakLine(3)}, crash: true},
		{name: "faulty line before the mark", do: []func(*testLog){breakLine(1)}},
		{name: "faulty line before the mark's end", do: []func(*testLog){breakLine(2)}},
		{name: "faulty line, no mark", do: []func(*testLog){breakLine(1), noMark}},
		{name: "faulty line, unreadable mark", do: []func(*testLog){breakLine(1), func(l *testLog) { l.mark[9] ^= 1 }}},
		{name: "faulty line, mark of another log", do: []func(*testLog){breakLine(1), func(l *testLog) {
			l.mark = []byte(slot(strings.Repeat("0", 32), 2, 9999, 99, strings.Repeat("0", 64)))
		}}},
		{name: "no whole opening entry", do: []func(*testLog){breakLine(0), markSealed}},
		{name: "bytes after closed", do: []func(*testLog){(*testLog).closed, (*testLog).note, tail("\n")}},
		{name: "bytes after closed, mark before it", do: []func(*testLog){(*testLog).closed, tail("\n")}},
		{name: "another hash at the mark", do: []func(*testLog){func(l *testLog) {
			l.mark = []byte(slot(l.id, 2, l.newest().length(), l.seq(), l.heads[1].String()))
		}}},
		{name: "fewer bytes than the mark's offset", do: []func(*testLog){func(l *testLog) {
			l.newest().lines = l.newest().lines[:2]
		}}},
		{name: "another entry at the mark", do: []func(*testLog){func(l *testLog) {
			s := l.newest()
			l.mark = []byte(slot(l.id, 2, len(s.lines[0]), l.seq(), l.heads[l.seq()].String()))
		}}},
		{name: "older than the mark's ordinal", do: []func(*testLog){func(l *testLog) {
			l.mark = []byte(slot(l.id, 3, 100, l.seq(), l.heads[l.seq()].String()))
		}}},
		{name: "mark in a sealed segment", do: []func(*testLog){markSealed}, good: true},
		{name: "mark at an entry cut since", do: []func(*testLog){func(l *testLog) {
			l.mark = []byte(slot(l.id, 1, l.segments[0].length()+len(l.segments[0].cut), 3, l.heads[3].String()))
		}}},
		{name: "torn end, mark in a sealed segment", do: []func(*testLog){tail("x"), markSealed}, crash: true},
		{name: "torn end and undeclared cut", do: []func(*testLog){tail("x"), func(l *testLog) {
			l.segments[0].cut += "x"
		}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := crashed(t)
			l.open("start", nil)
			l.event(2)
			l.event(3)
			l.note()
			l.event(4)
			for _, do := range test.do {
				do(l)
			}
			err := CheckFS(l.files(), l.id)
			if test.good {
				require.NoError(t, err)
				return
			}
			require.Equal(t, test.crash, requireFault(t, err).Crash)
		})
	}
}

// The older slot serves when the newer one is torn.
func TestMarkSlots(t *testing.T) {
	l := goodLog(t)
	mark := l.mark
	newest, older := string(mark[:slotSize]), string(mark[slotSize:])
	for name, test := range map[string]struct {
		mark    string
		ordinal uint64 // 0: none
	}{
		"newer first":     {newest + older, 5},
		"newer second":    {older + newest, 5},
		"newer torn":      {strings.Repeat("\x00", slotSize) + older, 4},
		"half a file":     {newest, 5},
		"half a slot":     {newest[:slotSize-1], 0},
		"no line feed":    {newest[:slotSize-1] + " ", 0},
		"upper-case hex":  {strings.ToUpper(newest), 0},
		"checksum zeroed": {newest[:slotObject] + "00000000\n", 0},
		"empty":           {"", 0},
	} {
		files := l.files()
		files["mark"].Data = []byte(test.mark)
		got, err := readMark(files, l.id)
		require.NoError(t, err)
		if test.ordinal == 0 {
			require.Nil(t, got, name)
			continue
		}
		require.Equal(t, test.ordinal, got.ordinal, name)
		require.NoError(t, CheckFS(files, l.id), name)
	}
}
