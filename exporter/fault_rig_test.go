package exporter_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/flush"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// faults multiplies how many faults, crashes and runs are tried.
var faults = flag.Int("faults", 1, "how many times as many faults, crashes and random runs are tried")

const faultDir = "/var/audit"

// setting is a flush mode as a user has it.
type setting struct {
	name     string
	mode     flush.Mode
	critical bool // critical_immediate
	index    int
}

var settings = []setting{
	{"immediate", flush.Immediate, true, 0},
	{"hybrid", flush.Hybrid, true, 1},
	{"hybrid without critical_immediate", flush.Hybrid, false, 2},
	{"batched", flush.Batched, true, 3},
}

// must says whether a request must be synced before it is acknowledged: the
// table of design.md, once more.
func (s setting) must(critical bool) bool {
	return s.mode == flush.Immediate || s.mode == flush.Hybrid && s.critical && critical
}

const (
	batchSize     = 6
	batchInterval = 15 * time.Millisecond
	syncTimeout   = 10 * time.Second
)

// world is a machine with a log, clients, and a clock on which every operation
// takes a time that is drawn by seed.
type world struct {
	t     *testing.T
	fs    *faultfs.FS
	set   setting
	seed  uint64
	hooks sync.Mutex // held while one of the next three runs
	// plan has operations fail; look is called as each begins and ends.
	plan func(faultfs.Op) faultfs.Outcome
	look func(faultfs.Op)
	// takes is how long an operation takes; nil: what duration draws.
	takes func(faultfs.Op) time.Duration
	// options may change the log's.
	options func(*chain.Options)
	start   time.Time
	maxSize int64

	mu     sync.Mutex
	ledger ledger
	states []flush.State
	counts counts
	tries  []time.Duration // when Renew was called

	storyMu sync.Mutex
	story   []string
	broken  bool // a promise; told already
}

// counts are what happened in a world.
type counts struct {
	acked, refused, left, renewals, rotations, images int
}

func (c *counts) plus(d counts) {
	c.acked += d.acked
	c.refused += d.refused
	c.left += d.left
	c.renewals += d.renewals
	c.rotations += d.rotations
	c.images += d.images
}

func (c counts) String() string {
	return fmt.Sprintf("crashes: %d, requests acknowledged: %d, refused: %d, cancelled: %d, failovers: %d, rotations: %d",
		c.images, c.acked, c.refused, c.left, c.renewals, c.rotations)
}

// inEverySetting runs a test in each flush mode. It ends at the first failure.
func inEverySetting(t *testing.T, test func(t *testing.T, set setting)) {
	t.Helper()
	for i, set := range settings {
		if t.Failed() {
			return
		}
		t.Run(set.name, func(t *testing.T) {
			inBubble(t, uint64(i), func(t *testing.T) { test(t, set) })
		})
	}
}

// inBubble runs a test in fake time, with log ids drawn by seed.
func inBubble(t *testing.T, seed uint64, test func(t *testing.T)) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, seed)
	synctest.Test(t, test)
}

func newWorld(t *testing.T, set setting, seed uint64) *world {
	w := &world{t: t, fs: faultfs.New(t, faultDir), set: set, seed: seed, start: time.Now(), maxSize: 6000}
	w.fs.Intercept(w.intercept)
	w.tell("%s, seed %d", set.name, seed)
	return w
}

func (w *world) intercept(op faultfs.Op) faultfs.Outcome {
	out, d := w.decide(op)
	if out.Err != nil {
		w.tell("op %s fails %s: %v", op, out.Effect, out.Err)
		w.change(func(g *ledger) {
			g.recovered(w.now())
			g.trouble = append(g.trouble, period{from: w.now()})
		})
	}
	if d > 0 {
		time.Sleep((d + slots - 1) / slots * slots)
		w.looks(op)
	}
	return out
}

// decide says what becomes of an operation and how long it takes.
func (w *world) decide(op faultfs.Op) (out faultfs.Outcome, d time.Duration) {
	w.hooks.Lock()
	defer w.hooks.Unlock()
	if w.plan != nil {
		out = w.plan(op)
	}
	if w.look != nil {
		w.look(op)
	}
	if w.takes != nil {
		return out, w.takes(op)
	}
	return out, duration(w.seed, op)
}

func (w *world) looks(op faultfs.Op) {
	w.hooks.Lock()
	defer w.hooks.Unlock()
	if w.look != nil {
		w.look(op)
	}
}

// errs are what storage fails with.
var errs = []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMFILE}

// outcomes are all ways in which an operation fails.
var outcomes = func() (all []faultfs.Outcome) {
	for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.All, faultfs.Half} {
		for _, err := range errs {
			all = append(all, faultfs.Outcome{Err: err, Effect: effect})
		}
	}
	return all
}()

// duration draws how long an operation takes. The cheap ones take none, among
// them what the writer does under a lock.
func duration(seed uint64, op faultfs.Op) time.Duration {
	r := rand.New(rand.NewPCG(seed, uint64(op.N)))
	switch op.Kind {
	case faultfs.Sync:
		return time.Millisecond/2 + time.Duration(r.Int64N(int64(8*time.Millisecond)))
	case faultfs.SyncDir:
		return time.Millisecond/2 + time.Duration(r.Int64N(int64(time.Millisecond)))
	case faultfs.Write, faultfs.Create, faultfs.Rename:
		return time.Duration(10+r.Int64N(200)) * time.Microsecond
	}
	return 0
}

// Each goroutine acts at instants of its own, in nanoseconds modulo slots, so
// that the order of what they do does not depend on the scheduler.
const (
	slots       = 64
	writerSlot  = 0
	stepperSlot = 1
	clientSlot  = 2  // and those after it
	mainSlot    = 40 // of the test itself
	tidySlot    = 41
)

