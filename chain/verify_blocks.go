package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/otelaudit/auditexporter/internal/durable"
)

const (
	blockSize = 256 << 10 // bytes; fits a core's own cache between read and hash
	// largeBlock is the size from which on only one block at a time may be: a
	// line may have 256 MiB, and memory stays bounded.
	largeBlock = 8 << 20
)

// block is whole lines of a segment on their way through a worker. The last of
// a segment may end with bytes without a line end.
type block struct {
	segment *blockSegment
	off     int64 // of the first byte in the segment
	buf     []byte
	large   bool // holds the token for a large block
	last    bool // of its segment
	lines   []blockLine
	ready   chan struct{} // capacity 1: the lines are inspected

	hashes   []Hash // for the fold: of the first lines, consecutive entries
	prepared any    // by the fold, of hashes
}

type blockLine struct {
	inspected
	end int64 // offset in the segment after the line
}

// inspect judges all lines of b, whose hashes are computed two at a time.
func (b *block) inspect(in *inspector) {
	b.lines = b.lines[:0]
	waits := -1 // index of a line whose hash is to be computed
	defer func() {
		if waits >= 0 {
			in.hash(&b.lines[waits].inspected)
		}
	}()
	off, rest := b.off, b.buf
	for len(rest) > 0 {
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			err := errTorn
			if len(rest) >= MaxLine {
				err = errLong
			}
			b.lines = append(b.lines, blockLine{inspected: inspected{err: err}})
			return
		}
		off += int64(n) + 1
		line := b.grow()
		in.parse(rest[:n], &line.inspected)
		line.end = off
		rest = rest[n+1:]
		switch {
		case line.err != nil:
		case waits < 0:
			waits = len(b.lines) - 1
		default:
			in.hashBoth(&b.lines[waits].inspected, &line.inspected)
			waits = -1
		}
	}
}

// grow returns a new last line, which holds what one of an earlier block did.
func (b *block) grow() *blockLine {
	if len(b.lines) < cap(b.lines) {
		b.lines = b.lines[:len(b.lines)+1]
	} else {
		b.lines = append(b.lines, blockLine{})
	}
	return &b.lines[len(b.lines)-1]
}

// blockSegment is a segment to read up to limit.
type blockSegment struct {
	name  string
	limit int64
	until uint64      // first seq of the next segment, 0 if there is none
	stop  atomic.Bool // what is left need not be read
}

// blockReader gives out the blocks of segments in order. Workers take turns at
// it, so that a block is inspected on the core that has read it.
type blockReader struct {
	fsys   durable.FS
	folder string
	fold   Fold          // nil: none
	free   chan *block   // the blocks there are, but for those in order or in work
	large  chan struct{} // capacity 1: a block is large
	order  chan *block   // holds all blocks there are, so sending never blocks

	mu       sync.Mutex // guards what follows; held while reading
	segments []*blockSegment
	file     durable.File // of segments[0], nil until opened
	off      int64        // in it
	err      error        // ends it all
}

// readBlocks reads the segments in blocks, inspects their lines with so many
// workers, and gives them to take in order, which must not keep them.
func readBlocks(ctx context.Context, fsys durable.FS, folder string, segments []*blockSegment, workers int, f Fold, take func(*block)) error {
	n := 3 * workers
	r := &blockReader{
		fsys: fsys, folder: folder, segments: segments, fold: f,
		free: make(chan *block, n), order: make(chan *block, n), large: make(chan struct{}, 1),
	}
	for range n {
		r.free <- &block{ready: make(chan struct{}, 1)}
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { r.work(ctx) })
	}
	go func() {
		running.Wait()
		close(r.order)
	}()
	for b := range r.order {
		<-b.ready
		take(b)
		r.release(b)
	}
	if r.file != nil {
		r.file.Close()
	}
	return r.err
}

func (r *blockReader) work(ctx context.Context) {
	in := &inspector{}
	for {
		b := <-r.free
		if !r.next(ctx, b) {
			r.free <- b
			return
		}
		b.inspect(in)
		if r.fold != nil {
			b.gather(r.fold)
		}
		b.ready <- struct{}{}
	}
}

func (r *blockReader) release(b *block) {
	if b.large {
		b.buf, b.lines, b.large = nil, nil, false
		<-r.large
	}
	r.free <- b
}

// next reads the next block into b and puts it in order. It returns false at
// the end, or after an error.
func (r *blockReader) next(ctx context.Context, b *block) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = context.Cause(ctx)
	}
	if r.err != nil || len(r.segments) == 0 {
		return false
	}
	if r.err = r.read(b); r.err != nil {
		return false
	}
	r.order <- b
	return true
}

// read fills b from where the block before ended.
func (r *blockReader) read(b *block) error {
	s := r.segments[0]
	if r.file == nil && s.limit > 0 {
		f, err := r.fsys.Open(filepath.Join(r.folder, s.name))
		if err != nil {
			return fmt.Errorf("couldn't open segment: %w", err)
		}
		r.file, r.off = f, 0
	}
	b.segment, b.off, b.last = s, r.off, false
	left := s.limit - r.off
	if s.stop.Load() {
		left = 0
	}
	if r.file == nil {
		b.buf, b.last, r.segments = b.buf[:0], true, r.segments[1:]
		return nil
	}
	for size := int64(max(cap(b.buf), blockSize)); ; size *= 2 {
		if size > largeBlock && !b.large {
			r.large <- struct{}{}
			b.large = true
		}
		size = min(size, MaxLine)
		n := min(size, left)
		if int64(cap(b.buf)) < n {
			b.buf = make([]byte, n)
		}
		b.buf = b.buf[:n]
		got, err := r.file.ReadAt(b.buf, r.off)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("couldn't read segment %s at offset %d: %w", s.name, r.off, err)
		}
		// A file that is shorter by now ends here.
		b.last = int64(got) == left || int64(got) < n
		b.buf = b.buf[:got]
		if b.last {
			return r.endSegment()
		}
		if whole := bytes.LastIndexByte(b.buf, '\n') + 1; whole > 0 {
			b.buf = b.buf[:whole]
			r.off += int64(whole)
			return nil
		}
		if size == MaxLine {
			b.last = true
			return r.endSegment()
		}
	}
}

func (r *blockReader) endSegment() error {
	err := r.file.Close()
	r.file, r.segments = nil, r.segments[1:]
	return err
}
