package event_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

func parsed(t *testing.T, ld plog.Logs) event.Event {
	t.Helper()
	body, _ := encode(defaults(t), ld)
	e, err := event.Parse(body)
	require.NoError(t, err)
	return e
}

func TestParse(t *testing.T) {
	require.Equal(t, event.Event{
		ID: "0a8f6a0e-6c0e-4f5f-9f4e-2d1f1f3b5a77", Type: "user.login.failure",
		Time:         time.Date(2026, 3, 4, 5, 6, 7, 1, time.UTC),
		ObservedTime: time.Date(2026, 3, 4, 5, 6, 7, 100000000, time.UTC),
		RecordedTime: recordedAt, TimeSource: "time",
		Actor:  event.Actor{ID: "alice@example.com", Type: "user", Session: "6f1d"},
		Action: "LOGIN", Outcome: "failure",
		Target: event.Entity{ID: "portal", Type: "http.endpoint"}, Source: event.Entity{ID: "192.0.2.44", Type: "ipv4"},
		Critical: true, Rule: "audit:audit.record.id",
		SeverityNumber: 9, SeverityText: "INFO", Body: "sign-in refused",
	}, parsed(t, audit()))

	e := parsed(t, siem())
	require.Equal(t, "root", e.Actor.ID)
	require.Equal(t, "198.51.100.7", e.Actor.Address)
	require.Equal(t, "ssh_login", e.Action)
	require.Equal(t, "failure", e.Outcome)
	require.Equal(t, "9f1c", e.ID)
	require.Empty(t, e.Type)
}

func TestTimes(t *testing.T) {
	e := parsed(t, bare())
	require.Equal(t, event.Event{RecordedTime: recordedAt, TimeSource: "recorded_time"}, e)
	require.Equal(t, recordedAt, e.EventTime())

	ld := bare()
	first(ld).SetObservedTimestamp(1)
	e = parsed(t, ld)
	require.True(t, e.Time.IsZero())
	require.Equal(t, "observed_time", e.TimeSource)
	require.Equal(t, time.Unix(0, 1).UTC(), e.EventTime())

	first(ld).SetTimestamp(1<<64 - 1)
	e = parsed(t, ld)
	require.Equal(t, "2554-07-21T23:34:33.709551615Z", e.EventTime().Format(time.RFC3339Nano))

	// A clock before 1970 has no number of nanoseconds: the time is absent.
	var s event.Source
	enc := defaults(t)
	ld = bare()
	enc.Resource(&s, ld.ResourceLogs().At(0))
	enc.Scope(&s, ld.ResourceLogs().At(0).ScopeLogs().At(0))
	for _, at := range []time.Time{{}, time.Unix(-1, 0)} {
		body, _ := enc.Append(nil, &s, first(ld), at)
		require.Equal(t, `{"v":1}`, string(body))
	}
}

// The first source that is usable wins, wherever it stands among the
// attributes.
func TestSourceOrder(t *testing.T) {
	fill := func(keys ...string) event.Event {
		ld := bare()
		for _, k := range keys {
			name, value, _ := strings.Cut(k, "=")
			first(ld).Attributes().PutStr(name, value)
		}
		return parsed(t, ld)
	}
	require.Equal(t, "a", fill("user.name=b", "audit.actor.id=a", "user.id=c").Actor.ID)
	require.Equal(t, "c", fill("user.name=b", "user.id=c", "audit.actor.id=").Actor.ID)
	require.Equal(t, "success", fill("status_id=1").Outcome)
	require.Equal(t, "x", fill("status_id=1", "event.outcome=x").Outcome)
	require.Equal(t, "x", fill("event.outcome=x", "status_id=1").Outcome)
	require.Empty(t, fill("status_id=99").Outcome)
	require.Equal(t, "login", fill("event.name=login").Type)

	ld := bare()
	first(ld).Attributes().PutEmptySlice("user.id").AppendEmpty().SetStr("no string")
	first(ld).Attributes().PutInt("enduser.id", 1<<60)
	require.Equal(t, "1152921504606846976", parsed(t, ld).Actor.ID)

	// Of a key that stands twice the last counts, as the draft has it.
	ld = bare()
	first(ld).Attributes().PutStr("user.id", "old")
	first(ld).Attributes().PutStr("user.iX", "new")
	first(ld).Attributes().PutStr("event.kind", "alert")
	first(ld).Attributes().PutStr("event.kinX", "event")
	var u plog.ProtoUnmarshaler
	ld, err := u.UnmarshalLogs(bytes.ReplaceAll(wire(t, ld), []byte("iX"), []byte("id")))
	require.NoError(t, err)
	ld, err = u.UnmarshalLogs(bytes.ReplaceAll(wire(t, ld), []byte("kinX"), []byte("kind")))
	require.NoError(t, err)
	e := parsed(t, ld)
	require.Equal(t, "new", e.Actor.ID)
	require.Equal(t, "ecs:event.kind=alert", e.Rule, "criticality looks at all of them")
}

