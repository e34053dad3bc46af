package chain

import "fmt"

// isTail tells whether the fault of segment i is what a crash can leave, and
// notes it as the log's tail. It holds the rule of FORMAT.md, "A crash or
// tampering".
func (v *verification) isTail(i int) bool {
	s := v.segments[i]
	c := &s.check
	switch {
	case i < len(v.segments)-1 || v.o.Lock == LockHeld: // a successor, or the mark, vouches for all that is judged
		return false
	case c.Lines == 0 || c.Closed:
		return false
	case v.marked && c.Valid < s.markAt, c.Head.Seq < v.o.Synced:
		return false
	case !v.marked && v.o.Lock != LockOwn: // nothing vouches for a crash
		return false
	}
	v.report.Tail = &Tail{Fault: *c.Fault, Length: s.size - c.Valid}
	return true
}

// checkSynced checks that the log reaches as far as it is known to have been synced.
func (v *verification) checkSynced() {
	if len(v.segments) == 0 {
		return
	}
	last := v.segments[len(v.segments)-1]
	if p := v.report.Pending; p != nil && v.o.Synced > 0 && last.check.until == v.o.Synced+1 {
		p.Bytes += last.size - last.check.Valid
	}
	if last.check.Fault == nil && last.check.Head.Seq < v.o.Synced {
		v.fault(last.place(fmt.Sprintf("log is shorter than a checkpoint of it, which covers entry %d", v.o.Synced)))
	}
}

// checkMark checks that the log reaches its mark and has the entry that ends
// there.
func (v *verification) checkMark() {
	if !v.marked {
		return
	}
	for _, s := range v.segments {
		c := &s.check
		switch {
		case c.Name.Ordinal != v.mark.Ordinal:
			continue
		case c.Fault != nil && c.Valid < s.markAt && s.size >= s.markAt: // said already
		case s.size < s.markAt:
			v.fault(s.place(fmt.Sprintf("log is shorter than its mark: segment has %d bytes of %d", s.size, s.markAt)))
		case c.Valid < s.markAt:
			v.fault(s.place("the mark stands in bytes that are cut"))
		case s.atMark == (Head{}):
			v.fault(Fault{Segment: s.name(), Offset: s.markAt, Seq: v.mark.Seq, Reason: "no entry ends where the mark stands"})
		case s.atMark != v.mark.Head:
			v.fault(Fault{Segment: s.name(), Offset: s.markAt, Seq: v.mark.Seq, Reason: "another entry than the mark's ends where the mark stands"})
		}
		return
	}
	v.fault(Fault{Reason: fmt.Sprintf("log is shorter than its mark: segment with ordinal %d is missing", v.mark.Ordinal)})
}
