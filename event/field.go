package event

import "go.opentelemetry.io/collector/pdata/pcommon"

// fieldID is a normalised field's place in fields.
type fieldID uint8

const (
	fieldRecordID fieldID = iota
	fieldType
	fieldActorID
	fieldActorType
	fieldActorAddress
	fieldActorSession
	fieldActorAuthMethod
	fieldAction
	fieldOutcome
	fieldTargetID
	fieldTargetType
	fieldSourceID
	fieldSourceType
	numFields
)

// eventName is the source that is the record's EventName and no attribute.
const eventName = "EventName"

// source is where a normalised field may come from: a record attribute.
type source struct {
	name string
	// values maps the integer codes of a source that is one to the field's
	// words; nil for a source whose value is the field's as it stands.
	values map[int64]string
	// ref is the member of from, without a comma, that names this source for its field.
	ref string
}

func attr(names ...string) []source {
	s := make([]source, len(names))
	for i, n := range names {
		s[i].name = n
	}
	return s
}

// field is a normalised field with its sources. The first wins that holds a
// usable value: a string that is not empty or an integer; of a code, one that is
// listed.
type field struct {
	name    string
	sources []source
	// member begins the event's own member of that name.
	member member
}

// fields is the one table that maps records to normalised fields; FORMAT.md
// shows it. Names: the OTel Audit Logging draft, OTel semantic conventions with
// their former names, ECS, OCSF, and the plain names of the 35 kinds' fields.
var fields = [numFields]field{
	fieldRecordID: {name: "id", sources: attr("audit.record.id", "log.record.uid", "event.id", "metadata.uid")},
	fieldType:     {name: "type", sources: attr(eventName, "event.name", "otel.event.name", "event_type")},
	fieldActorID: {name: "actor.id", sources: attr("audit.actor.id", "actor.user.uid", "actor.user.name", "actor.user_id", "actor.id", "actor",
		"user.id", "enduser.id", "user.name", "user.email", "enduser.pseudo.id", "user.hash", "attempted_user",
		"process.user.name", "process.user.id")},
	fieldActorType: {name: "actor.type", sources: attr("audit.actor.type", "actor.user.type", "actor.type")},
	fieldActorAddress: {name: "actor.address", sources: attr("client.address", "source.address", "client.ip", "source.ip",
		"network.peer.address", "src_endpoint.ip", "actor.ip", "http.client_ip", "net.sock.peer.addr", "net.peer.ip", "ip")},
	fieldActorSession:    {name: "actor.session", sources: attr("session.id", "actor.session.uid", "actor.session_id", "session_id")},
	fieldActorAuthMethod: {name: "actor.auth_method", sources: attr("actor.auth_method", "auth_method", "auth.method", "auth_protocol")},
	fieldAction:          {name: "action", sources: attr("audit.action", "event.action", "activity_name", "http.request.method", "http.method")},
	fieldOutcome: {name: "outcome", sources: append(attr("audit.outcome", "event.outcome"),
		source{name: "status_id", values: map[int64]string{1: "success", 2: "failure"}})},
	fieldTargetID: {name: "target.id", sources: attr("audit.target.id", "user.target.id", "user.target.name", "resource.id", "resource_id", "file.path", "url.path", "http.route",
		"url.full", "http.target", "http.url", "api.operation")},
	fieldTargetType: {name: "target.type", sources: attr("audit.target.type", "resource.type", "resource_type")},
	fieldSourceID: {name: "source.id", sources: attr("audit.source.id", "client.address", "source.address", "client.ip", "source.ip",
		"network.peer.address", "src_endpoint.ip", "http.client_ip", "net.sock.peer.addr", "net.peer.ip", "ip")},
	fieldSourceType: {name: "source.type", sources: attr("audit.source.type")},
}

// fieldNames are the names of the normalised fields.
var fieldNames []string

func init() {
	for f := range fields {
		fieldNames = append(fieldNames, fields[f].name)
		fields[f].member = member(`,"` + fields[f].name + `":`)
		for i := range fields[f].sources {
			s := &fields[f].sources[i]
			s.ref = `"` + fields[f].name + `":"` + s.name + `"`
		}
	}
}

// use says that an attribute is the source of that rank of a field.
type use struct {
	field fieldID
	rank  uint8
}

// Ranks beside those of the sources: the body has filled a field, nothing has.
const (
	fromBody = 0xfe
	unset    = 0xff
)

// mapping is the ranks of the sources found so far.
type mapping struct {
	ranks  [numFields]uint8
	filled uint16 // a bit for each field that has one; there are at most 16
}

func (m *mapping) of(id fieldID) uint8 {
	if m.filled&(1<<id) == 0 {
		return unset
	}
	return m.ranks[id]
}

func (m *mapping) set(id fieldID, rank uint8) {
	m.ranks[id] = rank
	m.filled |= 1 << id
}

// code reads an integer that a producer may have sent as an integer, a double
// or decimal digits.
func code(v pcommon.Value) (int64, bool) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return v.Int(), true
	case pcommon.ValueTypeDouble:
		if d := v.Double(); d >= 0 && d < 1e9 && d == float64(int64(d)) {
			return int64(d), true
		}
	case pcommon.ValueTypeStr:
		return digits(v.Str())
	}
	return 0, false
}

func digits(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 9 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
