package flush

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Committer takes requests, hands them to a Log and says when each may be acknowledged. All methods
// may be called at any time from any goroutine.
type Committer[B Batch] struct {
	o       Options[B]
	log     Log[B]
	start   time.Time // times below are durations since start
	waiters sync.Pool // *waiter, answered

	mu        sync.Mutex
	work      sync.Cond // idle workers wait here
	queue     []entry[B]
	queued    int64      // bytes of queue
	routine   int        // how many of queue may be exposed
	writing   []entry[B] // in the Write that runs
	written   []entry[B] // in log order, not synced
	unexposed int        // how many of written are not exposed: each wants a sync at once
	pressed   bool       // a request was not exposed as it would have passed BatchSize
	crowded   bool       // a request was refused for the memory budget since the last Sync began
	exposed   int        // entries of the log acknowledged but not synced; <= BatchSize
	inFlight  int64      // bytes of queue, writing and written
	waiting   int        // waiters not answered yet

	write     call            // the Write that runs
	step      call            // the Sync, Rotate or Renew that runs
	stepping  bool            // a worker is at a step
	untidy    bool            // Tidy is due
	tidying   bool            // a goroutine calls it
	shared    bool            // the last Sync answered several requests
	yielding  bool            // a worker lets them go first: no step may start
	exclusive bool            // Rotate or Close is next or runs: no Write may start
	failed    *failure        // the segment is to be given up
	over      failover        // what happens while it can't be
	age       lazyTimer       // fires BatchInterval after the oldest exposed entry
	ageDue    bool            // an entry is exposed for BatchInterval
	rotation  lazyTimer       // fires when a rotation is due by age
	rotateDue bool            // ask RotateIn and rotate
	notify    notifier        // changes of State not told yet
	closing   context.Context // of the first Close; nil before
	gone      bool            // nothing of the log is called any more but Abandon
	ended     bool            // nothing at all is
	finished  chan struct{}   // closed when the log is closed or abandoned
	closeErr  error           // what Close returns
}

// entry is one request on its way. Guarded by Committer.mu.
type entry[B Batch] struct {
	batch B
	w     *waiter // nil: answered
	n     int     // entries of the log
	size  int64
	waits bool          // not to be exposed
	at    time.Duration // when it was exposed; 0: it is not
}

func (e *entry[B]) exposed() bool { return e.at != 0 }

// waiter is a Submit that waits for its answer.
type waiter struct {
	answer  chan error // capacity 1
	settled bool       // an answer was sent, or the caller left; guarded by Committer.mu
}

// New starts a Committer that owns log until Close.
func New[B Batch](log Log[B], o Options[B]) *Committer[B] {
	c := &Committer[B]{o: o, log: log, start: time.Now(), finished: make(chan struct{})}
	c.waiters.New = func() any { return &waiter{answer: make(chan error, 1)} }
	c.work.L = &c.mu
	c.rotateDue = true // asks RotateIn before the first Write
	c.notify.last.Healthy = true
	c.write.timer.fire = func() { c.overdue(&c.write) }
	c.step.timer.fire = func() { c.overdue(&c.step) }
	c.age.fire = c.onAge
	c.rotation.fire = c.onRotation
	c.over.timer.fire = c.onRetry
	for range workers {
		go c.labour()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy()
	return c
}

// now is never 0.
func (c *Committer[B]) now() time.Duration { return time.Since(c.start) + 1 }

// Ready says whether a request would be taken now: nil, ErrOverloaded or an *UnavailableError. It
// saves a caller the encoding of what would be refused.
func (c *Committer[B]) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.available(); err != nil {
		return err
	}
	if c.o.MaxInFlight > 0 && c.inFlight >= c.o.MaxInFlight {
		return c.overloaded()
	}
	return nil
}

// overloaded makes room for when the client comes again: what is exposed is synced before it is due.
// c.mu is held.
func (c *Committer[B]) overloaded() error {
	c.crowded = true
	c.work.Signal()
	return ErrOverloaded
}

// available is nil or an *UnavailableError. c.mu is held.
func (c *Committer[B]) available() error {
	if c.closing != nil {
		return &UnavailableError{Reason: ReasonClosing}
	}
	if s := c.state(); !s.Healthy {
		return &UnavailableError{Reason: s.Reason, Err: s.Err}
	}
	return nil
}

// Submit takes b, in every case, and returns nil when it may be acknowledged. The error is
// ErrOverloaded, an *UnavailableError, or wraps ctx.Err(); after the last two b's entries may stand
// in the log. An empty batch is acknowledged at once.
func (c *Committer[B]) Submit(ctx context.Context, b B, critical bool) error {
	e := entry[B]{batch: b, n: b.Len(), size: int64(b.Size()), waits: c.o.waits(critical)}
	if e.n == 0 {
		c.release(b, false)
		return nil
	}
	if err := ctx.Err(); err != nil {
		c.release(b, false)
		return cancelled(err)
	}
	w, err := c.admit(e)
	if err != nil {
		c.release(b, false)
		return err
	}
	select {
	case err = <-w.answer:
	case <-ctx.Done():
		if c.leave(w) {
			return cancelled(ctx.Err())
		}
		err = <-w.answer
	}
	w.settled = false
	c.waiters.Put(w)
	return err
}

func cancelled(err error) error {
	return fmt.Errorf("request ended before its entries were acknowledged: %w", err)
}

// admit queues e if there is room for it.
func (c *Committer[B]) admit(e entry[B]) (*waiter, error) {
	w := c.waiters.Get().(*waiter)
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.available()
	if err == nil && c.o.MaxInFlight > 0 && c.inFlight > 0 && c.inFlight+e.size > c.o.MaxInFlight {
		err = c.overloaded()
	}
	if err != nil {
		c.waiters.Put(w)
		return nil, err
	}
	e.w = w
	c.inFlight += e.size
	c.waiting++
	c.queue = append(c.queue, e)
	c.queued += e.size
	if !e.waits {
		c.routine++
	}
	if c.mayWrite() {
		c.work.Signal()
	}
	return w, nil
}

// leave reports whether w's caller may go without an answer; false: there is one.
func (c *Committer[B]) leave(w *waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.settled {
		return false
	}
	w.settled = true
	c.waiting--
	return true
}

// answer tells e's waiter, if there still is one. An entry keeps the waiter of a caller that left.
// c.mu is held; it never blocks.
func (c *Committer[B]) answer(e *entry[B], err error) {
	w := e.w
	if w == nil || w.settled {
		return
	}
	e.w = nil
	w.settled = true
	c.waiting--
	w.answer <- err
}

// refuse answers every waiter of es with err. c.mu is held.
func (c *Committer[B]) refuse(es []entry[B], err error) {
	for i := range es {
		c.answer(&es[i], err)
	}
}

func (c *Committer[B]) release(b B, synced bool) {
	if c.o.Release != nil {
		c.o.Release(b, synced)
	}
}

// settle hands on what has come to pass: batches that nobody needs any more, and changes of State.
// c.mu is held before and after, and free in between.
func (c *Committer[B]) settle(done []freed[B]) []freed[B] {
	if len(done) > 0 || c.notify.waiting() {
		c.mu.Unlock()
		for _, d := range done {
			c.release(d.batch, d.synced)
		}
		clear(done)
		c.mu.Lock()
		c.tell()
	}
	return done[:0]
}
