package event

import (
	"encoding/base64"
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxSafeInt is the largest integer that every JSON reader keeps apart from its
// neighbours.
const maxSafeInt = 1<<53 - 1

// writer encodes values. One pass serves a record whose maps all have distinct
// keys in valid UTF-8, and neither too long nor too many; where one has not,
// irregular is set, the bytes are no good, and the record is encoded again with
// careful set.
type writer struct {
	rules     *rules
	exact     exact
	notes     notes
	keys      keyCache
	seen      map[string]struct{} // scratch of distinct, empty between calls
	careful   bool
	irregular bool
	odd       int // irregular maps encoded with care
	// limit is what the buffer, the exact member and the notes may reach
	// together; full says that it is reached, so that nothing more is begun.
	limit    int
	full     bool
	scratch  []byte
	digester digester
	held     *held // nil until something is withheld
	mac      mac
}

// maxKept is how many keys, or bytes of a list, scratch memory keeps room for;
// maxKeptExact how many bytes of an exact member, which a text of the default
// limit fills if none of it is UTF-8.
const (
	maxKept      = 1 << 14
	maxKeptExact = 1 << 18
)

func (w *writer) reset(careful bool) {
	if cap(w.exact.buf) > maxKeptExact {
		w.exact.buf = nil
	}
	w.exact.buf = w.exact.buf[:0]
	w.notes.reset()
	w.careful, w.irregular, w.odd, w.full = careful, false, 0, false
}

// margin is what a value may take in an event beside its text, its path and its
// key: tags, notes, brackets.
const margin = 1024

// room is what a value below p may take, in bytes.
func (w *writer) room(dst []byte, p *place) int {
	return w.limit - len(dst) - len(w.exact.buf) - w.notes.size() - 3*p.cost - margin
}

// fits tells whether an entry of that key can be begun.
func (w *writer) fits(dst []byte, key string, p *place) bool {
	return w.room(dst, p) > roomOfKey(key)
}

// roomOfKey is what an entry of that key needs to be begun.
func roomOfKey(key string) int { return 3 * maxEscape * len(key) }

// departures is how often so far the event is not simply as the record.
func (w *writer) departures() int {
	return w.notes.nRedacted + w.notes.nTruncated + w.notes.nWithheld + w.odd
}

// string encodes a text of at most limit bytes that is no identity field; what
// is longer is cut.
func (w *writer) string(dst []byte, s string, limit int, at pathElement) []byte {
	dst, m := w.text(dst, s, limit, at)
	if m&contentMarks != 0 {
		w.noteMarks(at, m)
	}
	return dst
}

// identity encodes an identity field, of that name in the list invalid.
func (w *writer) identity(dst []byte, s, field string, at pathElement) []byte {
	dst, m := w.text(dst, s, w.rules.limits.IdentityBytes, at)
	if m&identityMarks != 0 {
		w.noteIdentity(field, m)
	}
	return dst
}

func (w *writer) text(dst []byte, s string, limit int, at pathElement) ([]byte, marks) {
	head := s
	if len(head) > limit {
		head = prefix(head, limit)
	}
	if room := w.room(dst, at.in); maxEscape*len(head) > room {
		n := fit(head, room)
		w.full = w.full || n < len(head)
		head = head[:n]
	}
	if len(head) < len(s) {
		w.noteTruncated(at, "length", len(s), w.digester.ofString(s))
	}
	dst, m := appendString(dst, head)
	if m&markUTF8 != 0 {
		w.exact.tagBytesOf(at, head)
	}
	return dst, m
}

func (w *writer) bytes(dst []byte, b pcommon.ByteSlice, at pathElement) []byte {
	n := min(b.Len(), w.rules.limits.ValueBytes)
	if room := w.room(dst, at.in); 2*n > room {
		n = max(0, room/2)
		w.full = true
	}
	if n < b.Len() {
		w.noteTruncated(at, "length", b.Len(), w.digester.ofBytes(b))
	}
	w.exact.tag(at, tagBytes)
	return appendBase64(dst, b, n)
}

func (w *writer) value(dst []byte, v pcommon.Value, at pathElement) []byte {
	return w.valueOf(dst, v, v.Type(), at)
}

func (w *writer) valueOf(dst []byte, v pcommon.Value, kind pcommon.ValueType, at pathElement) []byte {
	switch kind {
	case pcommon.ValueTypeStr:
		return w.string(dst, v.Str(), w.rules.limits.ValueBytes, at)
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(dst, v.Bool())
	case pcommon.ValueTypeInt:
		return w.int(dst, v.Int(), at)
	case pcommon.ValueTypeDouble:
		return w.double(dst, v.Double(), at)
	case pcommon.ValueTypeBytes:
		return w.bytes(dst, v.Bytes(), at)
	case pcommon.ValueTypeMap:
		return w.mapValue(dst, v, at)
	case pcommon.ValueTypeSlice:
		return w.slice(dst, v, at, false)
	default:
		return append(dst, "null"...)
	}
}

// secret encodes a value that stands under a key that is redacted.
func (w *writer) secret(dst []byte, v pcommon.Value, at pathElement) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		w.noteRedacted(at, v, len(v.Str()))
		return append(dst, redactedText...)
	case pcommon.ValueTypeBytes:
		w.noteRedacted(at, v, v.Bytes().Len())
		return append(dst, redactedText...)
	case pcommon.ValueTypeSlice:
		return w.slice(dst, v, at, true)
	default:
		return w.value(dst, v, at)
	}
}

