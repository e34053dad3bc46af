package chain

import "slices"

// chunk is the bytes of one Write, or of several small ones, and where they end.
type chunk struct {
	buf []byte
	end int64
}

// room returns the memory that lines of so many bytes are appended to: the last
// chunk's if they fit into it, so that small Writes share one. w.mu is held.
func (w *Writer) room(size int) []byte {
	if n := len(w.chunks); n > 0 {
		if buf := w.chunks[n-1].buf; cap(buf)-len(buf) >= size {
			w.adding = true
			return buf
		}
	}
	return w.takeBuffer(size)
}

// hand notes the lines that room gave memory for. w.mu is held.
func (w *Writer) hand(lines []byte, end int64) {
	if w.adding {
		w.adding = false
		w.chunks[len(w.chunks)-1] = chunk{buf: lines, end: end}
	} else {
		w.chunks = append(w.chunks, chunk{buf: lines, end: end})
	}
	w.handed = end
}

// keptBytes is how much memory of synced writes is kept for the next ones: fresh
// pages cost more than the copy into them.
const keptBytes = 16 << 20

// chunkSize is the least memory of a chunk, so that small Writes share one.
const chunkSize = 64 << 10

func (w *Writer) takeBuffer(size int) []byte {
	for i := len(w.free) - 1; i >= 0; i-- {
		if b := w.free[i]; cap(b) >= size {
			w.free = slices.Delete(w.free, i, i+1)
			w.freeBytes -= cap(b)
			return b[:0]
		}
	}
	return make([]byte, 0, max(size, chunkSize))
}

func (w *Writer) giveBuffer(b []byte) {
	if w.freeBytes+cap(b) <= keptBytes {
		w.free = append(w.free, b)
		w.freeBytes += cap(b)
	}
}
