package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

// openingsFlags say whether verify looks for what opens withheld values, and with what
// keys.
type openingsFlags struct {
	store keyStoreFlags
	mode  string
}

func (f *openingsFlags) add(c *cobra.Command) {
	f.store.add(c)
	c.Flags().StringVar(&f.mode, "openings", "auto", "auto: what opens withheld values must be there, or an entry say why not; none: don't ask, as for a copy without them")
}

// openings are what was found, by log.
type openings map[chain.LogID]*openingsReport

// openingsReport is what was found of what a log withholds.
type openingsReport struct {
	Events    uint64   `json:"events"`                   // that withhold something
	Opened    uint64   `json:"opened"`                   // each value matches its commitment
	Present   uint64   `json:"present"`                  // not opened, for want of the key store
	Erased    uint64   `json:"erased"`                   // as an erased entry says
	Lost      uint64   `json:"lost"`                     // as an openings_lost entry says
	Crash     uint64   `json:"crash,omitempty"`          // not there, which a crash can leave and the next start declares
	Remaining []string `json:"keys_remaining,omitempty"` // that an erased entry names and the store still has
}

func (f *openingsFlags) validate() error {
	if f.mode == "auto" || f.mode == "none" && f.store.folder == "" {
		return nil
	}
	return fmt.Errorf("--openings: %q: must be auto, or none without --key-store", f.mode)
}

// check looks through each log that withholds something. What is wrong is added to the
// log's faults.
func (f *openingsFlags) check(ctx context.Context, report *chain.DirectoryReport, failed error) (openings, error) {
	if f.mode == "none" || failed != nil {
		return nil, nil
	}
	var keys *withhold.Keys
	if f.store.folder != "" {
		var err error
		if keys, err = f.store.open(); err != nil {
			return nil, err
		}
		defer keys.Close()
	}
	found := openings{}
	for i := range report.Logs {
		l := &report.Logs[i]
		some, err := withholds(l.Folder)
		if err != nil || !some {
			if err != nil {
				return found, err
			}
			continue
		}
		c := openingsCheck{keys: keys, report: new(openingsReport), unexplained: map[withhold.ID][]unexplained{}}
		if l.Mark != nil {
			c.synced = l.Mark.Seq
		}
		if err := c.log(ctx, l); err != nil {
			return found, err
		}
		l.Faults = append(l.Faults, c.faults...)
		found[l.LogID] = c.report
	}
	return found, nil
}

// withheldSetting stands in the opening entries of a log whose events withhold something.
const withheldSetting = "retention.withhold.fields"

// withholds tells whether any opening entry of the log says so.
func withholds(folder string) (bool, error) {
	segments, err := segmentsOf(folder)
	if err != nil {
		return false, err
	}
	for _, path := range segments {
		line, err := firstLine(path)
		if err != nil {
			return false, err
		}
		e, err := chain.ParseLine(line)
		if err != nil || e.Kind != chain.System {
			continue // the chain's fault, or a crash's
		}
		if o, err := chain.ParseOpened(e.Body); err == nil && o.Config.Settings[withheldSetting] != "" {
			return true, nil
		}
	}
	return false, nil
}

// openingsCheck goes through one log.
type openingsCheck struct {
	keys        *withhold.Keys // nil: commitments can't be checked
	synced      uint64         // the mark's entry; 0: no mark can be read
	newest      string         // segment that was read
	report      *openingsReport
	frames      *frameReader
	erased      map[string]bool
	unexplained map[withhold.ID][]unexplained // by key
	faults      []chain.Fault
}

// unexplained is an event that can't be opened.
type unexplained struct {
	fault chain.Fault
	lost  bool // its opening is not there
}

const (
	errNoFrame    = "what opens its withheld values is missing, and no entry says that it was erased or lost"
	errNoKey      = "the key of its withheld values is missing, and no entry says that it was destroyed"
	errNotOpened  = "what opens its withheld values can't be decrypted"
	errCommitment = "what opens its withheld values does not match what the event commits to"
)

