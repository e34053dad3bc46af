package exporter_test

import (
	"math/rand/v2"
	"testing"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// failing fails count operations from n on.
func failing(n, count int, out faultfs.Outcome) func(faultfs.Op) faultfs.Outcome {
	return func(op faultfs.Op) faultfs.Outcome {
		if op.N >= n && op.N < n+count {
			return out
		}
		return faultfs.Outcome{}
	}
}

// short is how many requests each client sends in each session of a short life.
const short = 2

// TestEveryFailurePoint fails every operation of a life, and crashes some time
// after. In each flush mode -faults of 4 operations are tried, so each in one
// mode; from 4 on all are, in -faults / 4 of the 15 ways in which they can fail.
func TestEveryFailurePoint(t *testing.T) {
	inEverySetting(t, func(t *testing.T, set setting) {
		var total counts
		lives, ops := 0, newWorld(t, set, 0).failsAt(0, 0, outcomes[0], 0)
		for n := 1; n <= ops && !t.Failed(); n++ {
			for i := range len(outcomes) {
				if tried := (n+set.index)%4 + 4*i; tried >= *faults {
					continue
				}
				w := newWorld(t, set, uint64(n))
				ops = w.failsAt(n, 1, outcomes[(n*7+i)%len(outcomes)], 1)
				total.plus(w.counts)
				lives++
			}
		}
		t.Logf("operations: %d, lives: %d, %s", ops, lives, total)
	})
}

// failsAt lives a life in which count operations from n on fail, and checks about
// so many crashes after them. It returns how many operations there were.
func (w *world) failsAt(n, count int, out faultfs.Outcome, crashes int) (ops int) {
	rng := rand.New(rand.NewPCG(w.seed, 3))
	w.plan = failing(n, count, out)
	var images []*image
	w.look = func(op faultfs.Op) {
		if near := op.N - n; near >= 0 && rng.IntN(20+6*near) < 2*crashes {
			images = append(images, w.snap(powerCut, rng.Uint64()), w.snap(death, 0))
		}
	}
	w.live(short)
	ops = w.fs.Ops()
	for _, im := range images {
		im.check(rng, 1)
	}
	return ops
}

// TestCrashAnywhere cuts the power and ends the process as an operation begins
// or ends, at -faults of 8 such moments, and again while the log is opened after
// that.
func TestCrashAnywhere(t *testing.T) {
	inEverySetting(t, func(t *testing.T, set setting) {
		var total counts
		for seed := range uint64(1 + *faults/8) {
			rng := rand.New(rand.NewPCG(seed, 4))
			w := newWorld(t, set, seed)
			var images []*image
			w.look = func(faultfs.Op) {
				if rng.IntN(8) < *faults {
					images = append(images, w.snap(powerCut, rng.Uint64()), w.snap(death, 0))
				}
			}
			w.live(short)
			for _, im := range images {
				im.check(rng, 1)
			}
			total.plus(w.counts)
		}
		t.Log(total)
	})
}
