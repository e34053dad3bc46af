package event

import (
	"strings"
	"time"
)

// Event is what an event says in normalised fields, for people and filters.
// Strings are as the record had them: they may hold control characters, and
// U+FFFD for each byte that was not valid UTF-8. "" and zero mean absent.
type Event struct {
	ID, Type string

	Time, ObservedTime, RecordedTime time.Time // UTC
	// TimeSource is the first of "time", "observed_time" and "recorded_time"
	// that is there.
	TimeSource string

	Actor   Actor
	Action  string
	Outcome string // "success", "failure", "unknown", or what the record had
	Target  Entity
	Source  Entity

	Critical bool
	Rule     string // why it is critical

	// Invalid lists what makes the record invalid, Redacted and Truncated what the
	// event does not hold as it came, Escaped other places with forbidden
	// characters, of which EscapedMore are not listed.
	Invalid     []Violation
	Redacted    []Redacted
	Truncated   []Truncated
	Escaped     []Escaped
	EscapedMore int

	// Withheld is what the event only commits to; nil if nothing.
	Withheld *WithheldValues

	// Integrity and Sequence are what the writer found out about what the record's
	// producer says of it; nil if it did not look, or there was nothing to look at.
	Integrity *Integrity
	Sequence  *Sequence

	SeverityNumber int32
	SeverityText   string
	Body           string // a string body as it is, any other as its JSON
}

// Actor is who acted.
type Actor struct {
	ID, Type, Address, Session, AuthMethod string
}

// Entity is what was acted upon, or where from.
type Entity struct {
	ID, Type string
}

// EventTime is the time that TimeSource names.
func (e Event) EventTime() time.Time {
	switch e.TimeSource {
	case "time":
		return e.Time
	case "observed_time":
		return e.ObservedTime
	default:
		return e.RecordedTime
	}
}

// Parse reads the normalised fields of an event; members it does not know are
// passed over. The error is a *FormatError.
func Parse(body []byte) (Event, error) {
	n, err := readEvent(body)
	if err != nil {
		return Event{}, err
	}
	return normalised(&n)
}

func normalised(n *node) (e Event, err error) {
	p := parser{root: n}
	for _, t := range []struct {
		name string
		to   *time.Time
	}{{"time", &e.Time}, {"observed_time", &e.ObservedTime}, {"recorded_time", &e.RecordedTime}} {
		*t.to = p.time(t.name)
	}
	e.TimeSource = p.string("time_source")
	e.SeverityNumber = p.severity()
	e.SeverityText = p.string("severity_text")
	e.Rule = p.string("critical")
	e.Critical = e.Rule != ""
	if b := n.get("body"); b != nil {
		if e.Body = b.text; b.kind != jsonString {
			e.Body = string(b.raw)
		}
	}
	p.lists(&e)
	p.producer(&e)
	p.withheld(&e)
	if f := n.get("from"); f != nil && (f.kind != jsonObject || len(f.keys) == 0) {
		p.fail("not an object, or empty", "from")
	}
	to := [numFields]*string{
		&e.ID, &e.Type, &e.Actor.ID, &e.Actor.Type, &e.Actor.Address, &e.Actor.Session, &e.Actor.AuthMethod,
		&e.Action, &e.Outcome, &e.Target.ID, &e.Target.Type, &e.Source.ID, &e.Source.Type,
	}
	for id := range fields {
		*to[id] = p.field(fields[id].name)
	}
	if p.err != nil {
		return Event{}, p.err
	}
	return e, nil
}

// parser reads members; the first fault stays in err.
type parser struct {
	root *node
	err  error
}

func (p *parser) fail(reason string, keys ...string) {
	if p.err == nil {
		var at path
		for _, k := range keys {
			at.push(k, -1)
		}
		p.err = at.fail(reason)
	}
}

func (p *parser) string(name string) string {
	n := p.root.get(name)
	if n == nil {
		return ""
	}
	if n.kind != jsonString || n.text == "" {
		p.fail("not a string, or empty", name)
	}
	return n.text
}

func (p *parser) time(name string) time.Time {
	s := p.string(name)
	if s == "" {
		return time.Time{}
	}
	ns, err := parseTime(s)
	if err != nil {
		p.fail(err.Error(), name)
	}
	return unixNano(ns)
}

func (p *parser) severity() int32 {
	n := p.root.get("severity_number")
	if n == nil {
		return 0
	}
	i, ok := int32Of(n)
	if !ok {
		p.fail("not an integer of 32 bits, or zero", "severity_number")
	}
	return i
}

// field resolves a normalised field: the event's own member of that name, or
// the attribute that from names.
func (p *parser) field(name string) string {
	ref := p.root.get("from").get(name)
	if p.root.get(name) != nil && (ref != nil || name == "type") {
		return p.string(name)
	}
	if ref == nil {
		if p.root.get(name) != nil {
			p.fail("stands without a source in from", name)
		}
		return ""
	}
	v := p.root.get("attributes").get(ref.text)
	if strings.HasPrefix(ref.text, "/") {
		v = p.root.resolve(ref.text)
	}
	switch {
	case ref.kind != jsonString || v == nil:
		p.fail("names no attribute of the record", "from", name)
	case v.kind == jsonString || v.kind == jsonNumber:
		return v.text
	default:
		p.fail("names an attribute that is no string or number", "from", name)
	}
	return ""
}
