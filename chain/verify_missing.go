package chain

// attribute says of each fault that opening entries record as missing which of
// them was the first. It is a fault all the same.
func (v *verification) attribute() {
	segments := map[string]string{} // whose bytes are missing, and who records it
	ordinals := map[uint64]string{} // of those missing as a whole
	for _, s := range v.segments {
		for _, m := range s.check.Opened.Missing {
			name, ok := ParseSegmentName(m.Segment)
			if !ok || segments[m.Segment] != "" {
				continue
			}
			segments[m.Segment] = s.name()
			if m.Offset == 0 {
				ordinals[name.Ordinal] = s.name()
			}
		}
	}
	for i := range v.report.Faults {
		f := &v.report.Faults[i]
		f.Recorded = segments[f.Segment]
		if f.gap[0] > 0 {
			f.Recorded = recordedGap(ordinals, f.gap)
		}
	}
}

// recordedGap returns who records the last of the missing segments, "" unless
// all of them are recorded.
func recordedGap(ordinals map[uint64]string, gap [2]uint64) (by string) {
	for o := gap[0]; o <= gap[1]; o++ {
		if ordinals[o] == "" {
			return ""
		}
		by = max(by, ordinals[o])
	}
	return by
}
