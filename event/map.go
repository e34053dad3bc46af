package event

import (
	"strconv"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// entries encodes a map; f, if not nil, sees each entry.
func (w *writer) entries(dst []byte, m pcommon.Map, p *place, f *finding) []byte {
	if m == (pcommon.Map{}) {
		return append(dst, "{}"...)
	}
	if w.irregular {
		return dst
	}
	n := m.Len()
	if f != nil && !w.careful && n <= w.rules.limits.Attributes {
		return w.ofRecord(dst, m, p, f)
	}
	if n > w.rules.limits.Attributes || (n > fewKeys || w.careful) && !w.distinct(m) {
		w.irregular = true
		if w.careful {
			return w.irregularMap(dst, m, p, f)
		}
		return dst
	}
	var keys keySet
	dst = append(dst, '{')
	i := 0
	for key, v := range m.All() {
		h := hashKey(key)
		if w.full = w.full || !w.fits(dst, key, p); w.full {
			if f == nil {
				break
			}
			f.see(key, f.index.find(key, h), v, absent)
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		var marks marks
		dst, marks = appendString(dst, key)
		if marks&markUTF8 != 0 || len(key) > w.rules.limits.IdentityBytes || i < fewKeys && keys.add(h) && earlier(m, i, key) {
			w.irregular = true
			return dst
		}
		dst = append(dst, ':')
		dst = w.entry(dst, key, h, marks, v, p, f)
		i++
	}
	w.exact.close(p)
	return append(dst, '}')
}

// manyApart is how many keys that are not remembered are compared one by one
// with those before them.
const manyApart = 16

// ofRecord encodes a record's attributes.
func (w *writer) ofRecord(dst []byte, m pcommon.Map, p *place, f *finding) []byte {
	last := w.keys.begin(w.rules)
	i, comma := 0, 1
	dst = append(dst, '{')
	for key, v := range m.All() {
		room := w.room(dst, p)
		if w.full = w.full || room <= roomOfKey(key); w.full {
			f.see(key, f.index.find(key, hashKey(key)), v, absent)
			continue
		}
		if k := w.keys.find(key, last); k == nil {
			dst = w.apart(dst, m, i, v, p.child(key), f)
		} else if k.record == w.keys.record {
			w.irregular = true
		} else {
			k.record, last = w.keys.record, k
			dst = w.remembered(append(dst, k.member[comma:]...), k, v, p.child(key), f, room-len(k.member))
		}
		if w.irregular {
			return dst
		}
		i, comma = i+1, 0
	}
	w.exact.close(p)
	return append(dst, '}')
}

// apart encodes the i-th entry of a record's attributes m, whose key is not
// remembered: of each key of m only such can be equal to it.
func (w *writer) apart(dst []byte, m pcommon.Map, i int, v pcommon.Value, at pathElement, f *finding) []byte {
	key := at.key
	n := w.keys.apart
	if w.keys.apart++; n < manyApart && earlier(m, i, key) || n == manyApart && !w.distinct(m) {
		w.irregular = true
		return dst
	}
	if i > 0 {
		dst = append(dst, ',')
	}
	dst, marks := appendString(dst, key)
	if marks&markUTF8 != 0 || len(key) > w.rules.limits.IdentityBytes {
		w.irregular = true
		return dst
	}
	return w.entry(append(dst, ':'), key, hashKey(key), marks, v, at.in, f)
}

// remembered is entry for a key that is remembered; there is room for so many
// bytes.
func (w *writer) remembered(dst []byte, k *cachedKey, v pcommon.Value, at pathElement, f *finding, room int) []byte {
	kind := v.Type()
	how := stands
	if k.held || k.secret && redactable(kind) {
		how = secret
	}
	if !k.plain {
		f.see(at.key, k.meaning, v, how)
	}
	switch {
	case k.held:
		return w.withhold(dst, v, at)
	case how == secret:
		return w.secret(dst, v, at)
	case kind != pcommon.ValueTypeStr:
		return w.valueOf(dst, v, kind, at)
	}
	s := v.Str()
	if len(s) <= shortText && maxEscape*len(s) <= room {
		if done, m := appendString(dst, s); m == 0 {
			return done
		}
	}
	if k.meaning.identity() {
		return w.identity(dst, s, at.key, at)
	}
	return w.string(dst, s, w.rules.limits.ValueBytes, at)
}

// shortText is a length in bytes that no limit is below.
const shortText = 64

// entry encodes the value of an entry whose key stands in dst already, with
// what is notable in the key.
func (w *writer) entry(dst []byte, key string, h uint32, inKey marks, v pcommon.Value, p *place, f *finding) []byte {
	at := p.child(key)
	if inKey&contentMarks != 0 {
		w.noteMarks(at, inKey)
	}
	kind := v.Type()
	var m *meaning
	if f != nil {
		m = f.index.find(key, h)
	}
	hide := false
	switch {
	case !redactable(kind):
	case m != nil:
		hide = m.secret
	default:
		hide = w.rules.secrets.match(key)
	}
	held := w.rules.secrets.held[key]
	if f != nil {
		how := stands
		if hide || held {
			how = secret
		}
		f.see(key, m, v, how)
	}
	switch {
	case held:
		return w.withhold(dst, v, at)
	case hide:
		return w.secret(dst, v, at)
	case kind == pcommon.ValueTypeStr && m.identity():
		return w.identity(dst, v.Str(), key, at)
	case kind == pcommon.ValueTypeStr:
		return w.string(dst, v.Str(), w.rules.limits.ValueBytes, at)
	default:
		return w.valueOf(dst, v, kind, at)
	}
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

// distinct tells whether the keys of m can stand in an object, and each stands
// once.
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
		if !w.regular(key) {
			return false
		}
	}
	return len(w.seen) == m.Len()
}

// regular tells whether a key can stand in an object.
func (w *writer) regular(key string) bool {
	return len(key) <= w.rules.limits.IdentityBytes && utf8.ValidString(key)
}

// selection says which entries of a map are taken, by their index; nil: all.
type selection []uint64

func (s selection) has(i int) bool { return s == nil || s[i>>6]&(1<<(i&63)) != 0 }

func (s selection) add(i int) { s[i>>6] |= 1 << (i & 63) }

// choose takes the first entries of a map that has too many, and of attributes
// those that can feed a normalised field wherever they stand, so that no padding
// hides who did what.
func (w *writer) choose(m pcommon.Map, f *finding) selection {
	limit := w.rules.limits.Attributes
	if m.Len() <= limit {
		return nil
	}
	s := make(selection, (m.Len()+63)/64)
	var last map[string]int
	i := 0
	for key := range m.All() {
		if i < limit {
			s.add(i)
		}
		if f != nil && f.index.find(key, hashKey(key)) != nil {
			if last == nil {
				last = make(map[string]int)
			}
			last[key] = i
		}
		i++
	}
	for _, i := range last {
		s.add(i)
	}
	return s
}

// irregularMap encodes a map with too many entries, or one in which a key stands
// twice, is not valid UTF-8 or is too long. The last entry of each key that can
// stand in an object does, all others stand in the exact member, with their
// index among those that are in the event.
func (w *writer) irregularMap(dst []byte, m pcommon.Map, p *place, f *finding) []byte {
	w.irregular = false
	w.odd++
	taken := w.choose(m, f)
	last := make(map[string]int)
	n, i := 0, 0
	for key := range m.All() {
		if taken.has(i) {
			n++
			if w.regular(key) {
				last[key] = i
			}
		}
		i++
	}
	if p.list = len(last) < n; p.list {
		w.exact.open(p)
	}
	regular := func(i int, key string) bool {
		at, ok := last[key]
		return ok && at == i
	}
	dst = append(dst, '{')
	written := 0
	i = -1
	for key, v := range m.All() {
		i++
		here := taken.has(i) && regular(i, key)
		if here && !w.full {
			w.full = !w.fits(dst, key, p)
		}
		if !here || w.full {
			if f != nil {
				f.see(key, f.index.find(key, hashKey(key)), v, absent)
			}
			continue
		}
		if written > 0 {
			dst = append(dst, ',')
		}
		written++
		var marks marks
		dst, marks = appendString(dst, key)
		dst = append(dst, ':')
		dst = w.entry(dst, key, hashKey(key), marks, v, p, f)
	}
	w.exact.close(p)
	if !p.list {
		return append(dst, '}')
	}
	w.listIrregular(dst, m, p, written, func(i int, key string) (inEvent, inObject bool) {
		return taken.has(i), regular(i, key)
	})
	return append(dst, '}')
}

// listIrregular appends the entries of a map that can't stand in its object, of
// which written others do, to the exact member. where says what becomes of an
// entry.
func (w *writer) listIrregular(dst []byte, m pcommon.Map, p *place, written int, where func(int, string) (inEvent, inObject bool)) {
	at, listed, i := 0, 1, -1 // at counts the entries that are in the event
	for key, v := range m.All() {
		i++
		inEvent, inObject := where(i, key)
		switch {
		case !inEvent:
		case !inObject:
			if w.full = w.full || !w.fits(dst, "", p); !w.full {
				w.listEntry(dst, p, listed, at, key, v)
				listed++
				at++
			}
		case written > 0:
			written--
			at++
		}
	}
	w.exact.buf = append(w.exact.buf, ']')
}

// listEntry appends an entry that can't stand in its object, the n-th of the
// map's node, to the exact member. dst is what the rest of the object takes.
func (w *writer) listEntry(dst []byte, p *place, n, at int, key string, v pcommon.Value) {
	pointer := strconv.AppendInt(append(appendExactPlace(nil, p), '/'), int64(n), 10)
	root := place{base: string(pointer), depth: p.depth, cost: p.cost + 64}
	outer := w.exact.buf
	w.exact = exact{}
	w.limit -= len(dst)
	b := append(outer, `,{"at":`...)
	b = strconv.AppendInt(b, int64(at), 10)
	b = append(b, `,"key":`...)
	b = w.string(b, key, w.rules.limits.IdentityBytes, root.child("key"))
	b = append(b, `,"value":`...)
	if w.rules.secrets.held[key] {
		b = w.withhold(b, v, root.child("value"))
	} else if redactable(v.Type()) && w.rules.secrets.match(key) {
		b = w.secret(b, v, root.child("value"))
	} else {
		b = w.value(b, v, root.child("value"))
	}
	b = w.finish(b, &root)
	w.exact.buf = append(b, '}')
	w.limit += len(dst)
}
