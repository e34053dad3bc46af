package flush

import (
	"context"
	"errors"
)

// Close refuses new requests, waits for those under way, syncs and closes the log. If it can't, or
// ctx ends first, nothing more is written, the log is abandoned as soon as no call of it runs, and
// the error is a *CloseError. A later Close returns the same.
func (c *Committer[B]) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closing == nil {
		c.closing = ctx
		c.work.Broadcast()
	}
	told := c.closeErr
	c.mu.Unlock()
	if told != nil {
		return told
	}
	select {
	case <-c.finished:
	case <-ctx.Done():
		c.abandon(ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeErr
}

// expired says that the time for closing is over, though Close may not have said so yet. c.mu is held.
func (c *Committer[B]) expired() bool {
	return !c.gone && c.closing != nil && c.closing.Err() != nil
}

// abandon ends the wait of Close and of every request.
func (c *Committer[B]) abandon(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.giveUp(err)
	refusal := &UnavailableError{Reason: ReasonClosing, Err: err}
	c.refuse(c.writing, refusal)
	c.refuse(c.written, refusal)
	c.settle(c.dropQueue(refusal, nil))
}

// giveUp makes Abandon the next and last call of the Log. c.mu is held.
func (c *Committer[B]) giveUp(err error) {
	if c.gone {
		return
	}
	c.gone = true
	c.closeErr = &CloseError{Exposed: c.exposed, Err: err}
	c.work.Broadcast()
}

// closeLog ends a log of which everything is synced.
func (c *Committer[B]) closeLog() {
	c.exclusive = true
	c.mu.Unlock()
	err := c.log.Close()
	c.mu.Lock()
	if err != nil {
		c.giveUp(err)
		return
	}
	c.finish()
}

// abandonLog drops everything and lets the log go. What is exposed stays counted.
func (c *Committer[B]) abandonLog(done []freed[B]) []freed[B] {
	for i := range c.written {
		done = c.drop(&c.written[i], false, done)
	}
	clear(c.written)
	c.written, c.unexposed = nil, 0
	c.mu.Unlock()
	err := c.log.Abandon()
	c.mu.Lock()
	if err != nil {
		var told *CloseError
		errors.As(c.closeErr, &told)
		c.closeErr = &CloseError{Exposed: told.Exposed, Err: errors.Join(told.Err, err)}
	}
	c.finish()
	return done
}

// finish ends both workers. c.mu is held.
func (c *Committer[B]) finish() {
	c.gone, c.ended = true, true
	for _, t := range []*lazyTimer{&c.write.timer, &c.step.timer, &c.age, &c.rotation, &c.over.timer} {
		t.stop()
	}
	c.work.Broadcast()
}
