package chain

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
)

// checkCuts checks what next's opening entry states of s, the segment before:
// where its entries end, and that what follows them is cut as declared.
func (v *verification) checkCuts(s, next *segmentRun) error {
	if next.check.Lines == 0 || s.check.Fault != nil {
		return nil // said already; and where the entries end is then not known
	}
	o := next.check.Opened
	p := o.Previous
	switch {
	case p.Segment != s.name():
		v.fault(next.opening(fmt.Sprintf("opening entry names another segment than %s as the one before", s.name())))
		return nil
	case p.Length != s.check.Valid || p.Head != s.check.Head:
		v.fault(next.opening(fmt.Sprintf("opening entry states that %s ends at offset %d with seq %d, but its entries that count end at offset %d with seq %d",
			s.name(), p.Length, p.Seq, s.check.Valid, s.check.Head.Seq)))
		return nil
	}
	cut, ok := v.declared(s, next)
	if !ok {
		return nil
	}
	over := s.size - p.Length
	switch {
	case s.check.Closed && over > 0:
		v.fault(s.place(errAfterClosed.Error()))
	case cut == nil && over > 0:
		v.fault(s.place(fmt.Sprintf("%d bytes follow the entries that count, and no cut declares them", over)))
	case cut != nil:
		return v.checkCut(s, next, *cut, over)
	}
	return nil
}

// opening is the place of the opening entry.
func (s *segmentRun) opening(reason string) Fault {
	return Fault{Segment: s.name(), Line: 1, Seq: s.check.Name.FirstSeq, Reason: reason}
}

// declared returns the cut of s that next declares, nil if none. ok is false
// after a fault.
func (v *verification) declared(s, next *segmentRun) (cut *Cut, ok bool) {
	o := next.check.Opened
	if len(o.Cuts) > 0 && o.Cause != CauseStart && o.Cause != CauseFailover {
		v.fault(next.opening("opening entry declares a cut, which its cause does not allow"))
		return nil, false
	}
	for i, c := range o.Cuts {
		if c.Segment != s.name() || c.Offset != o.Previous.Length || c.Length < 0 || i > 0 {
			v.fault(next.opening("opening entry declares a cut that is not of the end of the segment before"))
			return nil, false
		}
		cut = &o.Cuts[i]
	}
	return cut, true
}

func (v *verification) checkCut(s, next *segmentRun, c Cut, over int64) error {
	failover := next.check.Opened.Cause == CauseFailover
	found := FoundCut{Cut: c, Opening: next.name(), Failover: failover, Found: over}
	if over == c.Length {
		sum, err := v.digest(s, c.Offset, over)
		if err != nil {
			return err
		}
		found.Same = sum == c.SHA256
	}
	v.report.Cuts = append(v.report.Cuts, found)
	switch {
	case found.Same, failover:
	case over != c.Length:
		v.fault(s.place(fmt.Sprintf("%d bytes follow the entries that count, declared as cut are %d", over, c.Length)))
	default:
		v.fault(s.place("cut bytes are not those declared"))
	}
	return nil
}

// digest returns the SHA-256 of bytes of a segment.
func (v *verification) digest(s *segmentRun, off, n int64) (sum Hash, err error) {
	f, err := v.fsys.Open(filepath.Join(v.folder, s.name()))
	if err != nil {
		return sum, fmt.Errorf("couldn't open segment: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, off, n)); err != nil {
		return sum, fmt.Errorf("couldn't read segment %s: %w", s.name(), err)
	}
	h.Sum(sum[:0])
	return sum, nil
}
