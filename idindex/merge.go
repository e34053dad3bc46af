package idindex

import (
	"errors"
	"fmt"
)

// cursor reads a run's rows in order.
type cursor struct {
	run   *run
	stop  func() bool // nil: never
	buf   []byte
	block uint64 // that the next row is in, from 1
	row   int    // in it
	cur   row
}

// readBlocks is how many blocks are read at once.
const readBlocks = 32

func newCursor(r *run, stop func() bool) *cursor { return &cursor{run: r, stop: stop, block: 1} }

var errStopped = errors.New("merge was stopped")

// next returns the next row, nil at the end; it is valid until the next call.
func (c *cursor) next() (*row, error) {
	if (c.block-1)*blockRows+uint64(c.row) >= c.run.count {
		return nil, nil
	}
	i := (c.block - 1) % readBlocks
	if c.row == 0 {
		if i == 0 {
			if err := c.fill(); err != nil {
				return nil, err
			}
		}
		if err := checkBlock(c.buf[i*blockSize:(i+1)*blockSize], c.block); err != nil {
			return nil, err
		}
	}
	c.cur = parseRow(c.buf[i*blockSize+uint64(c.row)*rowSize:])
	if c.row++; c.row == c.run.rowsIn(c.block) {
		c.block, c.row = c.block+1, 0
	}
	return &c.cur, nil
}

func (c *cursor) fill() error {
	if c.stop != nil && c.stop() {
		return errStopped
	}
	blocks := (c.run.count + blockRows - 1) / blockRows
	n := min(readBlocks, blocks-c.block+1)
	if c.buf == nil {
		c.buf = make([]byte, readBlocks*blockSize)
	}
	if _, err := c.run.file.ReadAt(c.buf[:n*blockSize], int64(c.block)*blockSize); err != nil {
		return fmt.Errorf("couldn't read index file: %w", err)
	}
	return nil
}

// merge writes one run in place of neighbouring ones, without records older than
// oldest and, of each key, but the newest. A run that can't be read is marked as
// damaged.
func (x *Index) merge(runs []*run, oldest int64) (_ *run, err error) {
	s := runs[0].span
	s.last, s.hash = runs[len(runs)-1].last, runs[len(runs)-1].hash
	rows := uint64(0)
	var in []*cursor
	var heads []*row
	for _, r := range runs {
		rows += r.count
		c := newCursor(r, x.stopped)
		head, err := c.next()
		if err != nil {
			return nil, x.unreadable(r, err)
		}
		if head != nil {
			in, heads = append(in, c), append(heads, head)
		}
	}
	b, err := newBuilder(x.o.FS, x.o.Folder, x.o.FileMode, x.o.LogID, s, rows)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.abandon())
		}
	}()
	for len(in) > 0 {
		least := 0
		for i := 1; i < len(in); i++ {
			if compareRows(*heads[i], *heads[least]) < 0 {
				least = i
			}
		}
		row := *heads[least]
		if heads[least], err = in[least].next(); err != nil {
			return nil, x.unreadable(in[least].run, err)
		}
		if heads[least] == nil {
			in = append(in[:least], in[least+1:]...)
			heads = append(heads[:least], heads[least+1:]...)
		}
		if row.millis() < oldest || superseded(row, heads) {
			continue
		}
		if err = b.add(&row); err != nil {
			return nil, err
		}
	}
	return b.finish()
}

// superseded tells whether a newer record of the key is to come.
func superseded(r row, heads []*row) bool {
	for _, h := range heads {
		if h.key == r.key {
			return true
		}
	}
	return false
}

func (x *Index) unreadable(r *run, err error) error {
	if !errors.Is(err, errStopped) {
		x.damagedRun(r, err)
	}
	return err
}
