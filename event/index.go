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
	// mandate is what it is to an audit record.
	mandate mandate
	secret  bool // its value is redacted
}

// identity tells whether the attribute can feed a normalised field.
func (m *meaning) identity() bool { return m != nil && len(m.uses) > 0 }

// index finds the meaning of an attribute; read only once built.
type index struct {
	// slots is a hash table with open addressing, by hashKey; its length is a
	// power of two, and most slots are empty.
	slots    []slot
	defaults bool
	user     map[string]string // rules of critical.attributes, nil if none
}

type slot struct {
	key     string // "" if empty
	meaning *meaning
}

// find returns the meaning of a key with its hash, nil if it means nothing.
func (x *index) find(key string, h uint32) *meaning {
	mask := uint32(len(x.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.key == key || s.key == "" {
			return s.meaning
		}
	}
}

func (x *index) build(meanings map[string]*meaning) {
	size := 512
	for size < 4*len(meanings) {
		size *= 2
	}
	x.slots = make([]slot, size)
	for key, m := range meanings {
		i := hashKey(key) & uint32(size-1)
		for x.slots[i].key != "" {
			i = (i + 1) & uint32(size-1)
		}
		x.slots[i] = slot{key, m}
	}
}

func newIndex(c Critical, secrets *secretKeys) (*index, error) {
	x := &index{defaults: c.Defaults}
	meanings := make(map[string]*meaning)
	of := func(name string) *meaning {
		if meanings[name] == nil {
			meanings[name] = new(meaning)
		}
		return meanings[name]
	}
	for f := range fields {
		for rank, s := range fields[f].sources {
			if s.name == eventName {
				continue
			}
			m := of(s.name)
			m.uses = append(m.uses, use{fieldID(f), uint8(rank)})
			m.name = m.name || c.Defaults && fieldID(f) == fieldType
		}
	}
	for i := mandatoryAttributes; i < len(mandatory); i++ {
		of(mandatory[i].field).mandate = mandate(i)
	}
	if c.Defaults {
		for name, rule := range attributeRules {
			of(name).rule = rule
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
		of(name).user = x.user[name]
	}
	for name, m := range meanings {
		m.secret = secrets.match(name)
	}
	x.build(meanings)
	return x, nil
}

// finding is what the attributes of one record say about it.
type finding struct {
	index   *index
	secrets *secretKeys
	mapping mapping
	verdict verdict
	id      string // the record id, if a string
	outcome string // the outcome, if its source is a code
	audit   bool   // it carries a mandatory attribute of audit records
	faults  [len(mandatory)]fault
	offered [numFields]bodyValue
	body    facts
	// bodyStands: the body stands in the event as it came, no key of a map
	// twice, nothing redacted or cut.
	bodyStands bool
}

// bodyValue is the value of a field that comes from the body.
type bodyValue struct {
	ref    string // what from says: a JSON pointer into the event
	text   string
	copied bool // it needs a member of its own
}

// offerBody gives a field its value from the body unless an attribute has filled
// it. ref says where: a JSON pointer into the event, followed in a body that is
// text by '#' and a pointer into what that text is. copied says that ref is not
// where the event has text as a string.
func (f *finding) offerBody(id fieldID, ref, text string, copied bool) {
	if text == "" || f.mapping.of(id) != unset || f.secrets.match(lastToken(ref)) || f.secrets.holds(ref) {
		return
	}
	f.mapping.set(id, fromBody)
	f.offered[id] = bodyValue{ref, text, copied || !f.bodyStands}
	if id == fieldRecordID {
		f.id = text
	}
}

func (f *finding) reset(r *rules) {
	f.index, f.secrets = r.index, r.secrets
	f.mapping.filled = 0
	f.verdict = verdict{order: orderNone}
	f.id, f.outcome = "", ""
	f.audit, f.faults = false, [len(mandatory)]fault{}
	f.bodyStands = true
}

// presence is how an attribute stands in the event.
type presence uint8

const (
	stands presence = iota
	// absent: it does not stand in the event, or a later one of the same key
	// does. It can make the event critical, and fills no field.
	absent
	// secret: its value is redacted. Nothing may depend on it.
	secret
)

// see takes one attribute of the record, m its meaning, into account.
func (f *finding) see(key string, m *meaning, v pcommon.Value, p presence) {
	x := f.index
	if x.defaults && len(key) > 0 && key[0] == 's' && strings.HasPrefix(key, securityRulePrefix) {
		f.verdict.offer(orderSecurityRule, "security_rule")
	}
	if m == nil {
		return
	}
	f.verdict.offer(orderUser, m.user)
	if m.mandate != 0 {
		f.audit = true
		f.faults[m.mandate] = m.mandate.judge(v, p == secret)
	}
	if m.rule.test != nil && m.rule.order < f.verdict.order && (p != secret || m.rule.order == orderAudit) {
		f.verdict.offer(m.rule.order, m.rule.test(v))
	}
	if m.name && v.Type() == pcommon.ValueTypeStr && p != secret {
		f.seeName(v.Str())
	}
	if p != stands {
		return
	}
	for _, u := range m.uses {
		f.fill(u, v)
	}
}

// fill gives a field its source if v is usable and no better one is known.
func (f *finding) fill(u use, v pcommon.Value) {
	if u.rank >= f.mapping.of(u.field) {
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
	f.mapping.set(u.field, u.rank)
	switch u.field {
	case fieldRecordID:
		f.id = v.Str()
	case fieldOutcome:
		f.outcome = word
	}
}

// seeName classifies by an attribute that holds a name.
func (f *finding) seeName(name string) {
	if f.verdict.order > orderTaxonomy {
		f.verdict.offer(names.classify(name))
	}
}

// seeEventName classifies by the EventName; it comes after the attributes, so
// that a record they decide spares it, and among equals it is first.
func (f *finding) seeEventName(name string) {
	if name == "" || f.verdict.order < orderTaxonomy {
		return
	}
	if o, rule := names.classify(name); rule != "" && o <= f.verdict.order {
		f.verdict = verdict{o, rule}
	}
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
