package exporter_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// chance is how the operations of one random run end.
type chance struct {
	*rand.Rand
	one      int // of so many operations one begins to fail, 0: none
	burst    int // how many go on failing
	death    int // of so many operations one is the last, 0: none
	stall    int // of so many syncs one takes longer than syncTimeout, 0: none
	markless bool
}

func newChance(seed uint64) *chance {
	c := &chance{Rand: rand.New(rand.NewPCG(seed, 6))}
	if c.IntN(4) > 0 {
		c.one = 10 + c.IntN(150)
	}
	if c.IntN(4) > 0 {
		c.death = 50 + c.IntN(300)
	}
	if c.IntN(4) == 0 {
		c.stall = 5 + c.IntN(40)
	}
	c.markless = c.IntN(4) == 0
	return c
}

func (c *chance) outcome(op faultfs.Op) faultfs.Outcome {
	if c.markless && strings.HasSuffix(op.Path, "/mark") {
		return outcomes[0]
	}
	if c.burst == 0 && (c.one == 0 || c.IntN(c.one) > 0) {
		return faultfs.Outcome{}
	}
	if c.burst--; c.burst < 0 {
		c.burst = c.IntN(4) * c.IntN(4)
	}
	return outcomes[c.IntN(len(outcomes))]
}

// run lives a life of several sessions, in which operations fail, syncs stall
// and the machine crashes at random; it goes on with what a crash left.
func (w *world) run() {
	c := newChance(w.seed)
	rotation := time.Duration(c.IntN(2)) * 100 * time.Millisecond
	w.options = func(o *chain.Options) {
		o.MaxAge = rotation
		if c.IntN(3) == 0 {
			o.VerifyOnStart = chain.VerifyFull
		}
	}
	for range 3 {
		im := w.runOnce(c)
		if im == nil {
			continue
		}
		w.goOn(im)
		if c.IntN(2) == 0 { // the recovery is quiet
			c.one, c.death = 0, 0
		}
	}
	w.heal()
	s := w.begin()
	s.insist()
	if err := s.end(); err != nil {
		w.wrong("closing: %v", err)
	}
	end := w.snap(death, 0)
	end.verify(end.checkStanding())
	if w.t.Failed() {
		w.wrong("see above")
	}
}

// runOnce lives one session; it returns what is left if the machine crashed.
func (w *world) runOnce(c *chance) (left *image) {
	// What an opening that fails costs is told by other tests: its clients are few.
	w.plan = func(op faultfs.Op) faultfs.Outcome {
		if c.death > 0 && c.IntN(c.death) == 0 && left == nil {
			how := powerCut
			if c.IntN(2) == 0 {
				how = death
			}
			left = w.snap(how, c.Uint64())
			w.tell("%s, before op %s", how, op)
			w.fs.TurnOff()
			return faultfs.Outcome{}
		}
		return c.outcome(op)
	}
	w.takes = func(op faultfs.Op) time.Duration {
		if op.Kind == faultfs.Sync && c.stall > 0 && c.IntN(c.stall) == 0 {
			return syncTimeout + time.Duration(c.Int64N(int64(time.Second)))
		}
		return duration(w.seed, op)
	}
	s := w.begin()
	if s == nil {
		return left
	}
	s.serve(1 + c.IntN(4))
	if w.heal(); !w.fs.Off() {
		s.insist()
	}
	_ = s.end()
	return left
}

// goOn continues in what a crash left: a promise that it was allowed to break is
// over.
func (w *world) goOn(im *image) {
	im.world.add(&w.counts.images)
	s := im.checkStanding()
	im.verifyOnce(s)
	stands := map[string]bool{}
	for _, e := range s.events {
		stands[e] = true
	}
	w.change(func(g *ledger) {
		for id := range g.requests {
			r := &g.requests[id]
			if id < len(im.ledger.requests) {
				*r = im.ledger.requests[id]
			}
			if r.acked > 0 && !stands[event(id, r.n-1)] {
				r.acked = 0
			}
		}
		// Nobody syncs what is exposed until the log is open again.
		g.written, g.syncs, g.trouble = nil, nil, []period{{from: im.at}}
	})
	w.fs = im.fs
	w.fs.Intercept(w.intercept)
}

// TestRandomRuns holds the log under its committer to its promises in random
// lives.
func TestRandomRuns(t *testing.T) {
	inEverySetting(t, func(t *testing.T, set setting) {
		var total counts
		runs := 100 * *faults
		for seed := range uint64(runs) {
			w := newWorld(t, set, seed+uint64(set.index)<<32)
			w.run()
			total.plus(w.counts)
			if t.Failed() {
				return
			}
		}
		t.Logf("runs: %d, %s", runs, total)
	})
}

// TestSameSeedSameRun: what a seed has found, it finds again.
func TestSameSeedSameRun(t *testing.T) {
	var stories [3][]string
	for i := range stories {
		t.Run("", func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T) {
				for seed := range uint64(5) {
					w := newWorld(t, settings[1], seed)
					w.run()
					slices.Sort(w.story) // what happens at one instant has no order
					stories[i] = append(stories[i], w.story...)
				}
			})
		})
	}
	require.Equal(t, stories[0], stories[1])
	require.Equal(t, stories[0], stories[2])
}
