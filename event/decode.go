package event

import (
	"encoding/hex"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/pdata/plog"
)

// Decode gives back the record of an event with its resource and scope, equal to
// what was encoded, but for the values that the event says are redacted or cut,
// which are as they stand in it; [Parse] tells which. The error is a *FormatError.
func Decode(body []byte) (plog.Logs, error) {
	n, err := readEvent(body)
	if err != nil {
		return plog.Logs{}, err
	}
	if _, err := normalised(&n); err != nil {
		return plog.Logs{}, err
	}
	d := decoder{cut: n.get("truncated") != nil}
	if err := d.logs(&n); err != nil {
		return plog.Logs{}, err
	}
	var u plog.ProtoUnmarshaler
	ld, err := u.UnmarshalLogs(d.out.bytes())
	if err != nil {
		return plog.Logs{}, &FormatError{Reason: "no record: " + err.Error()}
	}
	return ld, nil
}

// readEvent reads a body as JSON and checks its version before anything else.
func readEvent(body []byte) (node, error) {
	n, err := readJSON(body)
	if err != nil {
		return node{}, err
	}
	if n.kind != jsonObject {
		return node{}, &FormatError{Reason: "not an object"}
	}
	switch v := n.get("v"); {
	case v == nil:
		return node{}, &FormatError{Reason: "no version"}
	case v.kind != jsonNumber:
		return node{}, &FormatError{Pointer: "/v", Reason: "version is no number"}
	case v.text != strconv.Itoa(Version):
		return node{}, &FormatError{Pointer: "/v", Reason: "event of another version; this software reads " + strconv.Itoa(Version)}
	}
	return n, nil
}

// decoder writes the OTLP protobuf of an event. Messages are written from their
// end, see protoWriter, so members are read from the last field to the first.
type decoder struct {
	path path
	out  protoWriter
	cut  bool // the event lists something as cut: objects and arrays may be empty
}

func (d *decoder) fail(reason string) error { return d.path.fail(reason) }

// at calls f one level down.
func (d *decoder) at(key string, index int, f func() error) error {
	d.path.push(key, index)
	if err := f(); err != nil {
		return err
	}
	d.path.leave()
	return nil
}

// message writes what f writes as a message field.
func (d *decoder) message(field uint64, f func() error) error {
	start := d.out.size()
	if err := f(); err != nil {
		return err
	}
	d.out.message(field, start)
	return nil
}

func (d *decoder) logs(n *node) error {
	resource, err := d.object(n, "resource", "attributes", "dropped_attributes_count", "entity_refs", "schema_url", "exact")
	if err != nil {
		return err
	}
	scope, err := d.object(n, "scope", "name", "version", "attributes", "dropped_attributes_count", "schema_url", "exact")
	if err != nil {
		return err
	}
	return d.message(1, func() error { // LogsData.resource_logs
		if err := d.at("resource", -1, func() error { return resource.string(3, "schema_url") }); err != nil {
			return err
		}
		err := d.message(2, func() error { // ResourceLogs.scope_logs
			if err := d.at("scope", -1, func() error { return scope.string(3, "schema_url") }); err != nil {
				return err
			}
			if err := d.message(2, func() error { return d.record(n) }); err != nil {
				return err
			}
			return d.at("scope", -1, func() error { return d.message(1, scope.scope) })
		})
		if err != nil {
			return err
		}
		return d.at("resource", -1, func() error { return d.message(1, resource.resource) })
	})
}

// all calls each of fs until one fails.
func all(fs ...func() error) error {
	for _, f := range fs {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (m *members) resource() error {
	return all(
		func() error { return m.entities(3) },
		func() error { return m.uint(2, "dropped_attributes_count") },
		func() error { return m.attributes(1) },
		m.done,
	)
}

func (m *members) scope() error {
	return all(
		func() error { return m.uint(4, "dropped_attributes_count") },
		func() error { return m.attributes(3) },
		func() error { return m.string(2, "version") },
		func() error { return m.string(1, "name") },
		m.done,
	)
}

func (d *decoder) record(n *node) error {
	err := d.known(n, slices.Concat(fieldNames, []string{
		"v", "digest", "time", "observed_time", "recorded_time", "time_source", "severity_number",
		"severity_text", "body", "attributes", "dropped_attributes_count", "trace_id", "span_id", "flags", "from",
		"critical", "integrity", "sequence", "redacted", "truncated", "withheld", "invalid", "escaped", "exact", "resource", "scope",
	})...)
	if err != nil {
		return err
	}
	m := &members{d: d, n: n}
	if m.exact, err = d.exact(n); err != nil {
		return err
	}
	// The rule of a predicate is the writer's, not the record's; so are fields
	// that the writer took from the body.
	m.use("critical")
	from := n.get("from")
	for _, name := range fieldNames {
		if from.get(name) != nil {
			m.use(name)
		}
	}
	return all(
		func() error {
			if from.get("type") != nil {
				return nil
			}
			return m.string(12, "type")
		},
		func() error { return m.time(11, "observed_time") },
		func() error { return m.id(10, "span_id", 8) },
		func() error { return m.id(9, "trace_id", 16) },
		func() error { return m.flags(8) },
		func() error { return m.uint(7, "dropped_attributes_count") },
		func() error { return m.attributes(6) },
		func() error { return m.body(5) },
		func() error { return m.string(3, "severity_text") },
		func() error { return m.severity(2) },
		func() error { return m.time(1, "time") },
		m.done,
	)
}

// object returns the members of a member that is an object, none if absent.
func (d *decoder) object(n *node, name string, known ...string) (*members, error) {
	m := &members{d: d, n: n.get(name)}
	if m.n == nil {
		return m, nil
	}
	err := d.at(name, -1, func() (err error) {
		if m.n.kind != jsonObject || len(m.n.items) == 0 {
			return d.fail("not an object, or empty")
		}
		if err := d.known(m.n, known...); err != nil {
			return err
		}
		m.exact, err = d.exact(m.n)
		return err
	})
	return m, err
}

func (d *decoder) known(n *node, names ...string) error {
next:
	for _, key := range n.keys {
		for _, name := range names {
			if key == name {
				continue next
			}
		}
		return d.at(key, -1, func() error { return d.fail("unknown member") })
	}
	return nil
}

// exact returns the exact tree of an object as its children, nil if none.
func (d *decoder) exact(n *node) (map[string]*node, error) {
	e := n.get("exact")
	if e == nil {
		return nil, nil
	}
	if e.kind != jsonObject {
		return nil, d.at("exact", -1, func() error { return d.fail("not an object") })
	}
	return children(e), nil
}

func children(n *node) map[string]*node {
	m := make(map[string]*node, len(n.keys))
	for i, key := range n.keys {
		m[key] = &n.items[i]
	}
	return m
}

// decodeID decodes an id of size bytes in lower-case hex that is not zero.
func decodeID(s string, size int) ([]byte, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != size || hex.EncodeToString(b) != s {
		return nil, false
	}
	for _, c := range b {
		if c != 0 {
			return b, true
		}
	}
	return nil, false
}
