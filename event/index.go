package event

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// meaning is what an attribute of a record does to its event.
type meaning struct {
	uses []use
	name bool // it holds the event's name
	rule attributeRule
	user string // rule of critical.attributes
}

// index finds the meaning of an attribute; read only once built.
type index struct {
	meanings map[string]meaning
	// lengths has, for each first byte, bit min(len, 63) of each name that
	// starts with it: most attributes that mean nothing are told by it alone.
	lengths  [256]uint64
	defaults bool
	user     map[string]string // rules of critical.attributes, nil if none
}

func newIndex(c Critical) (*index, error) {
	x := &index{meanings: make(map[string]meaning), defaults: c.Defaults}
	for f := range fields {
		for rank, s := range fields[f].sources {
			if s.name == eventName {
				continue
			}
			m := x.meanings[s.name]
			m.uses = append(m.uses, use{fieldID(f), uint8(rank)})
			m.name = m.name || c.Defaults && fieldID(f) == fieldType
			x.meanings[s.name] = m
		}
	}
	if c.Defaults {
		for name, rule := range attributeRules {
			m := x.meanings[name]
			m.rule = rule
			x.meanings[name] = m
		}
	}
	for i, name := range c.Attributes {
		if name == "" {
			return nil, fmt.Errorf("critical.attributes[%d]: %w", i, errors.New("empty name"))
		}
		if x.user == nil {
			x.user = make(map[string]string)
		}
		if x.user[name] == "" {
			x.user[name] = fmt.Sprintf("critical.attributes[%d]", i)
		}
		m := x.meanings[name]
		m.user = x.user[name]
		x.meanings[name] = m
	}
	for name := range x.meanings {
		x.lengths[name[0]] |= 1 << min(len(name), 63)
	}
	return x, nil
}

// finding is what the attributes of one record say about it.
type finding struct {
	index   *index
	mapping mapping
	verdict verdict
	id      string // the record id, if a string
	outcome string // the outcome, if its source is a code
}

func (f *finding) reset(x *index) {
	f.index = x
	f.mapping.reset()
	f.verdict = verdict{order: orderNone}
	f.id, f.outcome = "", ""
}

// see takes one attribute of the record into account. shadowed says that a later
// one has the same key: it can make the event critical, and fills no field.
func (f *finding) see(key string, v pcommon.Value, shadowed bool) {
	if key == "" {
		return
	}
	x := f.index
	if key[0] == 's' && x.defaults && strings.HasPrefix(key, securityRulePrefix) {
		f.verdict.offer(orderSecurityRule, "security_rule")
	}
	if x.lengths[key[0]]>>min(len(key), 63)&1 == 0 {
		return
	}
	m, ok := x.meanings[key]
	if !ok {
		return
	}
	f.verdict.offer(orderUser, m.user)
	if m.rule.test != nil && m.rule.order < f.verdict.order {
		f.verdict.offer(m.rule.order, m.rule.test(v))
	}
	if m.name && v.Type() == pcommon.ValueTypeStr {
		f.seeName(v.Str())
	}
	if shadowed {
		return
	}
	for _, u := range m.uses {
		f.fill(u, v)
	}
}

// fill gives a field its source if v is usable and no better one is known.
func (f *finding) fill(u use, v pcommon.Value) {
	if u.rank >= f.mapping[u.field] {
		return
	}
	s := &fields[u.field].sources[u.rank]
	word := ""
	switch {
	case s.values != nil:
		n, _ := code(v)
		if word = s.values[n]; word == "" {
			return
		}
	case v.Type() == pcommon.ValueTypeStr && v.Str() != "", v.Type() == pcommon.ValueTypeInt:
	default:
		return
	}
	f.mapping[u.field] = u.rank
	switch u.field {
	case fieldRecordID:
		f.id = v.Str()
	case fieldOutcome:
		f.outcome = word
	}
}

func (f *finding) seeName(name string) {
	if name == "" || f.verdict.order <= orderTaxonomy {
		return
	}
	o := orderName
	rule := names.classify(name)
	if strings.HasPrefix(rule, "taxonomy:") {
		o = orderTaxonomy
	}
	f.verdict.offer(o, rule)
}

// seeShared takes the attributes of a resource or scope into account: only the
// user's names count there.
func (x *index) seeShared(m pcommon.Map, v *verdict) {
	if x.user == nil {
		return
	}
	for key := range m.All() {
		v.offer(orderUser, x.user[key])
	}
}
