package flush

import "runtime"

// workers make the calls of the Log, each the next that is due. Two, as a Write and a Sync may overlap;
// as either makes any call, a lone request is written and synced by one, without a hand-off.
const workers = 2

// labour is a worker's life.
func (c *Committer[B]) labour() {
	var batches []B
	var done []freed[B]
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.ended {
		switch next := c.nextStep(); {
		case c.mayWrite():
			batches, done = c.writeQueue(batches, done)
		case next != stepNone:
			done = c.take(next, done)
		default:
			c.work.Wait()
			continue
		}
		ended := c.ended
		c.note()
		done = c.settle(done)
		if ended {
			close(c.finished)
			return
		}
		c.giveTurn()
	}
}

// giveTurn has those run first whom a sync has just answered, so that what they send next shares the
// next sync with what waits already. It waits for no timer, and holds back only that sync and what
// gathers for it. c.mu is held before and after, and free in between.
func (c *Committer[B]) giveTurn() {
	if !c.shared || c.yielding {
		return
	}
	c.shared, c.yielding = false, true
	c.mu.Unlock()
	runtime.Gosched()
	c.mu.Lock()
	c.yielding = false
}

// mayWrite says whether there is something to write and nothing forbids it. c.mu is held.
func (c *Committer[B]) mayWrite() bool {
	switch {
	case len(c.queue) == 0 || c.write.running || c.exclusive || c.rotateDue || c.failed != nil:
		return false
	case c.gone || c.expired():
		return false
	}
	gathers := (c.step.running || c.yielding) && c.routine == 0 && c.queued < c.o.Gather
	return !gathers
}

// writeQueue writes all that is queued. c.mu is held before and after.
func (c *Committer[B]) writeQueue(batches []B, done []freed[B]) ([]B, []freed[B]) {
	// What a large Write would keep waiting is synced meanwhile.
	if c.queued >= c.o.Gather && c.nextStep() != stepNone {
		c.work.Signal()
	}
	c.queue, c.writing = c.writing, c.queue
	c.queued, c.routine = 0, 0
	for i := range c.writing {
		batches = append(batches, c.writing[i].batch)
	}
	c.begin(&c.write)
	c.mu.Unlock()
	err := c.log.Write(batches)
	var due rotateIn
	if err == nil {
		due = ask(c.log)
	}
	clear(batches)
	c.mu.Lock()
	c.end(&c.write)
	if err == nil {
		c.wrote()
		c.foresee(due)
	} else {
		done = c.writeFailed(err, done)
	}
	return batches[:0], done
}

// wrote takes over what Write returned nil for, and acknowledges what may be exposed. c.mu is held,
// so that no sync can be called, or counted, between the reservation and the answer.
func (c *Committer[B]) wrote() {
	now := c.now()
	for i := range c.writing {
		e := &c.writing[i]
		if c.mayExpose(e) {
			e.at = now
			c.exposed += e.n
			c.answer(e, nil)
		} else {
			c.unexposed++
			c.pressed = c.pressed || !e.waits && e.n <= c.o.BatchSize
		}
		c.written = append(c.written, *e)
	}
	clear(c.writing)
	c.writing = c.writing[:0]
	if c.exposed > 0 && !c.ageDue && !c.age.armed {
		c.checkAge()
	}
}

// mayExpose says whether e may be acknowledged before it is synced. c.mu is held.
func (c *Committer[B]) mayExpose(e *entry[B]) bool {
	return !e.waits && e.w != nil && !e.w.settled &&
		c.exposed+e.n <= c.o.BatchSize &&
		c.failed == nil && !c.step.stalled && c.closing == nil
}

// writeFailed refuses the requests of a failed Write: whether their entries are whole is not known.
// What was written before stands and is synced before the segment is given up. c.mu is held.
func (c *Committer[B]) writeFailed(err error, done []freed[B]) []freed[B] {
	c.refuse(c.writing, &UnavailableError{Reason: ReasonIO, Err: err})
	for i := range c.writing {
		done = c.drop(&c.writing[i], false, done)
	}
	clear(c.writing)
	c.writing = c.writing[:0]
	c.fail(err, true)
	return done
}
