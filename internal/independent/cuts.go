package independent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// checkFirst checks what the opening entry of segment 1 may not state.
func checkFirst(s *segment) *Error {
	opening := parseMembers(s.entries[0].body)
	if opening["previous"] != nil {
		return s.fault(1, 0, s.first, "the first segment states a previous one")
	}
	if opening["cuts"] != nil {
		return s.fault(1, 0, s.first, "the first segment declares cuts")
	}
	return nil
}

// checkSuccession compares a segment with what the opening entry of its successor says of it.
func checkSuccession(s, successor *segment) *Error {
	opening := parseMembers(successor.entries[0].body)
	last := s.entries[len(s.entries)-1]
	previous := parseMembers(opening["previous"])
	if !previous.is("segment", s.name) || !previous.isNumber("length", uint64(last.end)) ||
		!previous.isNumber("seq", last.seq) || !previous.is("hash", last.hash) {
		return successor.fault(1, 0, successor.first, "previous is not the segment before up to its last entry that counts")
	}
	cut, fault := declaredCut(s, successor, opening)
	if fault != nil {
		return fault
	}
	rest := s.data[s.end():]
	switch {
	case len(rest) > 0 && s.isClosed():
		return s.faultAfter(successor.first, "bytes follow a closed entry")
	case len(rest) > 0 && cut == nil:
		return s.faultAfter(successor.first, "%d bytes are cut and not declared", len(rest))
	case cut == nil:
		return nil
	}
	return checkCut(s, successor, opening, cut, rest)
}

// declaredCut is the one cut of s that its successor declares; nil: none.
func declaredCut(s, successor *segment, opening members) (members, *Error) {
	if opening["cuts"] == nil {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(opening["cuts"], &list) != nil {
		return nil, successor.fault(1, 0, successor.first, "cuts is no list")
	}
	if len(list) > 0 && !opening.is("cause", "start") && !opening.is("cause", "failover") {
		return nil, successor.fault(1, 0, successor.first, "cuts are declared at neither a start nor a failover")
	}
	if len(list) == 0 {
		return nil, nil
	}
	cut := parseMembers(list[0])
	if len(list) > 1 || !cut.is("segment", s.name) || !cut.isNumber("offset", uint64(s.end())) {
		return nil, successor.fault(1, 0, successor.first, "a cut is declared where none is")
	}
	return cut, nil
}

// checkCut compares the bytes after the last entry that counts with their declaration.
func checkCut(s, successor *segment, opening, cut members, rest []byte) *Error {
	if opening.is("cause", "start") {
		sum := sha256.Sum256(rest)
		if !cut.isNumber("length", uint64(len(rest))) || !cut.is("sha256", hex.EncodeToString(sum[:])) {
			return s.faultAfter(successor.first, "the cut bytes are not those declared")
		}
		return nil
	}
	// A failover declares what was handed to the operating system, perhaps nothing. The file may
	// hold fewer, more or other bytes.
	return nil
}
