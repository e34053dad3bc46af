package chain_test

import (
	"syscall"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// inBubble runs a test with a clock that stands and log ids drawn by seed.
func inBubble(t *testing.T, seed uint64, test func(t *testing.T)) {
	cryptotest.SetGlobalRandom(t, seed)
	synctest.Test(t, test)
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, fs: faultfs.New(t, faultDir)}
	r.intercept(nil)
	return r
}

// intercept has hook decide about operations.
func (r *rig) intercept(hook func(faultfs.Op) faultfs.Outcome) {
	r.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
		if during := r.during; during != nil && op.Kind == faultfs.Sync {
			r.during = nil
			during()
		}
		if hook == nil {
			return faultfs.Outcome{}
		}
		return hook(op)
	})
}

// steps is a life of a log. After each the machine may be off.
var steps = []func(*rig){
	(*rig).open,
	func(r *rig) { r.write(2, true) },
	func(r *rig) { r.write(1, false) },
	func(r *rig) { r.sync(0) },
	func(r *rig) { r.write(3, true) },
	func(r *rig) { r.sync(2) },
	func(r *rig) { r.write(1, true) },
	func(r *rig) { r.rotate() },
	func(r *rig) { r.write(2, true) },
	func(r *rig) { r.close() },
	(*rig).open,
	func(r *rig) { r.write(9, true) },
	func(r *rig) { r.sync(0) },
	func(r *rig) { r.close() },
}

func (r *rig) live() {
	for _, step := range steps {
		if step(r); r.fs.Off() {
			return
		}
	}
}

func TestFaultless(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		r := newRig(t)
		r.live()
		r.checkLog()
		t.Log(r.fs.Ops())
	})
}

// errs are what storage fails with.
var errs = []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMFILE}

// failing fails count operations from n on.
func failing(n, count int, out faultfs.Outcome) func(faultfs.Op) faultfs.Outcome {
	return func(op faultfs.Op) faultfs.Outcome {
		if op.N >= n && op.N < n+count {
			return out
		}
		return faultfs.Outcome{}
	}
}

// settle ends a life: the log is closed if it is open, opened and closed again,
// and checked.
func (r *rig) settle() {
	if r.w != nil {
		r.close()
	}
	r.open()
	r.write(1, true)
	r.close()
	if r.checkLog(); r.find().torn {
		r.fatal("a log closed in order has a torn end")
	}
	r.checkLeftovers()
}

// TestEveryFailurePoint fails every operation of a life, in both ways and, of a
// write, half; with so many kinds of error as -faults says, of five.
func TestEveryFailurePoint(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		lives, ops := 0, 1
		for n := 1; n <= ops; n += every {
			for k := range min(*faults, len(errs)) {
				for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All} {
					r := newRig(t)
					out := faultfs.Outcome{Err: errs[(n+k)%len(errs)], Effect: effect}
					r.tell("fails at %d %s with %v", n, effect, out.Err)
					r.intercept(failing(n, 1, out))
					r.live()
					ops = max(ops, r.fs.Ops())
					r.intercept(nil)
					r.settle()
					lives++
				}
			}
		}
		t.Logf("operations: %d, lives: %d", ops, lives)
	})
}
