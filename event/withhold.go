package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Withholding configures which values stand in an event as commitments only. The
// zero value withholds nothing.
type Withholding struct {
	// Fields are keys, as they are, of attributes and of entries of maps, wherever
	// they stand in a record, its scope or its resource.
	Fields []string
	// Body withholds the body as a whole.
	Body bool
	// Subject are attributes, of the record or else its scope or resource: the value
	// of the first that is there, if it is a string or an integer, names whom the
	// withheld values are about.
	Subject []string
	// Key returns the key of a subject, "" if the record names none. It may be called
	// by many goroutines. It must be set if something is withheld.
	Key func(subject string) SubjectKey
	// Random fills event ids and salts; nil: crypto/rand.
	Random func([]byte)
}

// SubjectKey is what the event names of a key: the openings of its withheld values
// are encrypted with it.
type SubjectKey interface{ ID() [16]byte }

func (w Withholding) on() bool { return len(w.Fields) > 0 || w.Body }

// alwaysWithheld are attributes that hold a hash or a signature over a whole record:
// whoever has one can guess what is withheld of that record.
var alwaysWithheld = []string{"audit.integrity.value", "audit.sequence.previous_hash", "audit.sequence.prev_hash"}

// withheld tells the keys whose values are withheld, nil if none are.
func (w Withholding) withheld(secrets *secretKeys) (map[string]bool, error) {
	if !w.on() {
		return nil, nil
	}
	held := make(map[string]bool)
	for i, key := range w.Fields {
		where := fmt.Sprintf("retention.withhold.fields[%d]", i)
		switch {
		case key == "":
			return nil, fmt.Errorf("%s: %w", where, errors.New("empty"))
		case held[key]:
			return nil, fmt.Errorf("%s: %w", where, errors.New("stands twice"))
		case secrets.match(key):
			return nil, fmt.Errorf("%s: %w", where, errors.New("is redacted, so that there is nothing to withhold"))
		}
		held[key] = true
	}
	for i, key := range w.Subject {
		if key == "" {
			return nil, fmt.Errorf("retention.withhold.subject[%d]: %w", i, errors.New("empty"))
		}
	}
	for _, key := range alwaysWithheld {
		held[key] = true
	}
	return held, nil
}

// holds tells whether what a reference into the body leads to is, or stands in, the
// value of a key that is withheld.
func (k *secretKeys) holds(ref string) bool {
	if k.held == nil {
		return false
	}
	for token := range strings.SplitSeq(ref, "/") {
		if k.held[unescapePointer.Replace(token)] {
			return true
		}
	}
	return false
}

// withheldText stands in place of a value.
const withheldText = `"[withheld]"`

// Withheld is what an event withholds, for its caller to keep elsewhere.
type Withheld struct {
	ID  [16]byte // of the event
	Key SubjectKey
	// Openings is the values with their salts: FORMAT.md, "Withholding".
	// [ParseOpenings] reads them. It is valid until the Source's next use.
	Openings []byte
}

// Withheld tells what the event appended last withholds; ok is false if nothing.
func (s *Source) Withheld() (w Withheld, ok bool) {
	h := s.writer.held
	if h == nil || len(h.openings) == 0 {
		return Withheld{}, false
	}
	return Withheld{ID: h.id, Key: h.key, Openings: h.openings}, true
}

// held collects the openings of one event.
type held struct {
	id       [16]byte
	named    bool // id is drawn
	key      SubjectKey
	openings []byte
	value    capture
	digester digester // writes to value
	sum      sink
}

func (h *held) reset() {
	if cap(h.openings) > maxKept {
		h.openings, h.value.buf = nil, nil
	}
	h.named, h.key, h.openings = false, nil, h.openings[:0]
}

// capture keeps what a digester hashes, as far as it fits.
type capture struct {
	buf   []byte
	limit int
}

func (c *capture) Write(b []byte) (int, error) {
	c.buf = append(c.buf, b[:max(0, min(len(b), c.limit+1-len(c.buf)))]...)
	return len(b), nil
}

func (c *capture) Sum(b []byte) []byte { return b }
func (c *capture) Reset()              { c.buf = c.buf[:0] }
func (c *capture) Size() int           { return 0 }
func (c *capture) BlockSize() int      { return 1 }

// withhold commits to a value and encodes what stands in its place.
func (w *writer) withhold(dst []byte, v pcommon.Value, at pathElement) []byte {
	if w.held == nil {
		w.held = new(held)
	}
	h := w.held
	if !h.named {
		h.named = true
		w.rules.random(h.id[:])
	}
	cut := h.encode(v, w.rules)
	var salt [32]byte
	w.rules.random(salt[:])
	pointer := w.pointer(at)
	sum := h.sum.commit(h.id, string(pointer), h.value.buf, salt)
	h.openings = appendOpening(h.openings, pointer, salt, h.value.buf)

	n := &w.notes
	n.nWithheld++
	n.withheld = append(begin(n.withheld, pointer), `,"hmac":"`...)
	n.withheld = append(hex.AppendEncode(n.withheld, sum[:]), '"')
	if cut {
		n.withheld = append(n.withheld, `,"cut":true`...)
	}
	n.withheld = append(n.withheld, '}')
	return append(dst, withheldText...)
}

