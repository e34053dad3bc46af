package event

import "strconv"

// Tags of an exact member: how to read the value that stands in its place.
// They are part of the format on disk and must not change.
const (
	tagInt    = "int"     // a decimal string: an int64 beyond ±(2^53-1)
	tagDouble = "double"  // a string: NaN or an infinity
	tagBytes  = "bytes"   // a base64 string
	tagString = "string:" // a string that was not valid UTF-8, see appendByteTag
)

// place is a container on the way from an object's root to the value being
// encoded; the root is the object itself. Places live on the encoder's stack.
type place struct {
	up    *place
	key   string // in up, if index < 0
	index int
	base  string // of a root: the JSON pointer of what it is the root of
	depth int    // levels of maps and arrays in the value being encoded
	cost  int    // bytes that the way to it takes in the exact member or as a pointer, at most
	// open: the node of this container has been begun in the exact member;
	// more: it has a child already.
	open, more bool
	// list: the container is a map with entries that can't stand in it, so that
	// its node is an array.
	list bool
}

// child is where the value of key stands in a map or object.
func (p *place) child(key string) pathElement { return pathElement{p, key, -1} }

// pathElement is where a value stands: in a container, by key or by index.
type pathElement struct {
	in    *place
	key   string
	index int
}

// place is the container that stands at e.
func (e pathElement) place() place {
	return place{up: e.in, key: e.key, index: e.index, depth: e.in.depth + 1, cost: e.in.cost + maxEscape*len(e.key) + 16}
}

// maxEscape is how many bytes of an event one byte of a text takes at most.
const maxEscape = 6

// exact collects one object's exact member: a tree that mirrors the object as
// far as there are values that natural JSON can't carry. Each prefix is written
// once, so that its size is bounded by that of the record.
type exact struct {
	buf []byte
}

// open begins the node of p and of all above it.
func (x *exact) open(p *place) {
	if p.open {
		return
	}
	if p.up != nil {
		x.key(p.up, p.key, p.index)
	}
	p.open = true
	if p.list {
		x.buf = append(x.buf, '[')
	}
	x.buf = append(x.buf, '{')
}

// key begins a child of p.
func (x *exact) key(p *place, key string, index int) {
	x.open(p)
	if p.more {
		x.buf = append(x.buf, ',')
	}
	p.more = true
	if index < 0 {
		x.buf, _ = appendString(x.buf, key)
	} else {
		x.buf = append(x.buf, '"')
		x.buf = strconv.AppendInt(x.buf, int64(index), 10)
		x.buf = append(x.buf, '"')
	}
	x.buf = append(x.buf, ':')
}

// close ends the children of p.
func (x *exact) close(p *place) {
	if p.open {
		x.buf = append(x.buf, '}')
	}
}

func (x *exact) tag(at pathElement, tag string) {
	x.key(at.in, at.key, at.index)
	x.buf = append(x.buf, '"')
	x.buf = append(x.buf, tag...)
	x.buf = append(x.buf, '"')
}

func (x *exact) tagBytesOf(at pathElement, s string) {
	x.key(at.in, at.key, at.index)
	x.buf = appendByteTag(x.buf, s)
}
