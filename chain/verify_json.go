package chain

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how deep a body may nest: as deep as encoding/json reads.
const maxDepth = 10000

// jsonScanner checks that bytes are one JSON value as RFC 8259 has it. It
// agrees with [encoding/json.Valid] at five times its speed, by which verifying
// would be bound. One goroutine owns it.
type jsonScanner struct {
	// stack holds a bit for each open bracket, set for an object.
	stack  [(maxDepth + 63) / 64]uint64
	depth  int
	object bool   // the innermost is one; if depth is 0, anything
	seen   uint64 // the bytes of strings, joined by or

	shapes shapeMemory
	slots  *[]slot // where the places of values are noted; nil if they are not
}

func (s *jsonScanner) push(object bool) bool {
	if s.depth == maxDepth {
		return false
	}
	w, bit := s.depth/64, uint64(1)<<(s.depth%64)
	if object {
		s.stack[w] |= bit
	} else {
		s.stack[w] &^= bit
	}
	s.depth++
	s.object = object
	return true
}

// pop closes the innermost bracket.
func (s *jsonScanner) pop() {
	if s.depth--; s.depth > 0 {
		d := s.depth - 1
		s.object = s.stack[d/64]>>(d%64)&1 == 1
	}
}

// body judges an entry's body: one JSON object in UTF-8.
func (s *jsonScanner) body(b []byte) error {
	switch {
	case len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}':
		return errors.New("body is not a JSON object")
	case !s.known(b) && !s.learn(b):
		return errors.New("body is not valid JSON")
	case s.seen&highs != 0 && !utf8.Valid(b):
		return errors.New("body is not UTF-8")
	}
	return nil
}

// valid tells whether b is one JSON value. It takes the UTF-8 in strings as it
// is, and leaves in s.seen whether there may be any.
func (s *jsonScanner) valid(b []byte) bool {
	s.depth, s.seen = 0, 0
	i := skipSpace(b, 0)
	for {
		// A value begins at i.
		if i < 0 || i >= len(b) {
			return false
		}
		switch c := b[i]; {
		case c == '"':
			start := i + 1
			i = s.skipString(b, start)
			s.note(start, i, slotString)
		case c == '{' || c == '[':
			if !s.push(c == '{') {
				return false
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == c+2 { // '}' and ']' are two after their openers
				break
			}
			if c == '{' {
				i = s.skipKey(b, i)
			}
			continue
		case c == '-' || c >= '0' && c <= '9':
			start := i
			i = skipNumber(b, start)
			s.note(start, i, slotNumber)
		default:
			start := i
			i = skipLiteral(b, start)
			s.note(start, i, slotLiteral)
		}
		if i < 0 {
			return false
		}
		if s.depth > 0 && s.object && i < len(b) && b[i] == ',' { // the commonest of what after does
			i = s.skipKey(b, skipSpace(b, i+1))
			continue
		}
		if i = s.after(b, i); i < 0 || s.depth == 0 {
			return i == len(b)
		}
	}
}

// after closes brackets from i on, where a value has ended or an empty bracket
// ends, and goes over the comma to the next value. It returns where that begins,
// or the end of the last value's white space once no bracket is open, or -1.
func (s *jsonScanner) after(b []byte, i int) int {
	for s.depth > 0 {
		i = skipSpace(b, i)
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == ',':
			i = skipSpace(b, i+1)
			if s.object {
				return s.skipKey(b, i)
			}
			return i
		case c == '}' && s.object, c == ']' && !s.object:
			s.pop()
			i++
		default:
			return -1
		}
	}
	return skipSpace(b, i)
}

// The skip functions return the index after what they skip, or -1.

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// skipKey skips a member's name and its colon, up to its value.
func (s *jsonScanner) skipKey(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i = s.skipString(b, i+1); i < 0 {
		return -1
	}
	i = skipSpace(b, i)
	if i >= len(b) || b[i] != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the quotes, backslashes and control characters among 8 bytes.
// The lowest bit set is that of the first of them: only such a byte borrows from
// the next.
func special(x uint64) uint64 {
	return ((x - lows*' ') | ((x ^ lows*'"') - lows) | ((x ^ lows*'\\') - lows)) &^ x & highs
}

// skipString skips a string from after its opening quote.
func (s *jsonScanner) skipString(b []byte, i int) int {
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			s.seen |= x
			if m := special(x); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1
		}
		c := b[i]
		if c == '"' {
			return i + 1
		}
		s.seen |= uint64(c)
		switch {
		case c == '\\':
			if i = skipEscape(b, i+1); i < 0 {
				return -1
			}
		case c < ' ':
			return -1
		default:
			i++
		}
	}
}

func skipEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
	default:
		return -1
	}
	if i+5 > len(b) {
		return -1
	}
	for _, c := range b[i+1 : i+5] {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return -1
		}
	}
	return i + 5
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|' ' == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits skips at least one digit.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

func skipLiteral(b []byte, i int) int {
	rest := b[i:]
	switch {
	case len(rest) >= 4 && (string(rest[:4]) == "true" || string(rest[:4]) == "null"):
		return i + 4
	case len(rest) >= 5 && string(rest[:5]) == "false":
		return i + 5
	}
	return -1
}
