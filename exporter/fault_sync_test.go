package exporter_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// syncs tells the syncs of a life apart.
type syncs struct {
	created map[string]bool // and not synced yet, by path
	seen    map[string]int
}

// what a sync is of.
const (
	segment = "segment" // after its birth
	opening = "opening" // of a segment that is being born, with what follows its opening entry
	folder  = "folder"  // of the log
)

// number returns what is synced, and that this is the k-th such sync of the
// life; "" if it is neither.
func (s *syncs) number(op faultfs.Op) (what string, k int) {
	switch {
	case op.Kind == faultfs.Create:
		s.created[op.Path] = true
	case op.Kind == faultfs.Sync && strings.HasSuffix(op.Path, "/mark"):
	case op.Kind == faultfs.Sync && s.created[op.Path]:
		delete(s.created, op.Path)
		what = opening
	case op.Kind == faultfs.Sync:
		what = segment
	case op.Kind == faultfs.SyncDir && strings.HasPrefix(op.Path, faultDir+"/"):
		what = folder
	}
	s.seen[what]++
	return what, s.seen[what]
}

// run is count syncs in a row.
type run struct{ from, count int }

// syncFailures are which syncs fail. The first of the openings and folders is of
// the first session's opening, and from the second on are rotations and failovers.
var syncFailures = map[string]map[string]run{
	"one":                           {segment: {3, 1}},
	"two in a row":                  {segment: {3, 2}},
	"five in a row":                 {segment: {2, 5}},
	"at the opening entry":          {opening: {1, 3}},
	"at a rotation":                 {opening: {2, 1}},
	"several at a rotation":         {opening: {2, 4}},
	"of the folder at an opening":   {folder: {1, 3}},
	"of the folder at a rotation":   {folder: {2, 1}},
	"and at the failover":           {segment: {3, 1}, opening: {2, 1}},
	"and at two tries of failover":  {segment: {3, 1}, opening: {2, 2}},
	"and of the failover's folder":  {segment: {3, 1}, folder: {2, 2}},
	"and in the next segment":       {segment: {3, 2}, opening: {3, 1}},
	"of everything for a long time": {segment: {3, 4}, opening: {2, 6}, folder: {2, 3}},
}

// TestSyncFailures fails syncs, in both ways, and crashes at every step from
// the failure until the log has long recovered: by a power cut, by the death of
// the process, and by a power cut while the next process opens the log, whose
// memory is that of the one that died.
func TestSyncFailures(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(syncFailures)) {
		fail := syncFailures[name]
		t.Run(name, func(t *testing.T) {
			inEverySetting(t, func(t *testing.T, set setting) {
				var total counts
				for seed := range uint64(1 + *faults/4) {
					for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.All} {
						w := newWorld(t, set, seed)
						if failed := w.syncFails(fail, effect); failed == 0 {
							w.wrong("no sync failed")
						}
						total.plus(w.counts)
					}
				}
				t.Log(total)
			})
		})
	}
}

// syncFails lives a life in which syncs fail, and returns how many did.
func (w *world) syncFails(fail map[string]run, effect faultfs.Effect) (failed int) {
	rng := rand.New(rand.NewPCG(w.seed, 5))
	seen, last := syncs{map[string]bool{}, map[string]int{}}, 0
	w.plan = func(op faultfs.Op) faultfs.Outcome {
		what, k := seen.number(op)
		r := fail[what]
		if k < r.from || k >= r.from+r.count {
			return faultfs.Outcome{}
		}
		failed++
		last = op.N
		return faultfs.Outcome{Err: syscall.EIO, Effect: effect}
	}
	var images []*image
	w.look = func(op faultfs.Op) {
		// A failover takes some 20 operations.
		if last > 0 && op.N < last+30 && rng.IntN(32) < *faults {
			images = append(images, w.snap(powerCut, rng.Uint64()), w.snap(death, 0))
		}
	}
	w.live(short)
	for _, im := range images {
		im.check(rng, 1)
	}
	return failed
}
