package chain

import "context"

// checkChain makes the chain check of FORMAT.md of all segments, each up to its
// first fault.
func (v *verification) checkChain(ctx context.Context) error {
	if len(v.segments) == 0 {
		return nil
	}
	var done, total int64
	read := make([]*blockSegment, len(v.segments))
	for i, s := range v.segments {
		read[i] = &blockSegment{name: s.name(), limit: s.limit, until: s.check.until}
		total += s.limit
	}
	i := 0
	v.begin(i)
	f := &fold{Fold: v.o.Fold, next: 1}
	return readBlocks(ctx, v.fsys, v.folder, read, v.o.Workers, v.o.Fold, func(b *block) {
		s := v.segments[i]
		before := s.check.Lines
		for n := range b.lines {
			if s.check.done() {
				break
			}
			if s.add(&b.lines[n]) && v.o.System != nil && b.lines[n].Kind == System && !s.check.adopt {
				v.o.System(b.lines[n].Entry)
			}
		}
		if v.o.Fold != nil && !s.check.adopt {
			f.take(b, s.check.Lines-before)
		}
		if s.check.done() {
			b.segment.stop.Store(true)
		}
		done += int64(len(b.buf))
		if v.o.Progress != nil {
			v.o.Progress(done, total)
		}
		if b.last {
			s.check.end()
			if i++; i < len(v.segments) {
				v.begin(i)
			}
		}
	})
}

// begin gives segment i the head that it follows. What follows a fault is
// checked from its own word on.
func (v *verification) begin(i int) {
	c := &v.segments[i].check
	switch {
	case c.Name.Ordinal == 1:
		c.Head = Genesis(v.id)
	case i > 0 && v.segments[i-1].check.Fault == nil && !v.segments[i-1].gap:
		c.Head = v.segments[i-1].check.Head
	default:
		c.adopt = true
	}
}

func (s *segmentRun) add(l *blockLine) bool {
	ok := s.check.add(&l.inspected, l.end)
	if ok && l.end == s.markAt {
		s.atMark = s.check.Head
	}
	return ok
}
