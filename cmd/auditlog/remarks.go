package main

import (
	"fmt"
	"strings"

	"github.com/otelaudit/auditexporter/event"
)

// remarks are what an event says of what is wrong with its record, of its producer, and of what it does not hold as it
// came: a line each, escaped.
func remarks(e event.Event) []string {
	var lines []string
	add := func(what, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-10s ", what)+fmt.Sprintf(format, args...))
	}
	for _, v := range e.Invalid {
		add("invalid", "%s %s: %s", short(v.Class), short(v.Field), words(v.What))
	}
	if i := e.Integrity; i != nil {
		switch {
		case !i.Verified:
			add("integrity", "the producer's signature is not verified: %s", short(i.Reason))
		case len(i.Uncovered) > 0:
			add("integrity", "signed with key %s, but for %s", short(i.Key), words(i.Uncovered))
		default:
			add("integrity", "signed with key %s", short(i.Key))
		}
	}
	if q := e.Sequence; q != nil {
		if q.Break != "" {
			add("sequence", "the producer's chain is %s: %s", short(q.State), short(q.Break))
		} else {
			add("sequence", "%s in the producer's chain", short(q.State))
		}
	}
	for _, v := range e.Escaped {
		add("escaped", "%s: %s", short(v.Pointer), words(v.What))
	}
	if e.EscapedMore > 0 {
		add("escaped", "in %d more places", e.EscapedMore)
	}
	for _, v := range e.Redacted {
		if v.HMAC == "" {
			add("redacted", "%s", short(v.Pointer))
			continue
		}
		add("redacted", "%s: at most %d bytes, hmac %s", short(v.Pointer), v.LengthAtMost, short(v.HMAC))
	}
	if w := e.Withheld; w != nil {
		for _, v := range w.Values {
			add("withheld", "%s: hmac %x", short(v.Pointer), v.HMAC)
		}
	}
	for _, v := range e.Truncated {
		whole := count(uint64(v.Length), "byte", "bytes")
		if v.Entries > 0 {
			whole = count(uint64(v.Entries), "entry", "entries")
		}
		add("truncated", "%s: of %s, sha256 %s", short(v.Pointer), whole, short(v.SHA256))
	}
	return lines
}

func words(what []string) string { return short(strings.Join(what, ", ")) }
