package main

import (
	"fmt"

	"github.com/otelaudit/auditexporter/chain"
)

// answer is the verdict on what was verified.
type answer struct {
	Verdict string `json:"verdict"`
	Exit    int    `json:"exit"`
	Meaning string `json:"meaning"`
	// Says is, of each log, up to where what is proven by whose clock, and what not.
	Says []string `json:"says,omitempty"`
	chain.DirectoryReport
	Anchors  anchors  `json:"anchors,omitempty"`  // by log id
	Openings openings `json:"openings,omitempty"` // likewise
}

// decide gives the verdict. The worst that was found decides; broken is worse
// than unreadable, as what is broken stays so when the rest can be read.
func decide(r chain.DirectoryReport, err error, trust *trusted, found anchors, chainOnly bool) answer {
	a := answer{DirectoryReport: r, Anchors: found}
	for _, l := range r.Logs {
		if l.Error == "" {
			says := trust.says(l, found[l.LogID])
			if len(r.Logs) > 1 {
				says = fmt.Sprintf("Log %s: %s", l.LogID, says)
			}
			a.Says = append(a.Says, says)
		}
	}
	a.judge(err, trust, chainOnly)
	return a
}

func (a *answer) judge(err error, trust *trusted, chainOnly bool) {
	r := a.DirectoryReport
	switch {
	case r.Broken():
		a.Verdict, a.Exit = "broken", exitBroken
		a.Meaning = "the log is not as it was written"
	case err != nil:
		a.Verdict, a.Exit = "unreadable", exitUnreadable
		a.Meaning = "not all of the log could be read"
	case has(r, func(l chain.LogReport) bool { return l.Tail != nil }):
		a.Verdict, a.Exit = "not recovered", exitUnanchored
		a.Meaning = "intact up to what a crash tore, which the next start will cut"
	case has(r, func(l chain.LogReport) bool { return l.Held && l.Entries() == 0 }):
		a.Verdict, a.Exit = "in progress", exitUnanchored
		a.Meaning = "the log is being written and nothing of it can be judged yet"
	case trust.asked() && !has(r, func(l chain.LogReport) bool { return !a.Anchors[l.LogID].whole() }):
		a.Verdict, a.Exit = "intact", exitOK
		a.Meaning = "the chain holds, and a checkpoint from a trusted key vouches for every entry"
	case trust.asked() && has(r, func(l chain.LogReport) bool { return a.Anchors[l.LogID].proven() }):
		a.Verdict, a.Exit = "intact, end not anchored", exitUnanchored
		a.Meaning = "the chain holds, but for its last entries no checkpoint from a trusted key vouches: they could be cut off or changed"
	case chainOnly:
		a.Verdict, a.Exit = "intact", exitOK
		a.Meaning = "the chain holds; truncation not excluded"
	default:
		a.Verdict, a.Exit = "intact, not anchored", exitUnanchored
		a.Meaning = "the chain holds, but no checkpoint from a trusted key vouches for it: truncation not excluded"
	}
}

// withheld adds what was found of withheld values. What is broken there is among the faults already.
func (a *answer) withheld(found openings) {
	a.Openings = found
	for _, r := range found {
		if r.Crash > 0 && (a.Exit == exitOK || a.Exit == exitUnanchored) {
			a.Verdict, a.Exit = "not recovered", exitUnanchored
			a.Meaning = "intact up to what a crash left, which the next start will declare"
		}
	}
}

func has(r chain.DirectoryReport, is func(chain.LogReport) bool) bool {
	for _, l := range r.Logs {
		if is(l) {
			return true
		}
	}
	return false
}

// print tells the verdict first, then the places, then what was looked at.
func (a answer) print(p *printer) {
	p.printf("%s: %s", a.Verdict, a.Meaning)
	for _, f := range a.Faults {
		p.printf("  BROKEN %s", f)
	}
	for _, s := range a.Says {
		p.printf("%s", oneLine(s))
	}
	for _, l := range a.Logs {
		printLog(p, l)
		printAnchors(p, a.Anchors[l.LogID])
		a.Openings[l.LogID].print(p)
	}
	for _, folder := range a.Unborn {
		p.printf("folder %s: no log, but what a crash left when one was made", folder)
	}
}

func printLog(p *printer, l chain.LogReport) {
	p.printf("log %s", l.LogID)
	for _, f := range l.Faults {
		p.printf("  BROKEN %s", f)
	}
	if l.Omitted > 0 {
		p.printf("  BROKEN in %d more places", l.Omitted)
	}
	if t := l.Tail; t != nil {
		p.printf("  NOT RECOVERED %s; %d bytes from there on do not count", t.Fault, t.Length)
	}
	if l.Error != "" {
		p.printf("  not read: %s", l.Error)
		return
	}
	p.printf("  %s in %s, %s: %d from records, %d of the log itself",
		count(l.Entries(), "entry", "entries"), count(uint64(l.Segments), "segment", "segments"), size(l.Bytes), l.Events, l.System)
	what := "head"
	if len(l.Faults) > 0 {
		what = "last entry before the first fault"
	}
	p.printf("  %s: seq %d, hash %s", what, l.Head.Seq, l.Head.Hash)
	printNotes(p, l)
}

func printNotes(p *printer, l chain.LogReport) {
	for _, c := range l.Cuts {
		state := "the bytes are those declared"
		if !c.Same {
			state = fmt.Sprintf("%d bytes that follow now are not those declared", c.Found)
			if !c.Failover {
				state += ", which is tampering"
			}
		}
		p.printf("  cut, declared in %s: %d bytes of %s from offset %d, %s; %s", c.Opening, c.Length, c.Segment, c.Offset, oneLine(c.Cause), state)
	}
	if n := l.Pending; n != nil {
		p.printf("  in progress: a collector writes this log; %d bytes after its mark were not judged", n.Bytes)
	}
	for _, f := range l.Follows {
		p.printf("  goes on for the broken log %s: %s", f.LogID, oneLine(f.Fault))
	}
	if l.Succeeded != nil {
		p.printf("  log %s goes on for it", *l.Succeeded)
	}
	for _, name := range l.Others {
		p.printf("  no part of the log: %s", oneLine(name))
	}
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
