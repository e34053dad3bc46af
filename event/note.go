package event

import (
	"encoding/hex"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// notes collect the lists of an event: what was redacted, cut, invalid and
// escaped. Each buffer holds the elements of a list, a comma before each.
type notes struct {
	redacted, truncated, invalid, escaped []byte
	withheld                              []byte
	nRedacted, nTruncated, nInvalid       int
	nWithheld                             int
	nEscaped                              int // listed or not
}

// maxEscaped is how many places with forbidden characters are listed, of a
// record, of its scope and of its resource each.
const maxEscaped = 16

// maxEscapedPointer is the longest pointer, in bytes, in that list: what stands
// deeper is listed by what it stands in.
const maxEscapedPointer = 256

func (n *notes) reset() {
	for _, b := range []*[]byte{&n.redacted, &n.truncated, &n.invalid, &n.escaped, &n.withheld} {
		if cap(*b) > maxKept {
			*b = nil
		}
		*b = (*b)[:0]
	}
	n.nRedacted, n.nTruncated, n.nInvalid, n.nEscaped, n.nWithheld = 0, 0, 0, 0, 0
}

// size is what of the notes counts against an event's size; the lists invalid
// and escaped are short.
func (n *notes) size() int { return len(n.redacted) + len(n.truncated) + len(n.withheld) }

// any tells whether there is something to list.
func (n *notes) any() bool { return n.nRedacted+n.nTruncated+n.nInvalid+n.nEscaped+n.nWithheld > 0 }

// appendPlace appends the JSON pointer of a container.
func appendPlace(dst []byte, p *place) []byte {
	if p.up == nil {
		return append(dst, p.base...)
	}
	return appendToken(appendPlace(dst, p.up), p.key, p.index)
}

// appendExactPlace appends the JSON pointer of a container's node in the exact
// member.
func appendExactPlace(dst []byte, p *place) []byte {
	if p.up == nil {
		return append(append(dst, p.base...), "/exact"...)
	}
	dst = appendExactPlace(dst, p.up)
	if p.up.list {
		dst = append(dst, "/0"...)
	}
	return appendToken(dst, p.key, p.index)
}

func appendToken(dst []byte, key string, index int) []byte {
	dst = append(dst, '/')
	if index >= 0 {
		return strconv.AppendInt(dst, int64(index), 10)
	}
	for i := range len(key) {
		switch key[i] {
		case '~':
			dst = append(dst, "~0"...)
		case '/':
			dst = append(dst, "~1"...)
		default:
			dst = append(dst, key[i])
		}
	}
	return dst
}

// pointer is the JSON pointer of a value; it is valid until the next call.
func (w *writer) pointer(at pathElement) []byte {
	if cap(w.scratch) > maxKept {
		w.scratch = nil
	}
	w.scratch = appendToken(appendPlace(w.scratch[:0], at.in), at.key, at.index)
	return w.scratch
}

// begin begins an element of a list with the place it is about.
func begin(dst, pointer []byte) []byte {
	dst, _ = appendString(append(dst, `,{"at":`...), string(pointer))
	return dst
}

// noteRedacted lists a value that is redacted.
func (w *writer) noteRedacted(at pathElement, v pcommon.Value, length int) {
	n := &w.notes
	pointer := w.pointer(at)
	n.nRedacted++
	n.redacted = begin(n.redacted, pointer)
	if key := w.rules.digestKey; len(key) > 0 {
		n.redacted = append(n.redacted, `,"hmac":"`...)
		n.redacted = hex.AppendEncode(n.redacted, w.mac.digest(key, pointer, v))
		n.redacted = append(n.redacted, `","length_at_most":`...)
		n.redacted = strconv.AppendInt(n.redacted, int64(atMost(length)), 10)
	}
	n.redacted = append(n.redacted, '}')
}

// noteTruncated lists a value that is cut: measure is "length", in bytes, or
// "entries", and sum the digest of the whole.
func (w *writer) noteTruncated(at pathElement, measure string, count int, sum []byte) {
	n := &w.notes
	n.nTruncated++
	n.truncated = begin(n.truncated, w.pointer(at))
	n.truncated = append(n.truncated, `,"`...)
	n.truncated = append(n.truncated, measure...)
	n.truncated = append(n.truncated, `":`...)
	n.truncated = strconv.AppendInt(n.truncated, int64(count), 10)
	n.truncated = append(n.truncated, `,"sha256":"`...)
	n.truncated = hex.AppendEncode(n.truncated, sum)
	n.truncated = append(n.truncated, `"}`...)
}

// noteMarks lists forbidden characters outside identity fields, in a value or in
// its key.
func (w *writer) noteMarks(at pathElement, m marks) {
	n := &w.notes
	if n.nEscaped++; n.nEscaped > maxEscaped {
		return
	}
	pointer := w.pointer(at)
	for len(pointer) > maxEscapedPointer && at.in.up != nil {
		at = pathElement{at.in.up, at.in.key, at.in.index}
		pointer = w.pointer(at)
	}
	if len(pointer) > maxEscapedPointer {
		pointer = pointer[:0]
	}
	n.escaped = append(begin(n.escaped, pointer), `,"what":`...)
	n.escaped = append((m & contentMarks).append(n.escaped), '}')
}

// noteIdentity lists forbidden characters in an identity field.
func (w *writer) noteIdentity(field string, m marks) {
	n := &w.notes
	n.nInvalid++
	n.invalid = append(n.invalid, `,{"class":"identity","field":`...)
	n.invalid, _ = appendString(n.invalid, field)
	n.invalid = append(n.invalid, `,"what":`...)
	n.invalid = append(m.append(n.invalid), '}')
}

// list appends a member that lists the elements of all parts, if there are any.
func (o *object) list(name member, elements ...[]byte) {
	some := false
	for _, e := range elements {
		if len(e) == 0 {
			continue
		}
		if !some {
			o.name(name)
			o.buf = append(o.buf, '[')
			e = e[1:]
		}
		some = true
		o.buf = append(o.buf, e...)
	}
	if some {
		o.buf = append(o.buf, ']')
	}
}