func (w *writer) int(dst []byte, n int64, at pathElement) []byte {
	if -maxSafeInt <= n && n <= maxSafeInt {
		return strconv.AppendInt(dst, n, 10)
	}
	w.exact.tag(at, tagInt)
	dst = strconv.AppendInt(append(dst, '"'), n, 10)
	return append(dst, '"')
}

// double appends the shortest decimal that reads as f, always with a fraction
// or an exponent: this is what tells a double from an integer.
func (w *writer) double(dst []byte, f float64, at pathElement) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.exact.tag(at, tagDouble)
		return appendNonFinite(dst, f)
	}
	if short, ok := appendDecimal(dst, f); ok {
		return short
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[n:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendDecimal appends f if it is n/1000 for an integer n of at most 15 digits.
// No two decimals of at most 15 digits read as one double, so that this is the
// shortest.
func appendDecimal(dst []byte, f float64) ([]byte, bool) {
	const digits = 1e15
	scaled := f * 1000
	if !(-digits < scaled && scaled < digits) || f == 0 {
		return dst, false
	}
	n := int64(scaled)
	if float64(n)/1000 != f {
		return dst, false
	}
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/1000, 10)
	switch fraction := n % 1000; {
	case fraction%100 == 0:
		return append(dst, '.', byte('0'+fraction/100)), true
	case fraction%10 == 0:
		return append(dst, '.', byte('0'+fraction/100), byte('0'+fraction/10%10)), true
	default:
		return append(dst, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10)), true
	}
}

// appendNonFinite names NaN and the infinities as protobuf's JSON does; a NaN of
// other bits than Go's, which is what a JSON reader makes, has its bits beside.
func appendNonFinite(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	dst = append(dst, `"NaN`...)
	if bits := math.Float64bits(f); bits != math.Float64bits(math.NaN()) {
		dst = append(dst, ':')
		for shift := 60; shift >= 0; shift -= 4 {
			dst = append(dst, hexDigits[bits>>shift&15])
		}
	}
	return append(dst, '"')
}

// appendBase64 appends the first n bytes of b.
func appendBase64(dst []byte, b pcommon.ByteSlice, n int) []byte {
	var chunk [192]byte // a multiple of three: no padding but at the end
	dst = append(dst, '"')
	for i := 0; i < n; {
		k := 0
		for ; k < len(chunk) && i < n; k, i = k+1, i+1 {
			chunk[k] = b.At(i)
		}
		dst = base64.StdEncoding.AppendEncode(dst, chunk[:k])
	}
	return append(dst, '"')
}

// tooDeep tells whether a container of n entries that stands at at is cut for
// its depth, and lists it.
func (w *writer) tooDeep(v pcommon.Value, n int, at pathElement) bool {
	if n == 0 || at.in.depth < w.rules.limits.Depth {
		return false
	}
	w.noteTruncated(at, "entries", n, w.digester.ofValue(v, w.rules.secrets))
	return true
}

func (w *writer) slice(dst []byte, v pcommon.Value, at pathElement, secret bool) []byte {
	s := v.Slice()
	n := 0
	if s != (pcommon.Slice{}) {
		n = s.Len()
	}
	if w.tooDeep(v, n, at) {
		return append(dst, "[]"...)
	}
	p := at.place()
	dst = append(dst, '[')
	for i := range n {
		if w.full = w.full || w.room(dst, &p) <= 0; w.full {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		if secret {
			dst = w.secret(dst, s.At(i), pathElement{&p, "", i})
		} else {
			dst = w.value(dst, s.At(i), pathElement{&p, "", i})
		}
	}
	w.exact.close(&p)
	return append(dst, ']')
}

func (w *writer) mapValue(dst []byte, v pcommon.Value, at pathElement) []byte {
	m := v.Map()
	n := 0
	if m != (pcommon.Map{}) {
		n = m.Len()
	}
	if w.tooDeep(v, n, at) {
		return append(dst, "{}"...)
	}
	if n > w.rules.limits.Attributes && w.careful {
		w.noteTruncated(at, "entries", n, w.digester.ofMap(m, w.rules.secrets))
	}
	p := at.place()
	return w.entries(dst, m, &p, nil)
}

// finish appends the exact member of the object whose root is given, if it has
// one.
func (w *writer) finish(dst []byte, root *place) []byte {
	if !root.open {
		return dst
	}
	w.exact.close(root)
	dst = append(dst, `,"exact":`...)
	return append(dst, w.exact.buf...)
}
