package independent

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"regexp"
	"strconv"
)

const (
	slotSize   = 512
	slotObject = 503 // bytes that the checksum covers
)

var slotForm = regexp.MustCompile(`^\{"log_id":"([0-9a-f]{32})","ordinal":([1-9][0-9]*),` +
	`"offset":([1-9][0-9]*),"seq":([1-9][0-9]*),"hash":"([0-9a-f]{64})"\} *$`)

// mark is the writer's note of an entry that is synced.
type mark struct {
	ordinal, offset, seq uint64
	hash                 string
}

// readMark is the mark of the log; nil: none, or none that is readable and of this log.
func readMark(files fs.FS, logID string) (*mark, error) {
	data, err := fs.ReadFile(files, "mark")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't read mark: %w", err)
	}
	var newest *mark
	for i := 0; i < 2 && len(data) >= (i+1)*slotSize; i++ {
		m := parseSlot(data[i*slotSize:(i+1)*slotSize], logID)
		if m != nil && (newest == nil || m.ordinal > newest.ordinal ||
			m.ordinal == newest.ordinal && m.offset > newest.offset) {
			newest = m
		}
	}
	return newest, nil
}

// parseSlot takes a slot apart; nil: it is not whole or not of this log.
func parseSlot(slot []byte, logID string) *mark {
	object := slot[:slotObject]
	checksum := crc32.Checksum(object, crc32.MakeTable(crc32.Castagnoli))
	if string(slot[slotObject:]) != fmt.Sprintf("%08x\n", checksum) {
		return nil
	}
	part := slotForm.FindSubmatch(object)
	if part == nil || string(part[1]) != logID {
		return nil
	}
	m := &mark{hash: string(part[5])}
	for i, to := range []*uint64{&m.ordinal, &m.offset, &m.seq} {
		var err error
		if *to, err = strconv.ParseUint(string(part[i+2]), 10, 64); err != nil {
			return nil
		}
	}
	return m
}

// checkMark looks for the entry at the mark among those that count. A log without it is shorter
// than its mark, or another.
func checkMark(l *log, m *mark) *Error {
	if m == nil {
		return nil
	}
	newest := l.segments[len(l.segments)-1]
	if m.ordinal > newest.ordinal {
		return newest.faultAfter(m.seq, "the log is older than its mark, which is in segment %d", m.ordinal)
	}
	marked := l.segments[m.ordinal-1]
	for _, e := range marked.entries {
		if uint64(e.end) == m.offset && e.seq == m.seq && e.hash == m.hash {
			return nil
		}
	}
	return marked.faultAfter(m.seq, "the entry at the mark, offset %d, is missing or another", m.offset)
}

// canBeCrash tells whether a crash can have left the fault that the chain check found: it stands
// in the newest segment, after the opening entry, not after a closed entry, and not below the mark.
// Without a mark nobody can tell.
func canBeCrash(l *log, fault *Error, m *mark) bool {
	if len(l.segments) == 0 || m == nil {
		return false
	}
	newest := l.segments[len(l.segments)-1]
	if newest.name != fault.Segment || len(newest.entries) == 0 || newest.isClosed() {
		return false
	}
	return m.ordinal < newest.ordinal || m.ordinal == newest.ordinal && m.offset <= uint64(fault.Offset)
}
