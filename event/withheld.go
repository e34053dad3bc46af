package event

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// WithheldValues is what an event says of the values that it withholds.
type WithheldValues struct {
	ID, Key [16]byte // of the event, and of the key that its openings are encrypted with
	Values  []Commitment
}

// Commitment is a value that is withheld.
type Commitment struct {
	Pointer string // JSON pointer into the event
	HMAC    [32]byte
	Cut     bool // not all of the value was kept
}

// withheld reads the member withheld.
func (p *parser) withheld(e *Event) {
	p.section("withheld", func(l *element) {
		w := &WithheldValues{}
		l.fixed("id", w.ID[:])
		l.fixed("key", w.Key[:])
		values := l.n.get("values")
		if values == nil || values.kind != jsonArray || len(values.items) == 0 {
			l.fail("values is not an array, or empty")
			return
		}
		for i := range values.items {
			v := element{p: p, list: l.list, n: &values.items[i]}
			if v.n.kind != jsonObject {
				v.fail("not a list of objects")
				return
			}
			c := Commitment{Pointer: v.place(), Cut: v.n.get("cut") != nil}
			v.fixed("hmac", c.HMAC[:])
			w.Values = append(w.Values, c)
		}
		e.Withheld = w
	})
}

// fixed reads a member that is bytes in lower-case hex.
func (l *element) fixed(name string, dst []byte) {
	s := l.text(name)
	if b, err := hex.DecodeString(s); err != nil || copy(dst, b) != len(b) || hex.EncodeToString(dst) != s {
		l.fail(name + " is not bytes in lower-case hex, or not as many")
	}
}

var errOpenedValue = errors.New("opened value is malformed")

// Decode gives back the value of an opening. What is redacted in it, or was too much
// to be kept, is the string [redacted].
func (o Opening) Decode() (pcommon.Value, error) {
	v := pcommon.NewValueEmpty()
	r := valueReader{rest: o.Value, ok: true}
	r.value(v, 0)
	if !r.ok || len(r.rest) > 0 {
		return pcommon.NewValueEmpty(), errOpenedValue
	}
	return v, nil
}

// valueReader reads what a digester hashes.
type valueReader struct {
	rest []byte
	ok   bool
}

func (r *valueReader) take(n uint64) []byte {
	if r.ok = r.ok && n <= uint64(len(r.rest)); !r.ok {
		return nil
	}
	part := r.rest[:n]
	r.rest = r.rest[n:]
	return part
}

func (r *valueReader) number() uint64 {
	if b := r.take(8); r.ok {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *valueReader) kind() byte {
	if b := r.take(1); r.ok {
		return b[0]
	}
	return 0
}

func (r *valueReader) value(v pcommon.Value, depth int) {
	if r.ok = r.ok && depth <= maxHashed; !r.ok {
		return
	}
	switch r.kind() {
	case 'n':
	case 't':
		v.SetBool(true)
	case 'f':
		v.SetBool(false)
	case 'i':
		v.SetInt(int64(r.number()))
	case 'd':
		v.SetDouble(math.Float64frombits(r.number()))
	case 's':
		v.SetStr(string(r.take(r.number())))
	case 'b':
		v.SetEmptyBytes().FromRaw(r.take(r.number()))
	case 'a':
		s := v.SetEmptySlice()
		for n := r.number(); n > 0 && r.ok; n-- {
			r.value(s.AppendEmpty(), depth+1)
		}
	case 'm':
		m := v.SetEmptyMap()
		for n := r.number(); n > 0 && r.ok; n-- {
			r.ok = r.ok && r.kind() == 's'
			key := string(r.take(r.number()))
			r.value(m.PutEmpty(key), depth+1)
		}
	case 'r', 'x':
		v.SetStr("[redacted]")
	default:
		r.ok = false
	}
}
