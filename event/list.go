package event

import (
	"encoding/hex"
	"strconv"
)

// Violation is one way in which a record is invalid.
type Violation struct {
	// Class is "structural": a mandatory field of an audit record is missing or
	// ill-typed; or "identity": an identity field holds forbidden characters.
	Class string
	Field string   // an attribute, "EventName" and the like, or a pointer into the body
	What  []string // FORMAT.md has the words
}

// Redacted is a value that is redacted.
type Redacted struct {
	Pointer      string // JSON pointer into the event
	HMAC         string // hex, "" without a digest key
	LengthAtMost int64  // bytes; 0 without a digest key
}

// Truncated is a string, bytes, array or map that is cut.
type Truncated struct {
	Pointer string // JSON pointer into the event
	Length  int64  // of a string or bytes: bytes of the whole
	Entries int64  // of an array or map: entries of the whole
	SHA256  string // of the whole, hex
}

// Escaped is a place with forbidden characters that is no identity field.
type Escaped struct {
	Pointer string // JSON pointer into the event
	What    []string
}

// lists reads the lists of an event.
func (p *parser) lists(e *Event) {
	p.list("redacted", func(l *element) {
		r := Redacted{Pointer: l.place()}
		if l.n.get("hmac") != nil {
			r.HMAC, r.LengthAtMost = l.digest("hmac"), l.number("length_at_most")
		}
		e.Redacted = append(e.Redacted, r)
	})
	p.list("truncated", func(l *element) {
		t := Truncated{Pointer: l.place(), SHA256: l.digest("sha256")}
		if l.n.get("length") != nil {
			t.Length = l.number("length")
		} else {
			t.Entries = l.number("entries")
		}
		e.Truncated = append(e.Truncated, t)
	})
	p.list("invalid", func(l *element) {
		e.Invalid = append(e.Invalid, Violation{l.text("class"), l.text("field"), l.words()})
	})
	p.list("escaped", func(l *element) {
		if l.n.get("more") != nil {
			e.EscapedMore = int(l.number("more"))
			return
		}
		e.Escaped = append(e.Escaped, Escaped{l.place(), l.words()})
	})
}

// list reads a member that is a list of objects; their members that it does not
// know are passed over.
func (p *parser) list(name string, read func(*element)) {
	n := p.root.get(name)
	if n == nil {
		return
	}
	if n.kind != jsonArray || len(n.items) == 0 {
		p.fail("not an array, or empty", name)
		return
	}
	for i := range n.items {
		l := element{p: p, list: name, n: &n.items[i]}
		if l.n.kind != jsonObject {
			l.fail("not a list of objects")
			return
		}
		read(&l)
	}
}

// element is one element of a list.
type element struct {
	p    *parser
	list string
	n    *node
}

func (l *element) fail(reason string) { l.p.fail(reason, l.list) }

func (l *element) text(name string) string {
	n := l.n.get(name)
	if n == nil || n.kind != jsonString || n.text == "" {
		l.fail(name + " is not a string, or empty")
		return ""
	}
	return n.text
}

// place reads the member at, which leads to a value of the event.
func (l *element) place() string {
	n := l.n.get("at")
	if n == nil || n.kind != jsonString || n.text != "" && l.p.root.resolve(n.text) == nil {
		l.fail("at leads nowhere")
		return ""
	}
	return n.text
}

func (l *element) digest(name string) string {
	s := l.text(name)
	if b, err := hex.DecodeString(s); err != nil || len(b) != 32 || hex.EncodeToString(b) != s {
		l.fail(name + " is not 32 bytes in lower-case hex")
	}
	return s
}

func (l *element) number(name string) int64 {
	n := l.n.get(name)
	if n == nil || n.kind != jsonNumber {
		l.fail(name + " is not a number")
		return 0
	}
	i, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil || i <= 0 {
		l.fail(name + " is not a positive integer")
	}
	return i
}

func (l *element) words() []string { return l.wordsOf("what") }

func (l *element) wordsOf(name string) (words []string) {
	n := l.n.get(name)
	if n == nil || n.kind != jsonArray || len(n.items) == 0 {
		l.fail(name + " is not an array of words")
		return nil
	}
	for i := range n.items {
		if w := &n.items[i]; w.kind != jsonString || w.text == "" {
			l.fail(name + " is not an array of words")
		}
		words = append(words, n.items[i].text)
	}
	return words
}
