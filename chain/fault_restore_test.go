package chain_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// afterRestore is what opening made of a crash during a restore.
type afterRestore int

const (
	refused afterRestore = iota // as tampering
	whole
	anew // nothing was left, so a new log was made
)

// reopen opens what a crash during a restore left. It is tampering, nothing is
// missing of what is synced, or nothing at all is left.
func (r *rig) reopen() afterRestore {
	before := r.fs.Files("/")
	w, err := chain.Open(r.t.Context(), chain.Options{Directory: faultDir, FS: r.fs, Software: "test", BootID: r.bootID()})
	var tampered *chain.TamperError
	if errors.As(err, &tampered) {
		require.Equal(r.t, before, r.fs.Files("/"), "nothing is repaired")
		require.Empty(r.t, r.fs.OpenFiles())
		return refused
	}
	if err != nil {
		r.fatal("opening: %v", err)
	}
	require.NoError(r.t, w.Close())
	l := r.find()
	if l.torn {
		r.fatal("opened, and torn")
	}
	report, err := chain.Verify(r.t.Context(), r.fs, l.folder, chain.VerifyOptions{Lock: chain.LockOwn, Workers: 1})
	if err != nil || report.Broken() {
		r.fatal("opened, but verify: %v %v", err, report.Faults)
	}
	if len(l.events) == 0 && len(before) == 0 {
		return anew
	}
	if err := r.model.allows(l.events); err != nil {
		r.fatal("opened although: %v", err)
	}
	return whole
}

// TestCrashWhileRestoring crashes at every operation from a touch until the
// writer has put it right. The next start accepts what is whole, makes a new log
// where nothing is left, and calls all else tampering: it never goes on without
// what was synced.
func TestCrashWhileRestoring(t *testing.T) {
	for name, touch := range touches {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 13, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(6, 2))
				r := newRig(t)
				var crashes []*rig
				r.touchedLife(t, touch, func(faultfs.Op) faultfs.Outcome {
					for range 4 * *faults {
						crashes = append(crashes, r.crashed(powerCut, rng.Uint64()))
					}
					crashes = append(crashes, r.crashed(death, 0))
					return faultfs.Outcome{}
				})
				count := map[afterRestore]int{}
				for _, c := range crashes {
					count[c.reopen()]++
				}
				t.Logf("crashes: %d, refused: %d, whole: %d, nothing left: %d", len(crashes), count[refused], count[whole], count[anew])
				if removed := strings.HasSuffix(name, "removed"); count[anew] > 0 && !removed {
					t.Error("a new log was made although something of the old one is left")
				}
				require.Positive(t, count[whole], "the restore has come to its end")
			})
		})
	}
}
