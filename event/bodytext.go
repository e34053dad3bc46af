package event

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxHead is how many bytes of a string body are looked at to tell its format,
// and maxBodyText how many are read of one that is of a known format. An API
// server writes who did what before the objects that make its lines long.
const (
	maxHead     = 2 << 10
	maxBodyText = 64 << 10
)

// readText reads the facts of a body that is a string, if it looks like one of
// a known format. It allocates nothing for one that does not.
func (f *facts) readText(s string, asked bool) bool {
	b := formatOfText(s)
	switch b {
	case nil:
		return false
	case auditd:
		f.start(b, true, asked)
		f.readAuditd(s)
		return true
	}
	f.start(b, true, asked)
	if len(s) > maxBodyText {
		s = s[:maxBodyText]
	}
	t := textReader{s: s, facts: f}
	f.whole = t.value(b.tree, 0)
	return true
}

// formatOfText tells what a string body may be by marks in its first bytes.
func formatOfText(s string) *bodyFormat {
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	if len(s) < 16 {
		return nil
	}
	head := s[:min(len(s), maxHead)]
	switch s[0] {
	case '{':
		return formatOfJSON(head)
	case 't', 'n', 'a', '<':
		if auditdStart(head) >= 0 {
			return auditd
		}
	}
	return nil
}

// formatOfJSON goes by the first key, which spares all other JSON the search:
// that of the format's own writers, or the first by the alphabet.
func formatOfJSON(head string) *bodyFormat {
	i := strings.IndexByte(head[:16], '"') + 1
	n := strings.IndexByte(head[i:], '"')
	if i == 0 || n < 0 {
		return nil
	}
	switch head[i : i+n] {
	case "kind", "annotations":
		if strings.Contains(head, kubernetesVersion) {
			return kubernetes
		}
	case "apiVersion":
		if strings.Contains(head, kubernetesVersion) {
			return kubernetes
		}
		return cloudTrail
	case "eventVersion", "additionalEventData", "awsRegion":
		return cloudTrail
	}
	return nil
}

// textReader reads the members of a format in JSON text, one pass, no tree. It
// judges nothing: text that is no JSON ends the reading.
type textReader struct {
	s     string
	pos   int
	facts *facts
}

func (t *textReader) next() byte {
	for t.pos < len(t.s) {
		switch c := t.s[t.pos]; c {
		case ' ', '\t', '\r', '\n':
			t.pos++
		default:
			return c
		}
	}
	return 0
}

// value reads the value at a step and reports whether it is whole.
func (t *textReader) value(at *bodyStep, index int) bool {
	switch c := t.next(); {
	case c == '{' && at.next != nil:
		return t.object(at, index)
	case c == '[' && at.each != nil:
		return t.array(at)
	case c == '{' || c == '[':
		t.facts.set(at, fact{kind: factOther, index: index})
		return t.skip()
	case c == '"':
		raw, escaped, ok := t.string()
		if ok {
			t.facts.set(at, textFact(raw, escaped, index))
		}
		return ok
	default:
		return t.literal(at, index)
	}
}

func textFact(raw string, escaped bool, index int) fact {
	if !escaped {
		return fact{kind: factString, text: raw, index: index}
	}
	if text, ok := unescapeText(raw); ok {
		return fact{kind: factString, text: text, index: index}
	}
	return fact{kind: factOther, index: index}
}

// unescapeText is what stands between quotes in JSON; false if it is longer
// than any value that counts.
func unescapeText(raw string) (text string, ok bool) {
	if len(raw) > 6*maxFactText {
		return "", false
	}
	err := json.Unmarshal([]byte(`"`+raw+`"`), &text)
	return text, err == nil
}

func (t *textReader) object(at *bodyStep, index int) bool {
	t.pos++
	if t.next() == '}' {
		t.pos++
		return true
	}
	for {
		if t.next() != '"' {
			return false
		}
		key, _, ok := t.string()
		if !ok || t.next() != ':' {
			return false
		}
		t.pos++
		if next := at.next[key]; next != nil {
			ok = t.value(next, index)
		} else {
			ok = t.skip()
		}
		if !ok {
			return false
		}
		if c := t.next(); c != ',' {
			t.pos++
			return c == '}'
		}
		t.pos++
	}
}

func (t *textReader) array(at *bodyStep) bool {
	t.pos++
	if t.next() == ']' {
		t.pos++
		return true
	}
	for i := 0; ; i++ {
		if !t.value(at.each, i) {
			return false
		}
		if c := t.next(); c != ',' {
			t.pos++
			return c == ']'
		}
		t.pos++
	}
}

// literal reads a number, true, false or null.
func (t *textReader) literal(at *bodyStep, index int) bool {
	word := t.word()
	if word == "" || word == "null" {
		return word != ""
	}
	x := fact{kind: factOther, text: word, index: index}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		x.kind, x.num = factNumber, n
	}
	t.facts.set(at, x)
	return true
}

// word reads what may be a number, true, false or null.
func (t *textReader) word() string {
	start := t.pos
	for t.pos < len(t.s) && strings.IndexByte("+-.abcdefghijklmnopqrstuvwxyzE0123456789", t.s[t.pos]) >= 0 {
		t.pos++
	}
	return t.s[start:t.pos]
}

// string reads a string and returns what stands between its quotes.
func (t *textReader) string() (raw string, escaped, ok bool) {
	start := t.pos + 1
	for i := start; ; i++ {
		n := strings.IndexByte(t.s[i:], '"')
		if n < 0 {
			t.pos = len(t.s)
			return "", false, false
		}
		i += n
		end := i
		for end > start && t.s[end-1] == '\\' {
			end--
		}
		if (i-end)%2 == 0 {
			t.pos = i + 1
			raw = t.s[start:i]
			return raw, strings.IndexByte(raw, '\\') >= 0, true
		}
	}
}

// skip passes over a value of any depth.
func (t *textReader) skip() bool {
	for depth := 0; ; {
		switch c := t.next(); c {
		case 0:
			return false
		case '"':
			if _, _, ok := t.string(); !ok {
				return false
			}
		case '{', '[':
			depth++
			t.pos++
			continue
		case '}', ']':
			depth--
			t.pos++
		default:
			if depth == 0 {
				return t.word() != ""
			}
			t.pos++
			continue
		}
		if depth <= 0 {
			return depth == 0
		}
	}
}
