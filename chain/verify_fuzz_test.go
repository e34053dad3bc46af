package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// A line that parses is what the writer makes of it.
func FuzzParseLine(f *testing.F) {
	l := newTestLog(nil)
	l.open(CauseCreated)
	l.event(`{"a":"\u00e9ü"}`)
	for _, line := range bytes.Split(l.last().data, []byte("\n")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseLine(line)
		var in inspected
		(&inspector{}).inspect(line, &in)
		if bytes.IndexByte(line, '\n') < 0 && (err == nil) != (in.err == nil) {
			t.Fatalf("ParseLine says %v, inspect %v", err, in.err)
		}
		if err != nil {
			if e.Seq != 0 || e.Body != nil {
				t.Fatal("an error and an entry")
			}
			return
		}
		if got := appendLine(nil, e.Prev, e.Head(), e.Kind, e.Body); !bytes.Equal(got, append(line, '\n')) {
			t.Fatalf("parsed %q, appending gives %q", line, got)
		}
		if !json.Valid(e.Body) || !utf8.Valid(e.Body) {
			t.Fatalf("body %q", e.Body)
		}
	})
}

// A slot that parses is what the writer makes of it, and of two the newer is
// taken.
func FuzzParseMark(f *testing.F) {
	m := Mark{LogID: LogID{1}, Ordinal: 2, Offset: 300, Head: Head{Seq: 4, Hash: Hash{5}}}
	older := m
	older.Offset--
	f.Add(older.appendSlot(m.appendSlot(nil)))
	f.Add(m.appendSlot(nil))
	f.Add(m.appendSlot(make([]byte, markSlot)))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, ok := ParseMark(file, m.LogID)
		if !ok {
			if got != (Mark{}) {
				t.Fatal("no mark, and a value")
			}
			return
		}
		slot := got.appendSlot(nil)
		if i := bytes.Index(file, slot); i != 0 && i != markSlot {
			t.Fatalf("no slot of the file is %q", slot)
		}
		for i := 0; i < 2*markSlot && i+markSlot <= len(file); i += markSlot {
			if other, err := parseSlot(file[i : i+markSlot]); err == nil && other.LogID == m.LogID && got.before(other) {
				t.Fatalf("took %v, newer is %v", got, other)
			}
		}
	})
}

// The prefix of a segment that counts is what the writer makes of its entries.
func FuzzSegment(f *testing.F) {
	l := newTestLog(nil)
	l.open(CauseCreated)
	l.event(`{"n":1}`)
	l.closed()
	name, id := l.last().name, l.id
	data := l.last().data
	f.Add(data, uint64(0))
	f.Add(data[:len(data)-3], uint64(0))
	f.Add(data, uint64(3))
	f.Add(append(bytes.Clone(data), '\n'), uint64(9))
	f.Add([]byte(nil), uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, until uint64) {
		head, in := Genesis(id), &linker{}
		var again []byte
		c, err := checkSegment(bytes.NewReader(data), name, id, head, until, func(e Entry, off int64) {
			if off != int64(len(again)) {
				t.Fatalf("entry %d at offset %d, want %d", e.Seq, off, len(again))
			}
			prev := head.Hash
			head = in.next(head, e.Kind, sha256.Sum256(e.Body))
			again = appendLine(again, prev, head, e.Kind, e.Body)
		})
		if err != nil {
			return
		}
		if int(c.Valid) != len(again) || !bytes.Equal(again, data[:c.Valid]) || c.Head != head {
			t.Fatalf("%d bytes count, the entries make %d", c.Valid, len(again))
		}
		if c.Fault == nil && until == 0 && int(c.Valid) != len(data) {
			t.Fatalf("no fault, and %d bytes of %d", c.Valid, len(data))
		}
		if c.Fault != nil && c.Fault.Offset != c.Valid {
			t.Fatalf("fault at %d, entries end at %d", c.Fault.Offset, c.Valid)
		}
	})
}
