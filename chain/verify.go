package chain

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// LockView is what a reader takes the lock on a log's directory to be.
type LockView uint8

const (
	// LockLook asks the system. Where it does not tell, the lock counts as free.
	LockLook LockView = iota
	// LockFree: no writer is at work, so everything in the folder is judged or shown.
	LockFree
	// LockHeld: a writer is at work, so everything ends at the mark.
	LockHeld
	// LockOwn: the caller holds the lock and is about to open the log. As
	// LockFree, but a fault of the newest segment without a readable mark is what
	// a crash can leave, as opening has it.
	LockOwn
)

// VerifyOptions may be zero.
type VerifyOptions struct {
	Lock      LockView
	Workers   int // that read and hash; 0: as many as Go may use cores
	MaxFaults int // that are listed; 0: 100. More are counted
	// Progress is called now and then, from one goroutine, with the bytes read
	// and the bytes to read.
	Progress func(done, total int64)
	Fold     Fold // takes part; nil: none
	// System is told of the log's own entries that count, in order, up to the
	// first fault, from one goroutine. The body is valid only during the call.
	System func(Entry)
	// Again says that the verification begins anew, as a writer came meanwhile: what
	// Fold and System were told so far is void. They need it.
	Again func()
	// Synced is a sequence number up to which all entries are known to have been
	// synced, as a checkpoint vouches for them: a fault up to there is none that a
	// crash leaves, a log that ends before is broken, and while a writer is at work
	// all up to there is judged, whatever the mark says. 0: not known.
	Synced uint64
}

// Report is what [Verify] found in one log.
type Report struct {
	LogID    LogID  `json:"log_id"`
	Folder   string `json:"folder"`
	Held     bool   `json:"held"` // by a writer; everything below then ends at the mark
	Segments int    `json:"segments"`
	Events   uint64 `json:"events"` // entries that count
	System   uint64 `json:"system"` // likewise
	Bytes    int64  `json:"bytes"`  // of both
	Head     Head   `json:"head"`   // of the last entry that counts, up to the first fault
	Mark     *Mark  `json:"mark,omitempty"`
	// Faults are what neither a crash nor a declared cut explains, in the order
	// of the log.
	Faults  []Fault     `json:"faults,omitempty"`
	Omitted int         `json:"faults_omitted,omitempty"` // faults beyond MaxFaults
	Cuts    []FoundCut  `json:"cuts,omitempty"`
	Tail    *Tail       `json:"tail,omitempty"`
	Pending *Pending    `json:"in_progress,omitempty"`
	Others  []string    `json:"other_files,omitempty"` // in the folder, neither segment nor mark
	Follows []Succeeded `json:"succeeds,omitempty"`    // the broken logs that this one goes on for
}

// Tail is bytes at the end of the newest segment that a crash can leave. They
// do not count; the next opening cuts them.
type Tail struct {
	Fault
	Length int64 `json:"length"` // bytes, from Offset to the end of the file
}

// Pending is what a writer at work may be writing. It is not judged.
type Pending struct {
	Segments int   `json:"segments"` // that began after the mark was read
	Bytes    int64 `json:"bytes"`
}

// FoundCut is a declared cut and what stands there now.
type FoundCut struct {
	Cut
	Opening  string `json:"declared_by"` // file name of the segment whose opening entry declares it
	Failover bool   `json:"failover"`    // declared by a failover, not at a start
	Found    int64  `json:"found"`       // bytes that follow Offset now
	Same     bool   `json:"same"`        // they are those declared
}

// Entries returns the number of entries that count.
func (r Report) Entries() uint64 { return r.Events + r.System }

// Broken tells whether the log was tampered with.
func (r Report) Broken() bool { return len(r.Faults) > 0 }

