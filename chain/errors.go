package chain

import (
	"fmt"
	"strings"
)

// Fault is one place where a log is not as its format demands.
type Fault struct {
	Segment string `json:"segment,omitempty"` // file name; "" if the fault is of the folder
	Line    int    `json:"line,omitempty"`    // from 1; 0 if of no line
	Offset  int64  `json:"offset"`            // of the line's first byte in the segment
	Seq     uint64 `json:"seq,omitempty"`     // of the entry that should stand there
	Reason  string `json:"reason"`            // without content of events
	// Recorded is the segment whose opening entry first records that the bytes are
	// missing; "" if none does.
	Recorded string `json:"recorded_by,omitempty"`

	gap [2]uint64 // ordinals of the segments that are missing, from and to; 0: none
}

func (f Fault) String() string {
	var b strings.Builder
	if f.Segment != "" {
		b.WriteString(f.Segment + ": ")
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d, offset %d, seq %d: ", f.Line, f.Offset, f.Seq)
	} else if f.Offset > 0 {
		fmt.Fprintf(&b, "offset %d: ", f.Offset)
	}
	b.WriteString(f.Reason)
	if f.Recorded != "" {
		b.WriteString(" (removed while the writer was at work, as " + f.Recorded + " records)")
	}
	return b.String()
}

// TamperError says that a log holds what no crash can leave. Nothing was
// changed.
type TamperError struct {
	Folder string // of the log, or the directory if several logs claim to be the one
	Fault  Fault
}

func (e *TamperError) Error() string { return fmt.Sprintf("%s: tampered with: %s", e.Folder, e.Fault) }

// FormatError says that a segment is of a format that this program does not read.
type FormatError struct {
	Segment string // file name
	Format  int
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: is of format %d, this program reads format %d", e.Segment, e.Format, FormatVersion)
}

// HeldError says that another writer holds the lock on a directory.
type HeldError struct {
	Directory string
	// Closing: the holder is a writer of this process that is shutting down.
	// Opening again later succeeds when it has.
	Closing bool
}

func (e *HeldError) Error() string {
	if e.Closing {
		return fmt.Sprintf("%s: an earlier writer of this process is still shutting down", e.Directory)
	}
	return fmt.Sprintf("%s: held by another writer", e.Directory)
}

// TouchedError says that a segment or its folder was changed from outside.
type TouchedError struct {
	Segment string
	What    string
}

func (e *TouchedError) Error() string {
	return fmt.Sprintf("%s: touched from outside: %s", e.Segment, e.What)
}
