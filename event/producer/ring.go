package producer

// Window is how many records of a stream are remembered, to tell one that is delivered
// again from a fork: a whole batch of an SDK (512 by default) and more.
const Window = 512

// ring is the latest records of a stream: those of a buffer, which is shared and not
// changed, but for the first gone of them, and those that were added since.
type ring struct {
	base  *buffer // nil: empty
	gone  int
	added []seen
}

// find tells whether is holds for one of the records. The newest come first.
func (r *ring) find(is func(*seen) bool) bool {
	for i := len(r.added) - 1; i >= 0; i-- {
		if is(&r.added[i]) {
			return true
		}
	}
	for i := r.base.len() - 1; i >= r.gone; i-- {
		if is(r.base.at(i)) {
			return true
		}
	}
	return false
}

// add returns the ring with s and the record that is forgotten for it, zero if none is. A
// ring may be added to once only: what it adds to is shared.
func (r *ring) add(s seen) (next ring, forgotten seen) {
	next = *r
	next.added = append(next.added, s)
	switch {
	case next.base.len()-next.gone+len(next.added) <= Window:
	case next.gone < next.base.len():
		forgotten = *next.base.at(next.gone)
		next.gone++
	default:
		forgotten = next.added[0]
		next.added = next.added[1:]
	}
	return next, forgotten
}

// settled is the ring with all in its buffer. Nothing else may use the buffer any more.
func (r *ring) settled() ring {
	b := r.base
	if b == nil {
		b = new(buffer)
	}
	for i := range r.added {
		b.push(r.added[i])
	}
	return ring{base: b}
}

// buffer is up to Window records in order; nil is empty.
type buffer struct {
	items []seen
	start int // of the oldest, once there are Window
}

func (b *buffer) len() int {
	if b == nil {
		return 0
	}
	return len(b.items)
}

func (b *buffer) at(i int) *seen { return &b.items[(b.start+i)%len(b.items)] }

func (b *buffer) push(s seen) {
	if len(b.items) < Window {
		b.items = append(b.items, s)
		return
	}
	b.items[b.start] = s
	b.start = (b.start + 1) % Window
}
