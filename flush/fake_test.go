package flush_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

var errDisk = errors.New("disk is broken")

// batch is a request of n entries.
type batch struct {
	id, n, size int

	// Guarded by fakeLog.mu.
	inLog    int // calls of the Log that read it now
	released int
	durable  bool
	acked    bool
}

func (b *batch) Len() int  { return b.n }
func (b *batch) Size() int { return b.size }

// fakeLog keeps the contract of flush.Log and fails the test when its caller does not. Nothing it
// calls durable was acknowledged by luck: a Sync covers what Write returned for before the call.
type fakeLog struct {
	t *testing.T
	// script is called in every call but RotateIn and Abandon, with its name and its number, from 1.
	script  func(op string, n int) error
	abandon error                                   // of Abandon
	rotate  func(entries int) (time.Duration, bool) // RotateIn, given the entries of the segment

	tidy func(n int) // in Tidy, with its number, from 1

	mu        sync.Mutex
	tidied    int // calls of Tidy
	tidying   bool
	running   map[string]bool
	count     map[string]int
	calls     []string // in order of their begin, but RotateIn
	durable   []*batch
	written   []*batch // by calls of Write that returned, beyond durable
	entries   int      // in the segment
	broken    string   // the failed call
	causes    []error  // of Renew
	keeps     [][]*batch
	ended     bool // by Close or Abandon
	exposed   int  // entries acknowledged and not durable
	peak      int  // highest exposed
	batchSize int
	cancelled map[*batch]bool
}

// excludes lists, for each call, those that may not run beside it.
var excludes = map[string][]string{
	"write":    {"write", "rotatein", "rotate", "renew", "close", "abandon"},
	"sync":     {"sync", "rotate", "renew", "close", "abandon"},
	"rotatein": {"write", "rotatein", "rotate", "renew", "close", "abandon"},
	"rotate":   {"write", "sync", "rotatein", "rotate", "renew", "close", "abandon"},
	"renew":    {"write", "sync", "rotatein", "rotate", "renew", "close", "abandon"},
	"close":    {"write", "sync", "rotatein", "rotate", "renew", "close", "abandon"},
	"abandon":  {"write", "sync", "rotatein", "rotate", "renew", "close", "abandon"},
}

func (f *fakeLog) begin(op string, bs []*batch) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range excludes[op] {
		if f.running[other] {
			f.t.Errorf("%s beside %s", op, other)
		}
	}
	if f.ended {
		f.t.Errorf("%s after the end", op)
	}
	if f.broken != "" && op != "renew" && op != "abandon" && (op != "sync" || f.broken != "write") &&
		(op != "write" && op != "rotatein" || f.broken != "sync") {
		f.t.Errorf("%s after a failed %s", op, f.broken)
	}
	f.running[op] = true
	f.count[op]++
	if op != "rotatein" {
		f.calls = append(f.calls, op)
	}
	for _, b := range bs {
		b.inLog++
		if b.released > 0 {
			f.t.Errorf("%s is given a released batch", op)
		}
	}
	return f.count[op]
}

func (f *fakeLog) end(op string, bs []*batch) {
	f.running[op] = false
	for _, b := range bs {
		b.inLog--
	}
}

func (f *fakeLog) play(op string, n int) error {
	if f.script == nil {
		return nil
	}
	return f.script(op, n)
}

func (f *fakeLog) makeDurable(bs []*batch) {
	for _, b := range bs {
		if b.durable {
			f.t.Errorf("batch %d stands twice", b.id)
		}
		b.durable = true
		if b.acked {
			f.exposed -= b.n
		}
	}
	f.durable = append(f.durable, bs...)
}

func (f *fakeLog) Write(given []*batch) error {
	bs := slices.Clone(given)
	if len(bs) == 0 {
		f.t.Error("empty Write")
	}
	n := f.begin("write", bs)
	err := f.play("write", n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end("write", bs)
	if err != nil {
		if f.broken == "" {
			f.broken = "write"
		}
		return err
	}
	f.written = append(f.written, bs...)
	for _, b := range bs {
		f.entries += b.n
	}
	return nil
}

func (f *fakeLog) syncs(op string) error {
	n := f.begin(op, nil)
	f.mu.Lock()
	covered := len(f.written)
	f.mu.Unlock()
	err := f.play(op, n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end(op, nil)
	if err != nil {
		f.broken = op
		return err
	}
	f.makeDurable(f.written[:covered])
	f.written = slices.Clone(f.written[covered:])
	return nil
}

func (f *fakeLog) Sync() error { return f.syncs("sync") }

func (f *fakeLog) Rotate() error {
	f.mu.Lock()
	if len(f.written) > 0 {
		f.t.Error("rotate before everything is synced")
	}
	f.mu.Unlock()
	err := f.syncs("rotate")
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.entries = 0
	}
	return err
}

// Tidy is no call that the others are ordered with.
func (f *fakeLog) Tidy() {
	f.mu.Lock()
	f.tidied++
	n, tidy := f.tidied, f.tidy
	if f.tidying {
		f.t.Error("tidy beside tidy")
	}
	f.tidying = true
	f.mu.Unlock()
	if tidy != nil {
		tidy(n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tidying = false
}

func (f *fakeLog) RotateIn() (time.Duration, bool) {
	f.begin("rotatein", nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end("rotatein", nil)
	if f.rotate == nil {
		return 0, false
	}
	return f.rotate(f.entries)
}

func (f *fakeLog) Renew(cause error, given []*batch) error {
	keep := slices.Clone(given)
	n := f.begin("renew", keep)
	f.mu.Lock()
	f.checkKeep(keep)
	f.causes, f.keeps = append(f.causes, cause), append(f.keeps, keep)
	f.mu.Unlock()
	err := f.play("renew", n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end("renew", keep)
	if err != nil {
		return err
	}
	f.makeDurable(keep)
	f.broken, f.written, f.entries = "", nil, 0
	for _, b := range keep {
		f.entries += b.n
	}
	return nil
}

// checkKeep: everything acknowledged that is not durable goes on, in the order of the log.
func (f *fakeLog) checkKeep(keep []*batch) {
	at := -1
	for _, b := range keep {
		i := slices.Index(f.written, b)
		if i <= at {
			f.t.Errorf("batch %d is kept out of order", b.id)
		}
		at = i
	}
	for _, b := range f.written {
		if (b.acked || f.cancelled[b]) && !slices.Contains(keep, b) && len(f.keeps) == 0 {
			f.t.Errorf("batch %d is not kept", b.id)
		}
		if b.acked && !slices.Contains(keep, b) {
			f.t.Errorf("acknowledged batch %d is not kept", b.id)
		}
	}
}

func (f *fakeLog) Close() error {
	n := f.begin("close", nil)
	if len(f.written) > 0 {
		f.t.Error("close before everything is synced")
	}
	err := f.play("close", n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end("close", nil)
	if err != nil {
		f.broken = "close"
		return err
	}
	f.ended = true
	return nil
}

func (f *fakeLog) Abandon() error {
	f.begin("abandon", nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end("abandon", nil)
	f.ended = true
	return f.abandon
}
