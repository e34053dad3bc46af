package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/otelaudit/auditexporter/internal/sha256pair"
)

// The parts of a line and the hash tags are the on-disk format, version 1, and
// must not change: FORMAT.md.
const (
	// FormatVersion is the number an opening entry states as its format.
	FormatVersion = 1

	lineSeq   = `{"seq":`
	linePrev  = `,"prev_hash":"`
	lineHash  = `","hash":"`
	lineEvent = `","event":`
	lineSys   = `","system":`

	tagLog    = "auditlog/log/v1\n"
	tagEvent  = "auditlog/entry/v1\n"
	tagSystem = "auditlog/system/v1\n"

	hexLen = 2 * sha256.Size
)

// maxHeader is the longest that a line can be before its body.
const maxHeader = len(lineSeq) + 20 + len(linePrev) + hexLen + len(lineHash) + hexLen + len(lineSys)

// MaxLine is the longest line in bytes, LF included, that is an entry. A longer
// line is a fault, found without holding it in memory.
const MaxLine = 256 << 20

// MaxBody is the longest body in bytes that a writer takes.
const MaxBody = MaxLine - maxHeader - 2

// Hash is a SHA-256 digest.
type Hash [sha256.Size]byte

// String returns h as 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns h as 64 lower-case hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText accepts exactly 64 lower-case hex digits.
func (h *Hash) UnmarshalText(text []byte) error { return decodeHex(h[:], text) }

// LogID names a log: 128 random bits made at its creation.
type LogID [16]byte

// String returns id as 32 lower-case hex digits, the name of the log's folder.
func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns id as 32 lower-case hex digits.
func (id LogID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts exactly 32 lower-case hex digits.
func (id *LogID) UnmarshalText(text []byte) error { return decodeHex(id[:], text) }

// Head is the sequence number and hash of an entry, usually the last.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash Hash   `json:"hash"`
}

// Genesis is the head before entry 1 of log id: sequence number 0 and
//
//	SHA-256("auditlog/log/v1\n" || the 16 bytes of the log id)
func Genesis(id LogID) Head {
	return Head{Hash: sha256.Sum256(append([]byte(tagLog), id[:]...))}
}

// Kind tells an event made from a record from one of the log itself.
type Kind uint8

// The kinds of entries. Each has its own hash tag and its own key in the line,
// so a client can't forge a system entry, whatever it sends.
const (
	Event Kind = iota
	System
)

func (k Kind) String() string {
	if k == System {
		return "system"
	}
	return "event"
}

// linkText is what a link hash is of.
type linkText [len(tagSystem) + sha256.Size + 8 + sha256.Size]byte

// make returns what the hash of the entry is of that has seq and follows prev:
//
//	tag || prev_hash || seq as 8 bytes big-endian || body_hash
func (l *linkText) make(prev *Hash, seq uint64, k Kind, body *Hash) []byte {
	n := copy(l[:], tagEvent)
	if k == System {
		n = copy(l[:], tagSystem)
	}
	n += copy(l[n:], prev[:])
	binary.BigEndian.PutUint64(l[n:], seq)
	n += 8
	n += copy(l[n:], body[:])
	return l[:n]
}

// linker computes link hashes; its buffer is reused, so one goroutine owns it.
type linker struct {
	text  linkText
	keep  bool   // each batch keeps its entries' hashes
	tell  bool   // links takes them
	links []Hash // of all entries since it was emptied
}

// next returns the head that follows prev.
func (l *linker) next(prev Head, k Kind, body Hash) Head {
	seq := prev.Seq + 1
	return Head{Seq: seq, Hash: sha256pair.Short(l.text.make(&prev.Hash, seq, k, &body))}
}

// appendLine appends the whole line of an entry, LF included.
func appendLine(dst []byte, prev Hash, head Head, k Kind, body []byte) []byte {
	dst = append(dst, lineSeq...)
	dst = strconv.AppendUint(dst, head.Seq, 10)
	dst = append(dst, linePrev...)
	dst = appendHex(dst, &prev)
	dst = append(dst, lineHash...)
	dst = appendHex(dst, &head.Hash)
	if k == System {
		dst = append(dst, lineSys...)
	} else {
		dst = append(dst, lineEvent...)
	}
	dst = append(dst, body...)
	return append(dst, '}', '\n')
}

