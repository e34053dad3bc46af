package chain

import (
	"bytes"
	"slices"
	"strconv"
)

var lineVectors = []vector{
	{name: "line-body-changed", what: "A byte of a body changed.", exit: 1, chain: 1, at: "1:3", says: "hash does not match the entry", make: with(two, func(l *testLog) { l.replace(1, 3, "4711", "4712") })},
	{name: "line-hash-changed", what: "A digit of a hash changed.", exit: 1, chain: 1, at: "1:2", says: "hash does not match the entry", make: with(two, func(l *testLog) { l.changeDigit(1, 2, lineHash) })},
	{name: "line-prev-hash-changed", what: "A digit of a prev_hash changed.", exit: 1, chain: 1, at: "2:2", says: "prev_hash does not match the entry before", make: with(two, func(l *testLog) { l.changeDigit(2, 2, linePrev) })},
	{name: "line-seq-changed", what: "A seq changed.", exit: 1, chain: 1, at: "1:3", says: "seq is 7, want 3", make: with(two, func(l *testLog) { l.replace(1, 3, `"seq":3`, `"seq":7`) })},
	{name: "line-body-and-hash-changed", what: "An entry changed and its own hash made anew, but not the chain after it.", exit: 1, chain: 1, at: "1:3", says: "prev_hash does not match the entry before", make: with(two, func(l *testLog) {
		l.remake(1, 2, Event, []byte(`{"v":1,"type":"user.login","outcome":"failure"}`))
	})},
	{name: "line-removed", what: "An entry removed.", exit: 1, chain: 1, at: "1:2", says: "seq is 3, want 2", make: with(two, func(l *testLog) { l.setLines(1, slices.Delete(l.lines(1), 1, 2)...) })},
	{name: "line-doubled", what: "An entry doubled.", exit: 1, chain: 1, at: "2:3", says: "seq is 5, want 6", make: with(two, func(l *testLog) {
		lines := l.lines(2)
		l.setLines(2, slices.Insert(lines, 2, lines[1])...)
	})},
	{name: "line-swapped", what: "Two entries swapped.", exit: 1, chain: 1, at: "2:2", says: "seq is 6, want 5", make: with(two, func(l *testLog) {
		lines := l.lines(2)
		lines[1], lines[2] = lines[2], lines[1]
		l.setLines(2, lines...)
	})},
	{name: "line-inserted", what: "An entry of another log inserted.", exit: 1, chain: 1, at: "1:3", says: "prev_hash does not match the entry before", make: with(two, func(l *testLog) {
		other := newTestLog(l.t)
		other.id[0]++
		other.head = Genesis(other.id)
		two(other)
		l.setLines(1, slices.Insert(l.lines(1), 2, other.lines(1)[2])...)
	})},
	{name: "line-seq-skipped", what: "A chain whose hashes are right, but a sequence number is left out.", exit: 1, chain: 1, at: "1:3", says: "seq is 4, want 3", make: func(l *testLog) {
		l.open(CauseCreated)
		l.event(signIn)
		l.head.Seq++
		l.event(export)
		l.setMark()
	}},
	{name: "line-wrong-genesis", what: "A log whose first entry does not follow its genesis; the hashes are right.", exit: 1, chain: 1, at: "1:1", says: "prev_hash does not match the entry before", make: func(l *testLog) {
		l.head = Genesis(LogID{9})
		two(l)
	}},
	{name: "line-empty", what: "An empty line inserted.", exit: 1, chain: 1, at: "1:2", says: "line does not begin with", make: with(two, func(l *testLog) {
		l.setLines(1, slices.Insert(l.lines(1), 1, []byte("\n"))...)
	})},
	{name: "line-crlf", what: "Lines that end in CR LF, as an editor may leave them.", exit: 1, chain: 1, at: "1:1", says: "line does not end with }", make: with(two, func(l *testLog) {
		l.segments[0].data = bytes.ReplaceAll(l.segments[0].data, []byte("\n"), []byte("\r\n"))
	})},
	{name: "line-byte-order-mark", what: "A byte order mark before the first line.", exit: 1, chain: 1, at: "1:1", says: "line does not begin with", make: with(two, func(l *testLog) {
		l.segments[0].data = append([]byte("\ufeff"), l.segments[0].data...)
	})},
	{name: "line-white-space", what: "A line in the form that other JSON encoders give it.", exit: 1, chain: 1, at: "1:2", says: "seq is not a positive decimal number", make: with(two, func(l *testLog) { l.replace(1, 2, `{"seq":2,`, `{"seq": 2,`) })},
	{name: "line-members-moved", what: "The members of a line in another order.", exit: 1, chain: 1, at: "1:2", says: "line does not begin with", make: with(two, func(l *testLog) {
		l.replace(1, 2, `{"seq":2,"prev`, `{"prev`)
		l.replace(1, 2, `,"event":`, `,"seq":2,"event":`)
	})},
	{name: "line-upper-case-hex", what: "A hash in upper-case digits.", exit: 1, chain: 1, at: "1:2", says: "hash is not 64 lower-case hex digits", make: with(two, func(l *testLog) {
		line := l.lines(1)[1]
		i := bytes.Index(line, []byte(lineHash)) + len(lineHash)
		copy(line[i:i+hexLen], bytes.ToUpper(line[i:i+hexLen]))
	})},
	{name: "line-leading-zero", what: "A seq with a leading zero.", exit: 1, chain: 1, at: "1:2", says: "seq is not a positive decimal number", make: with(two, func(l *testLog) { l.replace(1, 2, `"seq":2`, `"seq":02`) })},
	{name: "line-seq-too-large", what: "A seq of 2^64.", exit: 1, chain: 1, at: "1:2", says: "seq is not a positive decimal number", make: with(two, func(l *testLog) { l.replace(1, 2, `"seq":2`, `"seq":18446744073709551616`) })},
	{name: "line-kind-changed", what: "A record's entry made one of the log itself by its key.", exit: 1, chain: 1, at: "1:2", says: "hash does not match the entry", make: with(two, func(l *testLog) { l.replace(1, 2, `,"event":`, `,"system":`) })},
	{name: "line-zero-filled", what: "Zeros in the place of a synced entry.", exit: 1, chain: 1, at: "2:2", says: "line does not begin with", make: with(two, func(l *testLog) {
		line := l.lines(2)[1]
		clear(line[:len(line)-1])
	})},
}

