package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// requireSameVerdict holds a scanner that remembers shapes to the plain parser.
func requireSameVerdict(t *testing.T, s *jsonScanner, b []byte) {
	object := len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}'
	want := object && json.Valid(b) && utf8.Valid(b)
	if err := s.body(b); (err == nil) != want {
		t.Fatalf("%q: %v, want it valid: %t", b, err, want)
	}
}

// Bodies whose shape is known, changed in one byte, lengthened or cut.
func TestShapesAgree(t *testing.T) {
	var bodies [][]byte
	for i := range 12 {
		bodies = append(bodies, fmt.Appendf(nil, `{"k%d":"ü \n","n":[1,-2.5e3,{"a":"","b":0}],"t":true,"u":"\ud800"}`, i))
	}
	bodies = append(bodies, benchBody, []byte(`{}`), []byte(`{"a":{}}`), []byte(`{"a":1}`), []byte(`{ "a" : 1 }`))
	rng := rand.New(rand.NewPCG(1, 3))
	s := &jsonScanner{}
	for range 100000 {
		b := bytes.Clone(bodies[rng.IntN(1+rng.IntN(len(bodies)))])
		at := rng.IntN(len(b))
		switch rng.IntN(6) {
		case 0:
			b[at] = byte(rng.IntN(256))
		case 1:
			b = append(b[:at:at], b[at+1:]...)
		case 2:
			b = append(b[:at:at], append([]byte{b[rng.IntN(len(b))]}, b[at:]...)...)
		case 3:
			b = append(b[:at:at], '}')
		}
		requireSameVerdict(t, s, b)
	}
}

// Of one shape after another each is known when it comes again.
func TestShapesAreLearnt(t *testing.T) {
	s := &jsonScanner{}
	shaped := func(i, value int) []byte { return fmt.Appendf(nil, `{"k%d":%d,"s":"%d"}`, i, value, value) }
	for round := range 400 {
		requireSameVerdict(t, s, shaped(round%maxShapes, round))
	}
	for i := range maxShapes {
		if !s.known(shaped(i, 4711)) {
			t.Errorf("shape %d is not known", i)
		}
	}
	if s.known(shaped(maxShapes, 1)) || s.known([]byte(`{"k0":01,"s":"1"}`)) || s.known([]byte(`{"k0":1,"s":"1"}}`)) || s.known([]byte(`{"k0":1`)) {
		t.Error("another shape is known")
	}
}

// What was scanned before changes no verdict.
func FuzzShapes(f *testing.F) {
	for i, seed := range jsonSeeds {
		f.Add([]byte(seed), []byte(jsonSeeds[(i+1)%len(jsonSeeds)]))
	}
	f.Add([]byte(`{"a":"x","b":1}`), []byte(`{"a":"y","b":2}`))
	f.Add([]byte(`{"a":"x","b":1}`), []byte(`{"a":"y","b":2`))
	f.Add([]byte(`{"a":"x","b":1}`), []byte("{\"a\":\"\xff\",\"b\":-0.5e7}"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		s := &jsonScanner{}
		requireSameVerdict(t, s, first)
		requireSameVerdict(t, s, second)
		requireSameVerdict(t, s, first)
	})
}
