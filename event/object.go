package event

import (
	"encoding/hex"
	"math/bits"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// object appends the members of an event, a resource or a scope, those with
// their zero value apart, each behind a comma.
type object struct {
	writer *writer
	root   place
	buf    []byte
}

// member is a member's name with all that stands before its value: ,"name":
type member string

func (m member) key() string { return string(m[2 : len(m)-2]) }

func (o *object) name(m member) { o.buf = append(o.buf, m...) }

// string appends a named text, which is no identity field.
func (o *object) string(name member, s string) {
	if s != "" {
		o.buf = o.writer.named(o.buf, name, s, &o.root)
	}
}

// named is object.string for an object that is written without one.
func (w *writer) named(dst []byte, name member, s string, in *place) []byte {
	if s != "" {
		dst = append(dst, name...)
		dst = w.string(dst, s, w.rules.limits.IdentityBytes, in.child(name.key()))
		w.full = false
	}
	return dst
}

// identity appends an identity field that has a member of its own; field is its
// name in the list invalid.
func (o *object) identity(name member, s, field string) {
	if s != "" {
		o.name(name)
		o.buf = o.writer.identity(o.buf, s, field, o.root.child(name.key()))
		o.writer.full = false
	}
}

func (o *object) uint(name member, n uint32) {
	if n != 0 {
		o.name(name)
		o.buf = strconv.AppendUint(o.buf, uint64(n), 10)
	}
}

func (o *object) hex(name member, b []byte) {
	o.name(name)
	o.buf = hex.AppendEncode(append(o.buf, '"'), b)
	o.buf = append(o.buf, '"')
}

// body appends the body; stands says that it stands in the event as it came.
func (o *object) body(v pcommon.Value) (stands bool) {
	if v.Type() == pcommon.ValueTypeEmpty {
		return true
	}
	w := o.writer
	before := w.departures()
	at := o.root.child("body")
	o.name(`,"body":`)
	if w.rules.secrets.body {
		o.buf = w.withhold(o.buf, v, at)
		return false
	}
	o.buf = w.value(o.buf, v, at)
	if w.full && (v.Type() == pcommon.ValueTypeSlice || v.Type() == pcommon.ValueTypeMap && v.Map().Len() <= w.rules.limits.Attributes) {
		n := 0
		if v.Type() == pcommon.ValueTypeSlice {
			n = v.Slice().Len()
		} else {
			n = v.Map().Len()
		}
		w.noteTruncated(at, "entries", n, w.digester.ofValue(v, w.rules.secrets))
	}
	w.full = false
	return w.departures() == before
}

// attributes appends a map that has entries; f, if not nil, sees them.
func (o *object) attributes(m pcommon.Map, f *finding) {
	n := m.Len()
	if n == 0 {
		return
	}
	w := o.writer
	o.name(`,"attributes":`)
	p := place{up: &o.root, key: "attributes", index: -1, cost: o.root.cost + 16}
	o.buf = w.entries(o.buf, m, &p, f)
	if (w.full || n > w.rules.limits.Attributes) && !w.irregular {
		w.noteTruncated(o.root.child("attributes"), "entries", n, w.digester.ofMap(m, w.rules.secrets))
	}
	w.full = false
}

// mapping appends the normalised fields: from, which names the attribute of
// each, and a member of its own for one that is not as the attribute has it.
func (o *object) mapping(f *finding) {
	filled := f.mapping.filled
	if f.mapping.of(fieldType) == 0 {
		filled &^= 1 << fieldType
	}
	if filled == 0 {
		return
	}
	fromBodies := false
	o.buf = append(o.buf, `,"from":{`...)
	for rest := filled; rest != 0; rest &= rest - 1 {
		id := bits.TrailingZeros16(rest)
		if rest != filled {
			o.buf = append(o.buf, ',')
		}
		if rank := f.mapping.ranks[id]; rank == fromBody {
			fromBodies = true
			o.buf = append(o.buf, fields[id].member[1:]...)
			o.buf, _ = appendString(o.buf, f.offered[id].ref)
		} else {
			o.buf = append(o.buf, fields[id].sources[rank].ref...)
		}
	}
	o.buf = append(o.buf, '}')
	o.string(fields[fieldOutcome].member, f.outcome)
	if !fromBodies {
		return
	}
	for id := range fields {
		if f.mapping.of(fieldID(id)) == fromBody && f.offered[id].copied {
			o.identity(fields[id].member, f.offered[id].text, f.offered[id].ref)
		}
	}
}

// dropComma removes the comma before the first member of an object that
// begins at start.
func dropComma(b []byte, start int) []byte {
	if len(b) > start {
		b = append(b[:start], b[start+1:]...)
	}
	return b
}

func (o *object) finish() {
	o.buf = o.writer.finish(o.buf, &o.root)
}

// begin begins a member that is an object with that JSON pointer, within size
// bytes.
func (w *writer) begin(dst []byte, name member, pointer string, size int, careful bool) object {
	w.reset(careful)
	w.limit = len(dst) + size
	o := object{writer: w, root: place{base: pointer, cost: 16}, buf: dst}
	o.name(name)
	o.buf = append(o.buf, '{')
	return o
}

// end ends a member that begin began behind dst, with that name, and takes it
// back if it is empty. It is not done if the member has to be encoded again
// with care. Its notes stay in the writer.
func (o *object) end(dst []byte, name member) (buf []byte, done bool) {
	inner := len(dst) + len(name) + 1
	switch {
	case o.writer.irregular:
		return dst, false
	case len(o.buf) == inner:
		return o.buf[:len(dst)], true
	}
	o.finish()
	return append(dropComma(o.buf, inner), '}'), true
}
