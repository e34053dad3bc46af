// Package faultfs is a file system in memory that fails and crashes as told, for
// tests of what keeps the discipline of package durable.
//
// It knows of each file what reads see and what a power cut is certain to leave.
// Between the two stand sectors, sizes and names that may or may not be on the
// disk; [FS.PowerCut] draws one of the disks that may be left. A Sync that fails
// leaves the sectors clean in memory and uncertain on the disk, as Linux does,
// so that no later Sync makes them certain before they are written again. A
// SyncDir that fails leaves the names as they were and can be repeated, as file
// systems with a journal have it.
//
// It reports every breach of the discipline, of the kind that a later crash
// would turn into a loss, when it happens: rules.go lists them.
package faultfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// TB takes reports of breaches; a [testing.TB] is one.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Kind is the kind of an operation.
type Kind string

// The kinds. Operations on open files count as those on names do.
const (
	Create   Kind = "create"
	Open     Kind = "open"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	Mkdir    Kind = "mkdir"
	ReadDir  Kind = "readdir"
	Stat     Kind = "stat"
	SyncDir  Kind = "syncdir"
	Lock     Kind = "lock"
	Unlock   Kind = "unlock"
	Read     Kind = "read"
	Write    Kind = "write"
	Sync     Kind = "sync"
	Chmod    Kind = "chmod"
	FileStat Kind = "filestat"
	Close    Kind = "close"
)

// Op is an operation about to happen.
type Op struct {
	N    int // from 1
	Kind Kind
	Path string
}

func (o Op) String() string { return fmt.Sprintf("%d %s %s", o.N, o.Kind, o.Path) }

// Effect is how much of a failing operation happens.
type Effect string

// Of a Write, Half is its first half; of everything else it is Nothing.
const (
	Nothing Effect = "before"
	Half    Effect = "half"
	All     Effect = "after"
)

// Outcome is what becomes of an operation. The zero value lets it happen.
type Outcome struct {
	Err    error
	Effect Effect // "" is Nothing
}

// FS is one process's view of a machine's disk. It implements [durable.FS].
type FS struct {
	t   TB
	dir string // below it nothing changes without its lock

	mu      sync.Mutex // guards all below, and all nodes
	root    *node
	lastIno uint64
	boot    int
	ops     int
	hook    func(Op) Outcome
	off     bool
	locks   map[*node]bool // true: held by this process
	files   map[*file]bool // open
	limited bool
	free    int64 // bytes, if limited
}

var _ durable.FS = (*FS)(nil)

// New returns an empty file system on which dir, an absolute path, is the
// directory of a log.
func New(t TB, dir string) *FS {
	f := &FS{t: t, dir: filepath.Clean(dir), boot: 1, locks: map[*node]bool{}, files: map[*file]bool{}}
	f.root = f.newDir(0o700)
	return f
}

// Intercept has hook decide about every operation from now on. No lock is held
// while it runs: it may use the file system, be it to draw a crash, to turn the
// machine off, or to write while a Sync is under way.
func (f *FS) Intercept(hook func(Op) Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Ops returns how many operations there were.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// BootID names the boot: a power cut ends one.
func (f *FS) BootID() string { return fmt.Sprintf("boot-%d", f.boot) }

// TurnOff ends everything: no operation has an effect any more, all fail.
func (f *FS) TurnOff() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// Off tells whether the machine was turned off.
func (f *FS) Off() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.off
}

// SetSpace leaves so many bytes for files to grow by; a negative number lifts
// the limit.
func (f *FS) SetSpace(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limited, f.free = bytes >= 0, bytes
}

// HoldLock has another process lock dir until release is called.
func (f *FS) HoldLock(dir string) (release func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(dir)
	if err != nil {
		return nil, err
	}
	f.locks[n] = false
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.locks, n)
	}, nil
}

// OpenFiles returns the paths that open files were opened by, and the locks held.
func (f *FS) OpenFiles() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var open []string
	for h := range f.files {
		open = append(open, h.path)
	}
	for n, ours := range f.locks {
		if ours {
			open = append(open, "lock on "+n.base)
		}
	}
	slices.Sort(open)
	return open
}

var errOff = errors.New("machine is off")

// do makes one operation: the hook decides, then effect happens under the lock.
func (f *FS) do(k Kind, path string, effect func() error) error {
	out := f.begin(k, path)
	if out.Err != nil && out.Effect != All {
		return &fs.PathError{Op: string(k), Path: path, Err: out.Err}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := effect()
	if err == nil {
		err = out.Err
	}
	if err != nil && !errors.Is(err, durable.ErrLocked) {
		err = &fs.PathError{Op: string(k), Path: path, Err: err}
	}
	return err
}

func (f *FS) begin(k Kind, path string) Outcome {
	f.mu.Lock()
	f.ops++
	op, hook, off := Op{N: f.ops, Kind: k, Path: path}, f.hook, f.off
	f.mu.Unlock()
	var out Outcome
	if hook != nil && !off {
		out = hook(op)
	}
	if f.Off() {
		return Outcome{Err: errOff}
	}
	return out
}