// Verify makes the full check of FORMAT.md of the log in folder, whose name is
// the log's id: the chain, that each cut is declared, and the mark. Bodies are
// read once, in blocks, and hashed by all workers. All segments are checked, each
// up to its first fault. An error means that the log could not be read.
//
// Verify does not exclude that the end of a log was cut off, or that all of it
// was made anew, mark included.
func Verify(ctx context.Context, fsys durable.FS, folder string, o VerifyOptions) (Report, error) {
	id, ok := ParseLogID(filepath.Base(folder))
	if !ok {
		return Report{}, fmt.Errorf("folder %s is not named by a log id", folder)
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.MaxFaults <= 0 {
		o.MaxFaults = 100
	}
	look := o.Lock == LockLook
	if look {
		held, err := lockHeld(filepath.Dir(folder))
		if err != nil {
			return Report{}, err
		}
		o.Lock = LockFree
		if held {
			o.Lock = LockHeld
		}
	}
	r, err := verifyLog(ctx, fsys, folder, id, o)
	if !look || o.Lock == LockHeld || err == nil && !r.Broken() && r.Tail == nil {
		return r, err
	}
	// A writer that came after the look explains what it has half written.
	if held, lookErr := lockHeld(filepath.Dir(folder)); lookErr != nil || !held {
		return r, err
	}
	o.Lock = LockHeld
	if o.Again != nil {
		o.Again()
	}
	return verifyLog(ctx, fsys, folder, id, o)
}

func lockHeld(dir string) (bool, error) {
	held, known, err := durable.LockHeld(dir)
	if err != nil {
		return false, fmt.Errorf("couldn't see whether %s is locked: %w", dir, err)
	}
	return held && known, nil
}

// verification is a log under verification.
type verification struct {
	o      VerifyOptions
	fsys   durable.FS
	folder string
	id     LogID
	report Report

	mark     Mark
	marked   bool
	segments []*segmentRun // to judge, by ordinal
	beyond   uint64        // first seq of the segment after them, 0 if there is none
}

func verifyLog(ctx context.Context, fsys durable.FS, folder string, id LogID, o VerifyOptions) (Report, error) {
	v := &verification{o: o, fsys: fsys, folder: folder, id: id}
	v.report = Report{LogID: id, Folder: folder, Held: o.Lock == LockHeld, Head: Genesis(id)}
	// The mark is read first: what is synced by then is named by the time the
	// folder is listed.
	v.mark, v.marked = ReadMark(fsys, folder, id)
	if v.marked {
		v.report.Mark = &v.mark
	}
	list, err := listFolder(fsys, folder)
	if err != nil {
		return v.report, err
	}
	v.report.Others = append(list.temps, list.others...)
	if err := v.plan(list); err != nil {
		return v.report, err
	}
	if err := v.checkChain(ctx); err != nil {
		return v.report, err
	}
	for i, s := range v.segments {
		if s.check.unread != nil {
			return v.report, s.check.unread
		}
		if s.check.Fault != nil && !v.isTail(i) {
			v.fault(*s.check.Fault)
		}
		if s.check.Name.Ordinal == 1 && len(s.check.Opened.Cuts) > 0 {
			v.fault(s.opening("opening entry declares a cut, and no segment stands before it"))
		}
		if i+1 < len(v.segments) && !s.gap {
			if err := v.checkCuts(s, v.segments[i+1]); err != nil {
				return v.report, err
			}
		}
	}
	v.checkMark()
	v.checkSynced()
	v.attribute()
	v.sum()
	return v.report, nil
}

func (v *verification) fault(f Fault) {
	if len(v.report.Faults) == v.o.MaxFaults {
		v.report.Omitted++
		return
	}
	v.report.Faults = append(v.report.Faults, f)
}

// sum counts what counts, and takes the head up to the first fault.
func (v *verification) sum() {
	r := &v.report
	r.Segments = len(v.segments)
	whole := true
	for _, s := range v.segments {
		c := &s.check
		r.Events += c.Events
		r.System += c.System
		r.Bytes += c.Valid
		if whole && c.Lines > 0 {
			r.Head = c.Head
		}
		whole = whole && c.Fault == nil && !s.gap
	}
	if len(v.segments) > 0 && v.segments[0].check.Lines > 0 {
		r.Follows = v.segments[0].check.Opened.Succeeds
	}
}
