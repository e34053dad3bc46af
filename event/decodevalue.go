package event

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// Fields of OTLP's AnyValue, ArrayValue, KeyValueList and KeyValue.
const (
	anyString, anyBool, anyInt, anyDouble, anyArray, anyMap, anyBytes = 1, 2, 3, 4, 5, 6, 7

	listValues         = 1
	entryKey, entryVal = 1, 2
)

// text reads a string with its exact node.
func (d *decoder) text(n, exact *node) (string, error) {
	if n.kind != jsonString {
		return "", d.fail("not a string")
	}
	if exact == nil {
		return n.text, nil
	}
	tag, ok := strings.CutPrefix(exact.text, tagString)
	if exact.kind != jsonString || !ok {
		return "", d.fail("exact tag does not fit a string")
	}
	s, ok := restoreBytes(n.text, tag)
	if !ok {
		return "", d.fail("exact bytes do not fit the string")
	}
	return s, nil
}

// value writes the fields of the AnyValue that n and its exact node are.
func (d *decoder) value(n, exact *node) error {
	switch {
	case n.kind == jsonObject:
		return d.message(anyMap, func() error { return d.entries(listValues, n, exact) })
	case n.kind == jsonArray:
		return d.message(anyArray, func() error { return d.elements(n, exact) })
	case n.kind == jsonString && exact != nil && exact.kind == jsonString && !strings.HasPrefix(exact.text, tagString):
		return d.tagged(n.text, exact.text)
	case n.kind == jsonString:
		s, err := d.text(n, exact)
		if err == nil {
			d.out.string(anyString, s)
		}
		return err
	case exact != nil:
		return d.fail("exact tag does not fit the value")
	case n.kind == jsonNumber:
		return d.number(n.text)
	case n.kind == jsonBool:
		var b uint64
		if n.text == "true" {
			b = 1
		}
		d.out.uint(anyBool, b)
	}
	return nil // null is the empty value
}

func (d *decoder) number(s string) error {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return d.fail("number out of range")
		}
		d.out.double(anyDouble, f)
		return nil
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil || i < -maxSafeInt || i > maxSafeInt || s == "-0" {
		return d.fail("integer that natural JSON does not carry")
	}
	d.out.uint(anyInt, uint64(i))
	return nil
}

// tagged writes a string in place of a value that natural JSON can't carry.
func (d *decoder) tagged(s, tag string) error {
	switch tag {
	case tagInt:
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil || -maxSafeInt <= i && i <= maxSafeInt || strconv.FormatInt(i, 10) != s {
			return d.fail("not an int64 beyond the safe integers")
		}
		d.out.uint(anyInt, uint64(i))
	case tagDouble:
		f, ok := nonFinite(s)
		if !ok {
			return d.fail("not a NaN or an infinity")
		}
		d.out.double(anyDouble, f)
	case tagBytes:
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || strings.ContainsAny(s, "\r\n") {
			return d.fail("not base64")
		}
		d.out.string(anyBytes, string(b))
	default:
		return d.fail("unknown exact tag")
	}
	return nil
}

// nonFinite is the inverse of appendNonFinite.
func nonFinite(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	digits, ok := strings.CutPrefix(s, "NaN:")
	bits, err := strconv.ParseUint(digits, 16, 64)
	f := math.Float64frombits(bits)
	if !ok || err != nil || !math.IsNaN(f) || string(appendNonFinite(nil, f)) != `"`+s+`"` {
		return 0, false
	}
	return f, true
}

// elements writes the values of an array, the last first.
func (d *decoder) elements(n, exact *node) error {
	if exact != nil && exact.kind != jsonObject {
		return d.fail("exact tag does not fit an array")
	}
	list := members{d: d, exact: childrenOf(exact)}
	for i := len(n.items) - 1; i >= 0; i-- {
		d.path.push("", i)
		start := d.out.size()
		if err := d.value(&n.items[i], list.use(strconv.Itoa(i))); err != nil {
			return err
		}
		d.out.message(listValues, start)
		d.path.leave()
	}
	return list.done()
}

// entries writes the entries of a map as messages of field, the last first.
func (d *decoder) entries(field uint64, n, exact *node) error {
	var extra []node // entries that can't stand in the map
	if exact != nil && exact.kind == jsonArray && (len(exact.items) > 1 || d.cut && len(exact.items) == 1) {
		extra, exact = exact.items[1:], &exact.items[0]
	}
	if exact != nil && exact.kind != jsonObject {
		return d.fail("exact tag does not fit an object")
	}
	m := members{d: d, exact: childrenOf(exact)}
	here := len(n.items) - 1
	for i := len(n.items) + len(extra) - 1; i >= 0; i-- {
		start := d.out.size()
		if k := len(extra) - 1; k >= 0 && extra[k].index() == i {
			if err := d.extra(&extra[k]); err != nil {
				return err
			}
			extra = extra[:k]
		} else {
			if here < 0 {
				break
			}
			key := n.keys[here]
			d.path.push(key, -1)
			if err := d.entry(key, &n.items[here], m.use(key)); err != nil {
				return err
			}
			d.path.leave()
			here--
		}
		d.out.message(field, start)
	}
	if len(extra) > 0 {
		return d.fail("exact entry has an index that does not fit")
	}
	return m.done()
}

// index is where an extra entry stands in its map, -1 if it does not say.
func (n *node) index() int {
	if at := n.get("at"); at != nil && at.kind == jsonNumber {
		if i, err := strconv.ParseUint(at.text, 10, 31); err == nil {
			return int(i)
		}
	}
	return -1
}

func (d *decoder) entry(key string, n, exact *node) error {
	start := d.out.size()
	if err := d.value(n, exact); err != nil {
		return err
	}
	d.out.message(entryVal, start)
	d.out.string(entryKey, key)
	return nil
}

// extra writes an entry that can't stand in its map: {"at","key","value"} and
// an exact member of its own.
func (d *decoder) extra(n *node) error {
	if err := d.known(n, "at", "key", "value", "exact"); err != nil {
		return err
	}
	exact, err := d.exact(n)
	if err != nil {
		return err
	}
	m := members{d: d, n: n, exact: exact}
	key, value := n.get("key"), n.get("value")
	if key == nil || value == nil {
		return d.fail("exact entry without key or value")
	}
	k, err := d.text(key, m.use("key"))
	if err != nil {
		return err
	}
	if err := d.entry(k, value, m.use("value")); err != nil {
		return err
	}
	return m.done()
}
