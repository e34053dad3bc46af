package independent

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
)

var (
	segmentName = regexp.MustCompile(`^([0-9]{10})-([0-9]{20})\.jsonl$`)
	integerForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	logIDForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

type log struct {
	id       string
	segments []*segment // by ordinal
}

// segment is a file of the log with the entries of it that count.
type segment struct {
	name           string
	ordinal, first uint64
	data           []byte
	entries        []entry
}

// end is the offset behind the last entry that counts.
func (s *segment) end() int64 {
	if len(s.entries) == 0 {
		return 0
	}
	return s.entries[len(s.entries)-1].end
}

func (s *segment) fault(line int, offset int64, seq uint64, reason string, args ...any) *Error {
	return &Error{Segment: s.name, Line: line, Offset: offset, Seq: seq, Reason: fmt.Sprintf(reason, args...)}
}

// faultAfter is a fault at the place behind the last entry that counts.
func (s *segment) faultAfter(seq uint64, reason string, args ...any) *Error {
	return s.fault(len(s.entries)+1, s.end(), seq, reason, args...)
}

// readLog does the chain check. With a fault comes what stands before it.
func readLog(files fs.FS, logID string) (*log, *Error, error) {
	l := &log{id: logID}
	if !logIDForm.MatchString(logID) {
		return l, &Error{Segment: logID, Reason: "the folder's name is no log id"}, nil
	}
	id, err := hex.DecodeString(logID)
	if err != nil {
		return l, nil, fmt.Errorf("couldn't decode log id: %w", err)
	}
	all, fault, err := listSegments(files, logID)
	if fault != nil || err != nil {
		return l, fault, err
	}
	seq, head := uint64(0), genesis(id)
	for i, s := range all {
		if s.data, err = fs.ReadFile(files, s.name); err != nil {
			return l, nil, fmt.Errorf("couldn't read segment: %w", err)
		}
		l.segments = append(l.segments, s)
		var last uint64 // the last entry that counts; 0: all count
		if i+1 < len(all) {
			last = all[i+1].first - 1
		}
		seq, head, fault = s.read(l.id, seq, head, last)
		if format := s.format(); format != "" && format != "1" {
			return l, nil, fmt.Errorf("couldn't judge segment %s: it is of format %s", s.name, format)
		}
		if fault != nil {
			return l, fault, nil
		}
	}
	return l, nil, nil
}

// listSegments is step 1: the names.
func listSegments(files fs.FS, logID string) ([]*segment, *Error, error) {
	found, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't list log: %w", err)
	}
	var names []string
	regular := map[string]bool{}
	for _, f := range found {
		if segmentName.MatchString(f.Name()) {
			names = append(names, f.Name())
			regular[f.Name()] = f.Type().IsRegular()
		}
	}
	sort.Strings(names)
	if len(names) == 0 {
		return nil, &Error{Segment: logID, Reason: "no segment"}, nil
	}
	var segments []*segment
	before := uint64(0) // first seq of the segment before
	for i, name := range names {
		part := segmentName.FindStringSubmatch(name)
		s := &segment{name: name}
		if s.first, err = strconv.ParseUint(part[2], 10, 64); err != nil {
			return nil, s.fault(1, 0, 0, "first seq is too large"), nil
		}
		if s.ordinal, err = strconv.ParseUint(part[1], 10, 64); err != nil || s.ordinal != uint64(i)+1 {
			return nil, s.fault(1, 0, s.first, "segment %d should stand here", i+1), nil
		}
		if !regular[name] {
			return nil, s.fault(1, 0, s.first, "not a file"), nil
		}
		if i == 0 && s.first != 1 {
			return nil, s.fault(1, 0, s.first, "the first segment does not start with entry 1"), nil
		}
		if s.first <= before {
			return nil, s.fault(1, 0, s.first, "first seq does not increase"), nil
		}
		before = s.first
		segments = append(segments, s)
	}
	return segments, nil, nil
}

// read is steps 2 to 4 for one segment: it reads the entries from the one after seq, which has the
// hash head, to last, or to the end of the file if last is 0.
func (s *segment) read(logID string, seq uint64, head hash, last uint64) (uint64, hash, *Error) {
	for last == 0 || seq < last {
		rest := s.data[s.end():]
		if len(rest) == 0 && last == 0 && len(s.entries) > 0 {
			break
		}
		want := seq + 1
		if len(rest) == 0 {
			return seq, head, s.faultAfter(want, "the segment ends before this entry")
		}
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		e, err := parseLine(line)
		if err != nil {
			return seq, head, s.faultAfter(want, "%v", err)
		}
		e.offset, e.end = s.end(), s.end()+int64(len(line))
		next := link(e.kind, head, want, e.body)
		if reason := s.reject(e, logID, want, head, next); reason != "" {
			return seq, head, s.faultAfter(want, "%s", reason)
		}
		s.entries = append(s.entries, e)
		seq, head = want, next
	}
	return seq, head, nil
}

// reject is why an entry can't be the next one; empty: it can.
func (s *segment) reject(e entry, logID string, seq uint64, previous, own hash) string {
	first := len(s.entries) == 0
	switch {
	case e.seq != seq:
		return fmt.Sprintf("seq is %d", e.seq)
	case e.prevHash != previous.String():
		return "prev_hash is not the hash of the entry before"
	case e.hash != own.String():
		return "hash does not match"
	case e.kind == "system" && !parseMembers(e.body).plain():
		return "a member's name is not of a-z, 0-9 and _"
	case first && !s.isOpening(e, logID):
		return "not the opening entry of this segment"
	case s.isClosed():
		return "an entry follows a closed entry"
	case !first && e.isSystem("opened"):
		return "an opening entry is not the first of its segment"
	}
	return ""
}

// isOpening tells whether an entry is the opening entry that the segment's path asks for.
func (s *segment) isOpening(e entry, logID string) bool {
	opening := parseMembers(e.body)
	return e.isSystem("opened") && e.seq == s.first &&
		opening.is("log_id", logID) && opening.isNumber("ordinal", s.ordinal) &&
		integerForm.Match(opening["format"])
}

// format is the number that the opening entry states; empty: there is no opening entry.
func (s *segment) format() string {
	if len(s.entries) == 0 {
		return ""
	}
	return string(parseMembers(s.entries[0].body)["format"])
}

// isClosed tells whether the last entry that counts is a closed entry.
func (s *segment) isClosed() bool {
	return len(s.entries) > 0 && s.entries[len(s.entries)-1].isSystem("closed")
}