// changeDigit changes the hex digit after prefix in a line.
func (l *testLog) changeDigit(ordinal, line int, prefix string) {
	text := l.lines(ordinal)[line-1]
	i := bytes.Index(text, []byte(prefix)) + len(prefix)
	digit, err := strconv.ParseUint(string(text[i]), 16, 8)
	mustDo(err)
	text[i] = strconv.FormatUint(digit^1, 16)[0]
}

// remake replaces an entry by another with right hashes of its own.
func (l *testLog) remake(ordinal, line int, k Kind, body []byte) {
	lines := l.lines(ordinal)
	e, err := ParseLine(bytes.TrimSuffix(lines[line-1], []byte("\n")))
	mustDo(err)
	forged := newTestLog(l.t)
	forged.head = Head{Seq: e.Seq - 1, Hash: e.Prev}
	forged.segments = []*testSegment{{}}
	forged.entry(k, body)
	lines[line-1] = forged.segments[0].data
	l.setLines(ordinal, lines...)
}

// holding makes a log with a body whose hashes are right.
func holding(k Kind, text string) func(*testLog) {
	return func(l *testLog) {
		l.open(CauseCreated)
		l.entry(k, []byte(text))
		l.event(signIn)
		l.setMark()
	}
}

var bodyVectors = []vector{
	{name: "body-not-utf8", what: "A body with a byte that is not UTF-8; the hashes are right, as in all that begin with body.", exit: 1, chain: 1, at: "1:2", says: "body is not UTF-8", make: holding(Event, "{\"a\":\"\xff\"}")},
	{name: "body-surrogate-bytes", what: "A body with the bytes of a surrogate.", exit: 1, chain: 1, at: "1:2", says: "body is not UTF-8", make: holding(Event, "{\"a\":\"\xed\xa0\x80\"}")},
	{name: "body-overlong", what: "A body with an overlong form of a slash.", exit: 1, chain: 1, at: "1:2", says: "body is not UTF-8", make: holding(Event, "{\"a\":\"\xc0\xaf\"}")},
	{name: "body-no-object", what: "A body that is an array.", exit: 1, chain: 1, at: "1:2", says: "body is not a JSON object", make: holding(Event, `[1]`)},
	{name: "body-two-objects", what: "A body that is two objects.", exit: 1, chain: 1, at: "1:2", says: "body is not valid JSON", make: holding(Event, `{"a":1}{"a":2}`)},
	{name: "body-space-after", what: "A body with a space after it.", exit: 1, chain: 1, at: "1:2", says: "body is not a JSON object", make: holding(Event, `{"a":1} `)},
	{name: "body-nan", what: "A body with NaN.", exit: 1, chain: 1, at: "1:2", says: "body is not valid JSON", make: holding(Event, `{"a":NaN}`)},
	{name: "body-trailing-comma", what: "A body with a comma too many.", exit: 1, chain: 1, at: "1:2", says: "body is not valid JSON", make: holding(Event, `{"a":1,}`)},
	{name: "body-control-character", what: "A body with a raw control character.", exit: 1, chain: 1, at: "1:2", says: "body is not valid JSON", make: holding(Event, "{\"a\":\"\x1b[2J\"}")},
	{name: "body-leading-zero", what: "A body with a number that JSON does not have.", exit: 1, chain: 1, at: "1:2", says: "body is not valid JSON", make: holding(Event, `{"a":01}`)},
	{name: "body-system-member-name", what: "A system entry with a member that some readers take for one of the format.", exit: 1, chain: 1, at: "1:2", says: "system entry can't be read", make: holding(System, `{"v":1,"type":"key_changed","Type":"closed"}`)},
}

