package chain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var jsonSeeds = []string{
	`{}`, `{"a":1}`, ` {"a" : [ 1 , -0.5e+3, true,false , null ] } `, `[]`, `[[],{}]`, `""`, `"\u00e9\ud800\n"`,
	`"`, `"\`, `"\u12`, `"\x"`, "\"a\x1fb\"", "\"aaaaaaa\x00\"", `"abcdefgh`, `"abcdefg"`, `"abcdefgh"`, `{"a"}`, `{"a":}`, `{"a":1,}`,
	`[1,]`, `[1 2]`, `{,}`, `[,]`, `{]`, `[}`, `{"a":1]`, `[1}`, `01`, `-`, `-a`, `1.`, `1.e1`, `.5`, `1e`, `1e+`, `1E-07`, `-0`, `00`,
	`tru`, `true`, `truee`, `nul`, `falsey`, `NaN`, `Infinity`, `'a'`, ``, ` `, `{"a":1}{}`, `1 2`, "\"\x7f\xff\x80\"", "\ufeff{}", "{}\n",
	`{"a":{"b":[{"c":[[[]]]},"x"]}}`, `[[1],[2],[]]`, "{\"\":\"\"}", `{"a":"b""c"}`, `[1.5E3,2.0e-1,3e7]`, "[\v1]", `[true,]`, `{"a":tru}`,
	`"\"`, `"\\"`, `"\\\"`, `"\/\b\f\n\r\t"`, "\"\xa2\xa2\xdc\xdc\x9f\x9f\x22",
}

func TestJSONScannerAgrees(t *testing.T) {
	s := &jsonScanner{}
	for _, seed := range jsonSeeds {
		if got, want := s.valid([]byte(seed)), json.Valid([]byte(seed)); got != want {
			t.Errorf("%q: %v, json.Valid says %v", seed, got, want)
		}
	}
	for _, depth := range []int{1, 63, 64, 65, 9999, 10000, 10001, 20000} {
		for _, pair := range []string{"[]", `{"a":}`} {
			text := strings.Repeat(pair[:len(pair)-1], depth)
			if pair[0] == '{' {
				text += "1"
			}
			text += strings.Repeat(pair[len(pair)-1:], depth)
			if got, want := s.valid([]byte(text)), json.Valid([]byte(text)); got != want {
				t.Errorf("depth %d of %s: %v, json.Valid says %v", depth, pair, got, want)
			}
		}
	}
}

// Every change of one byte of a text with all of JSON in it.
func TestJSONScannerAgreesOnEdits(t *testing.T) {
	s := &jsonScanner{}
	text := []byte(`{"k":[1,-2.5e3,0,true,false,null,"a\u00e9\\ \"long enough for words"],"o":{"x":{},"y":[]}, "z" : "é"}`)
	for i := range text {
		edited := append([]byte(nil), text...)
		for c := range 256 {
			edited[i] = byte(c)
			if got, want := s.valid(edited), json.Valid(edited); got != want {
				t.Fatalf("%q: %v, json.Valid says %v", edited, got, want)
			}
		}
		if got, want := s.valid(text[:i]), json.Valid(text[:i]); got != want {
			t.Fatalf("%q: %v, json.Valid says %v", text[:i], got, want)
		}
	}
}

func FuzzJSONScanner(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	s := &jsonScanner{}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := s.valid(b), json.Valid(b); got != want {
			t.Errorf("%q: %v, json.Valid says %v", b, got, want)
		}
	})
}

func BenchmarkJSONScanner(b *testing.B) {
	s := &jsonScanner{}
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		if !s.valid(benchBody) {
			b.Fatal("not valid")
		}
	}
}

func BenchmarkJSONValid(b *testing.B) {
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		if !json.Valid(benchBody) {
			b.Fatal("not valid")
		}
	}
}

// benchBody is a routine event with 10 attributes.
var benchBody = []byte(`{"v":1,"id":"0f9d5c1e","type":"http.request","time":"2026-11-23T12:00:00.123456789Z",` +
	`"observed_time":"2026-11-23T12:00:00.123456789Z","recorded_time":"2026-11-23T12:00:00.2Z","actor":{"id":"user-4711"},` +
	`"action":"GET","attributes":{"http.request.method":"GET","url.path":"/api/v1/orders/123456",` +
	`"http.response.status_code":200,"server.address":"shop.example.com","client.address":"192.0.2.17",` +
	`"user_agent.original":"Mozilla/5.0 (X11; Linux x86_64)","network.protocol.version":"1.1","duration_ms":12.25,` +
	`"cached":false,"tenant":"acme"},"resource":{"service.name":"shop"},"body":"GET /api/v1/orders/123456 200 12ms"}`)

// The text of a hash is taken for it, and no other text.
func TestHexTextIsOfItsHash(t *testing.T) {
	var h Hash
	for i := range 1 << 16 {
		h[i%len(h)], h[(i+1)%len(h)] = byte(i), byte(i>>8)
		text := []byte(hex.EncodeToString(h[:]))
		if got := appendHex(nil, &h); !bytes.Equal(got, text) {
			t.Fatalf("%s is written for %x", got, h)
		}
		var back Hash
		if err := decodeHex(back[:], text); err != nil || back != h {
			t.Fatalf("%s decodes to %x, %v", text, back, err)
		}
		at := i % len(text)
		for _, c := range []byte{text[at] ^ 1, text[at] ^ 0x20, text[at] ^ 0x80, byte(i >> 4)} {
			was := text[at]
			text[at] = c
			_, plain := hex.Decode(make([]byte, len(h)), text)
			lower := bytes.Equal(text, bytes.ToLower(text))
			ok := decodeHex(back[:], text) == nil
			if ok != (plain == nil && lower) || ok && (back == h) != (c == was) {
				t.Fatalf("%q is judged wrong for %x", text, h)
			}
			text[at] = was
		}
	}
}

// What an inspector remembers of the line before changes no answer.
func TestInspectorForgetsNothingWrong(t *testing.T) {
	l := sampleLog(t)
	var lines [][]byte
	for _, s := range l.segments {
		lines = append(lines, bytes.Split(s.data, []byte("\n"))...)
	}
	for _, line := range lines[:3] {
		for at := range line {
			edited := bytes.Clone(line)
			edited[at] ^= flips[at%len(flips)]
			lines = append(lines, edited)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	in := &inspector{}
	for range 20000 {
		line := lines[rng.IntN(len(lines))]
		var got, want inspected
		in.inspect(line, &got)
		(&inspector{}).inspect(line, &want)
		e, err := ParseLine(line)
		if (err == nil) != (want.err == nil) || fmt.Sprint(got.Entry, got.err, got.hashed) != fmt.Sprint(want.Entry, want.err, want.hashed) || err == nil && (e.Prev != got.Prev || e.Hash != got.Hash) {
			t.Fatalf("%q: %v, alone %v, parsed %v", line, got, want, err)
		}
		if err == nil && got.hashed != (e.Check(Head{Seq: e.Seq - 1, Hash: e.Prev}) == nil) {
			t.Fatalf("%q: hashed %t", line, got.hashed)
		}
	}
}
