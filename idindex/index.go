package idindex

import (
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// Options configure an Index. Folder and LogID must be set; the folder's parent
// must exist.
type Options struct {
	FS         durable.FS // nil: the operating system's
	Folder     string
	FolderMode fs.FileMode // 0: 0700
	FileMode   fs.FileMode // 0: 0600
	LogID      [16]byte

	Horizon    time.Duration // how long a record is known; 0: for ever
	MaxRecords uint64        // that are known at least, if they are not older; 0: all

	// A table is written when it has so many records, or covers so many bytes of the
	// log; 0: 65,536 and 64 MiB. What a crash loses of the index is at most that, but
	// for tables that could not be written yet.
	TableRecords int
	TableBytes   int64

	// Notice is told what an operator should know, at most once for each file; nil
	// drops it. Nothing that the index can't do is the log's trouble.
	Notice func(text string, err error)
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = durable.OS()
	}
	if o.FolderMode == 0 {
		o.FolderMode = 0o700
	}
	if o.FileMode == 0 {
		o.FileMode = 0o600
	}
	if o.TableRecords == 0 {
		o.TableRecords = 65_536
	}
	if o.TableBytes == 0 {
		o.TableBytes = 64 << 20
	}
	if o.Notice == nil {
		o.Notice = func(string, error) {}
	}
	return o
}

// maxTables bounds the memory of tables that can't be written.
const maxTables = 16

// Index knows the records of a log. All methods may be called at any time from
// any goroutine, but Newest, DropNewest and Resume only before the first Add, and
// nothing after Close or Abandon.
type Index struct {
	o      Options
	secret [32]byte
	group  sync.WaitGroup
	quit   chan struct{} // closed by Close and Abandon
	write  chan struct{} // capacity 1: a table is sealed
	tidy   chan struct{} // capacity 1: runs have changed

	mu     sync.RWMutex
	tables []*table // oldest first, all sealed but the last, which takes Add's
	runs   []*run   // oldest first
}

// Open reads what of the index is there. It does not fail: what can't be read is
// told and removed, and what can't be written is kept in memory as far as that is
// bounded.
func Open(o Options) *Index {
	x := &Index{o: o.withDefaults(), quit: make(chan struct{}), write: make(chan struct{}, 1), tidy: make(chan struct{}, 1)}
	x.load()
	x.tables = []*table{newTable(x.position())}
	x.group.Go(x.writeTables)
	x.group.Go(x.tidyRuns) // not before a run is added: the caller may drop some
	return x
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Secret is a random key that is kept with the index, for digests that must not
// be guessed. It is a new one if the old could not be read.
func (x *Index) Secret() [32]byte { return x.secret }

// position is the last entry that a run covers.
func (x *Index) position() uint64 {
	if n := len(x.runs); n > 0 {
		return x.runs[n-1].last
	}
	return 0
}

// Newest is the last entry that the index covers, by sequence number and hash; ok
// is false if it covers none.
func (x *Index) Newest() (seq uint64, hash [32]byte, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := len(x.runs)
	if n == 0 {
		return 0, hash, false
	}
	return x.runs[n-1].last, x.runs[n-1].hash, true
}

// DropNewest forgets the records of the newest run: the log does not have the
// entry that it ends with.
func (x *Index) DropNewest() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.runs); n > 0 {
		x.remove(x.runs[n-1])
		x.runs = x.runs[:n-1]
	}
	x.tables = []*table{newTable(x.position())}
}

// Resume says that entries up to seq are not covered and will not be added.
func (x *Index) Resume(seq uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tables = []*table{newTable(max(seq, x.position()))}
}

// Add adds the records of the entries up to last, whose hash is hash, that come
// after those added before. They take size bytes of the log.
func (x *Index) Add(records []Record, last uint64, hash [32]byte, size int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.tables[len(x.tables)-1]
	t.add(records)
	t.last, t.hash, t.bytes = last, hash, t.bytes+size
	if len(t.rows) >= x.o.TableRecords || t.bytes >= x.o.TableBytes {
		x.seal()
	}
}

