package chain

import (
	"fmt"
	"strings"
)

const (
	segmentExt = ".jsonl"
	tempExt    = ".tmp"
	markName   = "mark"

	ordinalDigits = 10
	seqDigits     = 20
	nameLen       = ordinalDigits + 1 + seqDigits + len(segmentExt)
)

// CheckpointsName is the file that package checkpoint keeps in a log's folder.
const CheckpointsName = "checkpoints"

// TreeName is the file that package checkpoint/proof derives from a log, in its
// folder.
const TreeName = "tree"

// SegmentName is what a segment's file name states: the segment's place in the
// log and the sequence number of its opening entry.
type SegmentName struct {
	Ordinal  uint64 // from 1, no gaps
	FirstSeq uint64
}

// String returns the file name, `<ordinal, 10 digits>-<first seq, 20 digits>.jsonl`.
func (n SegmentName) String() string {
	return fmt.Sprintf("%0*d-%0*d%s", ordinalDigits, n.Ordinal, seqDigits, n.FirstSeq, segmentExt)
}

// ParseSegmentName parses a file name. ok is false for every name that
// [SegmentName.String] can't give.
func ParseSegmentName(s string) (n SegmentName, ok bool) {
	if len(s) != nameLen || s[ordinalDigits] != '-' || !strings.HasSuffix(s, segmentExt) {
		return SegmentName{}, false
	}
	if n.Ordinal, ok = parsePadded(s[:ordinalDigits]); !ok {
		return SegmentName{}, false
	}
	if n.FirstSeq, ok = parsePadded(s[ordinalDigits+1 : nameLen-len(segmentExt)]); !ok {
		return SegmentName{}, false
	}
	return n, true
}

// parsePadded parses a positive decimal number with leading zeros.
func parsePadded(s string) (uint64, bool) {
	n, rest, ok := parseSeq([]byte(strings.TrimLeft(s, "0")))
	return n, ok && len(rest) == 0
}

// ParseLogID parses the name of a log's folder.
func ParseLogID(s string) (id LogID, ok bool) {
	err := id.UnmarshalText([]byte(s))
	return id, err == nil
}
