package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/e2e/collector"
	"github.com/otelaudit/auditexporter/e2e/powercut"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const (
	cutBatchSize     = 100
	cutBatchInterval = 200 * time.Millisecond
	// schedulingSlack is how late a timer, and the answer of a sync, may be on a busy machine.
	schedulingSlack = 250 * time.Millisecond
	cutsOfALog      = 5
)

// The power goes off under load, and while the log is recovered from the cut before. Each log is cut
// five times. CUTS is the number of cuts in each mode.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	cuts, seed := number(t, "CUTS", 10), number(t, "SEED", 1)
	for _, mode := range []string{"hybrid", "immediate"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			total := &cutCounts{}
			for first := 0; first < cuts; first += cutsOfALog {
				v := newVictim(t, mode, total)
				for k := range min(cutsOfALog, cuts-first) {
					v.live(t, uint64(seed*1_000_000+first+k))
				}
				v.live(t, 0) // once more, to recover and close
			}
			require.Equal(t, cuts, total.cuts)
			summary("%s: %d power cuts, %d of them before the log was open, %d records acknowledged, "+
				"critical lost 0, routine lost %d, at most %d in a cut, the oldest %v before it; torn bytes in %d cuts",
				mode, total.cuts, total.early, total.acknowledged, total.routine, total.most,
				total.oldest.Round(time.Millisecond), total.torn)
		})
	}
}

// cutCounts are what the cuts of one mode did.
type cutCounts struct {
	cuts, early, torn           int
	acknowledged, routine, most int
	oldest                      time.Duration
}

// victim is a log that lives through power cuts.
type victim struct {
	mode  string
	files *faultfs.FS
	load  clients
	kept  map[string]bool // recovered once, so synced
	lives int
	total *cutCounts

	ends map[int]end // of the lives not judged yet

	all *everything // on; nil: none of it
}

// end is how a life ended: when the power went off, and the syncs until then.
type end struct {
	at    time.Time
	syncs []powercut.Sync
}

func newVictim(t *testing.T, mode string, total *cutCounts) *victim {
	return &victim{
		mode: mode, files: faultfs.New(t, powercut.Directory), total: total, kept: map[string]bool{}, ends: map[int]end{},
		load: clients{
			load: load{requests: 1_000_000, body: 700},
			acks: map[string]ack{},
		},
	}
}

// live boots the machine, judges what the cut before left, and goes on until the next cut, by seed;
// with seed 0 it shuts down in order.
func (v *victim) live(t *testing.T, seed uint64) {
	t.Helper()
	v.lives++
	v.load.name, v.load.life = fmt.Sprintf("life%d", v.lives), v.lives
	o := faultOptions(t, "FLUSH_MODE="+v.mode, fmt.Sprintf("BATCH_SIZE=%d", cutBatchSize), fmt.Sprintf("BATCH_INTERVAL=%v", cutBatchInterval))
	mount := filepath.Join(o.Dir, "disk")
	v.all.configure(&o, mount)
	require.NoError(t, os.Mkdir(mount, 0o700))
	disk, err := powercut.Mount(mount, v.files, seed)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	o.Env = append(o.Env, "AUDIT_DIRECTORY="+mount+powercut.Directory)
	o.Wrap = rebooted(t, o.Dir, v.lives)

	r := rand.New(rand.NewPCG(seed, 2))
	early := seed != 0 && v.lives > 1 && r.IntN(5) == 0
	if early {
		v.total.early++
		disk.CutIn(1 + r.IntN(40))
	}
	c, err := collector.Launch(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Signal(syscall.SIGKILL) })
	booting, booted := context.WithCancel(within(t, time.Minute))
	go func() {
		select {
		case <-disk.Cut():
			booted()
		case <-booting.Done():
		}
	}()
	if err := c.AwaitReady(booting, 1); !errors.Is(err, context.Canceled) {
		require.NoError(t, err, "%s", c.Log())
	}
	booted()
	if !early {
		v.judge(t)
		v.resend(t, c)
	}
	if seed == 0 {
		stop(t, c)
	} else {
		v.cut(t, c, disk, r)
	}
	require.NoError(t, disk.Unmount())
	v.files = v.files.ProcessDeath()
	if left, at := disk.Left(); left != nil {
		v.files, v.ends[v.lives] = left, end{at: at, syncs: disk.Syncs()}
		v.total.cuts++
		v.all.requireCovered(t, v.files)
	}
}

