package producer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelaudit/auditexporter/event/canonical"
)

// The attributes of a producer's chain, on the record. Of the three generations of the
// pointer's name the newest that is there counts.
const (
	attrRecordID   = "audit.record.id"
	attrStream     = "audit.sequence.stream_id"
	attrNumber     = "audit.sequence.number"
	attrPreviousID = "audit.sequence.previous_record_id"
	attrEnd        = "audit.sequence.end"

	pointerNewest = "audit.sequence.previous_hash"
	pointerOlder  = "audit.sequence.prev_hash"
	pointerOldest = "audit.prev.hash"
)

// sum is the first half of a SHA-256: enough to tell records apart, half the memory.
type sum [16]byte

func sumOf(b []byte) sum { return sum(half(sha256.Sum256(b))) }

func half(h [sha256.Size]byte) (s sum) {
	copy(s[:], h[:])
	return s
}

// genesisHash is what a first record's pointer holds in the draft's first revision; in
// the second it holds none.
var genesisHash = half(sha256.Sum256(nil))

// Stream is a producer's chain: that of a stream_id, else that of a resource.
type Stream struct {
	sum   sum
	named bool // by a stream_id
}

// Link is what a record says of its place in its producer's chain. The zero value is a
// record that says nothing.
type Link struct {
	Stream Stream
	says   bool

	number     int64 // 0: none
	pointer    sum
	hasPointer bool // to a record
	genesis    bool // the pointer is the one of a first record
	previous   sum  // of the previous record's id
	hasID      bool // of the previous record
	end        bool
	malformed  bool

	self entry
}

// entry is a record of a stream.
type entry struct {
	number int64
	hash   [2]sum // IntegrityHash by canonical form
	hashed bool   // it has canonical forms
	id     sum
	hasID  bool
	linked bool // it had a pointer

	recalled bool
}

// Says tells whether the record says something of a chain.
func (l *Link) Says() bool { return l.says }

// ReadLink reads what a record says of its chain. stream is called for the stream of a
// record that names none, once.
func ReadLink(rec *Record, resource func() Stream) Link {
	f := &rec.forms
	l := reader{attrs: f.lr.Attributes()}
	l.read()
	if !l.says {
		return Link{}
	}
	if !l.Stream.named {
		l.Stream = resource()
	}
	l.self.number, l.self.linked = l.number, l.hasPointer
	for form := range l.self.hash {
		b, err := f.json(canonical.Form(form))
		if err != nil {
			l.self.hashed = false
			return l.Link
		}
		l.self.hash[form], l.self.hashed = sumOf(b), true
	}
	return l.Link
}

// reader reads the attributes of a link.
type reader struct {
	Link
	attrs pcommon.Map
	rank  int // of the pointer read, 0: none
}

func (r *reader) read() {
	for key, v := range r.attrs.All() { // the last of a key wins
		switch key {
		case attrRecordID:
			if v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
				r.self.id, r.self.hasID = sumOf([]byte(v.Str())), true
			}
		case attrStream:
			if s, ok := r.text(v); ok {
				r.Stream = Stream{sumOf([]byte(s)), true}
			}
		case attrNumber:
			r.says = true
			if v.Type() != pcommon.ValueTypeInt || v.Int() < 1 {
				r.malformed = true
				continue
			}
			r.number = v.Int()
		case attrPreviousID:
			if s, ok := r.text(v); ok {
				r.previous, r.hasID = sumOf([]byte(s)), true
			}
		case attrEnd:
			r.says = true
			r.malformed = r.malformed || v.Type() != pcommon.ValueTypeBool
			r.end = v.Type() == pcommon.ValueTypeBool && v.Bool()
		case pointerNewest:
			r.point(v, 3)
		case pointerOlder:
			r.point(v, 2)
		case pointerOldest:
			r.point(v, 1)
		}
	}
}

// text is a string that is not empty. An empty one says nothing, as if it were absent.
func (r *reader) text(v pcommon.Value) (string, bool) {
	r.says = true
	if v.Type() != pcommon.ValueTypeStr {
		r.malformed = true
		return "", false
	}
	return v.Str(), v.Str() != ""
}

func (r *reader) point(v pcommon.Value, rank int) {
	s, ok := r.text(v)
	if !ok || rank < r.rank {
		return
	}
	r.rank = rank
	h, ok := parseHash(s)
	r.malformed = r.malformed || !ok
	r.genesis = ok && h == genesisHash
	r.pointer, r.hasPointer = h, ok && !r.genesis
}

// parseHash reads a SHA-256 in hex, with or without "sha256:", or in base64: the draft
// does not say which.
func parseHash(s string) (sum, bool) {
	if len(s) > 128 {
		return sum{}, false
	}
	b, err := hex.DecodeString(strings.TrimPrefix(s, "sha256:"))
	if err != nil {
		b, err = base64.StdEncoding.Strict().DecodeString(s)
	}
	if err != nil || len(b) != sha256.Size {
		return sum{}, false
	}
	return sum(b[:16]), true
}

// StreamOf is the stream of a resource's records that name none: that of all its
// attributes but those of integrity, which change with a key.
func StreamOf(resource pcommon.Map) Stream {
	if resource == (pcommon.Map{}) {
		return Stream{sum: sumOf(nil)}
	}
	var parts []string
	for key, v := range resource.All() {
		if !strings.HasPrefix(key, canonical.Excluded) {
			value := v.AsString()
			parts = append(parts, fmt.Sprintf("%d:%s%s%d:%s", len(key), key, v.Type(), len(value), value))
		}
	}
	sort.Strings(parts)
	return Stream{sum: sumOf([]byte(strings.Join(parts, "")))}
}
