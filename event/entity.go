package event

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// entities appends a resource's entity references, as many as an event takes.
func (o *object) entities(refs entity.EntityRefSlice) {
	if refs.Len() == 0 {
		return
	}
	w := o.writer
	o.name(`,"entity_refs":`)
	list := place{up: &o.root, key: "entity_refs", index: -1, cost: o.root.cost + 16}
	o.buf = append(o.buf, '[')
	for i, r := range refs.All() {
		if w.full = w.full || i == w.rules.limits.Attributes || w.room(o.buf, &list) <= 0; w.full {
			break
		}
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		p := pathElement{&list, "", i}.place()
		o.buf = append(o.buf, '{')
		start := len(o.buf)
		o.buf = w.named(o.buf, `,"schema_url":`, r.SchemaUrl(), &p)
		o.buf = w.named(o.buf, `,"type":`, r.Type(), &p)
		o.buf = w.strings(o.buf, `,"id_keys":`, r.IdKeys(), &p)
		o.buf = w.strings(o.buf, `,"description_keys":`, r.DescriptionKeys(), &p)
		w.exact.close(&p)
		o.buf = append(dropComma(o.buf, start), '}')
	}
	o.buf = append(o.buf, ']')
	w.exact.close(&list)
	if w.full {
		w.digester.start(w.rules.secrets)
		w.digester.entities(refs)
		w.noteTruncated(o.root.child("entity_refs"), "entries", refs.Len(), w.digester.sum())
	}
	w.full = false
}

// strings appends a member that is an array of strings.
func (w *writer) strings(dst []byte, name member, s pcommon.StringSlice, in *place) []byte {
	if s.Len() == 0 {
		return dst
	}
	p := in.child(name.key()).place()
	dst = append(append(dst, name...), '[')
	for i := range s.Len() {
		if w.full = w.full || i == w.rules.limits.Attributes || w.room(dst, &p) <= 0; w.full {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.string(dst, s.At(i), w.rules.limits.IdentityBytes, pathElement{&p, "", i})
	}
	w.exact.close(&p)
	return append(dst, ']')
}
