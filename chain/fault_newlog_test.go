package chain_test

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// tamperedRig holds a closed log, one byte of which was changed since.
func tamperedRig(t *testing.T) (r *rig, broken map[string][]byte) {
	r = newRig(t)
	r.open()
	r.write(3, true)
	r.sync(0)
	info := r.w.Info()
	r.close()
	segment := filepath.Join(info.Folder, info.Segment)
	require.NoError(t, r.fs.WriteOutside(segment, []byte{'X'}, r.ends(segment)[1]+int64(200)))
	return r, r.fs.Files(faultDir)
}

// openAnew opens the directory with on_tampering new_log, and again while that
// fails. It returns nil if the machine was turned off.
func (r *rig) openAnew() *chain.Writer {
	for range patience {
		w, err := chain.Open(r.t.Context(), chain.Options{
			Directory: faultDir, FS: r.fs, Software: "test", BootID: r.bootID(), OnTampering: chain.TamperNewLog,
		})
		if err == nil {
			return w
		}
		r.tell("open: %v", err)
		require.Empty(r.t, r.fs.OpenFiles(), r.story)
	}
	r.fatal("log can't be opened")
	return nil
}

// checkAnew checks that the broken log is as it was and that one other succeeds
// it, which names it, verifies, holds the events and is what the next start goes on with.
func (r *rig) checkAnew(broken map[string][]byte, events ...string) {
	files := r.fs.Files(faultDir)
	logs := map[string]bool{}
	for p := range files {
		logs[filepath.Dir(p)] = true
	}
	old := ""
	for p, data := range broken {
		old = filepath.Dir(p)
		if string(files[p]) != string(data) {
			r.fatal("%s of the broken log was changed", p)
		}
	}
	delete(logs, old)
	if len(logs) != 1 {
		r.fatal("logs besides the broken one: %v", logs)
	}
	id := slices.Collect(maps.Keys(logs))[0]
	folder := filepath.Join(faultDir, id)
	report, err := chain.Verify(r.t.Context(), r.fs, folder, chain.VerifyOptions{Lock: chain.LockOwn, Workers: 1})
	require.NoError(r.t, err)
	require.Empty(r.t, report.Faults, r.story)
	require.Len(r.t, report.Follows, 1)
	require.Equal(r.t, old, report.Follows[0].LogID.String())
	require.NotEmpty(r.t, report.Follows[0].Fault)
	require.Equal(r.t, events, r.standing(folder), r.story)
	w, err := chain.Open(r.t.Context(), chain.Options{Directory: faultDir, FS: r.fs, BootID: r.bootID()})
	require.NoError(r.t, err, r.story)
	require.Equal(r.t, id, w.Info().LogID.String())
	require.NoError(r.t, w.Close())
}

// appendAnew opens the directory anew, appends an event and closes.
func (r *rig) appendAnew() {
	w := r.openAnew()
	require.NoError(r.t, w.Write([]*chain.Batch{batch("new")}))
	require.NoError(r.t, w.Sync())
	require.NoError(r.t, w.Close())
}

// TestNewLogWhileStorageFails fails every operation of an opening that makes a
// new log beside a broken one, in both ways. The broken log's mark is spared but
// from what passes: without it the change might be what a crash left.
func TestNewLogWhileStorageFails(t *testing.T) {
	inBubble(t, 15, func(t *testing.T) {
		lives, ops := 0, 1
		for n := 1; n <= ops; n++ {
			for k := range min(*faults, len(errs)) {
				for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All} {
					r, broken := tamperedRig(t)
					out := faultfs.Outcome{Err: errs[(n+k)%len(errs)], Effect: effect}
					r.tell("fails at %d %s with %v", n, effect, out.Err)
					first := r.fs.Ops()
					fail := failing(first+n, 1, out)
					r.intercept(func(op faultfs.Op) faultfs.Outcome {
						out := fail(op)
						if _, ofBroken := broken[strings.TrimPrefix(op.Path, faultDir+"/")]; out.Err != nil && ofBroken && strings.HasSuffix(op.Path, "/mark") {
							out.Err = syscall.EMFILE
						}
						return out
					})
					w := r.openAnew()
					ops = max(ops, r.fs.Ops()-first)
					r.intercept(nil)
					require.NoError(t, w.Write([]*chain.Batch{batch("new")}))
					require.NoError(t, w.Sync())
					require.NoError(t, w.Close())
					r.checkAnew(broken, "new")
					lives++
				}
			}
		}
		t.Logf("operations: %d, lives: %d", ops, lives)
	})
}

// TestCrashWhileMakingANewLog crashes at every operation of such an opening and
// of what follows; the next start makes the new log, or goes on with it.
func TestCrashWhileMakingANewLog(t *testing.T) {
	inBubble(t, 16, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(8, 2))
		r, broken := tamperedRig(t)
		var crashes []*rig
		r.intercept(func(faultfs.Op) faultfs.Outcome {
			for range 4 * *faults {
				crashes = append(crashes, r.crashed(powerCut, rng.Uint64()))
			}
			crashes = append(crashes, r.crashed(death, 0))
			return faultfs.Outcome{}
		})
		r.appendAnew()
		r.intercept(nil)
		r.checkAnew(broken, "new")
		for _, c := range crashes {
			had := strings.Contains(strings.Join(c.everything(), " "), "new")
			c.appendAnew()
			if had {
				c.checkAnew(broken, "new", "new")
			} else {
				c.checkAnew(broken, "new")
			}
		}
		t.Log("crashes:", len(crashes))
	})
}

// everything returns the events of all logs.
func (r *rig) everything() (events []string) {
	folders := map[string]bool{}
	for p := range r.fs.Files(faultDir) {
		folders[filepath.Dir(p)] = true
	}
	for f := range folders {
		events = append(events, r.standing(filepath.Join(faultDir, f))...)
	}
	return events
}
