package chain

import (
	"crypto/sha256"

	"github.com/otelaudit/auditexporter/internal/sha256pair"
)

// Batch is the encoded entries of one request. They stand in the log together
// and in order. The zero value is empty and ready for use; one goroutine at a
// time may use it. Bodies are hashed as they are added, two at a time, so that
// callers hash in parallel and only the short link hash is left to the writer.
type Batch struct {
	// Aside is bytes that belong to the entries and do not stand in the log; who adds
	// them keeps them elsewhere. They count in Size, and Reset empties them.
	Aside []byte

	buf    []byte
	bodies []body
	hashed int // so many bodies are
	first  uint64
	links  []Hash
}

// body is the bytes buf[previous body's end:end] of a batch.
type body struct {
	end  int
	hash Hash
	kind Kind
}

// Buffer returns the bytes added so far. A caller appends one body to it (a
// JSON object in UTF-8 without a raw LF) and hands the result to
// [Batch.EndEvent] or [Batch.EndSystem].
func (b *Batch) Buffer() []byte { return b.buf }

// EndEvent ends an event whose body was appended to [Batch.Buffer].
func (b *Batch) EndEvent(buf []byte) { b.end(buf, Event) }

// EndSystem ends a system event whose body was appended to [Batch.Buffer].
func (b *Batch) EndSystem(buf []byte) { b.end(buf, System) }

func (b *Batch) end(buf []byte, k Kind) {
	b.buf, b.bodies = buf, append(b.bodies, body{end: len(buf), kind: k})
	if n := len(b.bodies); n-b.hashed == 2 {
		x, y := &b.bodies[n-2], &b.bodies[n-1]
		x.hash, y.hash = sha256pair.Sum(b.body(n-2), b.body(n-1))
		b.hashed = n
	}
}

// Finish hashes what is not hashed yet. Who has added the last body calls it, or
// the writer does what others could do in parallel.
func (b *Batch) Finish() {
	for ; b.hashed < len(b.bodies); b.hashed++ {
		b.bodies[b.hashed].hash = sha256.Sum256(b.body(b.hashed))
	}
}

// body returns the i-th body.
func (b *Batch) body(i int) []byte {
	start := 0
	if i > 0 {
		start = b.bodies[i-1].end
	}
	return b.buf[start:b.bodies[i].end]
}

// Add adds the entries of o, which stays as it is.
func (b *Batch) Add(o *Batch) {
	b.Finish()
	o.Finish()
	start := len(b.buf)
	b.buf = append(b.buf, o.buf...)
	for _, e := range o.bodies {
		e.end += start
		b.bodies = append(b.bodies, e)
	}
	b.hashed = len(b.bodies)
	b.Aside = append(b.Aside, o.Aside...)
}

// First returns the sequence number that the last write of b gave its first
// entry, 0 if there was none. A failover gives others to what it keeps.
func (b *Batch) First() uint64 { return b.first }

// Hash returns the hash of b's i-th entry, from 0, that the last write of b gave
// it. Its writer must have been opened with [Options.KeepHashes].
func (b *Batch) Hash(i int) Hash { return b.links[i] }

// Len returns the number of entries.
func (b *Batch) Len() int { return len(b.bodies) }

// Size returns the bytes that the batch holds in memory.
func (b *Batch) Size() int { return cap(b.buf) + cap(b.Aside) }

// linesSize is the most bytes that the lines of b's entries can have.
func (b *Batch) linesSize() int { return len(b.buf) + len(b.bodies)*(maxHeader+2) }

// events returns the number of entries that are events.
func (b *Batch) events() int {
	n := 0
	for _, e := range b.bodies {
		if e.kind == Event {
			n++
		}
	}
	return n
}

// Reset empties b and keeps its memory for the next request.
func (b *Batch) Reset() {
	b.Aside = b.Aside[:0]
	b.buf, b.bodies, b.links, b.first, b.hashed = b.buf[:0], b.bodies[:0], b.links[:0], 0, 0
}

// appendLines appends the lines of b's entries, which follow head, and returns
// the new head.
func (b *Batch) appendLines(dst []byte, head Head, l *linker) ([]byte, Head) {
	b.Finish()
	start := 0
	b.first, b.links = head.Seq+1, b.links[:0]
	for _, e := range b.bodies {
		prev := head.Hash
		head = l.next(head, e.kind, e.hash)
		if l.keep {
			b.links = append(b.links, head.Hash)
		}
		if l.tell {
			l.links = append(l.links, head.Hash)
		}
		dst = appendLine(dst, prev, head, e.kind, b.buf[start:e.end])
		start = e.end
	}
	return dst, head
}
