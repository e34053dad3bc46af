package exporter_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// persistent sends a request until it is acknowledged, as a client does that loses no record.
func (r *idRig) persistent(recs ...rec) {
	r.t.Helper()
	for range 200 {
		if r.send(recs...) == nil {
			return
		}
		time.Sleep(time.Second)
	}
	require.Fail(r.t, "never acknowledged")
}

// busy has a client send eight requests, each twice, one over a restart.
func (r *idRig) busy() {
	for i := range 8 {
		for range 2 {
			r.persistent(rec{fmt.Sprint("x", i), "x", i%2 == 0}, rec{fmt.Sprint("y", i), "y", false})
		}
		if i == 4 {
			_ = r.Shutdown(r.t.Context())
			r.boot()
		}
	}
}

// requireOnce holds if each record of busy stands once, after it was sent again.
func (r *idRig) requireOnce() {
	r.t.Helper()
	r.busy()
	stands := r.stands()
	require.Len(r.t, stands, 16, "%v", stands)
	for i := range 8 {
		require.Contains(r.t, stands, fmt.Sprintf("x%d x", i))
		require.Contains(r.t, stands, fmt.Sprintf("y%d y", i))
	}
}

// Whenever the process dies or the power is cut, a client that sends everything again leaves each record
// once.
func TestCrashLeavesEachRecordOnce(t *testing.T) {
	total := 0
	idempotent(t, nil, func(r *idRig) {
		r.busy()
		total = r.fs.Ops()
	})
	step := max(1, total/(60**faults))
	for n := 20; n < total; n += step {
		inBubble(t, 1, func(t *testing.T) {
			r := &idRig{t: t, fs: faultfs.New(t, faultDir), o: idempotentOptions()}
			var image *faultfs.FS
			fs := r.fs
			fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N == n {
					if image = fs.ProcessDeath(); n/step%2 == 0 {
						image = fs.PowerCut(uint64(n))
					}
					fs.TurnOff()
				}
				return faultfs.Outcome{}
			})
			r.boot()
			for i := range 8 { // until the end comes
				for range 2 {
					_ = r.send(rec{fmt.Sprint("x", i), "x", i%2 == 0}, rec{fmt.Sprint("y", i), "y", false})
				}
				if i == 4 {
					_ = r.Shutdown(r.t.Context())
					if fs.Off() {
						break
					}
					r.boot()
				}
			}
			_ = r.Shutdown(r.t.Context())
			if image == nil {
				return // the rest is not as long as the busy client's
			}
			r.fs = image
			r.boot()
			r.requireOnce()
			r.requireIndexed()
			r.down()
		})
		if t.Failed() {
			return
		}
	}
}

// An operation that fails costs no record and doubles none.
func TestFailureLeavesEachRecordOnce(t *testing.T) {
	total := 0
	idempotent(t, nil, func(r *idRig) {
		r.busy()
		total = r.fs.Ops()
	})
	step := max(1, total/(40**faults))
	for n := 20; n < total; n += step {
		inBubble(t, 1, func(t *testing.T) {
			r := &idRig{t: t, fs: faultfs.New(t, faultDir), o: idempotentOptions()}
			r.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
				// A run that can't be read is forgotten, and told.
				if op.N == n && !(op.Kind == faultfs.Read && strings.Contains(op.Path, "/ids/")) {
					return faultfs.Outcome{Err: errors.New("input/output error"), Effect: faultfs.Half}
				}
				return faultfs.Outcome{}
			})
			r.boot()
			r.requireOnce()
			r.down()
			r.boot()
			r.requireOnce()
			r.down()
		})
		if t.Failed() {
			return
		}
	}
}

// The index is derived: gone, damaged, behind, ahead or another log's, it costs no record and doubles none.
func TestIndexIsMadeAnew(t *testing.T) {
	for name, spoil := range map[string]func(r *idRig, folder string, files map[string][]byte){
		"gone": func(r *idRig, folder string, files map[string][]byte) {
			require.NoError(r.t, r.fs.RemoveOutside(folder))
		},
		"run gone": func(r *idRig, folder string, files map[string][]byte) {
			for _, f := range newest(files, 1) {
				require.NoError(r.t, r.fs.RemoveOutside(filepath.Join(folder, f)))
			}
		},
		"damaged": func(r *idRig, folder string, files map[string][]byte) {
			for _, f := range newest(files, 100) {
				require.NoError(r.t, r.fs.WriteOutside(filepath.Join(folder, f), []byte("damaged"), 20))
			}
		},
		"cut off": func(r *idRig, folder string, files map[string][]byte) {
			for _, f := range newest(files, 100) {
				require.NoError(r.t, r.fs.TruncateOutside(filepath.Join(folder, f), 100))
			}
		},
		"no key": func(r *idRig, folder string, files map[string][]byte) {
			require.NoError(r.t, r.fs.RemoveOutside(filepath.Join(folder, "key")))
		},
		"a file": func(r *idRig, folder string, files map[string][]byte) {
			require.NoError(r.t, r.fs.RemoveOutside(folder))
			require.NoError(r.t, r.fs.SymlinkOutside(folder))
		},
	} {
		t.Run(name, func(t *testing.T) {
			idempotent(t, nil, func(r *idRig) {
				r.busy()
				want := r.stands()
				r.down()
				folder, err := chain.FindLog(r.fs, faultDir)
				require.NoError(t, err)
				folder = filepath.Join(folder, "ids")
				spoil(r, folder, r.fs.Files(folder))
				r.boot()
				r.busy()
				require.Equal(t, want, r.stands())
			})
		})
	}
}

