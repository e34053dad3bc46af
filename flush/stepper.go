package flush

import "time"

// step is one call of the Log other than Write.
type step int

const (
	stepNone step = iota
	stepSync
	stepRotate
	stepRenew
	stepClose
	stepAbandon
)

// take makes one step. c.mu is held before and after, and c.stepping is set meanwhile.
func (c *Committer[B]) take(s step, done []freed[B]) []freed[B] {
	c.stepping = true
	defer func() { c.stepping = false }()
	switch s {
	case stepSync:
		return c.sync(done)
	case stepRotate:
		return c.rotate(done)
	case stepRenew:
		return c.renew(done)
	case stepClose:
		c.closeLog()
	case stepAbandon:
		return c.abandonLog(done)
	}
	return done
}

// nextStep decides what is to be done next but for a Write. c.mu is held.
func (c *Committer[B]) nextStep() step {
	switch {
	case c.stepping || c.yielding || c.ended || c.expired():
		return stepNone
	case c.gone:
		if c.write.running {
			return stepNone
		}
		return stepAbandon
	case c.failed != nil:
		return c.nextOfFailure()
	case c.rotateDue && !c.write.running && len(c.written) > 0:
		return stepSync
	case c.rotateDue && !c.write.running:
		return stepRotate
	case c.wantsSync():
		return stepSync
	case c.closing != nil && !c.write.running && len(c.queue) == 0 && len(c.written) == 0:
		return stepClose
	default:
		return stepNone
	}
}

// wantsSync says whether a sync is to start now: someone waits for it, exposure is full or too old, or
// the memory budget fills up. An entry whose caller is gone wants one, too, to free its memory.
// c.mu is held.
func (c *Committer[B]) wantsSync() bool {
	if len(c.written) == 0 {
		return false
	}
	return c.unexposed > 0 || c.exposed >= c.enough() || c.ageDue || c.closing != nil || c.crowded ||
		c.o.MaxInFlight > 0 && c.inFlight >= c.o.MaxInFlight/2
}

// enough is how many exposed entries start a sync: BatchSize, or half of it once requests had to
// wait because exposure was full, so that the next half is exposed while the sync runs. c.mu is held.
func (c *Committer[B]) enough() int {
	if c.pressed {
		return max(c.o.BatchSize/2, 1)
	}
	return c.o.BatchSize
}

// sync covers exactly what Write had returned for before the call.
func (c *Committer[B]) sync(done []freed[B]) []freed[B] {
	n := len(c.written)
	c.crowded = false
	c.begin(&c.step)
	if c.mayWrite() {
		c.work.Signal()
	}
	c.mu.Unlock()
	err := c.log.Sync()
	c.mu.Lock()
	c.end(&c.step)
	if err != nil {
		c.fail(err, false)
		return done
	}
	return c.synced(n, done)
}

// synced acknowledges the first n of written and ends their exposure. c.mu is held.
func (c *Committer[B]) synced(n int, done []freed[B]) []freed[B] {
	answered := 0
	for i := range c.written[:n] {
		e := &c.written[i]
		if e.exposed() {
			c.exposed -= e.n
		} else {
			c.unexposed--
			answered++
			c.answer(e, nil)
		}
		done = c.drop(e, true, done)
	}
	rest := copy(c.written, c.written[n:])
	clear(c.written[rest:])
	c.written = c.written[:rest]
	if n > 0 {
		c.over.delay = 0
	}
	c.shared = answered > 1
	c.checkAge()
	return done
}

// rotate asks once more, as the timer may have fired early, and then rotates.
func (c *Committer[B]) rotate(done []freed[B]) []freed[B] {
	c.rotateDue, c.exclusive = false, true
	defer func() { c.exclusive = false }()
	c.mu.Unlock()
	due := ask(c.log)
	c.mu.Lock()
	if !due.ok || due.d > 0 {
		c.foresee(due)
		return done
	}
	if c.closing != nil {
		return done // Close seals the segment
	}
	c.begin(&c.step)
	c.mu.Unlock()
	err := c.log.Rotate()
	if err == nil {
		due = ask(c.log)
	}
	c.mu.Lock()
	c.end(&c.step)
	if err != nil {
		c.fail(err, false)
		return done
	}
	c.foresee(due)
	c.tidy()
	return done
}

// rotateIn is an answer of Log.RotateIn.
type rotateIn struct {
	d  time.Duration
	ok bool
}

func ask[B Batch](log Log[B]) (r rotateIn) {
	r.d, r.ok = log.RotateIn()
	return r
}

// foresee prepares for the next rotation. An answer that none is foreseen changes nothing: when the
// timer fires, rotate asks again. c.mu is held.
func (c *Committer[B]) foresee(due rotateIn) {
	switch {
	case !due.ok || c.closing != nil:
	case due.d <= 0:
		c.rotateDue = true
	default:
		c.arm(&c.rotation, c.now()+max(due.d, slack))
	}
}