func (c *openingsCheck) log(ctx context.Context, l *chain.LogReport) error {
	var err error
	if c.frames, err = newFrameReader(l.Folder); err != nil {
		return err
	}
	defer c.frames.close()
	c.erased = map[string]bool{}
	r, err := chain.OpenReader(durable.OS(), l.Folder, chain.ReadOptions{Missing: func(chain.Range) {}})
	if err != nil {
		return err
	}
	defer r.Close()
	for ctx.Err() == nil {
		line, err := r.Next()
		var tampered *chain.TamperError
		if errors.Is(err, io.EOF) || errors.As(err, &tampered) { // the latter is among the faults already
			return c.end()
		}
		if err != nil {
			return err
		}
		c.newest = line.Segment
		if err := c.entry(&line); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func (c *openingsCheck) entry(l *chain.Line) error {
	if l.Kind == chain.System {
		return c.system(l)
	}
	if !bytes.Contains(l.Body, []byte(`"withheld":{`)) {
		return nil
	}
	e, err := event.Parse(l.Body)
	if err != nil || e.Withheld == nil {
		return nil // an event that nobody can read is told by what reads events
	}
	c.report.Events++
	frame, ok, err := c.frames.find(e.Withheld.ID)
	if err != nil {
		return err
	}
	miss := func(reason string, lost bool) {
		c.unexplained[e.Withheld.Key] = append(c.unexplained[e.Withheld.Key], unexplained{
			fault: chain.Fault{Segment: l.Segment, Line: l.Number, Offset: l.Offset, Seq: l.Seq, Reason: reason}, lost: lost,
		})
	}
	switch {
	case !ok || frame.Key != e.Withheld.Key:
		miss(errNoFrame, true)
	case c.keys == nil:
		c.report.Present++
	default:
		key, err := c.keys.Key(e.Withheld.Key)
		if err != nil {
			return err
		}
		if key == nil {
			miss(errNoKey, false)
			return nil
		}
		if _, reason := openEvent(key, frame, e.Withheld); reason != "" {
			miss(reason, false)
			return nil
		}
		c.report.Opened++
	}
	return nil
}

// openEvent opens what an event withholds; reason says what is wrong with it.
func openEvent(key *withhold.Key, frame withhold.Frame, w *event.WithheldValues) (values []event.Opening, reason string) {
	plain, err := key.Open(frame)
	if err != nil {
		return nil, errNotOpened
	}
	list, err := event.ParseOpenings(plain)
	if err != nil {
		return nil, errNotOpened
	}
	for _, v := range w.Values {
		i := slices.IndexFunc(list, func(o event.Opening) bool { return o.Pointer == v.Pointer })
		if i < 0 || list[i].Commitment(w.ID) != v.HMAC {
			return nil, errCommitment
		}
		values = append(values, list[i])
	}
	return values, ""
}

func (c *openingsCheck) system(l *chain.Line) error {
	s, err := chain.ParseSystem(l.Body)
	if err != nil {
		return nil // the chain's fault
	}
	switch s.Type {
	case chain.TypeErased:
		e, err := chain.ParseErased(l.Body)
		if err != nil {
			return nil
		}
		for _, key := range e.Keys {
			c.erased[key] = true
		}
	case chain.TypeOpeningsLost:
		e, err := chain.ParseOpeningsLost(l.Body)
		if err != nil {
			return nil
		}
		for key, list := range c.unexplained {
			c.unexplained[key] = slices.DeleteFunc(list, func(u unexplained) bool {
				lost := u.lost && slices.ContainsFunc(e.Entries, func(s chain.SeqRange) bool { return s.First <= u.fault.Seq && u.fault.Seq <= s.Last })
				if lost {
					c.report.Lost++
				}
				return lost
			})
		}
	}
	return nil
}

// end explains by the keys that were destroyed, before or after the event was written.
func (c *openingsCheck) end() error {
	for key, list := range c.unexplained {
		for _, u := range list {
			gone := u.fault.Reason != errCommitment && u.fault.Reason != errNotOpened
			switch {
			case gone && c.erased[key.String()]:
				c.report.Erased++
			case gone && c.synced > 0 && u.fault.Seq > c.synced && u.fault.Segment == c.newest:
				c.report.Crash++
			default:
				c.faults = append(c.faults, u.fault)
			}
		}
	}
	slices.SortFunc(c.faults, func(a, b chain.Fault) int { return int(int64(a.Seq) - int64(b.Seq)) })
	if c.keys == nil {
		return nil
	}
	for name := range c.erased {
		id, err := withhold.ParseID(name)
		if err != nil {
			continue
		}
		key, err := c.keys.Key(id)
		if err != nil {
			return err
		}
		if key != nil {
			c.report.Remaining = append(c.report.Remaining, name)
		}
	}
	slices.Sort(c.report.Remaining)
	return nil
}

func (r *openingsReport) print(p *printer) {
	if r == nil {
		return
	}
	if r.Crash > 0 {
		p.printf("  NOT RECOVERED: what opens the withheld values of the last %s is not there, which a crash can leave; the next start declares it", count(r.Crash, "event", "events"))
	}
	p.printf("  %s with withheld values: %d opened and as committed to, %d there and not opened, %d erased, %d lost in a crash and declared",
		count(r.Events, "event", "events"), r.Opened, r.Present, r.Erased, r.Lost)
	for _, key := range r.Remaining {
		p.printf("  NOT ERASED YET: key %s, which an entry says is destroyed, is in the key store; erase again, or a collector's start if a request stands, finishes it", key)
	}
}