// lineSize is the length of the line that appendLine makes.
func lineSize(seq uint64, k Kind, body int) int {
	n := len(lineSeq) + digits(seq) + len(linePrev) + hexLen + len(lineHash) + hexLen + body + 2
	if k == System {
		return n + len(lineSys)
	}
	return n + len(lineEvent)
}

func digits(n uint64) int {
	d := 1
	for n >= 10 {
		n /= 10
		d++
	}
	return d
}

// Entry is one parsed line. Body points into the line it was parsed from.
type Entry struct {
	Seq  uint64
	Prev Hash
	Hash Hash
	Kind Kind
	Body []byte // one JSON object
}

// Head returns the entry's own sequence number and hash.
func (e *Entry) Head() Head { return Head{Seq: e.Seq, Hash: e.Hash} }

// ParseLine parses a line without its LF. It accepts exactly what a writer
// makes, so that appending a parsed entry gives the same bytes back. It checks
// the form of the body (one JSON object in UTF-8) and no hash: [Entry.Check]
// does.
func ParseLine(line []byte) (Entry, error) {
	e, err := parseHeader(line)
	if err != nil {
		return Entry{}, err
	}
	if err := (&jsonScanner{}).body(e.Body); err != nil {
		return Entry{}, err
	}
	return e, nil
}

func parseHeader(line []byte) (Entry, error) {
	p, err := splitLine(line)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Seq: p.seq, Kind: p.kind, Body: p.body}
	if decodeHex(e.Prev[:], p.prev) != nil {
		return Entry{}, errPrevForm
	}
	if decodeHex(e.Hash[:], p.hash) != nil {
		return Entry{}, errHashForm
	}
	return e, nil
}

var (
	errPrevForm = fmt.Errorf("prev_hash is not %d lower-case hex digits", hexLen)
	errHashForm = fmt.Errorf("hash is not %d lower-case hex digits", hexLen)
)

// parts is a line taken apart at its fixed places; what stands between them is
// judged by nobody yet, but for seq.
type parts struct {
	seq        uint64
	prev, hash []byte // hexLen bytes each
	kind       Kind
	body       []byte
}

func splitLine(line []byte) (p parts, err error) {
	if len(line)+1 > MaxLine {
		return p, fmt.Errorf("line is longer than %d bytes", MaxLine)
	}
	rest, ok := cut(line, lineSeq)
	if !ok {
		return p, fmt.Errorf("line does not begin with %s", lineSeq)
	}
	if p.seq, rest, ok = parseSeq(rest); !ok {
		return p, errors.New("seq is not a positive decimal number without leading zeros")
	}
	if rest, ok = cut(rest, linePrev); !ok || len(rest) < hexLen {
		return p, errPrevForm
	}
	p.prev, rest = rest[:hexLen], rest[hexLen:]
	if rest, ok = cut(rest, lineHash); !ok || len(rest) < hexLen {
		return p, errHashForm
	}
	p.hash, rest = rest[:hexLen], rest[hexLen:]
	if body, ok := cut(rest, lineEvent); ok {
		p.kind, rest = Event, body
	} else if body, ok := cut(rest, lineSys); ok {
		p.kind, rest = System, body
	} else {
		return p, errors.New("neither event nor system follows the hash")
	}
	if len(rest) == 0 || rest[len(rest)-1] != '}' {
		return p, errors.New("line does not end with }")
	}
	p.body = rest[:len(rest)-1]
	return p, nil
}

func cut(b []byte, prefix string) (rest []byte, ok bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return b, false
	}
	return b[len(prefix):], true
}

func parseSeq(b []byte) (seq uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		d := uint64(b[i] - '0')
		if seq > (math.MaxUint64-d)/10 {
			return 0, nil, false
		}
		seq = seq*10 + d
		i++
	}
	if i == 0 || b[0] == '0' {
		return 0, nil, false
	}
	return seq, b[i:], true
}

// Check computes the entry's hashes and compares them with what it states and
// with prev, the head before it.
func (e *Entry) Check(prev Head) error { return e.check(prev, sha256.Sum256(e.Body), &linker{}) }

func (e *Entry) check(prev Head, body Hash, l *linker) error {
	if e.Seq != prev.Seq+1 {
		return fmt.Errorf("seq is %d, want %d", e.Seq, prev.Seq+1)
	}
	if e.Prev != prev.Hash {
		return errors.New("prev_hash does not match the entry before")
	}
	if l.next(prev, e.Kind, body).Hash != e.Hash {
		return errors.New("hash does not match the entry")
	}
	return nil
}
