package chain_test

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// chance is how the operations of one random run fail.
type chance struct {
	*rand.Rand
	one   int // of so many operations one begins to fail, 0: none
	burst int // how many go on failing
	death int // of so many operations one is the last, 0: none
	// markless: the mark can't be used.
	markless bool
}

func (c *chance) outcome(r *rig, op faultfs.Op) faultfs.Outcome {
	if c.death > 0 && c.IntN(c.death) == 0 {
		r.fs.TurnOff()
		return faultfs.Outcome{}
	}
	if c.markless && strings.HasSuffix(op.Path, "/mark") {
		return faultfs.Outcome{Err: syscall.EIO}
	}
	if c.burst == 0 && (c.one == 0 || c.IntN(c.one) > 0) {
		return faultfs.Outcome{}
	}
	if c.burst--; c.burst < 0 {
		c.burst = c.IntN(4) * c.IntN(4)
	}
	effects := []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All}
	return faultfs.Outcome{Err: errs[c.IntN(len(errs))], Effect: effects[c.IntN(len(effects))]}
}

// step does something at random: a clock may jump, too.
func (c *chance) step(r *rig) {
	if r.w == nil {
		r.full = c.IntN(4) == 0
		r.open()
		return
	}
	switch c.IntN(16) {
	default:
		r.write(1+c.IntN(4)*c.IntN(4), c.IntN(3) > 0)
	case 0, 1, 2, 3:
		r.sync(0)
	case 4, 5:
		r.sync(1 + c.IntN(5))
	case 6:
		r.rotate()
	case 7:
		r.close()
	case 8:
		r.fs.SetSpace(int64(c.IntN(4000)))
	case 9:
		by := time.Duration(c.Int64N(int64(1000*time.Hour))) - 500*time.Hour
		r.w.SetWallClock(func() time.Time { return time.Now().Round(0).Add(by) })
		r.tell("clock jumps to %s", by)
	}
}

// run drives a log through random steps, faults and crashes, and closes it.
func run(t *testing.T, seed uint64) (crashes int) {
	c := &chance{Rand: rand.New(rand.NewPCG(seed, 7))}
	r := newRig(t)
	if c.IntN(4) > 0 {
		c.one = 10 + c.IntN(60)
	}
	if c.IntN(4) > 0 {
		c.death = 20 + c.IntN(150)
	}
	c.markless, r.sameBoot, r.untidy = c.IntN(4) == 0, c.IntN(4) == 0, c.IntN(4) == 0
	r.tell("run %d", seed)
	for range 5 + c.IntN(20) {
		r.intercept(func(op faultfs.Op) faultfs.Outcome { return c.outcome(r, op) })
		r.heal = func() {
			r.intercept(nil)
			r.fs.SetSpace(-1)
		}
		c.step(r)
		if r.fs.Off() {
			crashes++
			r = r.crashed(crash(c.IntN(2)), c.Uint64())
			r.fs.SetSpace(-1)
			r.checkLog()
		}
	}
	r.intercept(nil)
	r.fs.SetSpace(-1)
	r.settle()
	return crashes
}

// TestRandomRuns holds the writer against the model.
func TestRandomRuns(t *testing.T) {
	inBubble(t, 4, func(t *testing.T) {
		crashes := 0
		for seed := range uint64(1000 * *faults / fewer) {
			crashes += run(t, seed)
		}
		t.Log("runs:", 1000**faults/fewer, "crashes:", crashes)
	})
}
