package flush

import "time"

// slack is how much earlier a lazyTimer must be wanted to be set anew.
const slack = time.Millisecond

// lazyTimer is a timer that is seldom touched: once armed it fires at that time even if it is no
// longer wanted, so fire must look whether anything is due and arm it again if not.
// Guarded by Committer.mu.
type lazyTimer struct {
	fire  func()
	timer *time.Timer
	armed bool
	at    time.Duration // since Committer.start
}

// arm makes t fire at the given time, or up to slack later.
func (c *Committer[B]) arm(t *lazyTimer, at time.Duration) {
	if t.armed && t.at <= at+slack {
		return
	}
	t.armed, t.at = true, at
	d := max(at-c.now(), 0)
	if t.timer == nil {
		t.timer = time.AfterFunc(d, t.fire)
		return
	}
	t.timer.Reset(d)
}

func (t *lazyTimer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// checkAge finds out whether the oldest exposed entry is due for a sync, and arms the timer if it
// is not. c.mu is held.
func (c *Committer[B]) checkAge() {
	c.ageDue = false
	if c.exposed == 0 {
		return
	}
	due := c.oldest() + c.o.BatchInterval
	if c.ageDue = due <= c.now(); !c.ageDue {
		c.arm(&c.age, due)
		return
	}
	c.pressed = false // BatchSize entries last for BatchInterval
}

// oldest is when the oldest exposed entry was acknowledged. c.mu is held and something is exposed.
func (c *Committer[B]) oldest() time.Duration {
	for i := range c.written {
		if c.written[i].exposed() {
			return c.written[i].at
		}
	}
	return c.now()
}

func (c *Committer[B]) onAge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age.armed = false
	c.checkAge()
	c.work.Signal()
}

func (c *Committer[B]) onRotation() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rotation.armed = false
	if c.closing == nil {
		c.rotateDue = true
		c.work.Signal()
	}
}

func (c *Committer[B]) onRetry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over.timer.armed = false
	c.over.due = c.over.active
	c.work.Signal()
}
