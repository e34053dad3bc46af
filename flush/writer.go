package flush

// writeLoop makes every Write. It takes all that is queued each time.
func (c *Committer[B]) writeLoop() {
	var batches []B
	var done []freed[B]
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.awaitWrite() {
		c.queue, c.writing = c.writing, c.queue
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
		batches = batches[:0]
		c.mu.Lock()
		c.end(&c.write)
		if err == nil {
			c.wrote()
			c.foresee(due)
		} else {
			done = c.writeFailed(err, done)
		}
		c.note()
		if c.nextStep() != stepNone {
			c.canStep.Signal()
		}
		done = c.settle(done)
	}
}

// awaitWrite waits until there is something to write and nothing forbids it; false: there never will
// be again. c.mu is held.
func (c *Committer[B]) awaitWrite() bool {
	for !c.gone {
		rotates := c.exclusive || c.rotateDue
		if len(c.queue) > 0 && c.failed == nil && !rotates && !c.expired() {
			return true
		}
		c.canWrite.Wait()
	}
	return false
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
