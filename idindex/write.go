package idindex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// builder writes a run. Rows come in order; after an error nothing more does.
type builder struct {
	fsys   durable.FS
	folder string
	name   string // temporary
	run    *run
	buf    []byte // whole blocks, and the one that is being filled
	off    int64  // of buf in the file
	rows   int    // in the block that is being filled
	blocks uint64 // begun
}

// writeSize is how many bytes are handed to the system at once.
const writeSize = 64 * blockSize

// newBuilder begins a run of at most so many rows.
func newBuilder(fsys durable.FS, folder string, perm fs.FileMode, logID [16]byte, s span, rows uint64) (*builder, error) {
	b := &builder{fsys: fsys, folder: folder, name: runName(s) + tempExt, off: blockSize}
	path := filepath.Join(folder, b.name)
	f, err := fsys.Create(path, perm)
	if durable.IsExist(err) { // what a crash left
		if err = fsys.Remove(path); err == nil {
			f, err = fsys.Create(path, perm)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't create index file: %w", err)
	}
	s.oldest, s.newest = 0, 0
	b.run = &run{span: s, logID: logID, name: runName(s), file: f, filter: newFilter(rows)}
	b.run.refs.Store(1)
	return b, nil
}

func (b *builder) add(r *row) error {
	if b.rows == blockRows {
		b.endBlock()
		if len(b.buf) >= writeSize {
			if err := b.flush(); err != nil {
				return err
			}
		}
	}
	if b.rows == 0 {
		b.blocks++
		b.run.fences = append(b.run.fences, binary.BigEndian.Uint64(r.key[:8]))
	}
	b.buf = r.append(b.buf)
	b.rows++
	b.run.count++
	b.run.filter.add(&r.key)
	b.run.see(r.millis())
	return nil
}

// endBlock fills the block up and seals it with its number and checksum.
func (b *builder) endBlock() {
	b.buf = append(b.buf, make([]byte, blockNo-b.rows*rowSize)...)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(b.blocks))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, crc32.Checksum(b.buf[len(b.buf)-blockSum:], castagnoli))
	b.rows = 0
}

func (b *builder) flush() error {
	if _, err := b.run.file.WriteAt(b.buf, b.off); err != nil {
		return fmt.Errorf("couldn't write index file: %w", err)
	}
	b.off += int64(len(b.buf))
	b.buf = b.buf[:0]
	return nil
}

// finish makes the run durable and gives it its name: a crash before leaves only
// a temporary file, one after it the whole run.
func (b *builder) finish() (*run, error) {
	if b.rows > 0 {
		b.endBlock()
	}
	r := b.run
	// Fewer rows came than were announced: the filter is as large as its run says.
	if want := newFilter(r.count); len(want) != len(r.filter) {
		if err := b.shrink(want); err != nil {
			return nil, err
		}
	}
	sum := uint32(0)
	for _, words := range [][]uint64{r.fences, r.filter} {
		for len(words) > 0 {
			n := min(len(words), writeSize/8)
			start := len(b.buf)
			for _, w := range words[:n] {
				b.buf = binary.LittleEndian.AppendUint64(b.buf, w)
			}
			sum = crc32.Update(sum, castagnoli, b.buf[start:])
			if err := b.flush(); err != nil {
				return nil, err
			}
			words = words[n:]
		}
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	if _, err := r.file.WriteAt(r.headerBlock(sum), 0); err != nil {
		return nil, fmt.Errorf("couldn't write index file: %w", err)
	}
	if err := r.file.Sync(); err != nil {
		return nil, fmt.Errorf("couldn't sync index file: %w", err)
	}
	if err := b.fsys.Rename(filepath.Join(b.folder, b.name), filepath.Join(b.folder, r.name)); err != nil {
		return nil, fmt.Errorf("couldn't name index file: %w", err)
	}
	// Later runs must not stay without this one, nor those that it is made of go.
	if err := b.fsys.SyncDir(b.folder); err != nil {
		return nil, fmt.Errorf("couldn't sync index folder: %w", err)
	}
	return r, nil
}

// shrink builds the filter anew from the rows written.
func (b *builder) shrink(f filter) error {
	if err := b.flush(); err != nil {
		return err
	}
	b.run.filter = f
	for c := newCursor(b.run, nil); ; {
		row, err := c.next()
		if err != nil || row == nil {
			return err
		}
		f.add(&row.key)
	}
}

func (r *run) headerBlock(sum uint32) []byte {
	h := append(make([]byte, 0, blockSize), runMagic...)
	h = append(h, r.logID[:]...)
	h = binary.LittleEndian.AppendUint64(h, r.first)
	h = binary.LittleEndian.AppendUint64(h, r.last)
	h = append(h, r.hash[:]...)
	for _, u := range []uint64{r.count, uint64(r.oldest), uint64(r.newest), uint64(len(r.filter) / filterWords)} {
		h = binary.LittleEndian.AppendUint64(h, u)
	}
	h = binary.LittleEndian.AppendUint32(h, sum)
	h = append(h, make([]byte, blockSum-len(h))...)
	return binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// abandon removes what was written. It fails where the disk does; then the file
// is replaced or removed later.
func (b *builder) abandon() error {
	return errors.Join(b.run.file.Close(), b.fsys.Remove(filepath.Join(b.folder, b.name)))
}
