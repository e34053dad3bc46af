package chain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// readMissing reads what the newest opening entry records as removed from
// outside. If it can't be read, that is for who reads up to it to find.
func (v *view) readMissing(fsys durable.FS, folder string, id LogID) error {
	if len(v.segments) == 0 {
		return nil
	}
	o, fault, err := readOpening(fsys, folder, id, v.segments[len(v.segments)-1])
	var unread *FormatError
	if errors.As(err, &unread) || durable.IsNotExist(err) || fault != nil {
		return nil
	}
	if err != nil {
		return err
	}
	v.missing = o.Missing
	v.known = slices.Clone(v.segments)
	for _, m := range v.missing {
		name, ok := ParseSegmentName(m.Segment)
		if ok && m.Offset == 0 && !slices.Contains(v.known, name) {
			v.known = append(v.known, name)
		}
	}
	slices.SortFunc(v.known, func(a, b SegmentName) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return nil
}

// between returns the ranges of the segments with ordinals between the two,
// which are not there; ok is false unless all of them are recorded.
func (v *view) between(before, next uint64) (gone []Range, ok bool) {
	for o := before + 1; o < next; o++ {
		i := slices.IndexFunc(v.missing, func(m Range) bool {
			name, ok := ParseSegmentName(m.Segment)
			return ok && name.Ordinal == o && m.Offset == 0
		})
		if i < 0 {
			return nil, false
		}
		gone = append(gone, v.missing[i])
	}
	return gone, true
}

// pass goes over the segments that are not there between the one with ordinal
// before and next. It returns false, and notes the fault, if not all are recorded.
func (r *Reader) pass(before uint64, next SegmentName) bool {
	gone, ok := r.view.between(before, next.Ordinal)
	if !ok {
		f := missingSegments(before, next)
		r.check.Fault = &f
		return false
	}
	for _, m := range gone {
		r.miss(m)
	}
	return true
}

// missed tells whether the line that begins at offset off of the segment, and is
// no entry for reason err, is part of what is recorded as missing; size is that
// of the file. The segment then ends here.
func (r *Reader) missed(off int64, err error) (bool, error) {
	i := slices.IndexFunc(r.view.missing, func(m Range) bool { return m.Segment == r.check.Name.String() })
	if i < 0 {
		return false, nil
	}
	m := r.view.missing[i]
	if off < m.Offset {
		info, statErr := r.file.Stat()
		if statErr != nil {
			return false, fmt.Errorf("couldn't stat segment %s: %w", r.check.Name, statErr)
		}
		if !errors.Is(err, errTorn) || info.Size < m.Offset {
			return false, nil
		}
	}
	r.check.Fault, r.short = nil, true
	r.miss(m)
	return true, nil
}

func (r *Reader) miss(m Range) {
	if r.o.Missing != nil {
		r.o.Missing(m)
	}
}