var markVectors = []vector{
	{name: "mark-tail-cut", what: "An entry cut off the end.", exit: 1, chain: 0, at: "2:4", says: "log is shorter than its mark", make: with(two, func(l *testLog) { l.setLines(2, l.lines(2)[:3]...) })},
	{name: "mark-tail-cut-within", what: "The end cut off in the middle of a line.", exit: 1, chain: 1, at: "2:4", says: "bytes without a line end", make: with(two, func(l *testLog) {
		s := l.segments[1]
		s.data = s.data[:len(s.data)-20]
	})},
	{name: "mark-last-segment-removed", what: "The last segment removed.", exit: 1, chain: 0, says: "segment with ordinal 2 is missing", make: with(two, func(l *testLog) { l.segments = l.segments[:1] })},
	{name: "mark-all-segments-removed", what: "All segments removed.", exit: 1, chain: 1, says: "folder holds no segment", make: with(two, func(l *testLog) { l.segments = nil })},
	{name: "mark-of-another-entry", what: "Another entry than the mark's ends where it stands.", exit: 1, chain: 0, at: "2:0", says: "another entry than the mark's", make: with(two, func(l *testLog) { l.mark.Hash[0] ^= 1 })},
	{name: "mark-within-a-line", what: "The mark stands where no entry ends.", exit: 1, chain: 0, at: "2:0", says: "no entry ends where the mark stands", make: with(two, func(l *testLog) { l.mark.Offset-- })},
	{name: "mark-in-cut-bytes", what: "A forged opening entry cuts an entry that was synced.", exit: 1, chain: 0, at: "1:2", says: "the mark stands in bytes that are cut", make: func(l *testLog) {
		l.open(CauseCreated)
		head, valid := l.head, l.last().valid
		l.event(signIn)
		l.setMark()
		l.head, l.last().valid = head, valid
		l.open(CauseStart, l.torn(nil))
	}},
	{name: "mark-changed-before-it", what: "A byte before the mark changed in the newest segment.", exit: 1, chain: 1, at: "1:2", says: "hash does not match the entry", make: with(running, func(l *testLog) { l.replace(1, 2, "anna", "Anna") })},
	{name: "mark-removed-and-torn", what: "The end torn, and no mark to say that a crash did it.", exit: 1, chain: 1, at: "1:4", says: "bytes without a line end", make: with(running, func(l *testLog) {
		l.mark = nil
		l.torn([]byte(`{"seq":4`))
	})},
}
