package chain

// Bodies of one log have few shapes. A body that differs from a valid one only
// within strings and numbers is valid if those are: so what stands between them
// is compared, which is faster than scanning it.

const (
	maxShapes    = 8
	maxShapeText = 4 << 10 // bytes of a body that is remembered
	maxShapeWait = 64      // bodies that are only scanned after one had no shape that is known
)

// shape is a valid body with the places of its values.
type shape struct {
	text  []byte
	slots []slot
	seen  uint64 // as of jsonScanner, of all of text
}

// slot is a string value, from after its opening quote to after the closing one,
// or a number.
type slot struct {
	start, end int
	number     bool
}

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

func (s *jsonScanner) fits(b []byte, k *shape) bool {
	s.seen = k.seen
	i, from := 0, 0
	for _, v := range k.slots {
		n := i + v.start - from
		if n >= len(b) || string(b[i:n]) != string(k.text[from:v.start]) {
			return false
		}
		if v.number {
			i = skipNumber(b, n)
		} else {
			i = s.skipString(b, n)
		}
		if i < 0 {
			return false
		}
		from = v.end
	}
	return from > 0 && string(b[i:]) == string(k.text[from:])
}

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
	if !ok {
		k.slots = k.slots[:0] // of nothing: fits no body
		return false
	}
	k.text, k.seen = append(k.text, b...), s.seen
	s.shapes.next = (s.shapes.next + 1) % maxShapes
	s.shapes.wait = s.shapes.grow
	s.shapes.grow = min(2*s.shapes.grow+1, maxShapeWait)
	return true
}

// note notes the place of a value, if the body's shape is being learnt.
func (s *jsonScanner) note(start, end int, number bool) {
	if s.slots != nil && end > start {
		*s.slots = append(*s.slots, slot{start: start, end: end, number: number})
	}
}
