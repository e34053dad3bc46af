package event

import (
	"encoding/binary"
	"math"
)

// protoWriter writes OTLP protobuf from its end to its start, so that the length
// of a message is known when it is prefixed. Fields are given in reverse. It is
// the only way to make pdata with a key twice in a map.
type protoWriter struct {
	buf []byte // the message stands at its end
	pos int
}

// room makes n bytes of room before pos and moves pos there.
func (w *protoWriter) room(n int) []byte {
	if w.pos < n {
		grown := make([]byte, 2*len(w.buf)+n)
		used := len(w.buf) - w.pos
		copy(grown[len(grown)-used:], w.buf[w.pos:])
		w.buf, w.pos = grown, len(grown)-used
	}
	w.pos -= n
	return w.buf[w.pos : w.pos+n]
}

func (w *protoWriter) bytes() []byte { return w.buf[w.pos:] }

// size is how much is written; the length of a message is what it grew by.
func (w *protoWriter) size() int { return len(w.buf) - w.pos }

func (w *protoWriter) varint(v uint64) {
	var b [binary.MaxVarintLen64]byte
	copy(w.room(binary.PutUvarint(b[:], v)), b[:])
}

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireLen     = 2
	wireFixed32 = 5
)

func (w *protoWriter) key(field, wire uint64) { w.varint(field<<3 | wire) }

func (w *protoWriter) uint(field, v uint64) {
	w.varint(v)
	w.key(field, wireVarint)
}

func (w *protoWriter) fixed64(field, v uint64) {
	binary.LittleEndian.PutUint64(w.room(8), v)
	w.key(field, wireFixed64)
}

func (w *protoWriter) fixed32(field uint64, v uint32) {
	binary.LittleEndian.PutUint32(w.room(4), v)
	w.key(field, wireFixed32)
}

func (w *protoWriter) double(field uint64, f float64) { w.fixed64(field, math.Float64bits(f)) }

func (w *protoWriter) string(field uint64, s string) {
	copy(w.room(len(s)), s)
	w.varint(uint64(len(s)))
	w.key(field, wireLen)
}

// message ends a message field that began when size was start.
func (w *protoWriter) message(field uint64, start int) {
	w.varint(uint64(w.size() - start))
	w.key(field, wireLen)
}
