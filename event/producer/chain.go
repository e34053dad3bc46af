package producer

// State is what a record is to its stream, as far as this process has seen it.
type State string

const (
	StateFirst   State = "first"   // it begins the stream
	StateNext    State = "next"    // it follows the last one
	StateAgain   State = "again"   // it was there before: a delivery was repeated
	StateUnknown State = "unknown" // it can't be told: what it would follow is not known
	StateBroken  State = "broken"  // the stream is broken here
)

// Break is a way in which a stream is broken.
type Break string

const (
	BreakGap       Break = "gap"       // records between the last one and this are missing
	BreakOrder     Break = "order"     // it comes after its successor
	BreakFork      Break = "fork"      // two records stand in one place
	BreakHash      Break = "hash"      // its pointer is not the last record's hash
	BreakRecord    Break = "record"    // it names another record id than the last one's
	BreakUnlinked  Break = "unlinked"  // it has no pointer, the last one had
	BreakAfterEnd  Break = "after_end" // it follows a record that ended the stream
	BreakMalformed Break = "malformed" // an attribute of the chain has the wrong type or value
)

// Breaks lists all of them, for a metric's attribute.
var Breaks = []Break{
	BreakGap, BreakOrder, BreakFork, BreakHash, BreakRecord, BreakUnlinked, BreakAfterEnd, BreakMalformed,
}

// Verdict is what is known of a record's place in its stream.
type Verdict struct {
	State State
	Break Break // of StateBroken
}

// seen is what is remembered of a record.
type seen struct {
	number int64
	hash   [2]sum
	id     sum
	flags  uint8
}

const (
	seenHashed uint8 = 1 << iota
	seenID
	seenLinked
	seenRecalled // it was read back from the log, where something of it may be missing
)

func (e *entry) seen() seen {
	s := seen{number: e.number, hash: e.hash, id: e.id}
	for _, f := range []struct {
		is   bool
		flag uint8
	}{{e.hashed, seenHashed}, {e.hasID, seenID}, {e.linked, seenLinked}, {e.recalled, seenRecalled}} {
		if f.is {
			s.flags |= f.flag
		}
	}
	return s
}

func (s *seen) has(flag uint8) bool { return s.flags&flag != 0 }

// is tells whether two records are one. Without canonical forms number and id must do, and
// of one that was read back the number, if no id says otherwise.
func (s *seen) is(o *seen) bool {
	if (s.flags|o.flags)&seenRecalled != 0 && s.number > 0 && s.number == o.number {
		return !s.has(seenID) || !o.has(seenID) || s.id == o.id
	}
	if s.has(seenHashed) || o.has(seenHashed) {
		return s.has(seenHashed) && o.has(seenHashed) && s.hash[0] == o.hash[0]
	}
	return s.number > 0 && s.number == o.number && s.has(seenID) && o.has(seenID) && s.id == o.id
}

// names tells whether a pointer is this record's hash, in whatever form.
func (s *seen) names(pointer sum) bool {
	return s.has(seenHashed) && (s.hash[0] == pointer || s.hash[1] == pointer)
}

// tail is what is known of a stream: its last record, and the latest that came. It is a
// value: a copy shares only what is never changed.
type tail struct {
	known bool
	last  seen
	root  *seen // the first record, if it was seen
	floor int64 // every record of that number or a higher one is among the latest
	ended bool
	came  ring
}

