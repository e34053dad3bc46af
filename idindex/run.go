package idindex

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// The layout of a run, which doc.go describes.
const (
	runMagic  = "auditlog ids v1\n"
	runExt    = ".ids"
	tempExt   = ".tmp"
	blockSize = 4096
	blockRows = 63
	blockNo   = blockSize - 8 // where a block of records has its number
	blockSum  = blockSize - 4 // and each its checksum
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// run is a file of sorted records.
type run struct {
	span
	logID  [16]byte
	count  uint64
	name   string // of the file
	file   durable.File
	filter filter   // nil if the run is only searched
	fences []uint64 // the first 8 bytes of each block's first key

	refs    atomic.Int32 // the index's, and one for each search under way
	damaged atomic.Bool
}

// damage says that a file is not what was written.
type damage struct{ what string }

func (d *damage) Error() string { return "index file is damaged: " + d.what }

func runName(s span) string { return fmt.Sprintf("%020d-%020d%s", s.first, s.last, runExt) }

func parseRunName(name string) (s span, ok bool) {
	base, isRun := strings.CutSuffix(name, runExt)
	first, last, found := strings.Cut(base, "-")
	var err1, err2 error
	s.first, err1 = strconv.ParseUint(first, 10, 64)
	s.last, err2 = strconv.ParseUint(last, 10, 64)
	return s, isRun && found && err1 == nil && err2 == nil && s.first <= s.last+1 && runName(s) == name
}

// openRun reads a run's header, fences and, if filtered, filter.
func openRun(fsys durable.FS, folder, name string, logID [16]byte, filtered bool) (*run, error) {
	f, err := fsys.Open(filepath.Join(folder, name))
	if err != nil {
		return nil, fmt.Errorf("couldn't open index file: %w", err)
	}
	r := &run{name: name, file: f}
	r.refs.Store(1)
	if err := r.load(logID, filtered); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *run) load(logID [16]byte, filtered bool) error {
	words, sum, err := r.header()
	if err != nil {
		return err
	}
	named, _ := parseRunName(r.name)
	switch {
	case r.logID != logID:
		return &damage{"it is another log's"}
	case r.first != named.first || r.last != named.last:
		return &damage{"its name is another file's"}
	}
	blocks := (r.count + blockRows - 1) / blockRows
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("couldn't stat index file: %w", err)
	}
	tail := int64(blocks+1) * blockSize
	if r.count > 1<<40 || words != (r.count/filterKeys+1)*filterWords || info.Size != tail+int64(blocks+words)*8 {
		return &damage{"its size is not what its header says"}
	}
	got := uint32(0)
	if r.fences, err = r.words(tail, blocks, &got); err != nil {
		return err
	}
	if !filtered {
		return nil
	}
	if r.filter, err = r.words(tail+int64(blocks)*8, words, &got); err != nil {
		return err
	}
	if got != sum {
		return &damage{"checksum of its filter"}
	}
	return nil
}

// header reads block 0: r's own fields, the words of the filter, and the checksum
// of what follows the records.
func (r *run) header() (words uint64, sum uint32, err error) {
	b, err := r.block(0)
	if err != nil {
		return 0, 0, err
	}
	if !bytes.HasPrefix(b, []byte(runMagic)) {
		return 0, 0, &damage{"it does not begin as one"}
	}
	c := b[len(runMagic):]
	u64 := func() uint64 {
		u := binary.LittleEndian.Uint64(c)
		c = c[8:]
		return u
	}
	c = c[copy(r.logID[:], c):]
	r.first, r.last = u64(), u64()
	c = c[copy(r.hash[:], c):]
	r.count = u64()
	r.oldest, r.newest = int64(u64()), int64(u64())
	words = u64() * filterWords
	return words, binary.LittleEndian.Uint32(c), nil
}

// words reads n words and adds their bytes to a checksum.
func (r *run) words(off int64, n uint64, sum *uint32) ([]uint64, error) {
	out := make([]uint64, 0, n)
	buf := make([]byte, min(n*8, 1<<20))
	for left := n * 8; left > 0; {
		b := buf[:min(left, uint64(len(buf)))]
		if _, err := r.file.ReadAt(b, off); err != nil {
			return nil, fmt.Errorf("couldn't read index file: %w", err)
		}
		*sum = crc32.Update(*sum, castagnoli, b)
		for i := 0; i < len(b); i += 8 {
			out = append(out, binary.LittleEndian.Uint64(b[i:]))
		}
		off, left = off+int64(len(b)), left-uint64(len(b))
	}
	return out, nil
}

// block reads a block and checks it. Block 0 is the header.
func (r *run) block(n uint64) ([]byte, error) {
	b := make([]byte, blockSize)
	if _, err := r.file.ReadAt(b, int64(n)*blockSize); err != nil {
		return nil, fmt.Errorf("couldn't read index file: %w", err)
	}
	return b, checkBlock(b, n)
}

func checkBlock(b []byte, n uint64) error {
	if crc32.Checksum(b[:blockSum], castagnoli) != binary.LittleEndian.Uint32(b[blockSum:]) ||
		n > 0 && uint64(binary.LittleEndian.Uint32(b[blockNo:])) != n&0xffffffff {
		return &damage{fmt.Sprintf("checksum of block %d", n)}
	}
	return nil
}

// rowsIn is how many records block n holds.
func (r *run) rowsIn(n uint64) int { return int(min(blockRows, r.count-(n-1)*blockRows)) }

// find gives the newest record of a key.
func (r *run) find(k *Key) (v value, ok bool, err error) {
	prefix := binary.BigEndian.Uint64(k[:8])
	// The last block that can begin at or before the key; its record is there, or
	// in those before that begin alike.
	end := sort.Search(len(r.fences), func(i int) bool { return r.fences[i] > prefix })
	for n := end; n > 0 && !ok; n-- {
		b, err := r.block(uint64(n))
		if err != nil {
			return value{}, false, err
		}
		for i := range r.rowsIn(uint64(n)) {
			at := b[i*rowSize:]
			if Key(at[:16]) == *k {
				v, ok = parseRow(at).value, true
			}
		}
		if r.fences[n-1] < prefix {
			break
		}
	}
	return v, ok, nil
}

func (r *run) acquire() { r.refs.Add(1) }

func (r *run) release() {
	if r.refs.Add(-1) == 0 {
		r.file.Close() // it was only read
	}
}
