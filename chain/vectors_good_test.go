package chain

import (
	"bytes"
	"strings"
	"testing"
)

const (
	signIn = `{"v":1,"type":"user.login","time":"2026-11-23T12:00:00Z","actor":{"id":"anna"},"outcome":"success"}`
	export = `{"v":1,"type":"data.export","time":"2026-11-23T12:00:01Z","actor":{"id":"anna"},"attributes":{"rows":4711}}`
)

// two makes a log of two segments, of three and four lines, closed in order.
func two(l *testLog) {
	l.open(CauseCreated)
	l.event(signIn)
	l.event(export)
	l.open(CauseRotation)
	l.event(strings.Replace(signIn, "anna", "bert", 1))
	l.event(strings.Replace(export, "anna", "bert", 1))
	l.closed()
	l.setMark()
}

// running makes a log whose writer died after two events, the first synced.
func running(l *testLog) {
	l.open(CauseCreated)
	l.event(signIn)
	l.setMark()
	l.event(export)
}

func with(base, edit func(*testLog)) func(*testLog) {
	return func(l *testLog) {
		base(l)
		edit(l)
	}
}

const notExcluded = "truncation not excluded"

var goodVectors = []vector{
	{name: "good-created", what: "A log that was just created.", says: notExcluded, make: func(l *testLog) {
		l.open(CauseCreated)
		l.setMark()
	}},
	{name: "good-two-segments", what: "Two segments, closed in order.", says: notExcluded, make: two},
	{name: "good-running", what: "The writer died between two lines, the second not synced.", says: notExcluded, make: running},
	{name: "good-no-mark", what: "There is no mark.", says: notExcluded, make: with(two, func(l *testLog) { l.mark = nil })},
	{name: "good-mark-of-another-log", what: "The mark is of another log, so it counts as none.", says: notExcluded, make: with(two, func(l *testLog) {
		l.mark.LogID[0] ^= 1
		l.mark.Offset += 1000
	})},
	{name: "good-mark-torn", what: "The mark is torn in the middle of both slots.", says: notExcluded, make: with(two, func(l *testLog) { l.mark = nil }), files: map[string]string{markName: strings.Repeat("{", 700)}},
	{name: "good-every-cause", what: "A rotation, a cut of what a crash tore, a failover, and closed.", says: "the bytes are those declared", make: func(l *testLog) { *l = *sampleLog(l.t) }},
	{name: "good-failover-cut-changed", what: "What a failed sync left on disk is not what was written.", says: "not those declared", make: func(l *testLog) {
		*l = *sampleLog(l.t)
		s := l.segments[2]
		copy(s.data[s.valid:], "other")
	}},
	{name: "good-failover-cut-gone", what: "What was written before a failed sync never came to the disk.", says: "0 bytes that follow now are not those declared", make: func(l *testLog) {
		*l = *sampleLog(l.t)
		s := l.segments[2]
		s.data = s.data[:s.valid]
	}},
	{name: "good-cut-holds-entries", what: "A crash left a faulty line with whole lines after it, all cut by the next opening.", says: "the bytes are those declared", make: func(l *testLog) {
		running(l)
		head, valid := l.head, l.last().valid
		l.last().data = append(l.last().data, make([]byte, 40)...)
		l.event(`{"lost":true}`)
		l.head, l.last().valid = head, valid
		l.open(CauseStart, l.torn(nil))
		l.event(export)
	}},
	{name: "good-odd-bodies", what: "Bodies that JSON allows and few readers like: a lone surrogate, a name twice, numbers beyond 2^53 and beyond doubles, white space, depth.", says: notExcluded, make: func(l *testLog) {
		l.open(CauseCreated)
		for _, body := range []string{
			`{"a":"\ud800"}`, `{"a":1,"a":2}`, `{"a":9007199254740993,"b":18446744073709551616,"c":-0}`, `{"a":1e400,"b":1E-400}`,
			"{ \"a\"\t:\r[ ] }", `{}`, `{"":""}`, "{\"a\":\"\u202e\ufeff\u0085\"}", `{"a":` + strings.Repeat("[", 255) + strings.Repeat("]", 255) + `}`,
		} {
			l.event(body)
		}
	}},
	{name: "good-imitations", what: "Records that look like entries of the log itself.", says: notExcluded, make: func(l *testLog) {
		l.open(CauseCreated)
		l.event(`{"v":1,"type":"closed","time":"2026-11-23T12:00:00Z"}`)
		l.event(`{"v":1,"type":"opened","cause":"created","log_id":"` + l.id.String() + `","ordinal":1,"format":1}`)
		l.event(`{"body":"\"}}\n{\"seq\":4,\"prev_hash\":\"","system":{"type":"closed"}}`)
		l.event(signIn)
	}},
	{name: "good-unknown-system-entries", what: "System entries of a type, and with members, that a later version may have.", says: notExcluded, make: func(l *testLog) {
		l.open(CauseCreated)
		l.entry(System, []byte(`{"v":1,"type":"key_changed","time":"2026-11-23T12:00:00Z","key":{"Id":7},"new_in_2":[]}`))
		l.closed()
	}},
	{name: "good-other-files", what: "Files beside the segments that are no part of the log.", says: "no part of the log", make: two, files: map[string]string{
		"notes.txt": "x", "0000000003-00000000000000000008.jsonl.tmp": "half", "000000003-00000000000000000008.jsonl": "9 digits",
	}},
	{name: "good-format-later", what: "A segment is of a later format, so the log is not judged.", exit: 4, chain: 4, says: "is of format 2", make: func(l *testLog) {
		l.openAs(Opened{SystemEvent: SystemEvent{V: 1, Type: TypeOpened, Time: testTime}, Cause: CauseCreated, LogID: l.id, Ordinal: 1, Format: 2})
	}},
}