// newest are the last n runs by name.
func newest(files map[string][]byte, n int) (runs []string) {
	for name := range files {
		if strings.HasSuffix(name, ".ids") {
			runs = append(runs, name)
		}
	}
	// Names begin with the sequence number.
	for len(runs) > n {
		least := 0
		for i := range runs {
			if runs[i] < runs[least] {
				least = i
			}
		}
		runs = append(runs[:least], runs[least+1:]...)
	}
	return runs
}

// An index that knows more than its log, as when an older copy of the log was put back, believes the log.
func TestIndexIsAheadOfLog(t *testing.T) {
	idempotent(t, nil, func(r *idRig) {
		r.mustSend(recA)
		r.down()
		older := r.fs.Files(faultDir)
		r.boot()
		r.mustSend(recA, recB)
		r.down()
		folder, err := chain.FindLog(r.fs, faultDir)
		require.NoError(t, err)
		ids := r.fs.Files(folder + "/ids")

		// The log as it was before, with the index as it is now.
		back := faultfs.New(r.t, faultDir)
		lock := put(r.t, back, faultDir, older, func(name string) bool { return !strings.Contains(name, "/ids/") })
		put(r.t, back, folder+"/ids", ids, func(string) bool { return true })
		require.NoError(t, lock.Unlock())
		r.fs = back
		r.boot()
		r.mustSend(recB, recA)
		require.Equal(t, []string{"a one", "b two"}, r.stands())
		r.requireIndexed()
	})
}

// put writes files below a folder, as a restore does, and returns the lock that it took.
func put(t *testing.T, fs *faultfs.FS, dir string, files map[string][]byte, want func(string) bool) durable.Lock {
	t.Helper()
	require.NoError(t, mkdirs(fs, dir))
	lock, err := fs.Lock(faultDir)
	if err != nil {
		require.ErrorIs(t, err, durable.ErrLocked)
	}
	for name, b := range files {
		if !want("/" + name) {
			continue
		}
		path := filepath.Join(dir, name)
		require.NoError(t, mkdirs(fs, filepath.Dir(path)))
		f, err := fs.Create(path+".restored", 0o600)
		require.NoError(t, err)
		_, err = f.WriteAt(b, 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		require.NoError(t, fs.Rename(path+".restored", path))
		require.NoError(t, fs.SyncDir(filepath.Dir(path)))
	}
	return lock
}

func mkdirs(fs *faultfs.FS, dir string) error {
	if dir == "/" {
		return nil
	}
	if err := mkdirs(fs, filepath.Dir(dir)); err != nil {
		return err
	}
	if err := fs.Mkdir(dir, 0o700); err != nil && !durable.IsExist(err) {
		return err
	}
	return fs.SyncDir(filepath.Dir(dir))
}

// A log that is longer than what is read of it is read from a later entry on, and that is told.
func TestIndexBeginsLate(t *testing.T) {
	idempotent(t, func(o *exporter.Options) { o.MaxSegmentSize = 3000 }, func(r *idRig) {
		for i := range 30 {
			r.mustSend(rec{id: fmt.Sprint(i), says: strings.Repeat("x", 300)})
			time.Sleep(2 * time.Second)
		}
		r.down()
		folder, err := chain.FindLog(r.fs, faultDir)
		require.NoError(t, err)
		require.NoError(t, r.fs.RemoveOutside(folder+"/ids"))
		r.reread = 6000
		r.boot()
		synctest.Wait()
		require.NotEmpty(t, r.logs.FilterMessageSnippet("not known").All())
		count := len(r.stands())
		r.mustSend(rec{id: "29", says: strings.Repeat("x", 300)})
		require.Len(t, r.stands(), count, "the newest are known")
		r.mustSend(rec{id: "0", says: strings.Repeat("x", 300)})
		require.Len(t, r.stands(), count+1, "the oldest are not")
	})
}
