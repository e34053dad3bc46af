package event

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// maxSafeInt is the largest integer that every JSON reader keeps apart from its
// neighbours.
const maxSafeInt = 1<<53 - 1

// writer encodes values. One pass serves a record whose maps all have distinct
// keys in valid UTF-8; where one has not, irregular is set, the bytes are no
// good, and the record is encoded again with careful set.
type writer struct {
	exact     exact
	seen      map[string]struct{} // scratch of distinct, empty between calls
	careful   bool
	irregular bool
}

// maxKept is how many keys, or bytes of an exact member, scratch memory keeps
// room for.
const maxKept = 1 << 14

func (w *writer) reset(careful bool) {
	if cap(w.exact.buf) > maxKept {
		w.exact.buf = nil
	}
	w.exact.buf = w.exact.buf[:0]
	w.careful, w.irregular = careful, false
}

func (w *writer) string(dst []byte, s string, at pathElement) []byte {
	dst, valid := appendString(dst, s)
	if !valid {
		w.exact.tagBytesOf(at, s)
	}
	return dst
}

func (w *writer) value(dst []byte, v pcommon.Value, at pathElement) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return w.string(dst, v.Str(), at)
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(dst, v.Bool())
	case pcommon.ValueTypeInt:
		return w.int(dst, v.Int(), at)
	case pcommon.ValueTypeDouble:
		return w.double(dst, v.Double(), at)
	case pcommon.ValueTypeBytes:
		w.exact.tag(at, tagBytes)
		return appendBase64(dst, v.Bytes())
	case pcommon.ValueTypeMap:
		p := place{up: at.in, key: at.key, index: at.index}
		return w.attributes(dst, v.Map(), &p, nil)
	case pcommon.ValueTypeSlice:
		p := place{up: at.in, key: at.key, index: at.index}
		return w.slice(dst, v.Slice(), &p)
	default:
		return append(dst, "null"...)
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

func appendBase64(dst []byte, b pcommon.ByteSlice) []byte {
	var chunk [192]byte // a multiple of three: no padding but at the end
	dst = append(dst, '"')
	for i, n := 0, b.Len(); i < n; {
		k := 0
		for ; k < len(chunk) && i < n; k, i = k+1, i+1 {
			chunk[k] = b.At(i)
		}
		dst = base64.StdEncoding.AppendEncode(dst, chunk[:k])
	}
	return append(dst, '"')
}

func (w *writer) slice(dst []byte, s pcommon.Slice, p *place) []byte {
	dst = append(dst, '[')
	if s != (pcommon.Slice{}) {
		for i := range s.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = w.value(dst, s.At(i), pathElement{p, "", i})
		}
	}
	w.exact.close(p)
	return append(dst, ']')
}

// attributes encodes a map; f, if not nil, sees each entry.
func (w *writer) attributes(dst []byte, m pcommon.Map, p *place, f *finding) []byte {
	if m == (pcommon.Map{}) {
		return append(dst, "{}"...)
	}
	if w.irregular {
		return dst
	}
	if n := m.Len(); n > fewKeys || w.careful {
		if !w.distinct(m) {
			w.irregular = true
			if w.careful {
				return w.irregularMap(dst, m, p, f)
			}
			return dst
		}
	}
	var keys keySet
	dst = append(dst, '{')
	i := 0
	for key, v := range m.All() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var valid bool
		dst, valid = appendString(dst, key)
		h := hashKey(key)
		if !valid || i < fewKeys && keys.add(h) && earlier(m, i, key) {
			w.irregular = true
			return dst
		}
		dst = append(dst, ':')
		if f != nil {
			f.see(key, h, v, false)
		}
		dst = w.value(dst, v, p.child(key))
		i++
	}
	w.exact.close(p)
	return append(dst, '}')
}

// fewKeys is how many keys are compared one by one.
const fewKeys = 48

// hashKey is a quick hash of a key: it tells most keys of a record apart, and a
// producer may choose keys that it does not.
func hashKey(key string) uint32 {
	n := len(key)
	h := uint32(n) * 0x9e3779b1
	if n > 0 {
		h ^= (uint32(key[n-1]) | uint32(key[n/2])<<8 | uint32(key[0])<<16 | uint32(key[n*3/4])<<24) * 0x85ebca6b
	}
	return (h ^ h>>15) * 0x2c1b3c6d
}

// keySet is a set of keys that may claim to hold one that it does not.
type keySet [4]uint64

// add adds the key of that hash and reports whether it may have been there.
func (s *keySet) add(h uint32) bool {
	h >>= 24
	bit := uint64(1) << (h & 63)
	was := s[h>>6]&bit != 0
	s[h>>6] |= bit
	return was
}

// earlier tells whether key is one of the first n of m.
func earlier(m pcommon.Map, n int, key string) bool {
	i := 0
	for k := range m.All() {
		if i == n {
			break
		}
		if k == key {
			return true
		}
		i++
	}
	return false
}

// distinct tells whether the keys of m are valid UTF-8 and each stands once.
func (w *writer) distinct(m pcommon.Map) bool {
	if w.seen == nil {
		w.seen = make(map[string]struct{})
	}
	defer func() {
		if clear(w.seen); m.Len() > maxKept {
			w.seen = nil // clearing a map costs what it once held
		}
	}()
	for key := range m.All() {
		w.seen[key] = struct{}{}
		if !utf8.ValidString(key) {
			return false
		}
	}
	return len(w.seen) == m.Len()
}

// irregularMap encodes a map in which a key stands twice or is not valid UTF-8.
// The last entry of each valid key stands in the map as usual, all others in
// the exact member, with their index among all.
func (w *writer) irregularMap(dst []byte, m pcommon.Map, p *place, f *finding) []byte {
	w.irregular = false
	last := make(map[string]int, m.Len())
	i := 0
	for key := range m.All() {
		if utf8.ValidString(key) {
			last[key] = i
		}
		i++
	}
	p.list = true
	w.exact.open(p)
	dst = append(dst, '{')
	first := true
	i = -1
	for key, v := range m.All() {
		i++
		at, ok := last[key]
		shadowed := !ok || at != i
		if f != nil {
			f.see(key, hashKey(key), v, shadowed)
		}
		if shadowed {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst, _ = appendString(dst, key)
		dst = append(dst, ':')
		dst = w.value(dst, v, p.child(key))
	}
	w.exact.close(p)
	i = -1
	for key, v := range m.All() {
		i++
		if at, ok := last[key]; !ok || at != i {
			w.entry(i, key, v)
		}
	}
	w.exact.buf = append(w.exact.buf, ']')
	return append(dst, '}')
}

// entry appends an entry that can't stand in its map to the exact member.
func (w *writer) entry(index int, key string, v pcommon.Value) {
	inner := writer{careful: true}
	var root place
	b := append(w.exact.buf, `,{"at":`...)
	b = strconv.AppendInt(b, int64(index), 10)
	b = append(b, `,"key":`...)
	b = inner.string(b, key, root.child("key"))
	b = append(b, `,"value":`...)
	b = inner.value(b, v, root.child("value"))
	b = inner.finish(b, &root)
	w.exact.buf = append(b, '}')
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
