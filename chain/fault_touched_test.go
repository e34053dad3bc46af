package chain_test

import (
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// touches are what another process does to the newest segment; the writer puts
// all of it right.
var touches = map[string]func(r *rig, folder, segment string) error{
	"unlinked": func(r *rig, _, segment string) error { return r.fs.RemoveOutside(segment) },
	"renamed":  func(r *rig, _, segment string) error { return r.fs.RenameOutside(segment, segment+".old") },
	"replaced": func(r *rig, folder, segment string) error {
		return r.fs.RenameOutside(filepath.Join(folder, "mark"), segment)
	},
	"symlinked": func(r *rig, _, segment string) error { return r.fs.SymlinkOutside(segment) },
	"appended to": func(r *rig, _, segment string) error {
		r.appended = true
		return r.fs.WriteOutside(segment, []byte("{}\n"), int64(len(r.fs.Files("/")[segment[1:]])))
	},
	"folder removed":    func(r *rig, folder, _ string) error { return r.fs.RemoveOutside(folder) },
	"directory removed": func(r *rig, _, _ string) error { return r.fs.RemoveOutside(faultDir) },
}

// touchedLife is a life in which the only segment is touched between two syncs.
// fail has operations fail from then on; it may be nil.
func (r *rig) touchedLife(t *testing.T, touch func(r *rig, folder, segment string) error, fail func(faultfs.Op) faultfs.Outcome) {
	r.open()
	r.write(2, true)
	r.sync(0)
	r.write(1, true)
	info := r.w.Info()
	require.NoError(t, touch(r, info.Folder, filepath.Join(info.Folder, info.Segment)))
	r.intercept(fail)
	r.write(1, true)
	if !r.fs.Off() {
		r.sync(0)
	}
	if !r.fs.Off() {
		r.write(1, true)
		r.sync(0)
	}
}

// TestTouchedWhileStorageFails fails every operation from the touch on, in both
// ways: nothing acknowledged is lost, and the log is whole.
func TestTouchedWhileStorageFails(t *testing.T) {
	for name, touch := range touches {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 10, func(t *testing.T) {
				for n := 1; ; n++ {
					last := 0
					for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.All} {
						r := newRig(t)
						r.tell("%s, operation %d fails %s", name, n, effect)
						first := 0
						r.touchedLife(t, touch, func(op faultfs.Op) faultfs.Outcome {
							if first == 0 {
								first = op.N
							}
							last = op.N - first + 1
							if last == n {
								return faultfs.Outcome{Err: syscall.EIO, Effect: effect}
							}
							return faultfs.Outcome{}
						})
						r.intercept(nil)
						r.settle()
					}
					if n > last {
						return
					}
				}
			})
		})
	}
}

// TestTouchedBetweenTries: what is touched after the storage began to fail, and
// before it is back, is put right as well.
func TestTouchedBetweenTries(t *testing.T) {
	for name, touch := range touches {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 11, func(t *testing.T) {
				r := newRig(t)
				r.open()
				r.write(2, true)
				r.sync(0)
				r.write(1, true)
				info := r.w.Info()
				r.heal = func() {
					require.NoError(t, touch(r, info.Folder, filepath.Join(info.Folder, info.Segment)))
					r.intercept(nil)
				}
				r.intercept(func(op faultfs.Op) faultfs.Outcome {
					if op.Kind == faultfs.Sync || op.Kind == faultfs.Create {
						return faultfs.Outcome{Err: syscall.EIO}
					}
					return faultfs.Outcome{}
				})
				r.sync(0)
				require.Equal(t, []string{"1", "2", "3"}, r.model.synced)
				r.settle()
			})
		})
	}
}

// TestTouchedThenCrash crashes at any moment after the touch was put right: it
// is as durable as if nothing had happened.
func TestTouchedThenCrash(t *testing.T) {
	for name, touch := range touches {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 12, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(5, 2))
				r := newRig(t)
				r.touchedLife(t, touch, nil)
				var crashes []*rig
				r.intercept(func(faultfs.Op) faultfs.Outcome {
					for range 4 * *faults {
						crashes = append(crashes, r.crashed(powerCut, rng.Uint64()))
					}
					crashes = append(crashes, r.crashed(death, 0))
					return faultfs.Outcome{}
				})
				r.write(2, true)
				r.sync(0)
				r.rotate()
				r.close()
				for _, c := range crashes {
					c.recover(rng, nil)
				}
			})
		})
	}
}
