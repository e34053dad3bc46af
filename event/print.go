package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
)

// IDHash names a record id: the first 16 bytes of
// SHA-256("auditlog/record-id/v1\n" || id). It is part of the format on disk.
type IDHash [16]byte

// HashID is the IDHash of a record id.
func HashID(id string) (h IDHash) {
	var buf [128]byte
	sum := sha256.Sum256(append(append(buf[:0], "auditlog/record-id/v1\n"...), id...))
	copy(h[:], sum[:])
	return h
}

// Print is what an event tells of the record that it was made of, so that the
// same record can be recognised when it comes again: FORMAT.md, "Record digest".
type Print struct {
	ID     IDHash
	SHA256 [sha256.Size]byte // Digests' stands
	// Keyed says that values are redacted: HMAC then covers them, too, with the key
	// that Key names.
	Keyed bool
	HMAC  [sha256.Size]byte
	Key   [4]byte
	// Conflict says that another record with this id stands in the log; Field is
	// the attribute that holds the id. The event is critical.
	Conflict bool
	Field    string
}

// The parts of the member, in this order. They are part of the format on disk.
const (
	printID       = `,"digest":{"id":"`
	printSHA256   = `","sha256":"`
	printHMAC     = `","hmac":"`
	printKey      = `","key":"`
	printEnd      = `"}`
	printConflict = `","conflict":true}`
)

func (p *Print) append(dst []byte) []byte {
	dst = hex.AppendEncode(append(dst, printID...), p.ID[:])
	dst = hex.AppendEncode(append(dst, printSHA256...), p.SHA256[:])
	if p.Keyed {
		dst = hex.AppendEncode(append(dst, printHMAC...), p.HMAC[:])
		dst = hex.AppendEncode(append(dst, printKey...), p.Key[:])
	}
	if p.Conflict {
		return append(dst, printConflict...)
	}
	return append(dst, printEnd...)
}

// AppendPrinted is [Encoder.Append] of an event that tells p of its record; nil: nothing.
func (e *Encoder) AppendPrinted(dst []byte, s *Source, lr plog.LogRecord, recorded time.Time, p *Print) ([]byte, Info) {
	s.print = p
	dst, info := e.Append(dst, s, lr, recorded)
	s.print = nil
	return dst, info
}

// conflict lists that the record's id is another record's, too.
func (n *notes) conflict(field string) {
	n.nInvalid++
	n.invalid = append(n.invalid, `,{"class":"conflict","field":`...)
	n.invalid, _ = appendString(n.invalid, field)
	n.invalid = append(n.invalid, `,"what":["record_id_conflict"]}`...)
}

// ReadPrint reads the Print of an event, but for Field, and when it was recorded,
// without parsing the rest. ok is false if it has none.
func ReadPrint(body []byte) (p Print, recorded time.Time, ok bool) {
	c := cutter{rest: body, ok: true}
	c.text(`{"v":1` + printID)
	c.hex(p.ID[:])
	c.text(printSHA256)
	c.hex(p.SHA256[:])
	if p.Keyed = c.ok && bytes.HasPrefix(c.rest, []byte(printHMAC)); p.Keyed {
		c.text(printHMAC)
		c.hex(p.HMAC[:])
		c.text(printKey)
		c.hex(p.Key[:])
	}
	if p.Conflict = c.ok && bytes.HasPrefix(c.rest, []byte(printConflict)); !p.Conflict {
		c.text(printEnd)
	}
	// Before it stand only strings, in which a quote is escaped.
	_, after, found := bytes.Cut(c.rest, []byte(`,"recorded_time":"`))
	if i := bytes.IndexByte(after, '"'); c.ok && found && i >= 0 {
		ns, err := parseTime(string(after[:i]))
		if err != nil {
			return Print{}, time.Time{}, false
		}
		return p, unixNano(ns), true
	}
	return Print{}, time.Time{}, false
}

// cutter takes what it expects from the beginning of rest.
type cutter struct {
	rest []byte
	ok   bool
}

func (c *cutter) text(s string) {
	if c.ok = c.ok && bytes.HasPrefix(c.rest, []byte(s)); c.ok {
		c.rest = c.rest[len(s):]
	}
}

func (c *cutter) hex(dst []byte) {
	n := hex.EncodedLen(len(dst))
	if c.ok = c.ok && len(c.rest) >= n; !c.ok {
		return
	}
	_, err := hex.Decode(dst, c.rest[:n])
	c.rest, c.ok = c.rest[n:], err == nil
}
