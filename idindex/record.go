package idindex

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Key names a record: a hash, so that keys are spread evenly.
type Key [16]byte

// Digest is the first bytes of a hash of a record.
type Digest [24]byte

// Kind says what a Digest is of. The index only keeps it.
type Kind uint8

// Link is the first bytes of an entry's hash.
type Link [8]byte

// Record is what the index knows of a key.
type Record struct {
	Key    Key
	Digest Digest
	Kind   Kind
	Seq    uint64 // of the entry
	Link   Link   // of the entry
	Time   time.Time
}

// value is a Record without its key.
type value struct {
	digest Digest
	seq    uint64
	link   Link
	stamp  uint64 // milliseconds<<8 | kind
}

func (r *Record) value() value {
	return value{digest: r.Digest, seq: r.Seq, link: r.Link, stamp: uint64(max(r.Time.UnixMilli(), 0))<<8 | uint64(r.Kind)}
}

func (v *value) record(k Key) Record {
	return Record{Key: k, Digest: v.digest, Kind: Kind(v.stamp), Seq: v.seq, Link: v.link, Time: time.UnixMilli(v.millis())}
}

func (v *value) millis() int64 { return int64(v.stamp >> 8) }

// row is a record as it stands in a run.
type row struct {
	key Key
	value
}

const rowSize = 64

func (r *row) append(dst []byte) []byte {
	dst = append(append(dst, r.key[:]...), r.digest[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, r.seq)
	dst = append(dst, r.link[:]...)
	return binary.LittleEndian.AppendUint64(dst, r.stamp)
}

func parseRow(b []byte) (r row) {
	copy(r.key[:], b)
	copy(r.digest[:], b[16:])
	r.seq = binary.LittleEndian.Uint64(b[40:])
	copy(r.link[:], b[48:])
	r.stamp = binary.LittleEndian.Uint64(b[56:])
	return r
}

// compareRows orders by key, and of one key by sequence number.
func compareRows(a, b row) int {
	if c := bytes.Compare(a.key[:], b.key[:]); c != 0 {
		return c
	}
	switch {
	case a.seq < b.seq:
		return -1
	case a.seq > b.seq:
		return 1
	}
	return 0
}
