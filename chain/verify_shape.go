package chain

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Bodies of one log have few shapes. A body that differs from a valid one only
// within strings, numbers and literals is valid if those are: so the two are compared, and
// only values that differ are scanned.

const (
	maxShapes    = 8
	maxShapeText = 4 << 10 // bytes of a body that is remembered
	maxShapeWait = 64      // bodies that are only scanned after one had no shape that is known
)

// shape is a valid body in UTF-8 with the places of its values.
type shape struct {
	text  []byte // empty: none
	slots []slot
}

// slot is a string value, from after its opening quote to after the closing one,
// or a number or literal.
type slot struct {
	start, end int
	kind       slotKind
}

type slotKind uint8

const (
	slotString slotKind = iota
	slotNumber
	slotLiteral
)

// shapeMemory is the shapes met last. One goroutine owns it.
type shapeMemory struct {
	known [maxShapes]shape
	last  int // the one that fitted last
	next  int // the one to be forgotten next
	wait  int // so many bodies are only scanned
	grow  int // how long to wait after the next body that fits no shape
}

// known tells whether b is of a shape that is known, and so valid. It leaves in
// s.seen what valid does.
func (s *jsonScanner) known(b []byte) bool {
	if len(b) > maxShapeText || s.shapes.wait > 0 {
		return false
	}
	for i := range maxShapes {
		n := (s.shapes.last + i) % maxShapes
		if s.fits(b, &s.shapes.known[n]) {
			s.shapes.last, s.shapes.grow = n, 0
			return true
		}
	}
	return false
}

// fits compares b with a shape. Where they first differ a value of both must
// stand; it is scanned from its start, and comparing goes on after it.
func (s *jsonScanner) fits(b []byte, k *shape) bool {
	s.seen = 0 // what is as in the shape is UTF-8
	i, from := 0, 0
	for at := 0; ; at++ {
		n := from + samePrefix(b[i:], k.text[from:])
		if n == len(k.text) {
			return n > 0 && i+n-from == len(b)
		}
		for at < len(k.slots) && k.slots[at].before(n) {
			at++
		}
		if at == len(k.slots) || n < k.slots[at].start {
			return false
		}
		v := k.slots[at]
		switch i += v.start - from; {
		case i >= len(b):
			return false
		case v.kind == slotNumber:
			i = skipNumber(b, i)
		case v.kind == slotLiteral:
			i = skipLiteral(b, i)
		default:
			i = s.skipString(b, i)
		}
		if i < 0 {
			return false
		}
		from = v.end
	}
}

// before tells whether the slot ends before a byte that differs. A number may be
// longer than that of the shape.
func (v *slot) before(n int) bool { return v.end < n || v.end == n && v.kind != slotNumber }

// samePrefix returns how many bytes a and b begin with alike.
func samePrefix(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+32 <= n; i += 32 {
		x, y := a[i:i+32], b[i:i+32]
		if differ(x, y)|differ(x[8:], y[8:])|differ(x[16:], y[16:])|differ(x[24:], y[24:]) != 0 {
			break
		}
	}
	for ; i+8 <= n; i += 8 {
		if d := differ(a[i:], b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)>>3
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// differ is not 0 in the bytes in which the first 8 of a and b differ.
func differ(a, b []byte) uint64 { return binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b) }

// learn scans b as valid does and remembers its shape. After bodies that fitted
// none it only scans for a while, so that remembering costs little where there
// are many shapes.
func (s *jsonScanner) learn(b []byte) bool {
	if len(b) > maxShapeText {
		return s.valid(b)
	}
	if s.shapes.wait > 0 {
		s.shapes.wait--
		return s.valid(b)
	}
	k := &s.shapes.known[s.shapes.next]
	k.text, k.slots = k.text[:0], k.slots[:0]
	s.slots = &k.slots
	ok := s.valid(b)
	s.slots = nil
	if !ok || s.seen&highs != 0 && !utf8.Valid(b) {
		return ok
	}
	k.text = append(k.text, b...)
	s.shapes.next = (s.shapes.next + 1) % maxShapes
	s.shapes.wait = s.shapes.grow
	s.shapes.grow = min(2*s.shapes.grow+1, maxShapeWait)
	return true
}

// note notes the place of a value, if the body's shape is being learnt.
func (s *jsonScanner) note(start, end int, kind slotKind) {
	if s.slots != nil && end > start {
		*s.slots = append(*s.slots, slot{start: start, end: end, kind: kind})
	}
}