// seal begins the next table. x.mu is held.
func (x *Index) seal() {
	t := x.tables[len(x.tables)-1]
	if t.last < t.first {
		return
	}
	t.sealed = true
	x.tables = append(x.tables, newTable(t.last))
	if len(x.tables) > maxTables { // the storage fails, which writeTables has told
		x.tables = slices.Delete(x.tables, 0, 1)
	}
	kick(x.write)
}

// Maybe tells whether a key may be known, without reading a file.
func (x *Index) Maybe(k Key) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, t := range x.tables {
		if _, ok := t.rows[k]; ok {
			return true
		}
	}
	for _, r := range x.runs {
		if r.filter.has(&k) {
			return true
		}
	}
	return false
}

// Find gives the newest record of a key that is not older than the horizon.
func (x *Index) Find(k Key) (r Record, ok bool) {
	v, ok := x.find(k)
	if !ok || v.millis() < x.horizon() {
		return Record{}, false
	}
	return v.record(k), true
}

// horizon is the time, in milliseconds, before which records are not known.
func (x *Index) horizon() int64 {
	if x.o.Horizon == 0 {
		return 0
	}
	return time.Now().Add(-x.o.Horizon).UnixMilli()
}

func (x *Index) find(k Key) (value, bool) {
	x.mu.RLock()
	for _, t := range slices.Backward(x.tables) {
		if v, ok := t.rows[k]; ok {
			x.mu.RUnlock()
			return v, true
		}
	}
	var in []*run
	for _, r := range slices.Backward(x.runs) {
		if r.filter.has(&k) {
			r.acquire()
			in = append(in, r)
		}
	}
	x.mu.RUnlock()
	defer func() {
		for _, r := range in {
			r.release()
		}
	}()
	for _, r := range in {
		v, ok, err := r.find(&k)
		if err != nil {
			x.damagedRun(r, err)
		}
		if ok {
			return v, true
		}
	}
	return value{}, false
}

// Stats is a snapshot.
type Stats struct {
	Records uint64 // known, those beyond the horizon that were not removed yet included
	Runs    int
	Tables  int
	Memory  int64 // bytes of filters and fences
	Disk    int64 // bytes of runs
	Since   time.Time
}

// Stats returns the current numbers. Since is the time of the oldest record.
func (x *Index) Stats() Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := Stats{Runs: len(x.runs), Tables: len(x.tables)}
	oldest := span{}
	for _, r := range x.runs {
		s.Records += r.count
		s.Memory += int64(len(r.filter)+len(r.fences)) * 8
		s.Disk += int64(len(r.fences)+1)*blockSize + int64(len(r.filter)+len(r.fences))*8
		if r.count > 0 {
			oldest.see(r.oldest)
		}
	}
	for _, t := range x.tables {
		s.Records += uint64(len(t.rows))
		if len(t.rows) > 0 {
			oldest.see(t.oldest)
		}
	}
	if oldest.oldest > 0 {
		s.Since = time.UnixMilli(oldest.oldest)
	}
	return s
}

// Close writes what is in memory and closes all files. After an error the next
// opening reads from the log what was not written.
func (x *Index) Close() error {
	x.mu.Lock()
	x.seal()
	x.mu.Unlock()
	x.stop()
	var err error
	for err == nil {
		var more bool
		more, err = x.writeOldest()
		if !more {
			break
		}
	}
	x.closeFiles()
	return err
}

// Abandon writes nothing more and closes all files.
func (x *Index) Abandon() {
	x.stop()
	x.closeFiles()
}

func (x *Index) stop() {
	close(x.quit)
	x.group.Wait()
}

// stopped tells whether Close or Abandon was called.
func (x *Index) stopped() bool {
	select {
	case <-x.quit:
		return true
	default:
		return false
	}
}

func (x *Index) closeFiles() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.runs {
		r.release()
	}
	x.runs, x.tables = nil, nil
}
