package judge

import (
	"slices"
	"time"

	"github.com/otelaudit/auditexporter/chain"
)

// spoiled is the first entry that something is wrong with, 0 for none.
type spoiled uint64

func (s *spoiled) at(seq uint64) {
	if *s == 0 || spoiled(seq) < *s {
		*s = spoiled(seq)
	}
}

// compare compares each checkpoint with the log's entries, adds to the report what
// is wrong, and so finds the first entry that can't be trusted.
func (x *examination) compare(report *chain.Report) {
	var bad spoiled
	for _, f := range report.Faults {
		if f.Seq == 0 {
			f.Seq = report.Head.Seq + 1
		}
		bad.at(f.Seq)
	}
	x.judgeEpochs(&bad)
	x.judgeTimes(report.Head.Seq)
	wrong := x.contradictions(&bad)
	forked := slices.ContainsFunc(wrong, x.forked)
	last := uint64(0) // that matches before anything is wrong
	for i := range x.use {
		s := &x.use[i]
		// If the key signed two histories, what lies beside the log says nothing.
		if x.matches(s) && (bad == 0 || s.Size < uint64(bad)) && (!forked || x.kept[s.Place.File]) {
			last = s.Size
		}
	}
	if bad > 0 {
		x.result.FirstUntrusted = last + 1
	}
	for _, s := range wrong {
		x.fault(x.contradiction(s, last+1))
	}
	for i := range x.use {
		s := &x.use[i]
		if x.kept[s.Place.File] && report.Head.Seq < s.Size && !x.reached(s) {
			x.fault(s.Place.fault(report.Head.Seq+1, "this checkpoint covers %d entries, of which %d stand in the log and are whole", s.Size, report.Head.Seq))
		}
	}
	report.Faults = append(report.Faults, x.faults...)
	report.Omitted += x.result.Omitted
}

// contradictions returns the checkpoints that were signed over other entries.
func (x *examination) contradictions(bad *spoiled) (wrong []Statement) {
	for i := range x.use {
		s := &x.use[i]
		switch {
		case x.matches(s):
			x.result.Matched++
			x.stands = s.Size
		case x.reached(s) && !s.refused:
			wrong = append(wrong, *s)
			bad.at(s.Size)
		}
	}
	x.result.Mismatched = len(wrong)
	return wrong
}

// reached tells whether the log has the entries that a checkpoint covers.
func (x *examination) reached(s *Statement) bool {
	_, ok := x.roots.Root(s.Size)
	return ok
}

// matches tells whether a checkpoint was signed over what stands in the log, by
// the keys that had to.
func (x *examination) matches(s *Statement) bool {
	root, ok := x.roots.Root(s.Size)
	return ok && root == s.Root && !s.refused
}

// forked tells whether the key signed the log as it stands and also, over no more
// entries, as it does not.
func (x *examination) forked(s Statement) bool { return x.stands >= s.Size }

// contradiction says of a checkpoint that another history was signed. If the log
// as it stands was signed as well, its key signed two.
func (x *examination) contradiction(s Statement, first uint64) chain.Fault {
	if x.forked(s) {
		return s.Place.fault(first, "fork: the key of this log signed other first %d entries here than the %d it signed as they stand in the log", s.Size, x.stands)
	}
	return s.Place.fault(first, "the log's first %d entries are not those that this checkpoint was signed over", s.Size)
}

// judgeTimes checks that by the log's own clock no checkpoint is of an earlier time
// than one before it, but where the log tells that its clock was set back, or that
// a process began. The entry that tells of it is the first that is written after.
func (x *examination) judgeTimes(head uint64) {
	for i := 1; i < len(x.own); i++ {
		a, b := &x.own[i-1], &x.own[i]
		if b.Own().IsZero() || !b.Own().Before(a.Own()) {
			continue
		}
		x.result.ClockBack++
		told := head
		for _, c := range x.own[i+1:] {
			if c.Size > b.Size {
				told = c.Size
				break
			}
		}
		if told > b.Size && !x.log.clockSet(a.Size, told) {
			x.fault(b.Place.fault(0, "checkpoint is of %s by its log's clock, the one before it of %s, and no entry tells that the clock was set back", stamp(b.Own()), stamp(a.Own())))
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// judgeEpochs checks that each epoch's checkpoints have its key's signature, and
// that each that ended was sealed.
func (x *examination) judgeEpochs(bad *spoiled) {
	if x.log.epochs == nil {
		return
	}
	for _, f := range x.log.faults {
		x.fault(f)
		bad.at(f.Seq)
	}
	sealed := map[uint64]bool{}
	newest := uint64(0)
	for i := range x.use {
		s := &x.use[i]
		if !x.reached(s) {
			continue
		}
		if err := x.log.epochs.Check(s.Checkpoint); err != nil {
			s.refused = true
			x.fault(s.Place.fault(s.Size, "%v", err))
			bad.at(s.Size)
			continue
		}
		sealed[s.Size] = sealed[s.Size] || x.log.epochs.IsSeal(s.Checkpoint)
		newest = s.Size
	}
	for i, size := range x.log.epochs.Seals() {
		// One that nothing follows was perhaps not yet sealed.
		if !sealed[size] && newest > size {
			x.fault(chain.Fault{Segment: checkpointsFile, Seq: size, Reason: unsealed(i, size)})
			bad.at(size)
		}
	}
	x.result.Epochs = len(x.log.epochs.Seals())
}

// conclude tells how far the log is anchored.
func (x *examination) conclude(report *chain.Report) {
	r := &x.result
	var witnessed Anchor
	for i := range x.use {
		s := &x.use[i]
		if !x.matches(s) || r.FirstUntrusted > 0 && s.Size >= r.FirstUntrusted {
			continue
		}
		if s.NoQuorum != nil {
			r.NoQuorum = s.NoQuorum.Error()
			continue
		}
		r.Proven.advance(s.Size, s.Times...)
		for _, c := range s.Times {
			if !c.Own {
				witnessed.advance(s.Size, c)
			}
		}
	}
	if witnessed.Clock != nil {
		r.Witnessed = &witnessed
	}
	if r.Proven.Size == report.Head.Seq {
		r.NoQuorum = ""
	}
	if r.FirstUntrusted == 0 && r.Proven.Size < report.Head.Seq {
		r.Unproven = &Span{First: r.Proven.Size + 1, Last: report.Head.Seq}
	}
	r.Gaps, r.LogSays = x.log.gaps(x.own), x.log.key
}
