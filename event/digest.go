package event

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// sink collects what a hash is to take, so that no value is copied whole.
type sink struct {
	hash hash.Hash
	buf  [1024]byte
	n    int
	out  [sha256.Size]byte
}

func (k *sink) start() {
	k.hash.Reset()
	k.n = 0
}

// room flushes unless n bytes have room.
func (k *sink) room(n int) {
	if k.n+n > len(k.buf) {
		k.hash.Write(k.buf[:k.n])
		k.n = 0
	}
}

func (k *sink) kind(c byte) {
	k.room(1)
	k.buf[k.n] = c
	k.n++
}

// number adds a kind and 8 bytes, big-endian.
func (k *sink) number(kind byte, n uint64) {
	k.room(9)
	k.buf[k.n] = kind
	binary.BigEndian.PutUint64(k.buf[k.n+1:], n)
	k.n += 9
}

func (k *sink) string(s string) {
	for len(s) > 0 {
		k.room(1)
		n := copy(k.buf[k.n:], s)
		k.n += n
		s = s[n:]
	}
}

func (k *sink) bytes(b pcommon.ByteSlice) {
	for i, n := 0, b.Len(); i < n; i++ {
		k.kind(b.At(i))
	}
}

// sum is valid until the next start.
func (k *sink) sum() []byte {
	k.hash.Write(k.buf[:k.n])
	return k.hash.Sum(k.out[:0])
}

// digester hashes values that an event does not hold whole, redacted ones apart.
// The bytes it hashes are specified in FORMAT.md, "Digests".
type digester struct {
	sink
	keys *secretKeys // nil: nothing is redacted
	left int         // redacted values met since start
}

// maxHashed is how many levels of a value a digest covers: what a record that
// nests without end may cost in stack is bounded so.
const maxHashed = 10_000

func (d *digester) start(keys *secretKeys) {
	if d.keys, d.left = keys, 0; d.hash == nil {
		d.hash = sha256.New()
	}
	d.sink.start()
}

// ofString is the SHA-256 of a string's bytes.
func (d *digester) ofString(s string) []byte {
	d.start(nil)
	d.string(s)
	return d.sum()
}

func (d *digester) ofBytes(b pcommon.ByteSlice) []byte {
	d.start(nil)
	d.bytes(b)
	return d.sum()
}

func (d *digester) ofValue(v pcommon.Value, keys *secretKeys) []byte {
	d.start(keys)
	d.value(v, false, 0)
	return d.sum()
}

func (d *digester) ofMap(m pcommon.Map, keys *secretKeys) []byte {
	d.start(keys)
	d.entries(m, 0)
	return d.sum()
}

func (d *digester) text(s string) {
	d.number('s', uint64(len(s)))
	d.string(s)
}

// value writes a value; secret says that it stands under a key that is redacted.
func (d *digester) value(v pcommon.Value, secret bool, depth int) {
	if depth > maxHashed {
		d.kind('x')
		return
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		if secret {
			d.left++
			d.kind('r')
			return
		}
		d.text(v.Str())
	case pcommon.ValueTypeBytes:
		if secret {
			d.left++
			d.kind('r')
			return
		}
		d.number('b', uint64(v.Bytes().Len()))
		d.bytes(v.Bytes())
	case pcommon.ValueTypeBool:
		if v.Bool() {
			d.kind('t')
		} else {
			d.kind('f')
		}
	case pcommon.ValueTypeInt:
		d.number('i', uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		d.number('d', math.Float64bits(v.Double()))
	case pcommon.ValueTypeMap:
		d.entries(v.Map(), depth+1)
	case pcommon.ValueTypeSlice:
		d.elements(v.Slice(), secret, depth+1)
	default:
		d.kind('n')
	}
}

func (d *digester) elements(s pcommon.Slice, secret bool, depth int) {
	if s == (pcommon.Slice{}) {
		d.number('a', 0)
		return
	}
	d.number('a', uint64(s.Len()))
	for i := range s.Len() {
		d.value(s.At(i), secret, depth)
	}
}

func (d *digester) entries(m pcommon.Map, depth int) {
	if m == (pcommon.Map{}) {
		d.number('m', 0)
		return
	}
	d.number('m', uint64(m.Len()))
	for key, v := range m.All() {
		d.text(key)
		if d.keys != nil && d.keys.held[key] {
			d.kind('r')
			continue
		}
		d.value(v, d.keys != nil && d.keys.match(key), depth)
	}
}

func (d *digester) texts(s pcommon.StringSlice) {
	d.number('a', uint64(s.Len()))
	for i := range s.Len() {
		d.text(s.At(i))
	}
}

func (d *digester) entities(refs entity.EntityRefSlice) {
	d.number('a', uint64(refs.Len()))
	for _, r := range refs.All() {
		d.text(r.SchemaUrl())
		d.text(r.Type())
		d.texts(r.IdKeys())
		d.texts(r.DescriptionKeys())
	}
}

// Digest is the SHA-256 of a record of s and its resource and scope, as FORMAT.md
// specifies it. Redacted values do not count.
func (e *Encoder) Digest(s *Source, lr plog.LogRecord) (sum [sha256.Size]byte) {
	s.writer.digester.start(e.rules.secrets)
	return s.writer.digester.ofRecord(s.rl, s.sl, lr)
}

// Digests are Digest of a record of rl and sl, and the same over the record as it
// came: whoever has that one can guess redacted values, so it must not leave the
// process. Withheld values count in neither. They are equal if nothing is redacted. s lends its memory only.
func (e *Encoder) Digests(s *Source, rl plog.ResourceLogs, sl plog.ScopeLogs, lr plog.LogRecord) (stands, whole [sha256.Size]byte) {
	d := &s.writer.digester
	d.start(e.rules.secrets)
	stands = d.ofRecord(rl, sl, lr)
	if d.left == 0 {
		return stands, stands
	}
	d.start(e.rules.secrets.whole)
	return stands, d.ofRecord(rl, sl, lr)
}

func (d *digester) ofRecord(rl plog.ResourceLogs, sl plog.ScopeLogs, lr plog.LogRecord) (sum [sha256.Size]byte) {
	d.string("auditlog/record/v1\n")
	r := rl.Resource()
	d.entries(r.Attributes(), 0)
	d.number('i', uint64(r.DroppedAttributesCount()))
	d.entities(entity.ResourceEntityRefs(r))
	d.text(rl.SchemaUrl())
	if sl != (plog.ScopeLogs{}) {
		d.text(sl.Scope().Name())
		d.text(sl.Scope().Version())
		d.entries(sl.Scope().Attributes(), 0)
		d.number('i', uint64(sl.Scope().DroppedAttributesCount()))
		d.text(sl.SchemaUrl())
	}
	d.text(lr.EventName())
	d.number('i', uint64(lr.Timestamp()))
	d.number('i', uint64(lr.ObservedTimestamp()))
	d.number('i', uint64(int64(lr.SeverityNumber())))
	d.text(lr.SeverityText())
	if d.keys != nil && d.keys.body {
		d.kind('r')
	} else {
		d.value(lr.Body(), false, 0)
	}
	d.entries(lr.Attributes(), 0)
	d.number('i', uint64(lr.DroppedAttributesCount()))
	trace, span := lr.TraceID(), lr.SpanID()
	d.number('b', uint64(len(trace)))
	d.string(string(trace[:]))
	d.number('b', uint64(len(span)))
	d.string(string(span[:]))
	d.number('i', uint64(lr.Flags()))
	copy(sum[:], d.sum())
	return sum
}
