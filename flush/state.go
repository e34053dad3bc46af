package flush

import "time"

// State is the health of the log. That a Close is under way is no part of it.
type State struct {
	Healthy bool
	Reason  Reason // ReasonStall or ReasonFailingOver, if not healthy
	Err     error  // why, if not healthy
}

// Stats is a snapshot.
type Stats struct {
	Exposed       int           // entries acknowledged but not synced
	OldestExposed time.Duration // since the oldest of them was acknowledged; 0: none
	InFlight      int64         // bytes taken and neither synced nor dropped
	Waiting       int           // requests that wait for their answer
	State         State
}

// Stats returns the current numbers.
func (c *Committer[B]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Exposed: c.exposed, InFlight: c.inFlight, Waiting: c.waiting, State: c.state()}
	if c.exposed > 0 {
		s.OldestExposed = c.now() - c.oldest()
	}
	return s
}

// state is derived, never stored. c.mu is held.
func (c *Committer[B]) state() State {
	switch {
	case c.write.stalled || c.step.stalled:
		return State{Reason: ReasonStall, Err: errStall}
	case c.over.active:
		return State{Reason: ReasonFailingOver, Err: c.over.err}
	default:
		return State{Healthy: true}
	}
}

// notifier holds the changes of State that OnState was not told yet. Guarded by Committer.mu.
type notifier struct {
	last    State
	pending []State
	busy    bool // a goroutine is telling; it will tell these, too
}

func (n *notifier) waiting() bool { return len(n.pending) > 0 && !n.busy }

// note records a change of State, if there is one. c.mu is held.
func (c *Committer[B]) note() {
	s := c.state()
	if last := c.notify.last; s.Healthy == last.Healthy && s.Reason == last.Reason {
		return
	}
	c.notify.last = s
	if c.o.OnState != nil {
		c.notify.pending = append(c.notify.pending, s)
	}
}

// tell calls OnState for every recorded change. c.mu is held before and after, and free in between.
func (c *Committer[B]) tell() {
	if !c.notify.waiting() {
		return
	}
	c.notify.busy = true
	for len(c.notify.pending) > 0 {
		s := c.notify.pending[0]
		c.notify.pending = c.notify.pending[1:]
		c.mu.Unlock()
		c.o.OnState(s)
		c.mu.Lock()
	}
	c.notify.busy = false
}