// judge says what l is to the stream, and what the stream is after it.
func (t *tail) judge(l *Link) (Verdict, tail) {
	v := Verdict{State: StateNext}
	self := l.self.seen()
	broken := func(b Break, after tail) (Verdict, tail) {
		v.State, v.Break = StateBroken, b
		return v, after
	}
	state := func(s State, after tail) (Verdict, tail) {
		v.State = s
		return v, after
	}
	switch {
	case t.known && t.repeats(&self):
		return state(StateAgain, *t)
	case l.malformed:
		return broken(BreakMalformed, t.after(l, l.number == 0 || l.number > t.last.number))
	case !t.known && l.first(t):
		return state(StateFirst, begun(l))
	case !t.known:
		return state(StateUnknown, t.after(l, true))
	case !l.Stream.named && l.first(t):
		return state(StateFirst, begun(l)) // a process that began again: its resource is the same
	case t.ended:
		return broken(BreakAfterEnd, t.after(l, false))
	case l.first(t):
		if t.root == nil {
			return state(StateUnknown, t.after(l, false))
		}
		return broken(BreakFork, t.after(l, false))
	case l.number > 0 && l.number <= t.last.number:
		return t.late(l, state, broken)
	case t.last.number > 0 && l.number > t.last.number+1:
		return broken(BreakGap, t.after(l, true))
	}
	switch b, known := t.joint(l); {
	case b != "":
		return broken(b, t.after(l, b != BreakFork))
	case !known:
		return state(StateUnknown, t.after(l, true))
	}
	return state(StateNext, t.after(l, true))
}

type decide[T any] func(T, tail) (Verdict, tail)

// late judges a number that is not above the last one's.
func (t *tail) late(l *Link, state decide[State], broken decide[Break]) (Verdict, tail) {
	after := t.after(l, false)
	switch {
	case t.came.find(func(s *seen) bool { return s.number == l.number }):
		return broken(BreakFork, after)
	case l.number < t.floor:
		return state(StateUnknown, after) // it may have come before, longer ago than is remembered
	default:
		return broken(BreakOrder, after)
	}
}

// joint compares what l says of its predecessor with the last record. It is not known if l says
// nothing, or points to what the last record's hash can't show.
func (t *tail) joint(l *Link) (b Break, known bool) {
	known = l.number > 0 || l.hasPointer || l.hasID
	switch {
	case l.hasPointer && !t.last.names(l.pointer):
		switch {
		case t.came.find(func(s *seen) bool { return s.names(l.pointer) }):
			return BreakFork, true
		case t.last.has(seenHashed) && !t.last.has(seenRecalled):
			return BreakHash, true
		}
		known = false
	case l.genesis: // it has a number above 1
		return BreakHash, true
	case !l.hasPointer && t.last.has(seenLinked):
		return BreakUnlinked, true
	}
	if l.hasID && t.last.has(seenID) && l.previous != t.last.id {
		if t.came.find(func(s *seen) bool { return s.has(seenID) && s.id == l.previous }) {
			return BreakFork, true
		}
		return BreakRecord, true
	}
	return "", known
}

// first tells whether l says that it is a stream's first record: by a number of 1, or by
// omission, where the stream has shown that its records have pointers.
func (l *Link) first(t *tail) bool {
	switch {
	case l.hasPointer, l.hasID, l.number > 1:
		return false
	case l.number == 1 || l.genesis:
		return true
	}
	return !t.known || t.last.has(seenLinked)
}

// repeats tells whether a record is one of the latest, or the first.
func (t *tail) repeats(self *seen) bool {
	if t.last.number > 0 && self.number == t.last.number+1 {
		return false
	}
	return t.root != nil && t.root.is(self) || t.came.find(self.is)
}

// begun is a stream of which l is the first record.
func begun(l *Link) tail {
	root := l.self.seen()
	t := tail{known: true, last: root, root: &root, floor: root.number, ended: l.end}
	t.came, _ = t.came.add(root)
	return t
}

// after is the stream with l among its latest records; goesOn: as the last.
func (t *tail) after(l *Link, goesOn bool) tail {
	next, self := *t, l.self.seen()
	if !t.known {
		next.floor = self.number
	}
	var gone seen
	next.came, gone = t.came.add(self)
	if gone.number >= next.floor {
		next.floor = gone.number + 1
	}
	if goesOn {
		next.last = self
	}
	next.known = true
	next.ended = t.ended || l.end && goesOn
	return next
}
