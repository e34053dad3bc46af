package event

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// bodyFormat is a format of bodies that are themselves records of who did what:
// its members feed the fields that no attribute has fed. Members are named by
// JSON pointers into the body, "*" standing for each element of an array. Where
// a member is met more than once, in an array or by a key that stands twice,
// the last counts.
type bodyFormat struct {
	name string
	// is tells whether the facts of a body that looks like one are those of one.
	is func(*facts) bool
	// sources are the members that feed each field; the first wins that is usable.
	sources [numFields][]string
	// dotted says that a member may stand under its dotted name too.
	dotted bool
	// also are the members that only outcome and rules look at.
	also []string
	// tests are the members decided as the attribute of that name is.
	tests map[string]string
	// concluded are fields that no member is as it stands.
	concluded [numFields]conclusion
	// line says that a body is a line of text in which members have no place.
	line bool
	// unset are values by which the format says that there is none.
	unset []string
	rules []bodyRule

	members map[string]int // the place of each member in facts
	parents []string       // the object that each member is in, "" for the body
	fed     [numFields][]int
	tree    *bodyStep
}

// conclusion returns the value of a field, "" if it has none, and the member it
// is concluded from, "" for the whole body.
type conclusion func(*facts) (member, value string)

// bodyRule makes a body critical. rule returns what stands in the event, from a
// bounded set, or "".
type bodyRule func(*facts) string

// bodyStep is one level of a format's members: what to do with a value met there.
type bodyStep struct {
	next   map[string]*bodyStep
	each   *bodyStep // for the elements of an array
	member int       // -1: none
	test   *attributeRule
	// ref is where the value stands, refText where if the body is JSON text.
	ref, refText bodyRef
}

// fact is the value of a member.
type fact struct {
	text  string // of a string its value, of true and false the word
	num   int64  // of a whole number
	kind  factKind
	made  bool // the event has the value in another form
	index int  // of the array's element it is, or is in
	at    *bodyStep
}

type factKind uint8

const (
	factNone factKind = iota
	factString
	factNumber
	factOther // something that is no string and no whole number
)

// maxFacts bounds the members of a format.
const maxFacts = 48

// maxFactText is the longest value, in bytes, that a body feeds a field with.
const maxFactText = 1024

// facts are what a body of a known format says. They point into the record.
type facts struct {
	format *bodyFormat
	// text says that the body is a string: its members have no place of their
	// own in the event.
	text bool
	// whole says that the body was read to its end.
	whole   bool
	found   [maxFacts]fact
	asked   bool    // the built-in rules are on
	verdict verdict // of the format's tests
}

func (f *facts) start(b *bodyFormat, text, asked bool) {
	f.format, f.text, f.whole, f.asked = b, text, true, asked
	clear(f.found[:len(b.members)])
	f.verdict = verdict{order: orderNone}
}

// get returns the string that a member is, "" for any other.
func (f *facts) get(member string) string {
	if x := f.fact(member); x.kind == factString {
		return x.text
	}
	return ""
}

// fact returns the value of a member of the format.
func (f *facts) fact(member string) *fact {
	i, ok := f.format.members[member]
	if !ok {
		panic("event: " + f.format.name + " has no member " + member)
	}
	return &f.found[i]
}

// seeBody takes the body of a record into account, after its attributes.
func (f *finding) seeBody(v pcommon.Value) {
	b := &f.body
	b.format = nil
	switch v.Type() {
	case pcommon.ValueTypeStr:
		if !b.readText(v.Str(), f.index.defaults) {
			return
		}
	case pcommon.ValueTypeMap:
		if !b.readMap(v.Map(), f.index.defaults) {
			return
		}
	default:
		return
	}
	if !b.format.is(b) {
		b.format = nil
		return
	}
	f.feed(b)
	if !f.index.defaults {
		return
	}
	f.verdict.offer(b.verdict.order, b.verdict.rule)
	for _, rule := range b.format.rules {
		if f.verdict.order <= orderBody {
			return
		}
		f.verdict.offer(orderBody, rule(b))
	}
}

// feed offers what the body says for each field.
func (f *finding) feed(b *facts) {
	actor := -1
	for id := range fields {
		for _, i := range b.format.fed[id] {
			x := &b.found[i]
			if fieldID(id) == fieldTargetID && b.sameObject(i, actor) || !b.usable(x) {
				continue
			}
			if fieldID(id) == fieldActorID {
				actor = i
			}
			f.offerBody(fieldID(id), b.reference(x), x.value(), b.text || x.made)
			break
		}
	}
	for id, conclude := range b.format.concluded {
		if conclude != nil {
			if member, value := conclude(b); value != "" {
				f.offerBody(fieldID(id), b.place(member), value, true)
			}
		}
	}
}