// cut has clients send until the power goes off, some operations after some acknowledgements.
func (v *victim) cut(t *testing.T, c *collector.Collector, disk *powercut.Disk, r *rand.Rand) {
	t.Helper()
	wanted := int64(r.IntN(3000))
	v.load.connections, v.load.batch, v.load.pace = 6, 7, 0
	if r.IntN(2) == 0 { // few requests: the age of what is exposed counts, not its number
		wanted = int64(r.IntN(150))
		v.load.connections, v.load.batch, v.load.pace = 1, 3, 15*time.Millisecond
	}
	if v.all != nil {
		v.all.lives = append(v.all.lives, lived{v.load.name, v.load.connections, v.load.batch})
	}
	before := v.load.acknowledged.Load()
	ended := make(chan struct{})
	go func() { v.load.run(t.Context(), c.GRPC); close(ended) }()
	require.NoError(t, c.Await(within(t, time.Minute), func() bool {
		select {
		case <-disk.Cut():
			return true
		default:
			return v.load.acknowledged.Load()-before >= wanted
		}
	}))
	select {
	case <-disk.Cut():
	default:
		disk.CutIn(1 + r.IntN(30))
	}
	select {
	case <-disk.Cut():
	case <-time.After(time.Minute):
		require.Fail(t, "the power did not go off", "%s", c.Log())
	}
	require.Error(t, c.Stop(within(t, 20*time.Second), syscall.SIGKILL))
	<-ended
}

// judge compares what the recovered log holds with what was acknowledged before the cut.
func (v *victim) judge(t *testing.T) {
	t.Helper()
	if v.lives == 1 {
		return
	}
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, powercut.CopyOut(v.files, copied))
	requireIntact(t, copied)
	all := entries(t, copied)
	if len(requireCutsDeclared(t, copied, all)) > 0 {
		v.total.torn++
	}
	held := v.load.recorded(t, all)
	for id := range v.kept {
		require.True(t, held[id], "%s was recovered before and is gone", id)
	}
	routine := map[int]int{}
	for id, a := range v.load.acks {
		if held[id] {
			continue
		}
		require.False(t, a.critical, "critical record %s was acknowledged and is lost", id)
		require.Equal(t, "hybrid", v.mode, "record %s was acknowledged and is lost", id)
		cut := v.ends[a.life]
		age := cut.at.Sub(a.at)
		require.LessOrEqual(t, age, cutBatchInterval+cut.twoSyncs(a.at)+schedulingSlack, "record %s", id)
		v.total.oldest = max(v.total.oldest, age)
		routine[a.life]++
	}
	for _, n := range routine {
		require.LessOrEqual(t, n, cutBatchSize, "routine records lost in one cut")
		v.total.routine, v.total.most = v.total.routine+n, max(v.total.most, n)
	}
	v.total.acknowledged += len(v.load.acks)
	v.kept, v.load.acks, v.ends = held, map[string]ack{}, map[int]end{}
}

// twoSyncs is how long the rest of the sync that ran at a moment and the one after it took.
func (e end) twoSyncs(at time.Time) time.Duration {
	var rest, next time.Duration
	for _, s := range e.syncs {
		switch {
		case s.End.Before(at):
		case s.Begin.Before(at):
			rest = max(rest, s.End.Sub(at))
		case next == 0:
			next = s.End.Sub(s.Begin)
		}
	}
	return rest + next
}

// rebooted gives the collector a boot id of its own, as after a power cut.
func rebooted(t *testing.T, dir string, boot int) []string {
	t.Helper()
	id := filepath.Join(dir, "boot_id")
	require.NoError(t, os.WriteFile(id, fmt.Appendf(nil, "00000000-0000-4000-8000-%012d\n", boot), 0o600))
	return append([]string{"unshare", "--mount"},
		as(`mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"`, id)...)
}
