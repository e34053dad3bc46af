package idindex

import (
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"slices"
	"time"
)

// Delays between tries to write a table.
const (
	firstDelay = time.Second
	lastDelay  = 30 * time.Second
)

// writeTables writes sealed tables as runs. It alone adds runs at the end.
func (x *Index) writeTables() {
	told := false
	for delay := firstDelay; ; {
		var retry <-chan time.Time
		more, err := x.writeOldest()
		switch {
		case err != nil:
			if !told {
				x.o.Notice("the index of record ids can't be written: what is new is kept in memory as far as it fits, and the oldest of it forgotten", err)
			}
			told = true
			retry = time.After(delay)
			delay = min(2*delay, lastDelay)
		case more:
			delay, told = firstDelay, false
			if !x.stopped() {
				continue
			}
		}
		select {
		case <-x.quit:
			return
		case <-x.write:
			if err != nil { // it would fail again
				select {
				case <-x.quit:
					return
				case <-retry:
				}
			}
		case <-retry:
		}
	}
}

// writeOldest writes the oldest table if it is sealed; more tells that it was.
func (x *Index) writeOldest() (more bool, err error) {
	x.mu.RLock()
	t, sealed := x.tables[0], x.tables[0].sealed
	x.mu.RUnlock()
	if !sealed {
		return false, nil
	}
	r, err := x.writeTable(t)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		return true, err
	}
	if x.tables[0] != t { // it was forgotten meanwhile, and so was what it follows
		x.remove(r)
		return true, nil
	}
	x.runs = append(x.runs, r)
	x.tables = slices.Delete(x.tables, 0, 1)
	kick(x.tidy)
	return true, nil
}

func (x *Index) writeTable(t *table) (*run, error) {
	if err := x.o.FS.Mkdir(x.o.Folder, x.o.FolderMode); err != nil && !isExist(err) {
		return nil, fmt.Errorf("couldn't make index folder: %w", err)
	}
	b, err := newBuilder(x.o.FS, x.o.Folder, x.o.FileMode, x.o.LogID, t.span, uint64(len(t.rows)))
	if err != nil {
		return nil, err
	}
	for _, row := range t.sorted() {
		if err := b.add(&row); err != nil {
			return nil, errors.Join(err, b.abandon())
		}
	}
	r, err := b.finish()
	if err != nil {
		return nil, errors.Join(err, b.abandon())
	}
	return r, nil
}

// tidyRuns merges runs, and forgets those that are too old, too many or damaged.
// It alone removes runs.
func (x *Index) tidyRuns() {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		select {
		case <-x.quit:
			return
		case <-x.tidy:
		case <-hourly.C:
		}
		x.forget()
		for !x.stopped() && x.mergeSome() {
			x.forget()
		}
	}
}

// forget removes what the index need not know.
func (x *Index) forget() {
	oldest := x.horizon()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.runs = slices.DeleteFunc(x.runs, func(r *run) bool {
		if r.damaged.Load() {
			x.remove(r)
			return true
		}
		return false
	})
	total := uint64(0)
	for _, r := range x.runs {
		total += r.count
	}
	// One run stays, as the index goes on from its end.
	for len(x.runs) > 1 {
		r := x.runs[0]
		if r.newest >= oldest && (x.o.MaxRecords == 0 || total-r.count < x.o.MaxRecords) {
			break
		}
		total -= r.count
		x.remove(r)
		x.runs = slices.Delete(x.runs, 0, 1)
	}
}

// remove lets a run go. If its file can't be removed it is found again at the
// next opening.
func (x *Index) remove(r *run) {
	_ = x.o.FS.Remove(filepath.Join(x.o.Folder, r.name))
	r.release()
}

// fanIn is how many neighbouring runs of a size are merged into one.
const fanIn = 8

// limit is how many records a run may have to be merged: a run is forgotten
// whole.
func (x *Index) limit() uint64 {
	if x.o.MaxRecords == 0 {
		return 1 << 40
	}
	return max(x.o.MaxRecords/fanIn, uint64(x.o.TableRecords))
}

// tier is the size of a run as a power of fanIn of tables.
func (x *Index) tier(count uint64) int {
	return (bits.Len64(count/uint64(2*x.o.TableRecords)) + 2) / 3
}

// choose finds neighbouring runs to merge: at least fanIn of no more than one
// size, of the smallest such size, as far as they do not exceed the limit.
func (x *Index) choose() []*run {
	for tier := range 16 {
		var some []*run
		for _, r := range append(slices.Clone(x.runs), nil) {
			if r != nil && x.tier(r.count) <= tier {
				some = append(some, r)
				continue
			}
			if len(some) >= fanIn {
				if fit := x.fit(some); len(fit) > 1 {
					return fit
				}
			}
			some = nil
		}
	}
	return nil
}

// fit gives the first neighbours that together do not exceed the limit.
func (x *Index) fit(some []*run) []*run {
	for len(some) > 1 {
		n, total := 0, uint64(0)
		for n < len(some) && total+some[n].count <= x.limit() {
			total += some[n].count
			n++
		}
		if n > 1 {
			return some[:n]
		}
		some = some[1:]
	}
	return nil
}

// mergeSome merges once; false if there is nothing to merge, or it failed.
func (x *Index) mergeSome() bool {
	x.mu.RLock()
	some := x.choose()
	x.mu.RUnlock()
	if some == nil {
		return false
	}
	merged, err := x.merge(some, x.horizon())
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		// A damaged run is removed, and then there is something else to merge.
		return slices.ContainsFunc(some, func(r *run) bool { return r.damaged.Load() })
	}
	i := slices.Index(x.runs, some[0])
	x.runs = slices.Replace(x.runs, i, i+len(some), merged)
	for _, r := range some {
		x.remove(r)
	}
	return true
}

// damagedRun has a run forgotten that can't be read.
func (x *Index) damagedRun(r *run, err error) {
	if r.damaged.Swap(true) {
		return
	}
	x.o.Notice(fmt.Sprintf("record ids of entries %d to %d are forgotten: their file in the index can't be read", r.first, r.last), err)
	kick(x.tidy)
}
