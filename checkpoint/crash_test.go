package checkpoint_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// live opens the log, lets it grow in every way, and closes it, until the machine
// is off.
func (r *rig) live() {
	if err := r.tryOpen(); err != nil {
		require.True(r.t, r.fs.Off(), err)
		return
	}
	defer func() {
		if r.w != nil {
			r.w.Abandon()
		}
		synctest.Wait()
	}()
	for i := range 4 {
		if r.write(2) != nil {
			return
		}
		if i == 1 && r.w.Rotate() != nil {
			return
		}
		r.n.Sign()
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
	}
	if r.w.Close() == nil {
		r.w = nil
	}
}

// Wherever the machine is turned off, or the process dies: no checkpoint, neither of
// those in the file nor of those that left the process, covers an entry that is
// gone, the next opening takes the log as sound, and the tree goes on.
func TestCrashAtEachOperation(t *testing.T) {
	ops := 0
	bubble(t, func(_ *testing.T, r *rig) {
		r.live()
		ops = r.fs.Ops()
	})
	require.Greater(t, ops, 100)
	step := 3
	if testing.Short() {
		step = 13
	}
	for at := 5; at <= ops; at += step {
		for seed := range uint64(2) {
			bubble(t, func(_ *testing.T, r *rig) { r.crashAt(at, seed) })
		}
	}
}

// crashing ends the machine at operation at, or with seed 0 the process. What it returns
// gives the rig that goes on after it, nil if there were fewer operations.
func (r *rig) crashing(at int, seed uint64) (after func() *rig) {
	var mu sync.Mutex // the notary's operations are intercepted, too
	var next *rig
	r.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
		mu.Lock()
		defer mu.Unlock()
		if op.N >= at && next == nil {
			if seed == 0 {
				next = r.on(r.fs.ProcessDeath())
			} else {
				next = r.on(r.fs.PowerCut(seed))
			}
			r.fs.TurnOff()
		}
		return faultfs.Outcome{}
	})
	return func() *rig {
		mu.Lock()
		defer mu.Unlock()
		return next
	}
}

// crashAt crashes at an operation, and goes on twice after it.
func (r *rig) crashAt(at int, seed uint64) {
	crashed := r.crashing(at, seed)
	r.live()
	after := crashed()
	if after == nil {
		return
	}
	for range 2 {
		after.live()
		after.check("crashed before operation", at, "seed", seed)
		last := after.last()
		require.Equal(r.t, after.root(last.Size), last.Root)
		after = after.on(after.fs)
	}
}