// unseenVectors are logs that were tampered with so that no chain can show it.
// The answer says so.
var unseenVectors = []vector{
	{name: "unseen-tail-cut", what: "Two entries cut off the end, and the mark removed.", says: notExcluded, make: with(two, func(l *testLog) {
		l.mark = nil
		l.setLines(2, l.lines(2)[:2]...)
	})},
	{name: "unseen-tail-cut-and-mark-set-back", what: "Two entries cut off the end, and the mark set back to where it ends.", says: notExcluded, make: with(two, func(l *testLog) {
		lines := l.lines(2)[:2]
		l.setLines(2, lines...)
		e, err := ParseLine(bytes.TrimSuffix(lines[1], []byte("\n")))
		mustDo(err)
		l.mark.Offset, l.mark.Head = int64(len(l.segments[1].data)), e.Head()
	})},
	{name: "unseen-last-segment-removed", what: "The last segment and the mark removed.", says: notExcluded, make: with(two, func(l *testLog) {
		l.segments, l.mark = l.segments[:1], nil
	})},
	{name: "unseen-rebuilt", what: "An entry changed, and the chain from there on, the opening entry and the mark made anew.", says: notExcluded, make: func(l *testLog) {
		l.open(CauseCreated)
		l.event(strings.Replace(signIn, "success", "failure", 1))
		l.event(export)
		l.open(CauseRotation)
		l.event(strings.Replace(signIn, "anna", "bert", 1))
		l.closed()
		l.setMark()
	}},
}

var crashVectors = []vector{
	{name: "crash-torn", what: "Half a line after the mark.", exit: 3, chain: 1, at: "1:4", says: "bytes without a line end", make: with(running, func(l *testLog) { l.torn([]byte(`{"seq":4,"prev_ha`)) })},
	{name: "crash-zero-filled", what: "A sector of zeros after the mark.", exit: 3, chain: 1, at: "1:4", says: "512 bytes from there on do not count", make: with(running, func(l *testLog) { l.torn(make([]byte, 512)) })},
	{name: "crash-zeros-then-lines", what: "Zeros after the mark, whole lines after them.", exit: 3, chain: 1, at: "1:4", says: "line does not begin with", make: with(running, func(l *testLog) {
		l.torn(make([]byte, 512))
		l.event(`{"n":5}`)
		l.event(`{"n":6}`)
	})},
	{name: "crash-at-the-mark", what: "The line that begins at the mark's offset is half zeros.", exit: 3, chain: 1, at: "1:3", says: "NOT RECOVERED", make: with(running, func(l *testLog) {
		clear(l.last().data[l.mark.Offset+30 : len(l.last().data)-1])
	})},
	{name: "crash-changed-after-the-mark", what: "A byte of an entry after the mark is another: a crash can leave that, too.", exit: 3, chain: 1, at: "1:3", says: "hash does not match the entry", make: with(running, func(l *testLog) { l.replace(1, 3, "4711", "4712") })},
	{name: "crash-after-a-rotation", what: "The mark stands in the segment before, as the new one had only its opening entry synced.", exit: 3, chain: 1, at: "2:2", says: "NOT RECOVERED", make: with(running, func(l *testLog) {
		l.open(CauseRotation)
		l.torn([]byte(`{"se`))
	})},
	{name: "crash-missing-end", what: "The bytes of a line but for its line end.", exit: 3, chain: 1, at: "1:3", says: "bytes without a line end", make: with(running, func(l *testLog) {
		l.last().data = l.last().data[:len(l.last().data)-1]
	})},
}

var directoryVectors = []vector{
	{name: "directory-two-logs", what: "Two logs, neither of which names the other: one is a copy from elsewhere.", exit: 1, says: "none of these logs names another as succeeded", logs: []int{0, 0}, chains: []int{0, 0}, more: func(t *testing.T) []*testLog {
		return []*testLog{succeeding(t, 1), succeeding(t, 2)}
	}},
	{name: "directory-circle", what: "Two logs that name each other as succeeded.", exit: 1, says: "every log is named as succeeded by another", logs: []int{0, 0}, chains: []int{0, 0}, more: func(t *testing.T) []*testLog {
		return []*testLog{succeeding(t, 1, LogID{2, 2, 3}), succeeding(t, 2, LogID{1, 2, 3})}
	}},
	{name: "directory-broken-and-succeeded", what: "A broken log, and the one that goes on for it: broken it stays.", exit: 1, at: "1:1", says: "goes on for the broken log", logs: []int{1, 0}, chains: []int{1, 0}, more: func(t *testing.T) []*testLog {
		broken := succeeding(t, 1)
		broken.replace(1, 1, "created", "Created")
		return []*testLog{broken, succeeding(t, 2, broken.id)}
	}},
	{name: "directory-succeeded-gone", what: "The log that goes on for a broken one, which was moved elsewhere.", says: "goes on for the broken log", logs: []int{0}, chains: []int{0}, more: func(t *testing.T) []*testLog {
		return []*testLog{succeeding(t, 2, LogID{1, 2, 3})}
	}},
}
