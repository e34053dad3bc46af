// Package independent verifies audit logs a second time, to keep the real verifier honest.
//
// It is written from chain/FORMAT.md and the design document alone, without a look at package
// chain, shares no code with it, and uses the standard library only. It is slow and keeps a whole
// log in memory: tests use it, nothing else does. Where the two verifiers disagree, one of them or
// the text is wrong.
package independent

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Error is a fault in a log and its place.
type Error struct {
	Segment string // file name; the log id if the fault is the folder's
	Line    int    // from 1; 0 if the fault is the folder's
	Offset  int64  // in bytes, of the line's first byte
	Seq     uint64 // of the entry that should stand there
	Reason  string
	Crash   bool // set by Check only: what a crash can leave and no opening has declared yet
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: line %d, offset %d, seq %d: %s", e.Segment, e.Line, e.Offset, e.Seq, e.Reason)
}

// CheckChain does the chain check of FORMAT.md on a log folder, as if no writer held the lock. It
// cannot notice that entries are missing at the end. A fault is an *Error; any other error says
// that the log could not be read, or is of another format.
func CheckChain(folder string) error {
	_, fault, err := readLog(open(folder))
	return firstOf(err, fault)
}

// Check does the chain check and, further, compares the log with its mark, with the previous
// extents its opening entries state, and with the cuts they declare. Errors are as for CheckChain;
// a fault that a crash can leave is returned only if there is no other.
func Check(folder string) error {
	return CheckFS(open(folder))
}

// CheckFS is Check of a log whose folder is the root of files.
func CheckFS(files fs.FS, logID string) error {
	log, fault, err := readLog(files, logID)
	if err != nil {
		return err
	}
	mark, err := readMark(files, logID)
	if err != nil {
		return err
	}
	if fault != nil && !canBeCrash(log, fault, mark) {
		return fault
	}
	for i := 1; i < len(log.segments); i++ {
		if f := checkSuccession(log.segments[i-1], log.segments[i]); f != nil {
			return f
		}
	}
	if f := checkFirst(log.segments[0]); f != nil {
		return f
	}
	if f := checkMark(log, mark); f != nil {
		return f
	}
	if fault != nil {
		fault.Crash = true
	}
	return firstOf(nil, fault)
}

// open is the log folder as a file system and the log id, which is the folder's name.
func open(folder string) (fs.FS, string) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		absolute = folder
	}
	return os.DirFS(folder), filepath.Base(absolute)
}

// firstOf avoids an error that holds a nil *Error.
func firstOf(err error, fault *Error) error {
	if err == nil && fault != nil {
		return fault
	}
	return err
}
