package event

import (
	"encoding/hex"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
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

func (o *object) string(name member, s string) {
	if s != "" {
		o.name(name)
		o.buf = o.writer.string(o.buf, s, o.root.child(name.key()))
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

func (o *object) body(v pcommon.Value) {
	if v.Type() != pcommon.ValueTypeEmpty {
		o.name(`,"body":`)
		o.buf = o.writer.value(o.buf, v, o.root.child("body"))
	}
}

// attributes appends a map that has entries; f, if not nil, sees them.
func (o *object) attributes(m pcommon.Map, f *finding) {
	if m.Len() == 0 {
		return
	}
	o.name(`,"attributes":`)
	p := place{up: &o.root, key: "attributes", index: -1}
	o.buf = o.writer.attributes(o.buf, m, &p, f)
}

// strings appends an array of strings.
func (o *object) strings(name member, s pcommon.StringSlice) {
	if s.Len() == 0 {
		return
	}
	o.name(name)
	p := place{up: &o.root, key: name.key(), index: -1}
	o.buf = append(o.buf, '[')
	for i := range s.Len() {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = o.writer.string(o.buf, s.At(i), pathElement{&p, "", i})
	}
	o.buf = append(o.buf, ']')
	o.writer.exact.close(&p)
}

// mapping appends the normalised fields: from, which names the attribute of
// each, and a member of its own for one that is not as the attribute has it.
func (o *object) mapping(f *finding) {
	any := false
	for id := range fields {
		rank := f.mapping[id]
		if rank == unset || fieldID(id) == fieldType && rank == 0 {
			continue
		}
		if !any {
			any = true
			o.buf = append(o.buf, `,"from":{`...)
		} else {
			o.buf = append(o.buf, ',')
		}
		if rank == fromBody {
			o.buf = append(o.buf, fields[id].member[1:]...)
			o.buf, _ = appendString(o.buf, f.offered[id].ref)
		} else {
			o.buf = append(o.buf, fields[id].sources[rank].ref...)
		}
	}
	if !any {
		return
	}
	o.buf = append(o.buf, '}')
	o.string(fields[fieldOutcome].member, f.outcome)
	for id := range fields {
		if f.mapping[id] == fromBody && f.offered[id].copied {
			o.string(fields[id].member, f.offered[id].text)
		}
	}
}

// entities appends a resource's entity references.
func (o *object) entities(refs entity.EntityRefSlice) {
	if refs.Len() == 0 {
		return
	}
	o.name(`,"entity_refs":`)
	list := place{up: &o.root, key: "entity_refs", index: -1}
	o.buf = append(o.buf, '[')
	for i, r := range refs.All() {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		one := object{writer: o.writer, root: place{up: &list, index: i}, buf: append(o.buf, '{')}
		start := len(one.buf)
		one.string(`,"schema_url":`, r.SchemaUrl())
		one.string(`,"type":`, r.Type())
		one.strings(`,"id_keys":`, r.IdKeys())
		one.strings(`,"description_keys":`, r.DescriptionKeys())
		o.writer.exact.close(&one.root)
		o.buf = append(dropComma(one.buf, start), '}')
	}
	o.buf = append(o.buf, ']')
	o.writer.exact.close(&list)
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

// object appends a member that is an object, or nothing if fill appends none.
func (w *writer) object(dst []byte, name member, fill func(*object)) []byte {
	for careful := false; ; careful = true {
		w.reset(careful)
		o := object{writer: w, buf: dst}
		o.name(name)
		o.buf = append(o.buf, '{')
		inner := len(o.buf)
		fill(&o)
		switch {
		case w.irregular:
			continue
		case len(o.buf) == inner:
			return dst
		}
		o.finish()
		return append(dropComma(o.buf, inner), '}')
	}
}
