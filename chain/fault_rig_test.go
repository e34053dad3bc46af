package chain_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const faultDir = "/var/audit"

// rig drives a writer on a faulty file system as package flush does, and keeps
// the model up to date. After the machine is turned off its methods return.
type rig struct {
	t     *testing.T
	fs    *faultfs.FS
	model model
	w     *chain.Writer // nil while closed
	next  int           // number of the next event
	full  bool          // verify all at start
	// sameBoot: a power cut is not told from the death of the process.
	sameBoot bool
	// appended: a segment may be longer than its writer made it.
	appended bool
	// untidy: Tidy was never called in time.
	untidy bool
	// gapped: synced entries were removed from outside, so the log is not whole.
	gapped bool
	// during is called once while a Sync of the segment is under way.
	during func()
	// heal ends what makes attempts fail; it is called after some have.
	heal func()
	// told are the heads that this and earlier writers told of as synced.
	told  []chain.Head
	fresh bool // the writer has told nothing
	// story is what was done, for the message of a failure.
	story []string
}

func (r *rig) tell(format string, args ...any) {
	r.story = append(r.story, fmt.Sprintf("[op %d] "+format, append([]any{r.fs.Ops()}, args...)...))
	if r.t.Failed() { // the file system has reported a breach
		r.fatal("the discipline is broken")
	}
}

// on continues on another file system, after a crash.
func (r *rig) on(f *faultfs.FS) *rig {
	return &rig{t: r.t, fs: f, model: r.model.clone(), next: r.next, full: r.full, sameBoot: r.sameBoot, untidy: r.untidy, appended: r.appended, gapped: r.gapped, told: slices.Clone(r.told), story: append([]string(nil), r.story...)}
}

func (r *rig) bootID() string {
	if r.sameBoot {
		return "always the same"
	}
	return r.fs.BootID()
}

const patience = 40 // attempts at something that fails

func (r *rig) open() {
	for i := range patience {
		r.fresh = true
		o := chain.Options{Directory: faultDir, FS: r.fs, Software: "test", BootID: r.bootID(), Synced: r.hear}
		if r.full {
			o.VerifyOnStart = chain.VerifyFull
		}
		w, err := chain.Open(r.t.Context(), o)
		if r.fs.Off() {
			return
		}
		if err == nil {
			r.w = w
			r.tell("opened")
			got := r.checkLog()
			r.model.open(got, w.Info().Synced)
			r.checkSynced()
			r.tidy()
			return
		}
		r.tell("open: %v", err)
		var tampered *chain.TamperError
		if errors.As(err, &tampered) {
			r.fatal("opening found tampering: %v", err)
		}
		require.Empty(r.t, r.fs.OpenFiles(), r.story)
		r.failing(i)
	}
	r.fatal("log can't be opened")
}

// hear is told what is synced: each entry once, in order.
func (r *rig) hear(first uint64, hashes []chain.Hash) {
	if n := len(r.told); !r.fresh && r.told[n-1].Seq+1 != first {
		r.fatal("entry %d is told as synced after %d", first, r.told[n-1].Seq)
	}
	for i, h := range hashes {
		r.told = append(r.told, chain.Head{Seq: first + uint64(i), Hash: h})
	}
	r.fresh = false
}

func (r *rig) failing(attempt int) {
	if attempt == 5 && r.heal != nil {
		r.heal()
	}
}

// write writes a request of n events. A routine one is acknowledged at once.
func (r *rig) write(n int, routine bool) {
	if err := r.tryWrite(n, routine); err != nil && !r.fs.Off() {
		r.writeFailed(err)
	}
}

func (r *rig) tryWrite(n int, routine bool) error {
	var request []string
	for range n {
		r.next++
		request = append(request, strconv.Itoa(r.next))
	}
	r.model.hand(request)
	err := r.w.Write([]*chain.Batch{batch(request...)})
	r.tell("write %v: %v", request, err)
	if err == nil && !r.fs.Off() {
		r.model.wrote(routine)
	}
	return err
}

// writeFailed syncs what stands before the failed write, which is refused.
func (r *rig) writeFailed(err error) {
	if r.model.whole > 0 {
		syncErr := r.w.Sync()
		r.tell("sync after failed write: %v", syncErr)
		if r.fs.Off() {
			return
		}
		if syncErr == nil {
			r.model.sync(r.model.whole, r.w.Info().Synced)
			r.checkSynced()
		}
		err = errors.Join(err, syncErr)
	}
	r.renew(err)
}

// sync syncs, with a write of so many events meanwhile.
func (r *rig) sync(meanwhile int) {
	n := r.model.whole
	var writeErr error
	if meanwhile > 0 {
		r.during = func() { writeErr = r.tryWrite(meanwhile, true) }
	}
	err := r.w.Sync()
	r.during = nil
	r.tell("sync: %v", err)
	switch {
	case r.fs.Off():
	case err != nil:
		r.renew(errors.Join(writeErr, err))
	default:
		r.model.sync(n, r.w.Info().Synced)
		r.checkSynced()
		if writeErr != nil {
			r.writeFailed(writeErr)
		}
	}
}

// rotate syncs first, so that the model knows what is synced if it fails.
func (r *rig) rotate() {
	if r.sync(0); r.fs.Off() {
		return
	}
	err := r.w.Rotate()
	r.tell("rotate: %v", err)
	switch {
	case r.fs.Off():
	case err != nil:
		r.renew(err)
	default:
		r.model.sync(r.model.whole, r.w.Info().Synced)
		r.checkSynced()
		r.tidy()
	}
}

// tidy is what package flush has done beside everything else.
func (r *rig) tidy() {
	if !r.untidy {
		r.w.Tidy()
		r.tell("tidied")
	}
}

func (r *rig) renew(cause error) {
	for i := range patience {
		keep := r.model.keep(i > 0)
		err := r.w.Renew(cause, []*chain.Batch{batch(keep...)})
		r.tell("renew %v: %v", keep, err)
		if r.fs.Off() {
			return
		}
		if err == nil {
			r.model.renew(keep, r.w.Info().Synced)
			r.checkSynced()
			r.tidy()
			return
		}
		r.failing(i)
	}
	r.fatal("log can't be renewed")
}

// close closes the log in order, or gives it up if that fails.
func (r *rig) close() {
	if r.model.whole > 0 {
		if r.sync(0); r.fs.Off() {
			return
		}
	}
	err := r.w.Close()
	r.tell("close: %v", err)
	if err != nil {
		_ = r.w.Abandon() // it has nothing left to do
	}
	if !r.fs.Off() {
		r.w = nil
		require.Empty(r.t, r.fs.OpenFiles(), r.story)
	}
}

func (r *rig) fatal(format string, args ...any) {
	r.t.Helper()
	for _, s := range r.story {
		r.t.Log(s)
	}
	r.t.Fatalf(format, args...)
}
