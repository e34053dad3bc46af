package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/judge"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// anchors is how far the logs are anchored, of those that could be read.
type anchors map[chain.LogID]*anchor

// anchor is how far one log is anchored.
type anchor struct {
	judge.Anchoring
	// Since is the size of the checkpoint of --since, nil if it is not of this log,
	// and Added the entries that follow it.
	Since *uint64 `json:"since,omitempty"`
	Added uint64  `json:"added_since,omitempty"`
}

// whole tells whether a checkpoint vouches for every entry of the log.
func (a *anchor) whole() bool {
	return a.proven() && a.Unproven == nil && a.FirstUntrusted == 0
}

func (a *anchor) proven() bool { return a != nil && a.Proven.Size > 0 }

// verify verifies a log, holds it to the checkpoints that are trusted, and notes
// how far it is anchored.
func (t *trusted) verify(ctx context.Context, folder string, o chain.VerifyOptions, found anchors) (chain.Report, error) {
	if !t.asked() {
		return chain.Verify(ctx, durable.OS(), folder, o)
	}
	id, _ := chain.ParseLogID(filepath.Base(folder))
	report, result, err := t.Examine(ctx, durable.OS(), folder, t.keptOf(id), o)
	if err != nil {
		return report, err
	}
	a := &anchor{Anchoring: result}
	if t.since != nil && t.since.LogID == id {
		a.Since = &t.since.Size
		a.Added = max(report.Head.Seq, t.since.Size) - t.since.Size
	}
	found[id] = a
	return report, nil
}

// says is a log's verdict in plain words.
func (t *trusted) says(l chain.LogReport, a *anchor) string {
	head := l.Head.Seq
	if !t.asked() {
		return saysWithoutKey(l)
	}
	var s []string
	add := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	switch {
	case a.FirstUntrusted > 0 && a.Proven.Size == 0:
		add("Entry %d is the first that can't be trusted: no checkpoint vouches for what stands here.", a.FirstUntrusted)
	case a.FirstUntrusted > 0:
		add("Entry %d is the first that can't be trusted.", a.FirstUntrusted)
		add("Entries 1 to %d are those that were signed%s.", a.Proven.Size, by(a.Proven))
	case a.Proven.Size == 0 && a.Foreign > 0:
		add("Nothing is proven: the %s beside the log are signed by other keys than the one that was given.", count(uint64(a.Foreign), "checkpoint", "checkpoints"))
	case a.Proven.Size == 0:
		add("Nothing is proven: there is no checkpoint that the given key has signed.")
	case a.Unproven == nil:
		add("All %s are those that were signed%s: none was changed, removed or added since.", count(head, "entry", "entries"), by(a.Proven))
		add("What the log may have held after that would have to be shown by a newer checkpoint or a witness.")
	default:
		add("Entries 1 to %d are those that were signed%s: none was changed, removed or added since.", a.Proven.Size, by(a.Proven))
	}
	if a.Proven.Size == 0 && a.LogSays != "" {
		add("The log itself says that it signs with the key %s.", a.LogSays)
	}
	if w := a.Witnessed; w != nil {
		add("Entries 1 to %d were seen by witness %s at %s.", w.Size, w.Clock.Name, w.Clock.Time.Format(time.RFC3339))
	}
	if a.Unproven != nil {
		add("Not proven are entries %d to %d: their chain holds, but whoever can write the folder could have cut off, changed or added them.", a.Unproven.First, a.Unproven.Last)
	}
	if a.NoQuorum != "" {
		add("Newer checkpoints do not have the cosignatures that the policy demands: %s.", a.NoQuorum)
	}
	if a.Since != nil {
		add("Since the checkpoint of %s, %s were added.", count(*a.Since, "entry", "entries"), count(a.Added, "entry", "entries"))
	}
	return strings.Join(s, " ")
}

func saysWithoutKey(l chain.LogReport) string {
	head := l.Head.Seq
	switch {
	case l.Broken():
		return fmt.Sprintf("Entry %d is the first that can't be trusted. Whether those before it are the ones that were written only a checkpoint can show.", firstFault(l.Report))
	case head == 0:
		return "Nothing is proven."
	}
	s := fmt.Sprintf("Not proven are entries 1 to %d: their chain holds, but whoever can write the folder could have made all of it anew, or cut off what followed entry %d.", head, head)
	if _, err := os.Lstat(filepath.Join(l.Folder, checkpoint.FileName)); err == nil {
		s += " Checkpoints lie beside the log: with --key KEY it is held to them."
	}
	return s
}

// firstFault is the first entry that a fault of a broken log is of.
func firstFault(r chain.Report) uint64 {
	first := r.Head.Seq + 1
	for _, f := range r.Faults {
		if f.Seq > 0 {
			first = min(first, f.Seq)
		}
	}
	return first
}

// by is the latest time at which an anchor was vouched for.
func by(a judge.Anchor) string {
	switch {
	case a.Clock == nil:
		return ""
	case a.Clock.Own:
		return fmt.Sprintf(" at %s by the log's own clock", a.Clock.Time.Format(time.RFC3339))
	}
	return fmt.Sprintf(" at %s by the clock of witness %s", a.Clock.Time.Format(time.RFC3339), a.Clock.Name)
}

func printAnchors(p *printer, a *anchor) {
	if a == nil {
		return
	}
	p.printf("  checkpoints beside it: %d signed by the given key", a.Checkpoints)
	if a.Foreign > 0 {
		p.printf("  checkpoints that only other keys signed, which prove nothing: %d, by %s", a.Foreign, oneLine(strings.Join(a.ForeignKeys, ", ")))
	}
	if a.Future > 0 {
		p.printf("  checkpoints of a time that is yet to come, which prove nothing: %d", a.Future)
	}
	if a.Mismatched > 0 {
		p.printf("  checkpoints that contradict the log: %d", a.Mismatched)
	}
	if a.ClockBack > 0 {
		p.printf("  checkpoints of an earlier time than the one before, by the log's own clock: %d", a.ClockBack)
	}
	for _, d := range a.Damaged {
		p.printf("  no checkpoint, but what a crash or a hand left in their file: %s at offset %d, %s", size(d.Length), d.Offset, oneLine(d.Reason))
	}
	for _, g := range a.Gaps {
		p.printf("  no checkpoint for %s though one was due every %s: after entry %d, from %s to %s", g.To.Sub(g.From), g.Interval, g.Size,
			g.From.Format(time.RFC3339), g.To.Format(time.RFC3339))
	}
}
