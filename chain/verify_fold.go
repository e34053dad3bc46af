package chain

// Fold takes part in a [Verify]: it is told the hashes of the entries that count,
// from entry 1 up to the first fault, and so can compute from them whatever does
// not need the bodies, such as a tree, while the log is read once.
type Fold interface {
	// Prepare is given the hashes of consecutive entries, the first with sequence
	// number first, before it is known whether they count. Many goroutines call it
	// at once, each with a result of an earlier call that Take has had, or nil, to
	// use again. The hashes are valid only during the call.
	Prepare(first uint64, hashes []Hash, again any) any
	// Take is told that the entries from sequence number first on count, in order,
	// without gaps, from one goroutine. prepared is what Prepare made of exactly
	// these entries, or nil.
	Take(first uint64, hashes []Hash, prepared any)
}

// fold is a Fold's place in a verification.
type fold struct {
	Fold
	next uint64 // sequence number of the first entry that it was not told of
}

// gather notes the hashes of the block's lines, as far as they follow each other,
// and has them prepared.
func (b *block) gather(f Fold) {
	b.hashes = b.hashes[:0]
	for i := range b.lines {
		l := &b.lines[i]
		if l.err != nil || !l.hashed || l.Seq != b.lines[0].Seq+uint64(i) || b.segment.until != 0 && l.Seq >= b.segment.until {
			break
		}
		b.hashes = append(b.hashes, l.Hash)
	}
	if len(b.hashes) > 0 {
		b.prepared = f.Prepare(b.lines[0].Seq, b.hashes, b.prepared)
	}
}

// take tells the fold of the first n lines of b, which count.
func (f *fold) take(b *block, n int) {
	if n == 0 || b.lines[0].Seq != f.next {
		return
	}
	if n == len(b.hashes) {
		f.Take(f.next, b.hashes, b.prepared)
	} else {
		f.Take(f.next, b.hashes[:n], nil)
	}
	f.next += uint64(n)
}
