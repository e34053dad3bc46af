package event

import "fmt"

// Limits bound what an event takes of a record; what is beyond is cut and listed
// in the event. A zero means the default.
type Limits struct {
	ValueBytes    int // of a string or bytes, as they came
	IdentityBytes int // of an identity field, a key, and every other named text
	Attributes    int // entries of a map
	Depth         int // levels of maps and arrays in a value
	RecordBytes   int // of an event
}

// DefaultLimits returns the limits that hold unless others are given.
func DefaultLimits() Limits {
	return Limits{ValueBytes: 64 << 10, IdentityBytes: 1 << 10, Attributes: 256, Depth: 16, RecordBytes: 1 << 20}
}

// maxNesting is how deep a value may nest at most. Where a map holds a key twice
// an event nests three levels for one of the value, see exact; with the levels
// around the value that stays below the 256 that chain/FORMAT.md has a writer keep.
const maxNesting = 64

// bounds are what may be configured, by the name it has there.
var bounds = []struct {
	key       string
	of        func(*Limits) *int
	unit      int // bytes, or entries, of 1 in the configuration
	low, high int
}{
	{"value_kib", func(l *Limits) *int { return &l.ValueBytes }, 1 << 10, 1 << 10, 1 << 20},
	{"identity_bytes", func(l *Limits) *int { return &l.IdentityBytes }, 1, 64, 4 << 10},
	{"attributes", func(l *Limits) *int { return &l.Attributes }, 1, 16, 10_000},
	{"depth", func(l *Limits) *int { return &l.Depth }, 1, 1, maxNesting},
	{"record_kib", func(l *Limits) *int { return &l.RecordBytes }, 1 << 10, 256 << 10, 16 << 20},
}

// complete fills in the defaults and holds the bounds.
func (l Limits) complete() (Limits, error) {
	defaults := DefaultLimits()
	for _, b := range bounds {
		n := b.of(&l)
		if *n == 0 {
			*n = *b.of(&defaults)
		}
		if *n < b.low || *n > b.high {
			return l, fmt.Errorf("validation.limits.%s: %d: must be %d to %d", b.key, *n/b.unit, b.low/b.unit, b.high/b.unit)
		}
	}
	return l, nil
}
