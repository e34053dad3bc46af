package producer

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrUndecided says that a stream's earlier request was given up while its entries may
// still reach the log, and that this took too long to be decided.
var ErrUndecided = errors.New("it is not decided yet whether earlier records of the same stream are in the log")

// Streams is the producers' chains as the log has them: a stream is advanced by what was
// written to the log, in the order of the log, and by nothing else. A request holds its
// streams from the check of its records until they are written, so requests of one stream
// are checked in the order in which they stand in the log; those of others don't wait.
// After a start what is known of a stream is what was recalled.
type Streams struct {
	max int

	mu     sync.Mutex // guards all below, and of each stream what is said to be
	byKey  map[Stream]*stream
	recent list.List // of *stream, the latest used first; those not held can be forgotten
}

// Recall takes a record that was read back from the log, in the order of the log, into its
// stream. whole says that nothing of it was redacted or cut.
// What is recalled can show a gap; a pointer to it that does not fit shows nothing.
func (s *Streams) Recall(l Link, whole bool) {
	if !l.says {
		return
	}
	l.self.recalled = true
	l.self.hashed = l.self.hashed && whole
	c, err := s.Claim(context.Background(), []Link{l}, 0)
	if err != nil {
		return // undecided: requests are let in already
	}
	c.Judge(&l)
	c.Settle(true)
}

// Forget makes every stream unknown that no request has.
func (s *Streams) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, one := range s.byKey {
		if one.users == 0 {
			s.recent.Remove(one.place)
			delete(s.byKey, k)
		}
	}
}

// stream is one chain. Its tail is its holder's.
type stream struct {
	key   Stream
	turn  chan struct{} // capacity 1: holds a value while a request has the stream
	tail  tail
	users int // requests that hold it or wait for it; guarded by Streams.mu
	place *list.Element
	doubt chan struct{} // closed when it is decided; nil if nothing is undecided; guarded by Streams.mu
}

// NewStreams remembers at most so many streams, those used last, each with its [Window]
// latest records. A stream that was forgotten is unknown again.
func NewStreams(most int) *Streams { return &Streams{max: most, byKey: make(map[Stream]*stream)} }

// Claim is a request's hold on its streams. One goroutine at a time uses it.
type Claim struct {
	of    *Streams
	held  []*stream
	tails map[Stream]tail
}

// Claim takes the streams of links, waiting for those that other requests have: for ever if
// these are being written, at most patience if they are undecided. The error is ctx's or
// ErrUndecided. A request that says nothing of chains gets nil, which is a valid Claim.
func (s *Streams) Claim(ctx context.Context, links []Link, patience time.Duration) (*Claim, error) {
	keys := streamsOf(links)
	if len(keys) == 0 {
		return nil, nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		c, undecided, err := s.take(ctx, keys)
		if undecided == nil {
			return c, err
		}
		select {
		case <-undecided:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, ErrUndecided
		}
	}
}

// streamsOf are the streams of links, sorted, so that requests take them in one order and
// never wait for each other in a circle.
func streamsOf(links []Link) (keys []Stream) {
	for i := range links {
		if links[i].says && (len(keys) == 0 || keys[len(keys)-1] != links[i].Stream) {
			keys = append(keys, links[i].Stream)
		}
	}
	slices.SortFunc(keys, func(a, b Stream) int {
		if a.named != b.named {
			if a.named {
				return 1
			}
			return -1
		}
		return bytes.Compare(a.sum[:], b.sum[:])
	})
	return slices.Compact(keys)
}

// take takes all of keys, or none: then undecided tells when to try again.
func (s *Streams) take(ctx context.Context, keys []Stream) (c *Claim, undecided <-chan struct{}, err error) {
	c = &Claim{of: s, tails: make(map[Stream]tail, len(keys))}
	for _, k := range keys {
		one := s.enter(k)
		select {
		case one.turn <- struct{}{}:
		case <-ctx.Done():
			s.leave(one)
			c.release()
			return nil, nil, ctx.Err()
		}
		c.held = append(c.held, one)
		s.mu.Lock()
		undecided = one.doubt
		s.mu.Unlock()
		if undecided != nil {
			c.release()
			return nil, undecided, nil
		}
		c.tails[k] = one.tail
	}
	return c, nil, nil
}

// enter finds a stream, or makes it, and keeps it from being forgotten.
func (s *Streams) enter(k Stream) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byKey[k]
	if one == nil {
		one = &stream{key: k, turn: make(chan struct{}, 1)}
		one.place = s.recent.PushFront(one)
		s.byKey[k] = one
	}
	one.users++
	s.recent.MoveToFront(one.place)
	return one
}

// leave undoes enter, and forgets what is too much.
func (s *Streams) leave(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.users--
	for e := s.recent.Back(); e != nil && len(s.byKey) > s.max; {
		old, before := e.Value.(*stream), e.Prev()
		if old.users == 0 {
			s.recent.Remove(e)
			delete(s.byKey, old.key)
		}
		e = before
	}
}

// Judge says what a record of the request is to its stream. The records of a request are
// judged in order, each once.
func (c *Claim) Judge(l *Link) Verdict {
	t := c.tails[l.Stream]
	v, after := t.judge(l)
	c.tails[l.Stream] = after
	return v
}

// Settle lets go of the streams: advanced if the request's records are in the log, else as
// they were. It is called once, and does nothing for nil.
func (c *Claim) Settle(written bool) {
	if c == nil {
		return
	}
	c.settle(written)
	c.release()
}

func (c *Claim) settle(written bool) {
	if !written {
		return
	}
	for _, one := range c.held {
		t := c.tails[one.key]
		t.came = t.came.settled()
		one.tail = t
	}
}

// Suspend lets others have their turn while it is not decided whether the request's records
// are in the log: they wait, within their patience. The returned function decides, once.
func (c *Claim) Suspend() (decide func(written bool)) {
	if c == nil {
		return func(bool) {}
	}
	doubt := make(chan struct{})
	c.of.mu.Lock()
	for _, one := range c.held {
		one.doubt = doubt
	}
	c.of.mu.Unlock()
	for _, one := range c.held {
		<-one.turn
	}
	return func(written bool) {
		c.of.mu.Lock()
		c.settle(written) // whoever has the turn meanwhile has seen the doubt and not the tail
		for _, one := range c.held {
			one.doubt = nil
		}
		c.of.mu.Unlock()
		close(doubt)
		for _, one := range c.held {
			c.of.leave(one)
		}
	}
}

func (c *Claim) release() {
	for _, one := range c.held {
		<-one.turn
		c.of.leave(one)
	}
	c.held = nil
}
