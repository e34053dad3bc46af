package judge

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// skew is how far the auditor's clock may be behind that of a signer.
const skew = 5 * time.Minute

// examination is a log being judged.
type examination struct {
	trust *Trust
	id    chain.LogID
	now   time.Time
	roots *checkpoint.Roots
	log   journal

	own  []Statement     // of the log's file that a trusted key signed, in its order, each once
	use  []Statement     // those that can anchor, own or kept, by size
	kept map[string]bool // files
	// stands is how many entries the newest checkpoint covers that matches.
	stands uint64

	faults []chain.Fault // of checkpoints and epochs
	result Anchoring
}

// Examine verifies the log in folder as [chain.Verify] does and holds it to the
// checkpoints that t trusts, those in its folder and kept, which the auditor has
// from elsewhere: each must have been signed over the entries that stand in the
// log. What is wrong with them is added to the faults of the report. An error
// means that something could not be read.
func (t *Trust) Examine(ctx context.Context, fsys durable.FS, folder string, kept []Statement, o chain.VerifyOptions) (chain.Report, Anchoring, error) {
	id, ok := chain.ParseLogID(filepath.Base(folder))
	if !ok {
		return chain.Report{}, Anchoring{}, fmt.Errorf("folder %s is not named by a log id", folder)
	}
	// Read before the mark is: what is signed by now is synced, and marked.
	file, err := checkpoint.ReadFile(fsys, folder)
	if err != nil {
		return chain.Report{LogID: id, Folder: folder}, Anchoring{}, err
	}
	x := &examination{trust: t, id: id, now: time.Now().Add(skew), kept: map[string]bool{}}
	x.result.Damaged = file.Damaged
	for _, r := range file.Refused {
		x.fault(Place{checkpoint.FileName, r.Offset}.fault(0, "the log refused to sign any more: %s", r.Refused))
	}
	x.open(ctx, file.Records, kept, o.Workers)
	if err := context.Cause(ctx); err != nil {
		return chain.Report{LogID: id, Folder: folder}, Anchoring{}, err
	}
	var sizes []uint64
	for i := range x.use {
		sizes = append(sizes, x.use[i].Size)
		o.Synced = max(o.Synced, x.use[i].Size)
	}
	x.roots = checkpoint.NewRoots(sizes)
	o.Fold, o.System = x.roots, func(e chain.Entry) { x.log.add(e) }
	o.Again = func() {
		x.roots.Reset()
		x.log = journal{}
		x.knowSigner()
	}
	x.knowSigner()
	report, err := chain.Verify(ctx, fsys, folder, o)
	if err != nil {
		return report, x.result, err
	}
	x.compare(&report)
	x.conclude(&report)
	return report, x.result, nil
}

// knowSigner says whose epochs the log's entries begin.
func (x *examination) knowSigner() {
	if len(x.use) > 0 {
		x.log.epochs = checkpoint.NewEpochs(x.use[0].By)
	}
}

// open opens all checkpoints and sorts out what can anchor.
func (x *examination) open(ctx context.Context, records []checkpoint.Record, kept []Statement, workers int) {
	own, errs := x.trust.openAll(ctx, records, workers)
	for i := range own {
		s := &own[i]
		switch {
		case errs[i] != nil:
			x.fault(s.Place.fault(0, "%v", errs[i]))
			continue
		case s.LogID != x.id:
			x.fault(s.Place.fault(0, "checkpoint is of log %s", s.LogID))
			continue
		case s.By == nil:
			x.result.Foreign++
			x.result.foreign(s.Unknown)
			continue
		}
		x.result.Checkpoints++
		x.follow(s)
		x.admit(*s)
	}
	for _, s := range kept {
		x.kept[s.Place.File] = true
		x.admit(s)
	}
	slices.SortStableFunc(x.use, func(a, b Statement) int { return cmp.Compare(a.Size, b.Size) })
}

// follow checks that a checkpoint of the log's file covers no less than those
// before it. One that repeats an earlier, with signatures that came later, is none
// of them.
func (x *examination) follow(s *Statement) {
	if len(x.own) == 0 {
		x.own = append(x.own, *s)
		return
	}
	before := &x.own[len(x.own)-1]
	switch {
	case x.repeats(s):
	case s.Size < before.Size:
		x.fault(s.Place.fault(0, "checkpoint covers %d entries, one before it %d", s.Size, before.Size))
	default:
		x.own = append(x.own, *s)
	}
}

func (x *examination) repeats(s *Statement) bool {
	i, _ := slices.BinarySearchFunc(x.own, s.Size, func(o Statement, size uint64) int { return cmp.Compare(o.Size, size) })
	for ; i < len(x.own) && x.own[i].Size == s.Size; i++ {
		if x.own[i].Root == s.Root && x.own[i].Own().Equal(s.Own()) {
			return true
		}
	}
	return false
}

// admit lets a checkpoint anchor, but for one of a time that is yet to come.
func (x *examination) admit(s Statement) {
	if s.future(x.now) {
		x.result.Future++
		return
	}
	x.use = append(x.use, s)
}

func (x *examination) fault(f chain.Fault) {
	if len(x.faults) < maxListed {
		x.faults = append(x.faults, f)
	} else {
		x.result.Omitted++
	}
}

// maxListed is how many faults of checkpoints are listed; more are counted.
const maxListed = 20

// openAll opens a file's records on so many cores, 0 for all.
func (t *Trust) openAll(ctx context.Context, records []checkpoint.Record, workers int) ([]Statement, []error) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	statements, errs := make([]Statement, len(records)), make([]error, len(records))
	var next atomic.Int64
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(records) {
					return
				}
				statements[i], errs[i] = t.open(Place{checkpoint.FileName, records[i].Offset}, records[i].Checkpoint)
			}
		})
	}
	running.Wait()
	return statements, errs
}
