package chain

import (
	"fmt"
	"path/filepath"
)

// segmentRun is a segment on its way through the chain check.
type segmentRun struct {
	check segmentCheck
	size  int64 // bytes in the file
	limit int64 // bytes to judge
	gap   bool  // the next segment is missing, so where this one ends is not known

	// markAt is the offset of the mark if it is of this segment, else 0, and
	// atMark the head there if an entry ends there.
	markAt int64
	atMark Head
}

func (s *segmentRun) name() string { return s.check.Name.String() }

// place is the place after the last entry that counts.
func (s *segmentRun) place(reason string) Fault {
	c := s.check
	c.fault(reason)
	return *c.Fault
}

// plan makes the segments to judge out of a folder's list and notes what is
// wrong with their names.
func (v *verification) plan(list listing) error {
	names, err := v.judged(list.segments)
	if err != nil {
		return err
	}
	for i, name := range names {
		size, regular, err := v.size(name)
		if err != nil {
			return err
		}
		s := &segmentRun{size: size, limit: size}
		s.check = segmentCheck{Name: name, id: v.id}
		if !regular {
			s.check.adopt = true
			s.check.fault(errPlanted)
		}
		if v.marked && v.mark.Ordinal == name.Ordinal {
			s.markAt = v.mark.Offset
		}
		if i > 0 {
			before := names[i-1]
			p := v.segments[i-1]
			switch {
			case name.Ordinal != before.Ordinal+1:
				p.gap = true
				v.fault(missingSegments(before.Ordinal, name))
			case name.FirstSeq <= before.FirstSeq:
				p.gap = true
				v.fault(Fault{Segment: name.String(), Seq: name.FirstSeq, Reason: "first seq is not above that of the segment before"})
			default:
				p.check.until = name.FirstSeq
			}
		}
		v.segments = append(v.segments, s)
	}
	for _, n := range list.misnamed {
		v.fault(Fault{Segment: n, Reason: errMisnamed})
	}
	if len(names) > 0 && names[0].FirstSeq != 1 && names[0].Ordinal == 1 {
		v.fault(Fault{Segment: names[0].String(), Seq: 1, Reason: "first segment does not begin with seq 1"})
	}
	if len(names) > 0 && names[0].Ordinal != 1 {
		v.fault(missingSegments(0, names[0]))
	}
	if len(names) == 0 && v.report.Pending == nil {
		v.fault(Fault{Reason: "folder holds no segment"})
	}
	v.limit()
	return nil
}

// missingSegments says what is wrong with a segment that does not follow the
// ordinal before.
func missingSegments(before uint64, name SegmentName) Fault {
	if name.Ordinal == before {
		return Fault{Reason: fmt.Sprintf("two segments have ordinal %d", before)}
	}
	f := Fault{gap: [2]uint64{before + 1, name.Ordinal - 1}}
	if f.gap[0] == f.gap[1] {
		f.Reason = fmt.Sprintf("segment with ordinal %d is missing", f.gap[0])
	} else {
		f.Reason = fmt.Sprintf("segments with ordinals %d to %d are missing", f.gap[0], f.gap[1])
	}
	return f
}

// judged returns the segments that the lock lets us judge; the rest is in
// progress. With no mark to end at, a segment's entries below its successor's
// first seq are judged all the same: they were synced before that had its name.
func (v *verification) judged(names []SegmentName) ([]SegmentName, error) {
	if v.o.Lock != LockHeld {
		return names, nil
	}
	n := max(len(names)-1, 0)
	if v.marked {
		n = 0
		for n < len(names) && names[n].Ordinal <= v.mark.Ordinal {
			n++
		}
	}
	for n < len(names) && names[n].FirstSeq <= v.o.Synced {
		n++
	}
	if n > 0 && n < len(names) && names[n].Ordinal == names[n-1].Ordinal+1 {
		v.beyond = names[n].FirstSeq
	}
	p := &Pending{Segments: len(names) - n}
	for _, name := range names[n:] {
		size, _, err := v.size(name)
		if err != nil {
			return nil, err
		}
		p.Bytes += size
	}
	v.report.Pending = p
	return names[:n], nil
}

// limit ends the last segment to judge at the mark, or after the last entry known
// to be synced if that is further. Without either, it ends before the first seq
// of the segment in progress.
func (v *verification) limit() {
	if v.o.Lock != LockHeld || len(v.segments) == 0 {
		return
	}
	last := v.segments[len(v.segments)-1]
	if v.o.Synced >= last.check.Name.FirstSeq && (!v.marked || v.mark.Seq < v.o.Synced) {
		last.check.until = v.o.Synced + 1
	} else if !v.marked {
		last.check.until = v.beyond
	} else if last.markAt > 0 && last.size > last.markAt {
		v.report.Pending.Bytes += last.size - last.markAt
		last.limit = last.markAt
	}
}

// size returns the bytes in a segment's file, none if it is not a regular one.
func (v *verification) size(name SegmentName) (n int64, regular bool, err error) {
	info, err := v.fsys.Stat(filepath.Join(v.folder, name.String()))
	if err != nil {
		return 0, false, fmt.Errorf("couldn't stat segment %s: %w", name, err)
	}
	if !info.Mode.IsRegular() {
		return 0, false, nil
	}
	return info.Size, true, nil
}