// encode makes h.value what is hashed of v, redacted values apart; of one that
// takes more than the limits allow, its beginning or nothing.
func (h *held) encode(v pcommon.Value, r *rules) (cut bool) {
	limit := min(r.limits.ValueBytes, r.limits.RecordBytes-len(h.openings))
	limit = max(limit, 0)
	h.value.limit, h.digester.hash = limit+9, &h.value
	h.digester.start(r.secrets)
	h.digester.value(v, false, 0)
	h.digester.sum()
	if len(h.value.buf) <= h.value.limit {
		return false
	}
	h.digester.start(nil)
	switch v.Type() {
	case pcommon.ValueTypeStr:
		h.digester.text(prefix(v.Str(), limit))
	case pcommon.ValueTypeBytes:
		h.digester.number('b', uint64(limit))
		for i := range limit {
			h.digester.kind(v.Bytes().At(i))
		}
	default:
		h.digester.kind('x')
	}
	h.digester.sum()
	return true
}

// commit is HMAC-SHA-256 (RFC 2104) with the salt as key, of
//
//	"auditlog/withheld/v1\n" || id || "p" || length of pointer || pointer || value
//
// The length is 8 bytes big-endian; value begins with its type and has its length in
// it. It is part of the format on disk.
func (k *sink) commit(id [16]byte, pointer string, value []byte, salt [32]byte) [32]byte {
	if k.hash == nil {
		k.hash = sha256.New()
	}
	var pad [64]byte
	copy(pad[:], salt[:])
	for i := range pad {
		pad[i] ^= 0x36
	}
	k.start()
	k.hash.Write(pad[:])
	k.string("auditlog/withheld/v1\n")
	k.string(string(id[:]))
	k.number('p', uint64(len(pointer)))
	k.string(pointer)
	k.hash.Write(k.buf[:k.n])
	k.n = 0
	k.hash.Write(value)
	inner := k.sum()
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	var outer [64 + 32]byte
	copy(outer[:], pad[:])
	copy(outer[64:], inner)
	return sha256.Sum256(outer[:])
}

// Opening is a withheld value with what is needed to check that it is the one the
// event commits to.
type Opening struct {
	Pointer string // JSON pointer into the event
	Salt    [32]byte
	Value   []byte // FORMAT.md, "Digests"; [Opening.Text] shows it
}

// Commitment is what the event with this id says of the opening's value.
func (o Opening) Commitment(id [16]byte) [32]byte {
	return new(sink).commit(id, o.Pointer, o.Value, o.Salt)
}

func appendOpening(dst, pointer []byte, salt [32]byte, value []byte) []byte {
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(pointer))), pointer...)
	dst = append(dst, salt[:]...)
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(value))), value...)
}

var errOpenings = errors.New("openings are malformed")

// ParseOpenings reads what [Withheld] has as Openings.
func ParseOpenings(b []byte) ([]Opening, error) {
	var all []Opening
	take := func() (part []byte, ok bool) {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return nil, false
		}
		n := binary.BigEndian.Uint32(b)
		part, b = b[4:4+n], b[4+n:]
		return part, true
	}
	for len(b) > 0 {
		var o Opening
		pointer, ok := take()
		if !ok || len(b) < len(o.Salt) {
			return nil, errOpenings
		}
		o.Pointer = string(pointer)
		b = b[copy(o.Salt[:], b):]
		if o.Value, ok = take(); !ok {
			return nil, errOpenings
		}
		o.Value = slices.Clone(o.Value)
		all = append(all, o)
	}
	return all, nil
}

// subject is whom a record of s is about.
func (w *Withholding) subject(s *Source, lr plog.LogRecord) string {
	maps := [3]pcommon.Map{lr.Attributes(), {}, s.rl.Resource().Attributes()}
	if s.sl != (plog.ScopeLogs{}) {
		maps[1] = s.sl.Scope().Attributes()
	}
	for _, key := range w.Subject {
		for _, m := range maps {
			if m == (pcommon.Map{}) {
				continue
			}
			v, ok := m.Get(key)
			if ok && (v.Type() == pcommon.ValueTypeStr && v.Str() != "" || v.Type() == pcommon.ValueTypeInt) {
				return v.AsString()
			}
		}
	}
	return ""
}

// withheld appends the member withheld, if a value is.
func (s *Source) withheld(o *object, r *rules, lr plog.LogRecord) {
	n, sc, res := &s.writer.notes, &s.ofScope, &s.ofResource
	if n.nWithheld+sc.nWithheld+res.nWithheld == 0 {
		return
	}
	h := s.writer.held
	h.key = r.withhold.Key(r.withhold.subject(s, lr))
	key := h.key.ID()
	o.name(`,"withheld":`)
	o.buf = hex.AppendEncode(append(o.buf, `{"id":"`...), h.id[:])
	o.buf = hex.AppendEncode(append(o.buf, `","key":"`...), key[:])
	o.buf = append(o.buf, '"')
	o.list(`,"values":`, n.withheld, sc.withheld, res.withheld)
	o.buf = append(o.buf, '}')
}

func random(b []byte) { rand.Read(b) } // never fails

// renew encodes the scope and resource again if they withhold something: each event
// has commitments of its own.
func (s *Source) renew(e *Encoder) {
	h := s.writer.held
	if h == nil {
		return
	}
	h.reset()
	if s.ofResource.nWithheld > 0 {
		s.encodeResource(e)
	}
	if s.ofScope.nWithheld > 0 {
		s.encodeScope(e)
	}
}

func (h *held) size() int {
	if h == nil {
		return 0
	}
	return len(h.openings)
}

// cut drops the openings from size on, which is what was before.
func (h *held) cut(size int) {
	if h != nil {
		h.openings = h.openings[:size]
	}
}
