package siem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

// record is an entry as it is read for mapping.
type record struct {
	chain.Entry
	logID  string
	id     string // of this entry in a SIEM: the record's, else LOG:SEQ
	prevID string // of the entry before, "" for the first of a log
	kind   kind

	// Of an event:
	ev       event.Event
	members  object // the whole event, numbers as they stand
	attrs    object // its attributes, natural values
	resource object // those of its resource
	from     map[string]string
	used     map[string]bool // attributes that a field was made of

	system chain.SystemEvent // of a system entry
}

func (m *Mapper) read(e chain.Entry) (*record, error) {
	r := &record{Entry: e, logID: m.logID, id: entryID(m.logID, e.Seq), used: map[string]bool{}}
	if e.Seq > 1 {
		if r.prevID = m.prevID; r.prevID == "" {
			r.prevID = entryID(m.logID, e.Seq-1)
		}
	}
	d := json.NewDecoder(bytes.NewReader(e.Body))
	d.UseNumber()
	if err := d.Decode(&r.members); err != nil {
		return nil, fmt.Errorf("couldn't parse entry %d: %w", e.Seq, err)
	}
	if e.Kind == chain.System {
		s, err := chain.ParseSystem(e.Body)
		if err != nil {
			return nil, fmt.Errorf("couldn't parse system entry %d: %w", e.Seq, err)
		}
		r.system = s
		return r, nil
	}
	ev, err := event.Parse(e.Body)
	if err != nil {
		return nil, err
	}
	r.ev = ev
	if ev.ID != "" {
		r.id = ev.ID
	}
	r.attrs = r.object("attributes")
	r.resource = r.object("resource", "attributes")
	r.from = map[string]string{}
	for field, ref := range r.object("from") {
		r.from[field], _ = ref.(string)
	}
	r.kind = kindOf(ev)
	return r, nil
}

func entryID(log string, seq uint64) string { return fmt.Sprintf("%s:%d", log, seq) }

func (r *record) object(keys ...string) object {
	o, _ := asObject(r.members.get(keys...))
	return o
}

// use says that a field was made of the attribute that feeds it, and returns its
// value, which is the field's.
func (r *record) use(field, value string) string {
	if ref := r.from[field]; value != "" && ref != "" && !strings.HasPrefix(ref, "/") {
		r.used[ref] = true
	}
	return value
}

// put sets what a field says where the keys lead. If something else stands there,
// the attribute is not used for it.
func (r *record) put(o object, field, value string, keys ...string) {
	o.set(value, keys...)
	if o.get(keys...) == value {
		r.use(field, value)
	}
}

// text is an attribute that is a string.
func (r *record) text(name string) string {
	s, _ := r.attrs[name].(string)
	return s
}

// resourceText is a resource attribute that is a string.
func (r *record) resourceText(name string) string {
	s, _ := r.resource[name].(string)
	return s
}

// rest is the attributes that no field was made of.
func (r *record) rest() object {
	rest := object{}
	for name, v := range r.attrs {
		if !r.used[name] {
			rest[name] = v
		}
	}
	return rest
}

// mapped are the members of an event that both schemas have fields for.
var mapped = set(`v type time observed_time recorded_time time_source severity_number severity_text body attributes from
 trace_id span_id resource scope id actor.id actor.type actor.address actor.session actor.auth_method action outcome
 target.id target.type source.id source.type`)

// others are all other members, those of a later version too.
func (r *record) others() (names []string) {
	for _, name := range sortedKeys(r.members) {
		if !mapped[name] {
			names = append(names, name)
		}
	}
	return names
}

// identity tells how who acted is called, by the name of the attribute or member
// that says so.
func (r *record) identity() (by string) {
	ref := strings.ToLower(r.from["actor.id"])
	name := ref[strings.LastIndexAny(ref, "./")+1:]
	switch {
	case strings.Contains(name, "mail"):
		return "email"
	case strings.HasSuffix(name, "name"), name == "acct", name == "auid" && !numeric(r.ev.Actor.ID), name == "attempted_user":
		return "name"
	}
	return "id"
}

func numeric(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// source is where the action came from, and the field that says it.
func (r *record) source() (field, address string) {
	if r.ev.Source.ID != "" {
		return "source.id", r.ev.Source.ID
	}
	return "actor.address", r.ev.Actor.Address
}

// asIP is an address in the form that both schemas want, "" if it is none.
func asIP(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	return a.WithZone("").String()
}

// times are those of the event that are there.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// scalar is a value as a text: a string as it is, any other as its JSON.
func scalar(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// body is the body of the event, if it is a map.
func (r *record) body() object { return r.object("body") }

func sortedKeys(o object) []string { return slices.Sorted(maps.Keys(o)) }

func set(names string) map[string]bool {
	s := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		s[name] = true
	}
	return s
}
