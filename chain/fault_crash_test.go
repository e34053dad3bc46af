package chain_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// faults multiplies how many crashes and runs are drawn.
var faults = flag.Int("faults", 1, "how many times as many random crashes and runs are tried")

// crash is how a process ends.
type crash int

const (
	powerCut crash = iota
	death
)

// crashed is the rig on what a crash now leaves. The rig itself goes on.
func (r *rig) crashed(how crash, seed uint64) *rig {
	var c *rig
	if how == powerCut {
		c = r.on(r.fs.PowerCut(seed))
		c.model.cutPower()
	} else {
		c = r.on(r.fs.ProcessDeath())
	}
	c.tell("crash %d before op %d, seed %d", how, r.fs.Ops(), seed)
	c.intercept(nil)
	return c
}

// recover opens what a crash left, goes on for a while, and checks; so many
// crashes of the recovery are drawn, and of theirs, as deep says.
func (r *rig) recover(rng *rand.Rand, deep []int) (crashes int) {
	r.checkLog()
	var next []*rig
	if len(deep) > 0 {
		r.intercept(func(op faultfs.Op) faultfs.Outcome {
			if rng.IntN(80) < deep[0] { // there are about 80 operations
				next = append(next, r.crashed(crash(rng.IntN(2)), rng.Uint64()))
			}
			return faultfs.Outcome{}
		})
	}
	r.settle()
	for _, c := range next {
		crashes += 1 + c.recover(rng, deep[1:])
	}
	return crashes
}

// TestCrashAnywhere crashes before every operation of a life, and three deep in
// the recovery from that.
func TestCrashAnywhere(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		r := newRig(t)
		var crashes []*rig
		r.intercept(func(op faultfs.Op) faultfs.Outcome {
			if op.N%every != 0 {
				return faultfs.Outcome{}
			}
			for range 2 * *faults {
				crashes = append(crashes, r.crashed(powerCut, rng.Uint64()))
			}
			crashes = append(crashes, r.crashed(death, 0))
			return faultfs.Outcome{}
		})
		r.live()
		n := len(crashes)
		for _, c := range crashes {
			n += c.recover(rng, []int{1, 1, 1})
		}
		t.Log("crashes:", n)
	})
}

// TestDeathThenPowerCut ends the process before every operation of a life, and
// cuts the power at every operation of what the next process does.
func TestDeathThenPowerCut(t *testing.T) {
	inBubble(t, 2, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 2))
		r := newRig(t)
		var deaths []*rig
		r.intercept(func(faultfs.Op) faultfs.Outcome {
			deaths = append(deaths, r.crashed(death, 0))
			return faultfs.Outcome{}
		})
		r.live()
		n := 0
		for _, d := range deaths {
			n += 1 + d.recover(rng, []int{10 * *faults / fewer})
		}
		t.Log("crashes:", n)
	})
}

// TestNamesGetLost ends the process before every SyncDir of a life, and cuts the
// power before every SyncDir of what the next process does: a later segment must
// not keep its name while an earlier one loses it.
func TestNamesGetLost(t *testing.T) {
	inBubble(t, 9, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 2))
		before := func(r *rig, draws int, how crash) (crashes []*rig) {
			r.intercept(func(op faultfs.Op) faultfs.Outcome {
				for range draws {
					if op.Kind == faultfs.SyncDir {
						crashes = append(crashes, r.crashed(how, rng.Uint64()))
					}
				}
				return faultfs.Outcome{}
			})
			r.live()
			return crashes
		}
		n := 0
		for _, d := range before(newRig(t), 1, death) {
			for _, c := range before(d, 5**faults, powerCut) {
				n += 1 + c.recover(rng, nil)
			}
		}
		t.Log("crashes:", n)
	})
}

// TestFaultThenCrash fails every operation of a life, and crashes some time
// after, while the writer recovers from that or later.
func TestFaultThenCrash(t *testing.T) {
	inBubble(t, 3, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 2))
		effects := []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All}
		crashes, ops := 0, 1
		for n := 1; n <= ops; n += every {
			for i := range *faults {
				out := faultfs.Outcome{Err: errs[rng.IntN(len(errs))], Effect: effects[(n+i)%len(effects)]}
				var done int
				done, ops = faultThenCrash(t, rng, n, out)
				crashes += done
			}
		}
		t.Log("operations:", ops, "crashes:", crashes)
	})
}

// faultThenCrash fails up to three operations from n on.
func faultThenCrash(t *testing.T, rng *rand.Rand, n int, out faultfs.Outcome) (crashes, ops int) {
	r := newRig(t)
	fail := failing(n, 1+rng.IntN(3), out)
	r.tell("fails at %d %s with %v", n, out.Effect, out.Err)
	var next []*rig
	r.intercept(func(op faultfs.Op) faultfs.Outcome {
		if near := op.N - n; near > 0 && rng.IntN(4+near) < 2 {
			next = append(next, r.crashed(crash(rng.IntN(2)), rng.Uint64()))
		}
		return fail(op)
	})
	r.live()
	for _, c := range next {
		crashes += 1 + c.recover(rng, []int{1})
	}
	return crashes, r.fs.Ops()
}
