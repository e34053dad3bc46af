package independent

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// maxLine is the length of the longest line, LF included.
const maxLine = 268_435_456

// tags holds the tag of the hash of an entry by its kind, the key that its body stands under.
var tags = map[string]string{
	"event":  "auditlog/entry/v1\n",
	"system": "auditlog/system/v1\n",
}

// The body is checked to be one JSON object apart from this, so its end cannot be mistaken.
var lineForm = regexp.MustCompile(
	`(?s)^\{"seq":([1-9][0-9]{0,19}),"prev_hash":"([0-9a-f]{64})","hash":"([0-9a-f]{64})","(event|system)":(\{.*\})\}\n$`)

var plainName = regexp.MustCompile(`^[a-z0-9_]+$`)

type hash [sha256.Size]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

// entry is a line whose form is right. Its hash is as stated until verified.
type entry struct {
	seq            uint64
	prevHash, hash string
	kind           string // event or system
	body           []byte
	offset, end    int64 // of the line in its segment, LF included
}

// genesis is the hash of entry 0.
func genesis(logID []byte) hash {
	return sha256.Sum256(append([]byte("auditlog/log/v1\n"), logID...))
}

// link computes the hash of an entry from that of the entry before.
func link(kind string, previous hash, seq uint64, body []byte) hash {
	bodyHash := sha256.Sum256(body)
	input := []byte(tags[kind])
	input = append(input, previous[:]...)
	input = binary.BigEndian.AppendUint64(input, seq)
	input = append(input, bodyHash[:]...)
	return sha256.Sum256(input)
}

// parseLine takes a line, LF included, apart. It checks the form of the line and of its body.
func parseLine(line []byte) (entry, error) {
	if !bytes.HasSuffix(line, []byte("\n")) {
		return entry{}, fmt.Errorf("the line has no end")
	}
	if len(line) > maxLine {
		return entry{}, fmt.Errorf("the line has %d bytes, allowed are %d", len(line), maxLine)
	}
	part := lineForm.FindSubmatch(line)
	if part == nil {
		return entry{}, fmt.Errorf("not the form of an entry")
	}
	seq, err := strconv.ParseUint(string(part[1]), 10, 64)
	if err != nil {
		return entry{}, fmt.Errorf("seq is too large")
	}
	body := part[5]
	if !utf8.Valid(body) {
		return entry{}, fmt.Errorf("the body is not UTF-8")
	}
	if !json.Valid(body) {
		return entry{}, fmt.Errorf("the body is not one JSON object")
	}
	return entry{
		seq: seq, prevHash: string(part[2]), hash: string(part[3]), kind: string(part[4]), body: body,
	}, nil
}

// members is a JSON object by member name, exactly as spelled; encoding/json would ignore the case
// of names when it fills a struct. Of members of the same name the last one is taken.
type members map[string]json.RawMessage

func parseMembers(object []byte) members {
	var m members
	if json.Unmarshal(object, &m) != nil {
		return nil
	}
	return m
}

// plain tells whether all names are such that no reader can take one for another.
func (m members) plain() bool {
	for name := range m {
		if !plainName.MatchString(name) {
			return false
		}
	}
	return true
}

// is tells whether a member is the given string.
func (m members) is(name, want string) bool {
	var got *string
	return json.Unmarshal(m[name], &got) == nil && got != nil && *got == want
}

// isNumber tells whether a member is the given number in the form that seq has.
func (m members) isNumber(name string, want uint64) bool {
	return string(m[name]) == strconv.FormatUint(want, 10)
}

func (e entry) isSystem(typ string) bool {
	return e.kind == "system" && parseMembers(e.body).is("type", typ)
}