// An earlier entry of a key fills no field, even if the last one can't.
func TestShadowedEntryFillsNoField(t *testing.T) {
	ld := bare()
	first(ld).Attributes().PutStr("audit.record.id", "old")
	first(ld).Attributes().PutStr("audit.record.iX", "")
	var u plog.ProtoUnmarshaler
	ld, err := u.UnmarshalLogs(bytes.ReplaceAll(wire(t, ld), []byte("iX"), []byte("id")))
	require.NoError(t, err)
	_, info := encode(defaults(t), ld)
	require.Equal(t, "audit:audit.record.id", info.Rule)
	require.Empty(t, info.ID)
	require.Contains(t, info.Structural.Strings(), "audit.record.id: missing", "the last one counts")
	require.Empty(t, parsed(t, ld).ID)
}

func TestMalformed(t *testing.T) {
	for _, c := range []struct{ name, body, pointer, reason string }{
		{"nothing", ``, "", "no JSON value"},
		{"no object", `[]`, "", "not an object"},
		{"no version", `{"type":"x"}`, "", "no version"},
		{"version 2", `{"v":2,"new":true}`, "/v", "event of another version; this software reads 1"},
		{"version 1.0", `{"v":1.0}`, "/v", "event of another version; this software reads 1"},
		{"version string", `{"v":"1"}`, "/v", "version is no number"},
		{"two values", `{"v":1}{}`, "", "something follows the value"},
		{"cut off", `{"v":1,"attributes":{"a":"b`, "/attributes/a", "string does not end"},
		{"key twice", `{"v":1,"attributes":{"a":1,"a":2}}`, "/attributes/a", "key stands twice"},
		{"raw control", "{\"v\":1,\"type\":\"\x1b\"}", "/type", "raw control character in a string"},
		{"invalid UTF-8", "{\"v\":1,\"type\":\"\xff\"}", "/type", "string is not valid UTF-8"},
		{"lone surrogate", `{"v":1,"type":"\ud800"}`, "/type", "malformed escape in a string"},
		{"low surrogate", `{"v":1,"type":"\udc00x"}`, "/type", "malformed escape in a string"},
		{"half a pair", `{"v":1,"type":"\ud800\u0041"}`, "/type", "malformed escape in a string"},
		{"minus zero", `{"v":1,"body":-0}`, "/body", "integer that natural JSON does not carry"},
		{"bad escape", `{"v":1,"type":"\x"}`, "/type", "malformed escape in a string"},
		{"leading zero", `{"v":1,"attributes":{"a":[1,01]}}`, "/attributes/a/1", "malformed number"},
		{"huge number", `{"v":1,"body":1e999}`, "/body", "malformed number"},
		{"hex float", `{"v":1,"body":0x1p4}`, "", "no ',' or '}' after a member"},
		{"unknown member", `{"v":1,"~/":1}`, "/~0~1", "unknown member"},
		{"hostile member", "{\"v\":1,\"\u202e\":1}", "/\\u202e", "unknown member"},
		{"time", `{"v":1,"time":"2026-01-01T00:00:00Z"}`, "/time", "not a UTC time with nine digits of fraction"},
		{"time 1970", `{"v":1,"time":"1970-01-01T00:00:00.000000000Z"}`, "/time", "not a UTC time with nine digits of fraction"},
		{"time past", `{"v":1,"time":"2554-07-21T23:34:33.709551616Z"}`, "/time", "not a UTC time with nine digits of fraction"},
		{"big integer", `{"v":1,"body":9007199254740992}`, "/body", "integer that natural JSON does not carry"},
		{"null body", `{"v":1,"body":null}`, "/body", "null where absence says it"},
		{"trace id", `{"v":1,"trace_id":"00000000000000000000000000000000"}`, "/trace_id", "not 16 bytes in lower-case hex, or zero"},
		{"span id", `{"v":1,"span_id":"ABCDEFABCDEFABCD"}`, "/span_id", "not 8 bytes in lower-case hex, or zero"},
		{"flags", `{"v":1,"flags":4294967296}`, "/flags", "not a positive integer of 32 bits"},
		{"attributes", `{"v":1,"attributes":[]}`, "/attributes", "not an object"},
		{"no attributes", `{"v":1,"attributes":{}}`, "/attributes", "empty object where absence says it"},
		{"resource", `{"v":1,"resource":{"x":1}}`, "/resource/x", "unknown member"},
		{"schema", `{"v":1,"scope":{"schema_url":1}}`, "/scope/schema_url", "not a string"},
		{"from", `{"v":1,"from":{}}`, "/from", "not an object, or empty"},
		{"from nothing", `{"v":1,"from":{"actor.id":"user.id"}}`, "/from/actor.id", "names no attribute of the record"},
		{"from a map", `{"v":1,"attributes":{"a":{}},"from":{"actor.id":"a"}}`, "/from/actor.id", "names an attribute that is no string or number"},
		{"unknown tag", `{"v":1,"body":"x","exact":{"body":"float"}}`, "/body", "unknown exact tag"},
		{"tag of nothing", `{"v":1,"exact":{"body":"bytes"}}`, "/exact", "speaks of a value that is not there"},
		{"tag of no element", `{"v":1,"body":["a"],"exact":{"body":{"1":"bytes"}}}`, "/body/exact", "speaks of a value that is not there"},
		{"tagged number", `{"v":1,"body":1,"exact":{"body":"int"}}`, "/body", "exact tag does not fit the value"},
		{"small int", `{"v":1,"body":"5","exact":{"body":"int"}}`, "/body", "not an int64 beyond the safe integers"},
		{"finite", `{"v":1,"body":"5","exact":{"body":"double"}}`, "/body", "not a NaN or an infinity"},
		{"base64", `{"v":1,"body":"5","exact":{"body":"bytes"}}`, "/body", "not base64"},
		{"bytes", `{"v":1,"body":"x","exact":{"body":"string:ff"}}`, "/body", "exact bytes do not fit the string"},
		{"entry index", `{"v":1,"attributes":{"a":1},"exact":{"attributes":[{},{"at":5,"key":"a","value":2}]}}`, "/attributes", "exact entry has an index that does not fit"},
		{"entry member", `{"v":1,"attributes":{"a":1},"exact":{"attributes":[{},{"at":0,"key":"a"}]}}`, "/attributes", "exact entry without key or value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ld, err := event.Decode([]byte(c.body))
			require.Equal(t, plog.Logs{}, ld)
			var fe *event.FormatError
			require.True(t, errors.As(err, &fe), "%v", err)
			require.Equal(t, event.FormatError{Pointer: c.pointer, Reason: c.reason}, *fe)
		})
	}
}

// Parse reads events that later software of the same version has added members
// to; Decode, which promises the whole record, does not.
func TestParsePassesOverUnknownMembers(t *testing.T) {
	e, err := event.Parse([]byte(`{"v":1,"type":"x","later":{"a":[1]}}`))
	require.NoError(t, err)
	require.Equal(t, "x", e.Type)
	_, err = event.Parse([]byte(`{"v":2,"type":"x"}`))
	require.EqualError(t, err, "malformed event: /v: event of another version; this software reads 1")
}

func TestPointerIsBounded(t *testing.T) {
	_, err := event.Decode([]byte(`{"v":1,"` + strings.Repeat("k", 1<<20) + `":1}`))
	require.Error(t, err)
	require.Less(t, len(err.Error()), 400)
	_, err = event.Decode([]byte(`{"v":1,"body":` + strings.Repeat("[", 200_000)))
	require.ErrorContains(t, err, "nested too deep")
	require.Less(t, len(err.Error()), 400)
}
