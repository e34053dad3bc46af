package flush

import "time"

// call watches one call of the Log at a time. Guarded by Committer.mu.
type call struct {
	running  bool
	stalled  bool // runs longer than SyncTimeout
	deadline time.Duration
	timer    lazyTimer
}

// begin is called before c.mu is let go for a call of the Log. c.mu is held.
func (c *Committer[B]) begin(k *call) {
	k.running = true
	if c.o.SyncTimeout > 0 {
		k.deadline = c.now() + c.o.SyncTimeout
		c.arm(&k.timer, k.deadline)
	}
}

// end is called when the call has returned. c.mu is held. A stall ends here, whatever the result.
func (c *Committer[B]) end(k *call) {
	k.running, k.stalled = false, false
}

// overdue is what k's timer fires: a stall if the call that runs has passed its deadline.
func (c *Committer[B]) overdue(k *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.timer.armed = false
	switch {
	case !k.running || k.stalled:
	case c.now() < k.deadline:
		c.arm(&k.timer, k.deadline)
	default:
		k.stalled = true
		c.note()
		c.settle(c.stall(k))
	}
}

// stall answers all that would wait for k. What a Write wrote before k still has its own sync, unless
// the segment is to be given up, which needs k to return first. The Log may be reading everything
// but the queue, so only the queue is dropped. c.mu is held.
func (c *Committer[B]) stall(k *call) (done []freed[B]) {
	err := &UnavailableError{Reason: ReasonStall, Err: errStall}
	c.refuse(c.writing, err)
	if k == &c.step || c.failed != nil {
		c.refuse(c.written, err)
	}
	return c.dropQueue(err, nil)
}

// dropQueue refuses everything that was not handed to the Log. c.mu is held.
func (c *Committer[B]) dropQueue(err error, done []freed[B]) []freed[B] {
	c.refuse(c.queue, err)
	for i := range c.queue {
		done = c.drop(&c.queue[i], false, done)
	}
	clear(c.queue)
	c.queue, c.queued, c.routine = c.queue[:0], 0, 0
	return done
}

// freed is a batch that nobody reads any more.
type freed[B Batch] struct {
	batch  B
	synced bool
}

// drop gives back what e held of the memory budget. c.mu is held.
func (c *Committer[B]) drop(e *entry[B], synced bool, done []freed[B]) []freed[B] {
	c.inFlight -= e.size
	return append(done, freed[B]{batch: e.batch, synced: synced})
}
