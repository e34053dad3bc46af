package event

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// FormatError says that a body is no event, and where.
type FormatError struct {
	// Pointer is the JSON pointer (RFC 6901) of the place, "" for the whole
	// body. It is escaped for display and shortened, and holds no value.
	Pointer string
	Reason  string
}

func (e *FormatError) Error() string {
	if e.Pointer == "" {
		return "malformed event: " + e.Reason
	}
	return "malformed event: " + e.Pointer + ": " + e.Reason
}

// jsonKind is the kind of a JSON value, by its first byte; numbers and the
// literals have that of their names here.
type jsonKind byte

const (
	jsonNull   jsonKind = 'n'
	jsonBool   jsonKind = 'b'
	jsonNumber jsonKind = '0'
	jsonString jsonKind = '"'
	jsonArray  jsonKind = '['
	jsonObject jsonKind = '{'
)

// node is a JSON value.
type node struct {
	kind  jsonKind
	text  string // of a string its value; of a number or bool as it stands
	raw   []byte // as it stands
	items []node // of an array; of an object its values
	keys  []string
}

// get returns a member of an object, nil if there is none.
func (n *node) get(key string) *node {
	if n == nil || n.kind != jsonObject {
		return nil
	}
	for i := range n.keys {
		if n.keys[i] == key {
			return &n.items[i]
		}
	}
	return nil
}

// maxDepth bounds the nesting that a reader follows.
const maxDepth = 100_000

// reader reads strict JSON (RFC 8259): valid UTF-8, no key twice in an object,
// no lone surrogate.
type reader struct {
	data []byte
	pos  int
	path path
}

// readJSON reads the one JSON value that data is.
func readJSON(data []byte) (n node, err error) {
	r := reader{data: data}
	if err := r.value(&n); err != nil {
		return node{}, err
	}
	if r.space(); r.pos < len(r.data) {
		return node{}, r.fail("something follows the value")
	}
	return n, nil
}

func (r *reader) fail(reason string) error { return r.path.fail(reason) }

func (r *reader) space() {
	for r.pos < len(r.data) && strings.IndexByte(" \t\r\n", r.data[r.pos]) >= 0 {
		r.pos++
	}
}

// next skips space and returns the next byte, 0 at the end.
func (r *reader) next() byte {
	r.space()
	if r.pos == len(r.data) {
		return 0
	}
	return r.data[r.pos]
}

func (r *reader) value(n *node) (err error) {
	c := r.next()
	start := r.pos
	switch {
	case c == '{':
		err = r.object(n)
	case c == '[':
		err = r.array(n)
	case c == '"':
		n.kind = jsonString
		n.text, err = r.string()
	case c == '-' || '0' <= c && c <= '9':
		n.kind = jsonNumber
		n.text, err = r.number()
	default:
		err = r.literal(n)
	}
	n.raw = r.data[start:r.pos]
	return err
}

func (r *reader) literal(n *node) error {
	for _, word := range []string{"null", "true", "false"} {
		if strings.HasPrefix(string(r.data[r.pos:min(r.pos+len(word), len(r.data))]), word) {
			r.pos += len(word)
			n.kind, n.text = jsonBool, word
			if word == "null" {
				n.kind = jsonNull
			}
			return nil
		}
	}
	return r.fail("no JSON value")
}

func (r *reader) number() (string, error) {
	start := r.pos
	for r.pos < len(r.data) && strings.IndexByte("+-.0123456789eE", r.data[r.pos]) >= 0 {
		r.pos++
	}
	s := string(r.data[start:r.pos])
	if !validNumber(s) {
		return "", r.fail("malformed number")
	}
	return s, nil
}

// validNumber holds JSON's grammar where it is narrower than strconv's.
func validNumber(s string) bool {
	whole := strings.TrimPrefix(s, "-")
	if i := strings.IndexAny(whole, ".eE"); i >= 0 {
		frac := whole[i:]
		whole = whole[:i]
		if strings.HasPrefix(frac, ".") && (len(frac) < 2 || frac[1] < '0' || frac[1] > '9') {
			return false
		}
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return false
		}
	}
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	return strings.Trim(whole, "0123456789") == ""
}

func (r *reader) array(n *node) error {
	n.kind = jsonArray
	r.pos++
	if r.next() == ']' {
		r.pos++
		return nil
	}
	for {
		if err := r.path.enter(r, "", len(n.items)); err != nil {
			return err
		}
		n.items = append(n.items, node{})
		if err := r.value(&n.items[len(n.items)-1]); err != nil {
			return err
		}
		r.path.leave()
		switch r.next() {
		case ',':
			r.pos++
		case ']':
			r.pos++
			return nil
		default:
			return r.fail("no ',' or ']' after an element")
		}
	}
}

func (r *reader) object(n *node) error {
	n.kind = jsonObject
	r.pos++
	if r.next() == '}' {
		r.pos++
		return nil
	}
	seen := make(map[string]struct{})
	for {
		if r.next() != '"' {
			return r.fail("no key")
		}
		key, err := r.string()
		if err != nil {
			return err
		}
		if err := r.path.enter(r, key, -1); err != nil {
			return err
		}
		if _, twice := seen[key]; twice {
			return r.fail("key stands twice")
		}
		seen[key] = struct{}{}
		if r.next() != ':' {
			return r.fail("no ':' after the key")
		}
		r.pos++
		n.keys = append(n.keys, key)
		n.items = append(n.items, node{})
		if err := r.value(&n.items[len(n.items)-1]); err != nil {
			return err
		}
		r.path.leave()
		switch r.next() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			return nil
		default:
			return r.fail("no ',' or '}' after a member")
		}
	}
}

func (r *reader) string() (string, error) {
	r.pos++
	start := r.pos
	var b []byte
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '"':
			b = append(b, r.data[start:r.pos]...)
			r.pos++
			if !utf8.Valid(b) {
				return "", r.fail("string is not valid UTF-8")
			}
			return string(b), nil
		case c < 0x20:
			return "", r.fail("raw control character in a string")
		case c == '\\':
			b = append(b, r.data[start:r.pos]...)
			r.pos++
			var ok bool
			if b, ok = r.escape(b); !ok {
				return "", r.fail("malformed escape in a string")
			}
			start = r.pos
		default:
			r.pos++
		}
	}
	return "", r.fail("string does not end")
}

// escape reads what follows a backslash.
func (r *reader) escape(b []byte) ([]byte, bool) {
	if r.pos == len(r.data) {
		return b, false
	}
	c := r.data[r.pos]
	r.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return append(b, "\"\\/\b\f\n\r\t"[i]), true
	}
	if c != 'u' {
		return b, false
	}
	u, ok := r.unit()
	if ok && utf16.IsSurrogate(u) {
		var low rune
		if r.pos+2 > len(r.data) || r.data[r.pos] != '\\' || r.data[r.pos+1] != 'u' {
			return b, false
		}
		r.pos += 2
		if low, ok = r.unit(); ok {
			u = utf16.DecodeRune(u, low)
			ok = u != utf8.RuneError
		}
	}
	return utf8.AppendRune(b, u), ok
}

func (r *reader) unit() (rune, bool) {
	if r.pos+4 > len(r.data) {
		return 0, false
	}
	var u rune
	for _, c := range r.data[r.pos : r.pos+4] {
		i := strings.IndexByte(hexDigits, c|0x20)
		if i < 0 || c < '0' {
			return 0, false
		}
		u = u<<4 | rune(i)
	}
	r.pos += 4
	return u, true
}