// fail has operations fail as planned from now on.
func (w *world) fail(plan func(faultfs.Op) faultfs.Outcome) {
	w.hooks.Lock()
	defer w.hooks.Unlock()
	w.plan = plan
}

// heal has no operation fail or stall that begins from now on.
func (w *world) heal() {
	w.align(mainSlot)
	w.hooks.Lock()
	defer w.hooks.Unlock()
	w.plan, w.takes = nil, nil
}

// align waits for the next instant of a slot.
func (w *world) align(slot int64) {
	time.Sleep(time.Duration((slots + slot - time.Now().UnixNano()%slots) % slots))
}

func (w *world) now() time.Duration { return time.Since(w.start) + 1 }

func (w *world) tell(format string, args ...any) {
	w.storyMu.Lock()
	defer w.storyMu.Unlock()
	w.story = append(w.story, fmt.Sprintf("%s ", w.now())+fmt.Sprintf(format, args...))
}

// wrong reports the first broken promise, with the story of the world.
func (w *world) wrong(format string, args ...any) {
	w.t.Helper()
	w.storyMu.Lock()
	defer w.storyMu.Unlock()
	if w.broken {
		return
	}
	w.broken = true
	story := w.story[max(0, len(w.story)-60):]
	w.t.Errorf("%s\n%s, seed %d: %s", strings.Join(story, "\n"), w.set.name, w.seed, fmt.Sprintf(format, args...))
}

func (w *world) change(f func(*ledger)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.ledger)
}

func (w *world) request(id int) request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger.requests[id]
}

func (w *world) add(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

// open opens the log, and again while the storage fails, as the exporter does.
// All that stands in it is synced then, and all that was acknowledged stands. It
// returns nil if the machine was turned off.
func (w *world) open() *tracked {
	w.align(stepperSlot)
	for try := range 100 {
		if try == 20 {
			w.heal()
			w.align(stepperSlot)
		}
		o := chain.Options{Directory: faultDir, FS: w.fs, Software: "test", BootID: w.fs.BootID(), MaxSize: w.maxSize}
		if w.options != nil {
			w.options(&o)
		}
		l, err := chain.Open(w.t.Context(), o)
		w.tell("open: %v", err)
		if w.fs.Off() {
			if err == nil {
				_ = l.Abandon()
			}
			return nil
		}
		if err == nil {
			log := &tracked{Writer: l, w: w, ids: map[*chain.Batch]int{}}
			w.snap(death, 0).checkStanding()
			w.change(func(g *ledger) {
				for id := range g.requests {
					g.requests[id].synced = g.requests[id].synced || g.requests[id].acked > 0
				}
				g.written = nil
				g.recovered(w.now())
			})
			return log
		}
		var tampered *chain.TamperError
		if errors.As(err, &tampered) {
			w.wrong("opening found tampering: %v", err)
			w.t.FailNow()
		}
		if open := w.fs.OpenFiles(); len(open) > 0 {
			w.wrong("opening failed and left open %v", open)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.wrong("log can't be opened")
	w.t.FailNow()
	return nil
}

// session is a Committer on an open log.
type session struct {
	*world
	log *tracked
	c   *flush.Committer[*chain.Batch]
}

func (w *world) begin() *session {
	s := &session{world: w, log: w.open()}
	if s.log == nil {
		return nil
	}
	s.c = flush.New(s.log, flush.Options[*chain.Batch]{
		Mode: w.set.mode, CriticalImmediate: w.set.critical,
		BatchSize: batchSize, BatchInterval: batchInterval, SyncTimeout: syncTimeout, MaxInFlight: 1 << 20,
		OnState: func(st flush.State) {
			w.tell("state: %v %v %v", st.Healthy, st.Reason, st.Err)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.states = append(w.states, st)
		},
	})
	return s
}

// end closes the log in order, or leaves it to the next opening.
func (s *session) end() error {
	err := s.c.Close(s.t.Context())
	s.tell("closed: %v", err)
	if open := s.fs.OpenFiles(); len(open) > 0 {
		s.wrong("closed, and left open %v", open)
	}
	s.change(func(g *ledger) {
		if n := g.exposed(); err == nil && n > 0 {
			s.wrong("closed in order, but %d events are exposed", n)
		}
	})
	return err
}

// send hands a request in, once, and checks what the answer promises.
func (s *session) send(ctx context.Context, id int, critical bool, padding int) error {
	b := s.log.batchOf(id, padding)
	s.change(func(g *ledger) { g.requests[id].sent++ })
	err := s.c.Submit(ctx, b, critical)
	s.tell("request %d, critical %t: %v", id, critical, err)
	if err != nil {
		s.checkRefusal(id, err)
		return err
	}
	s.add(&s.counts.acked)
	s.change(func(g *ledger) {
		r := &g.requests[id]
		r.acked = s.now()
		if r.must && !r.synced {
			s.wrong("request %d was acknowledged before its sync", id)
		}
		if n := g.exposed(); n > batchSize {
			s.wrong("%d events are exposed", n)
		}
	})
	return nil
}

func (s *session) checkRefusal(id int, err error) {
	_, answer := exporter.Refuse(err)
	switch status.Code(answer) {
	case codes.Unavailable:
		s.add(&s.counts.refused)
	case codes.DeadlineExceeded:
		if errors.Is(err, context.DeadlineExceeded) {
			s.add(&s.counts.left)
			return
		}
		fallthrough
	default:
		s.wrong("request %d was answered %v, for %v", id, answer, err)
	}
}

// next makes a request of n events.
func (w *world) next(n int, critical bool) (id int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger.requests = append(w.ledger.requests, request{n: n, must: w.set.must(critical), began: w.now()})
	return len(w.ledger.requests) - 1
}
