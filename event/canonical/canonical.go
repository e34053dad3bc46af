// Package canonical writes the canonical JSON of a log record: the bytes that a
// producer signs, and whose SHA-256 is the record's IntegrityHash in the OTel Audit
// Logging draft.
//
// The draft demands RFC 8785 (JCS) and leaves the shape open; the shape here is that
// of contrib's signingprocessor:
//
//	{"attributes":{"audit.action":{"stringValue":"LOGIN"},"n":{"intValue":"7"}},
//	 "event_name":"user.login","timestamp":"1714041600000000000"}
//
// Resource, scope, severity, flags and dropped_attributes_count are not in it, nor are
// attributes audit.integrity.*, which are added after signing. docs/integrity.md
// specifies the form.
package canonical

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The signingprocessor's limits: what is beyond has no canonical form.
const (
	MaxDepth = 128     // of maps and arrays in a value
	MaxSize  = 2 << 20 // bytes of the JSON before JCS
)

// Excluded is the prefix of the attributes that no canonical form has.
const Excluded = "audit.integrity."

// Form is a generation of the signingprocessor's shape. They differ in the body only.
type Form uint8

const (
	// TaggedBody has a body of any kind, tagged with its type as attributes are.
	TaggedBody Form = iota
	// StringBody has a body only if it is a string, untagged. Any other body is not
	// covered.
	StringBody
)

// String returns the form as it stands in the configuration.
func (f Form) String() string {
	if f == StringBody {
		return "string_body"
	}
	return "tagged_body"
}

// Error says in a word why a record has no canonical form. It holds nothing of the
// record.
type Error string

func (e Error) Error() string { return "record has no canonical form: " + string(e) }

const (
	ErrDepth     Error = "depth"         // maps and arrays nest deeper than MaxDepth
	ErrSize      Error = "size"          // more than MaxSize bytes before JCS
	ErrUTF8      Error = "utf-8"         // a string or key is not valid UTF-8, lone surrogates included
	ErrNumber    Error = "number"        // a double is NaN or infinite
	ErrDuplicate Error = "duplicate_key" // a key stands twice in a map: which one was signed?
)

// BodyCovered tells whether a form holds all there is of the record's body.
func BodyCovered(lr plog.LogRecord, f Form) bool {
	t := lr.Body().Type()
	return f == TaggedBody || t == pcommon.ValueTypeEmpty || t == pcommon.ValueTypeStr
}

// JSON returns the canonical JSON of lr. The error is an Error.
func JSON(lr plog.LogRecord, f Form) ([]byte, error) {
	w := walk{left: MaxSize}
	data, err := w.record(lr, f)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, ErrNumber // all else that can't be marshalled was refused by the walk
	}
	if len(raw) > MaxSize {
		return nil, ErrSize
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, ErrUTF8 // its error quotes the record
	}
	return out, nil
}

// Hash returns the IntegrityHash of lr: the SHA-256 of its canonical JSON. The error
// is an Error.
func Hash(lr plog.LogRecord, f Form) (sum [sha256.Size]byte, err error) {
	b, err := JSON(lr, f)
	if err != nil {
		return sum, err
	}
	return sha256.Sum256(b), nil
}

// walk makes a record what encoding/json takes. left is the bytes that strings may
// still have: a record that is too large is given up before it is copied.
type walk struct{ left int }

func (w *walk) record(lr plog.LogRecord, f Form) (map[string]any, error) {
	data := make(map[string]any, 7)
	if name := lr.EventName(); name != "" {
		if err := w.text(name); err != nil {
			return nil, err
		}
		data["event_name"] = name
	}
	switch body := lr.Body(); {
	case body.Type() == pcommon.ValueTypeEmpty || !BodyCovered(lr, f):
	case f == StringBody:
		if err := w.text(body.Str()); err != nil {
			return nil, err
		}
		data["body"] = body.Str()
	default:
		v, err := w.value(body, 0)
		if err != nil {
			return nil, err
		}
		data["body"] = v
	}
	if t := lr.Timestamp(); t != 0 {
		data["timestamp"] = strconv.FormatUint(uint64(t), 10)
	}
	if t := lr.ObservedTimestamp(); t != 0 {
		data["observed_timestamp"] = strconv.FormatUint(uint64(t), 10)
	}
	if id := lr.TraceID(); !id.IsEmpty() {
		data["trace_id"] = id.String()
	}
	if id := lr.SpanID(); !id.IsEmpty() {
		data["span_id"] = id.String()
	}
	attributes, err := w.entries(lr.Attributes(), 0, Excluded)
	if err != nil {
		return nil, err
	}
	if len(attributes) > 0 {
		data["attributes"] = attributes
	}
	return data, nil
}

// text checks a string or key and counts it.
func (w *walk) text(s string) error {
	if w.left -= len(s); w.left < 0 {
		return ErrSize
	}
	if !utf8.ValidString(s) {
		return ErrUTF8
	}
	return nil
}

// value tags a scalar with its type, so that no two kinds share bytes. Integers are
// decimal strings: JCS numbers are doubles.
func (w *walk) value(v pcommon.Value, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, ErrDepth
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return tagged[string]{"stringValue": v.Str()}, w.text(v.Str())
	case pcommon.ValueTypeInt:
		return tagged[string]{"intValue": strconv.FormatInt(v.Int(), 10)}, nil
	case pcommon.ValueTypeDouble:
		if d := v.Double(); math.IsNaN(d) || math.IsInf(d, 0) {
			return nil, ErrNumber
		}
		return tagged[float64]{"doubleValue": v.Double()}, nil
	case pcommon.ValueTypeBool:
		return tagged[bool]{"boolValue": v.Bool()}, nil
	case pcommon.ValueTypeBytes:
		if w.left -= v.Bytes().Len(); w.left < 0 {
			return nil, ErrSize
		}
		return tagged[[]byte]{"bytesValue": bytesOf(v)}, nil
	case pcommon.ValueTypeSlice:
		return w.elements(v.Slice(), depth+1)
	case pcommon.ValueTypeMap:
		return w.entries(v.Map(), depth+1, "")
	default:
		return nil, nil // JSON null
	}
}

type tagged[T any] map[string]T

// bytesOf is never nil, which would be null and not "".
func bytesOf(v pcommon.Value) []byte { return append([]byte{}, v.Bytes().AsRaw()...) }

func (w *walk) elements(s pcommon.Slice, depth int) (any, error) {
	if s == (pcommon.Slice{}) {
		return []any{}, nil
	}
	if w.left -= s.Len(); w.left < 0 {
		return nil, ErrSize
	}
	out := make([]any, s.Len())
	for i := range out {
		var err error
		if out[i], err = w.value(s.At(i), depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// entries leaves out what begins with excluded, but for finding keys that stand twice.
func (w *walk) entries(m pcommon.Map, depth int, excluded string) (map[string]any, error) {
	out := map[string]any{}
	if m == (pcommon.Map{}) {
		return out, nil
	}
	var hidden map[string]bool
	for key, v := range m.All() {
		if excluded != "" && strings.HasPrefix(key, excluded) {
			if hidden[key] {
				return nil, ErrDuplicate
			}
			if hidden == nil {
				hidden = make(map[string]bool)
			}
			hidden[key] = true
			continue
		}
		if _, twice := out[key]; twice {
			return nil, ErrDuplicate
		}
		if err := w.text(key); err != nil {
			return nil, err
		}
		one, err := w.value(v, depth)
		if err != nil {
			return nil, err
		}
		out[key] = one
	}
	return out, nil
}
