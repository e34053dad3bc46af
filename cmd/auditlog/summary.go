package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

// longest is the most that one value takes of a line, in bytes.
const longest = 160

// summary is an entry on one line: sequence number, time, and what happened.
func summary(e chain.Entry) string {
	if e.Kind == chain.System {
		return systemSummary(e)
	}
	ev, err := event.Parse(e.Body)
	if err != nil {
		return fmt.Sprintf("%d  %s  %s", e.Seq, unreadable(err), short(string(e.Body)))
	}
	parts := []string{fmt.Sprint(e.Seq), timeText(ev.EventTime())}
	if ev.Critical {
		parts = append(parts, "CRITICAL ["+short(ev.Rule)+"]")
	}
	return strings.Join(append(parts, said(ev)...), "  ")
}

// said is what an event says, in parts of a line.
func said(ev event.Event) []string {
	var parts []string
	if ev.Type != "" {
		parts = append(parts, value(ev.Type))
	}
	for _, f := range []struct{ name, value string }{
		{"actor", ev.Actor.ID},
		{"from", ev.Actor.Address},
		{"action", ev.Action},
		{"outcome", ev.Outcome},
		{"target", strings.Trim(ev.Target.Type+"/"+ev.Target.ID, "/")},
	} {
		if f.value != "" {
			parts = append(parts, f.name+"="+value(f.value))
		}
	}
	if ev.Body != "" {
		parts = append(parts, quote(ev.Body))
	}
	return parts
}

func unreadable(err error) string { return fmt.Sprintf("unreadable event (%s)", oneLine(err.Error())) }

// systemSummary is an entry of the log itself on one line.
func systemSummary(e chain.Entry) string {
	s, err := chain.ParseSystem(e.Body)
	if err != nil {
		return fmt.Sprintf("%d  unreadable system event", e.Seq)
	}
	head := fmt.Sprintf("%d  %s  SYSTEM %s", e.Seq, timeText(s.Time), short(s.Type))
	switch s.Type {
	case chain.TypeOpened:
		o, err := chain.ParseOpened(e.Body)
		if err != nil {
			return head
		}
		head += fmt.Sprintf("  segment=%d  cause=%s", o.Ordinal, value(o.Cause))
		for _, c := range o.Cuts {
			head += fmt.Sprintf("  cut=%d bytes of %s at offset %d (%s)", c.Length, short(c.Segment), c.Offset, short(c.Cause))
		}
		for _, l := range o.Succeeds {
			head += fmt.Sprintf("  succeeds=%s (%s)", l.LogID, short(l.Fault))
		}
	case chain.TypeClosed:
	case chain.TypeDiskFull, chain.TypeWriteFailed, chain.TypeSyncFailed, chain.TypeTouched:
		var f chain.Failure
		if json.Unmarshal(e.Body, &f) == nil {
			head += fmt.Sprintf("  error=%s  since=%s  attempts=%d", value(f.Error), timeText(f.Since), f.Attempts)
		}
	case chain.TypeRefused:
		var r chain.Refused
		if json.Unmarshal(e.Body, &r) == nil {
			head += fmt.Sprintf("  requests=%d  records=%d", r.Requests, r.Records)
		}
	default:
		head += "  " + short(string(e.Body))
	}
	return head
}

// value is a field's value. It stands in quotes unless it is one plain word, so
// that no record can look like the marks of a line.
func value(s string) string {
	special := func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && r != '/' && r != ':' && r != '@' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	if s == "SYSTEM" || s == "CRITICAL" || strings.ContainsFunc(s, special) {
		return quote(s)
	}
	return short(s)
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(s string) string { return `"` + oneLine(quoted.Replace(cut(s))) + `"` }

// short is a text on one line, escaped, with its end left out if it is long.
func short(s string) string { return oneLine(cut(s)) }

func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	end := longest
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
