package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// pace is the least time between two signatures; of what is asked for in
	// between, the newest wins.
	pace = 10 * time.Millisecond
	// Delays between attempts after an error.
	firstDelay   = 100 * time.Millisecond
	longestDelay = 10 * time.Second
)

// run is the only goroutine that signs.
func (n *Notary) run() {
	defer close(n.done)
	n.others.Go(n.hash)
	defer n.others.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	n.others.Go(func() {
		<-n.finish
		cancel()
	})
	n.copier = startCopier(n.o, n.verifier)
	n.cosigner = startCosigner(n.o)
	if n.entered = n.enter(ctx); n.entered {
		n.loop(ctx)
	}
	n.mu.Lock()
	final := n.final
	n.mu.Unlock()
	if final && n.entered && !n.turning() {
		n.grower.stopAt(n.valve.stop)
		n.report(n.step())
		n.awaitCosigned()
	}
	n.queue.close()
	n.copier.end()
	n.cosigner.end()
	if err := n.journal.close(); err != nil {
		n.notice("couldn't close the log's file of checkpoints", map[string]any{"error": err.Error()})
	}
}

// hash grows the tree while there is much to hash.
func (n *Notary) hash() {
	for {
		select {
		case <-n.finish:
			return
		case <-n.wake:
			n.grower.grow() // an error comes again when the tree is to be signed
		}
	}
}

// enter does what comes before the first signature, trying again until it can be
// done. It returns false if nothing is to be signed.
func (n *Notary) enter(ctx context.Context) bool {
	for delay := firstDelay; ; delay = min(2*delay, longestDelay) {
		err := n.prepare(ctx)
		n.report(err)
		switch {
		case err == nil:
			return true
		case permanent(err):
			n.quit(err)
			return false
		}
		if !n.wait(delay) {
			return false
		}
	}
}

// wait returns false if the log is let go meanwhile.
func (n *Notary) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.finish:
		return false
	case <-t.C:
		return true
	}
}

// loop signs until the log is let go, or nothing is to be signed any more.
func (n *Notary) loop(ctx context.Context) {
	delay := firstDelay
	t := time.NewTimer(n.o.Interval)
	defer t.Stop()
	for {
		select {
		case <-n.finish:
			return
		case <-n.ask:
		case r := <-n.cosigner.out:
			n.keep(r)
			continue
		case err := <-n.cosigner.broken:
			n.report(err)
			n.quit(err)
			return
		case <-t.C:
		}
		if since := time.Since(n.lastAt); since < pace && !n.wait(pace-since) {
			return
		}
		err := n.advance(ctx)
		n.report(err)
		next := n.o.Interval
		switch {
		case permanent(err):
			n.quit(err)
			return
		case err != nil:
			next, delay = delay, min(2*delay, longestDelay)
		default:
			delay = firstDelay
		}
		t.Reset(next)
	}
}

// quit waits for the end without signing anything more, and has later openings do
// the same if the log is not the one that was signed.
func (n *Notary) quit(err error) {
	n.entered = false
	n.queue.close()
	if !forEver(err) {
		<-n.finish
		return
	}
	for n.journal.refuse(err.Error()) != nil && n.wait(longestDelay) {
	}
}

// turning tells whether an epoch is being ended, so that nothing else is signed.
func (n *Notary) turning() bool { return n.keys != nil && n.keys.pending != nil }

// advance signs what is due: the end of an epoch, and all that is synced.
func (n *Notary) advance(ctx context.Context) error {
	if n.unsynced {
		if err := n.publish(); err != nil {
			return err
		}
	}
	if n.turnDue() {
		if err := n.turn(ctx); err != nil {
			return err
		}
	}
	return n.step()
}

// step signs a checkpoint of all that is synced, if there is something to say: an
// entry more than last time, or that none came for a while.
func (n *Notary) step() error {
	if n.unsynced {
		if err := n.publish(); err != nil {
			return err
		}
	}
	tree, err := n.grower.snapshot()
	if err != nil {
		return err
	}
	if last := n.last; last != nil {
		size := tree.Head().Seq
		if size < last.Size || size == last.Size && tree.Root() != last.Root {
			return refuse("the tree of %d entries does not go on from the checkpoint of size %d", size, last.Size)
		}
		if size == last.Size && time.Since(n.lastAt) < n.o.Heartbeat {
			return nil
		}
	}
	return n.sign(tree)
}

// sign signs the checkpoint of a tree and publishes it.
func (n *Notary) sign(tree *Tree) error {
	c, err := n.pen.sign(tree.Head().Seq, tree.Root(), n.epochSigner())
	if err != nil {
		return err
	}
	r := newRecord(c, tree)
	n.last, n.lastAt, n.unsynced = &r, time.Now(), true
	if err := n.journal.add(&r); err != nil {
		return err
	}
	return n.publish()
}

// publish lets the newest checkpoint leave the process, once it is synced.
func (n *Notary) publish() error {
	if err := n.journal.flush(); err != nil {
		return err
	}
	n.unsynced = false
	r := *n.last
	n.mu.Lock()
	n.synced, n.at = &r, n.lastAt
	n.stats = Stats{Signed: n.stats.Signed + 1, Failures: n.stats.Failures, Size: r.Size, At: n.lastAt}
	close(n.more)
	n.more = make(chan struct{})
	n.mu.Unlock()
	n.o.Signed(r)
	n.copier.put(r)
	n.cosigner.put(r)
	return nil
}

// keep adds a checkpoint that came back with more signatures to the file.
func (n *Notary) keep(r Record) {
	if err := n.journal.add(&r); err != nil {
		if !errors.Is(err, errStopped) {
			n.report(fmt.Errorf("couldn't keep a cosigned checkpoint: %w", err))
		}
		return
	}
	n.o.Signed(r)
	n.copier.put(r)
}
