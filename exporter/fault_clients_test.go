package exporter_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// client is how one of the concurrent clients behaves.
type client struct {
	critical bool
	sizes    []int         // events of its requests, in turn
	resends  bool          // what was refused
	patience time.Duration // of one request; 0: endless
	pause    time.Duration // up to, between requests
}

// clients are critical and routine, some resend, one sends more than may be
// exposed at once, and one loses patience.
var clients = []client{
	{critical: true, sizes: []int{1, 2}, pause: 12 * time.Millisecond},
	{critical: false, sizes: []int{1, 2, 3}, pause: 9 * time.Millisecond},
	{critical: true, sizes: []int{2}, resends: true, pause: 30 * time.Millisecond},
	{critical: false, sizes: []int{1, batchSize + 2, 2}, resends: true, pause: 25 * time.Millisecond},
	{critical: false, sizes: []int{1, 1, 4}, patience: 3 * time.Millisecond, pause: 50 * time.Millisecond},
}

// serve has all clients send so many requests each, and waits for them.
func (s *session) serve(requests int) {
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() { s.client(int64(i), c, requests) })
	}
	all.Wait()
}

func (s *session) client(i int64, c client, requests int) {
	r := rand.New(rand.NewPCG(s.seed, uint64(100+i)))
	for k := 0; k < requests && !s.fs.Off(); k++ {
		pause := time.Duration(r.Int64N(int64(c.pause)))
		if r.IntN(8) == 0 {
			pause *= 4 // long enough for batchInterval to pass
		}
		time.Sleep(pause)
		s.align(clientSlot + i)
		id, padding := s.next(c.sizes[k%len(c.sizes)], c.critical), 20+r.IntN(500)
		for try := 0; s.attempt(c, id, padding) != nil && c.resends && try < 20 && !s.fs.Off(); try++ {
			time.Sleep(min(50*time.Millisecond<<try, 5*time.Second))
			s.align(clientSlot + i)
		}
	}
}

func (s *session) attempt(c client, id, padding int) error {
	ctx := s.t.Context()
	if c.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.patience)
		defer cancel()
	}
	return s.send(ctx, id, c.critical, padding)
}

// insist sends one request until it is acknowledged, which happens by itself
// when the storage is back.
func (s *session) insist() {
	began := s.now()
	id := s.next(1, true)
	for s.send(s.t.Context(), id, true, 20) != nil && !s.fs.Off() {
		if s.now()-began > time.Minute {
			s.wrong("the log has not recovered after %s", s.now()-began)
			return
		}
		time.Sleep(100 * time.Millisecond)
		s.align(clientSlot + int64(len(clients)))
	}
	if st := s.c.Stats(); !st.State.Healthy && !s.fs.Off() {
		s.wrong("acknowledging, but %v", st.State)
	}
}

// live is a life of two sessions, each of which the log serves to its end.
func (w *world) live(requests int) {
	for range 2 {
		s := w.begin()
		s.serve(requests)
		s.insist()
		_ = s.end() // the next opening recovers
		if w.t.Failed() {
			w.wrong("see above")
			return
		}
	}
	w.heal()
	l := w.open()
	if err := l.Close(); err != nil {
		w.wrong("closing: %v", err)
	}
	im := w.snap(death, 0)
	s := im.checkStanding()
	if s.torn {
		w.wrong("a log closed in order has a torn end")
	}
	im.verify(s)
}

// TestFaultless: without faults every request but the impatient is acknowledged.
func TestFaultless(t *testing.T) {
	inEverySetting(t, func(t *testing.T, set setting) {
		var total counts
		for seed := range uint64(5 * *faults) {
			w := newWorld(t, set, seed)
			w.live(8)
			if c := w.counts; c.rotations == 0 || c.renewals > 0 || c.refused > 0 {
				w.wrong("without a fault: %s", c)
			}
			total.plus(w.counts)
		}
		t.Log(total)
	})
}