// sameObject tells whether two members are one, or names of one object: the
// account that acts is not also what is acted upon.
func (f *facts) sameObject(i, j int) bool {
	if j < 0 {
		return false
	}
	a, b := f.format.parents[i], f.format.parents[j]
	return i == j || a != "" && a == b
}

// usable is what FORMAT.md says of sources, and of what a format says is none.
func (f *facts) usable(x *fact) bool {
	switch {
	case x.kind == factNumber:
	case x.kind != factString || x.text == "" || len(x.text) > maxFactText:
		return false
	}
	for _, s := range f.format.unset {
		if x.value() == s {
			return false
		}
	}
	return true
}

// value is the value as text.
func (x *fact) value() string {
	if x.kind == factNumber {
		return strconv.FormatInt(x.num, 10)
	}
	return x.text
}

// reference is where a value stands: a JSON pointer into the event, followed in
// a body that is JSON text by '#' and a pointer into that. A line has no places.
func (f *facts) reference(x *fact) string {
	switch {
	case f.format.line:
		return bodyPointer
	case f.text:
		return x.at.refText.at(x.index)
	default:
		return x.at.ref.at(x.index)
	}
}

// place is where a member stands, "" being the whole body.
func (f *facts) place(member string) string {
	if member == "" {
		return bodyPointer
	}
	return f.reference(f.fact(member))
}

// bodyPointer is the whole body.
const bodyPointer = "/body"

// set keeps a value met at a step.
func (f *facts) set(at *bodyStep, x fact) {
	if at.member >= 0 {
		x.at = at
		f.found[at.member] = x
	}
}

// bodyRef is a reference, with the index of an array's element in it or not.
type bodyRef struct {
	before, after string
	indexed       bool
	few           [8]string // with the first indexes, made once
}

func newBodyRef(ref string) (r bodyRef) {
	if r.before, r.after, r.indexed = strings.Cut(ref, "*"); r.indexed {
		for i := range r.few {
			r.few[i] = r.before + strconv.Itoa(i) + r.after
		}
	}
	return r
}

func (r *bodyRef) at(index int) string {
	switch {
	case !r.indexed:
		return r.before
	case index < len(r.few):
		return r.few[index]
	default:
		return r.before + strconv.Itoa(index) + r.after
	}
}

// build makes the tree and the places of members from the tables.
func (b *bodyFormat) build() *bodyFormat {
	b.members = make(map[string]int)
	b.tree = &bodyStep{member: -1}
	for id, members := range b.sources {
		for _, m := range members {
			b.fed[id] = append(b.fed[id], b.add(m))
		}
	}
	for _, m := range b.also {
		b.add(m)
	}
	for m, attribute := range b.tests {
		rule := attributeRules[attribute]
		b.tree.at(m).test = &rule
		if b.dotted {
			b.tree.at(dottedName(m)).test = &rule
		}
	}
	return b
}

func (b *bodyFormat) add(member string) int {
	i, ok := b.members[member]
	if !ok {
		if i = len(b.members); i == maxFacts {
			panic("event: too many members in " + b.name)
		}
		b.members[member] = i
		b.parents = append(b.parents, member[:strings.LastIndexByte(member, '/')])
		b.tree.at(member).place(i, member)
		if b.dotted {
			dotted := dottedName(member)
			b.tree.at(dotted).place(i, dotted)
		}
	}
	return i
}

// dottedName makes /user/name the member /user.name.
func dottedName(member string) string {
	return "/" + strings.ReplaceAll(member[1:], "/", ".")
}

// at returns the step of a member, making those on the way.
func (s *bodyStep) at(member string) *bodyStep {
	for _, key := range strings.Split(member[1:], "/") {
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		next := s.next[key]
		if key == "*" {
			next = s.each
		}
		if next == nil {
			next = &bodyStep{member: -1}
			if key == "*" {
				s.each = next
			} else {
				if s.next == nil {
					s.next = make(map[string]*bodyStep)
				}
				s.next[key] = next
			}
		}
		s = next
	}
	return s
}

func (s *bodyStep) place(i int, member string) {
	s.member = i
	s.ref, s.refText = newBodyRef(bodyPointer+member), newBodyRef(bodyPointer+"#"+member)
}
