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
	// outcome is for a format whose outcome is no member as it stands: the
	// member that says it, or "", and the word, "" if it is not known.
	outcome func(*facts) (member, word string)
	// action is the same for the action.
	action func(*facts) string
	// unset are values by which the format says that there is none.
	unset []string
	rules []bodyRule

	members map[string]int // the place of each member in facts
	fed     [numFields][]int
	tree    *step
}

// bodyRule makes a body critical. rule returns what stands in the event, from a
// bounded set, or "".
type bodyRule func(*facts) string

// step is one level of a format's members: what to do with a value met there.
type step struct {
	next   map[string]*step
	each   *step // for the elements of an array
	member int   // -1: none
	test   *attributeRule
	// before and after, with the index of the array's element between them if
	// there is one, are the JSON pointer of the value in the event.
	before, after string
}

// fact is the value of a member.
type fact struct {
	text  string // of a string its value; of a whole number its digits, if the body is text
	num   int64  // of a whole number
	kind  factKind
	index int // of the array's element it is, or is in
	at    *step
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
	source  [numFields]int // the member that feeds a field, -1 if none
	words   [numFields]string
	verdict verdict // of the format's tests
	asked   bool    // tests are wanted
}

func (f *facts) start(b *bodyFormat, text, asked bool) {
	f.format, f.text, f.whole, f.asked = b, text, true, asked
	clear(f.found[:len(b.members)])
	f.words = [numFields]string{}
	f.verdict = verdict{order: orderNone}
	for i := range f.source {
		f.source[i] = -1
	}
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

// feed finds what feeds the fields that no attribute has fed.
func (f *finding) feed(b *facts) {
	for id := range fields {
		if f.mapping[id] != unset {
			continue
		}
		for _, i := range b.format.fed[id] {
			// The account that acts is not also what is acted upon.
			taken := fieldID(id) == fieldTargetID && b.source[fieldActorID] == i
			if !taken && b.usable(&b.found[i]) {
				b.source[id] = i
				break
			}
		}
	}
	if b.format.outcome != nil && f.mapping[fieldOutcome] == unset {
		if member, word := b.format.outcome(b); word != "" {
			b.words[fieldOutcome] = word
			if b.source[fieldOutcome] = -1; member != "" {
				b.source[fieldOutcome] = b.format.members[member]
			}
		}
	}
	if b.format.action != nil && f.mapping[fieldAction] == unset && b.source[fieldAction] < 0 {
		b.words[fieldAction] = b.format.action(b)
	}
}

// usable is what FORMAT.md says of sources, and of what a format says is none.
func (f *facts) usable(x *fact) bool {
	switch {
	case x.kind == factNumber:
		return !f.unsetNumber(x.num)
	case x.kind != factString || x.text == "" || len(x.text) > maxFactText:
		return false
	}
	for _, s := range f.format.unset {
		if x.text == s {
			return false
		}
	}
	return true
}

func (f *facts) unsetNumber(n int64) bool {
	for _, s := range f.format.unset {
		if s == strconv.FormatInt(n, 10) {
			return true
		}
	}
	return false
}

// set keeps a value met at a step.
func (f *facts) set(at *step, x fact) {
	if at.member >= 0 {
		x.at = at
		f.found[at.member] = x
	}
}

// reference appends the pointer of a fact's value in the event.
func (x *fact) reference(dst []byte) []byte {
	dst = append(dst, x.at.before...)
	if x.at.after != noIndex {
		dst = strconv.AppendInt(dst, int64(x.index), 10)
		dst = append(dst, x.at.after...)
	}
	return dst
}

// noIndex is the after of a pointer without an index: no pointer ends so.
const noIndex = "\x00"

// build makes the tree and the places of members from the tables.
func (b *bodyFormat) build() *bodyFormat {
	b.members = make(map[string]int)
	b.tree = &step{member: -1}
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
func (s *step) at(member string) *step {
	for _, key := range strings.Split(member[1:], "/") {
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		next := s.next[key]
		if key == "*" {
			next = s.each
		}
		if next == nil {
			next = &step{member: -1}
			if key == "*" {
				s.each = next
			} else {
				if s.next == nil {
					s.next = make(map[string]*step)
				}
				s.next[key] = next
			}
		}
		s = next
	}
	return s
}

func (s *step) place(i int, member string) {
	s.member = i
	s.before, s.after = "/body"+member, noIndex
	if before, after, ok := strings.Cut(s.before, "*"); ok {
		s.before, s.after = before, after
	}
}
