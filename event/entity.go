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
		one := object{writer: w, root: pathElement{&list, "", i}.place(), buf: append(o.buf, '{')}
		start := len(one.buf)
		one.string(`,"schema_url":`, r.SchemaUrl())
		one.string(`,"type":`, r.Type())
		one.strings(`,"id_keys":`, r.IdKeys())
		one.strings(`,"description_keys":`, r.DescriptionKeys())
		w.exact.close(&one.root)
		o.buf = append(dropComma(one.buf, start), '}')
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

// strings appends an array of strings.
func (o *object) strings(name member, s pcommon.StringSlice) {
	if s.Len() == 0 {
		return
	}
	w := o.writer
	o.name(name)
	p := o.root.child(name.key()).place()
	o.buf = append(o.buf, '[')
	for i := range s.Len() {
		if w.full = w.full || i == w.rules.limits.Attributes || w.room(o.buf, &p) <= 0; w.full {
			break
		}
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = w.string(o.buf, s.At(i), w.rules.limits.IdentityBytes, pathElement{&p, "", i})
	}
	o.buf = append(o.buf, ']')
	w.exact.close(&p)
}
