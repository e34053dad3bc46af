package flush

import (
	"errors"
	"fmt"
	"time"
)

// Renew is tried at once, and after firstDelay doubling to lastDelay while it fails.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 30 * time.Second
)

// failure is why the segment is to be given up. Guarded by Committer.mu.
type failure struct {
	cause     error
	syncFirst bool // only a Write failed: what stands before it can still be synced
}

// failover is the wait between two tries of Renew. Guarded by Committer.mu.
type failover struct {
	active bool          // a try failed; nothing is let in
	err    error         // why
	delay  time.Duration // before the next try; 0: entries were synced since the last one
	due    bool          // the delay is over
	timer  lazyTimer
}

// fail notes that the segment is to be given up. Whoever waits for that waits no longer if the Write
// that still runs stalls. c.mu is held.
func (c *Committer[B]) fail(err error, syncFirst bool) {
	if c.failed == nil {
		c.failed = &failure{cause: err, syncFirst: syncFirst}
	} else {
		c.failed.cause = errors.Join(c.failed.cause, err)
		c.failed.syncFirst = c.failed.syncFirst && syncFirst
	}
	c.rotateDue = false
	if c.write.stalled {
		c.refuse(c.written, &UnavailableError{Reason: ReasonStall, Err: errStall})
	}
}

// nextOfFailure decides what is done while the segment is to be given up. c.mu is held.
func (c *Committer[B]) nextOfFailure() step {
	switch {
	case c.write.running:
		return stepNone
	case c.failed.syncFirst && len(c.written) > 0:
		return stepSync
	case c.over.active && !c.over.due && c.closing == nil:
		return stepNone
	default:
		return stepRenew
	}
}

// renew tries to go on in a new segment. A segment that failed before anything was synced in it is
// not followed by another at once: a full disk must not fill with opening entries. c.failed keeps
// the writer out.
func (c *Committer[B]) renew(done []freed[B]) []freed[B] {
	if c.over.delay > 0 && !c.over.active && c.closing == nil {
		return c.failOver(c.failed.cause, done)
	}
	c.over.due = false
	done = c.retain((*entry[B]).wanted, done)
	var keep []B
	for i := range c.written {
		keep = append(keep, c.written[i].batch)
	}
	cause := c.failed.cause
	c.begin(&c.step)
	c.mu.Unlock()
	err := c.log.Renew(cause, keep)
	var due rotateIn
	if err == nil {
		due = ask(c.log)
	}
	c.mu.Lock()
	c.end(&c.step)
	if err != nil {
		return c.failOver(fmt.Errorf("couldn't continue in a new segment: %w, after: %w", err, cause), done)
	}
	c.failed = nil
	c.over.active, c.over.err = false, nil
	c.over.delay = max(c.over.delay, firstDelay)
	c.foresee(due)
	c.tidy()
	return c.synced(len(c.written), done)
}

// failOver refuses everything but what is exposed, which stays until a Renew works. A Close that is
// under way has had its last try. c.mu is held.
func (c *Committer[B]) failOver(err error, done []freed[B]) []freed[B] {
	refusal := &UnavailableError{Reason: ReasonIO, Err: err}
	c.refuse(c.written, refusal)
	done = c.retain((*entry[B]).exposed, done)
	done = c.dropQueue(refusal, done)
	if c.closing != nil {
		c.giveUp(err)
		return done
	}
	delay := max(c.over.delay, firstDelay)
	c.over.active, c.over.err = true, err
	c.over.delay = min(2*delay, lastDelay)
	c.arm(&c.over.timer, c.now()+delay)
	return done
}

// retain drops the entries of written for which keep is false. Nothing of the Log runs. c.mu is held.
func (c *Committer[B]) retain(keep func(*entry[B]) bool, done []freed[B]) []freed[B] {
	kept := c.written[:0]
	for i := range c.written {
		e := &c.written[i]
		if keep(e) {
			kept = append(kept, *e)
			continue
		}
		c.unexposed--
		done = c.drop(e, false, done)
	}
	clear(c.written[len(kept):])
	c.written = kept
	return done
}

// wanted says whether e belongs into the next segment: it is exposed, its caller waits, or left
// without having been refused.
func (e *entry[B]) wanted() bool { return e.exposed() || e.w != nil }
