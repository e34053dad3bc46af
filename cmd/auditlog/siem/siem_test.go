package siem_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/cmd/auditlog/siem"
	"github.com/otelaudit/auditexporter/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

var recordedAt = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)

const logID = "00112233445566778899aabbccddeeff"

// record is one record with the audit attributes given as NAME=VALUE.
func record(name string, attrs ...string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	rl.Resource().Attributes().PutStr("deployment.zone", "eu")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetEventName(name)
	lr.SetTimestamp(pcommon.NewTimestampFromTime(recordedAt.Add(-time.Second)))
	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(recordedAt.Add(-time.Millisecond)))
	for _, a := range attrs {
		k, v, _ := strings.Cut(a, "=")
		lr.Attributes().PutStr(k, v)
	}
	return ld
}

func attributes(ld plog.Logs) pcommon.Map {
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
}

// whole is an audit record with all that the draft has.
func whole() plog.Logs {
	ld := record("user.login.failure",
		"audit.record.id=0a8f6a0e-6c0e-4f5f-9f4e-2d1f1f3b5a77", "audit.actor.id=alice", "audit.actor.type=user",
		"audit.action=LOGIN", "audit.outcome=failure", "audit.target.id=/admin", "audit.target.type=http.endpoint",
		"audit.source.id=192.0.2.44", "audit.source.type=ipv4", "audit.schema.version=1.0.0",
		"audit.sequence.stream_id=stream-1", "audit.sequence.previous_record_id=7d1c8a10-3f0e-4a25-8d7c-0d6f4f0ff0aa",
		"audit.sequence.previous_hash=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "audit.integrity.value=MEUCIQ==")
	attributes(ld).PutInt("audit.sequence.number", math.MaxInt64)
	ld.ResourceLogs().At(0).Resource().Attributes().PutStr("audit.integrity.algorithm", "ES256")
	return ld
}

// odd has values that no mapping foresees, and gaps.
func odd() plog.Logs {
	ld := record("a\u202e.\x1b", "user.password=hunter2", "source.ip=no address", "user.name=", "labels=x", "event=y", "metadata=z", "a.b=1", "a_b=2")
	a := attributes(ld)
	a.PutDouble("nan", math.NaN())
	a.PutInt("big", math.MinInt64)
	a.PutEmptyBytes("raw").FromRaw([]byte{0, 255})
	a.PutEmptyMap("map").PutEmptySlice("list").AppendEmpty().SetBool(true)
	a.PutEmpty("none")
	a.PutStr("long", strings.Repeat("x", 2000))
	a.PutStr("class_uid", "many")
	a.PutStr("status_id", "no number")
	a.PutInt("time", 1)
	lr := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	lr.Body().SetEmptyMap().PutEmptyMap("deep").PutStr("er", "\xff")
	lr.SetSeverityNumber(17)
	lr.SetTraceID([16]byte{1})
	lr.SetSpanID([8]byte{2})
	return ld
}

func bodies(t testing.TB, lds ...plog.Logs) (all [][]byte) {
	e, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}, Limits: event.Limits{ValueBytes: 1024}})
	require.NoError(t, err)
	var s event.Source
	for _, ld := range lds {
		for _, rl := range ld.ResourceLogs().All() {
			e.Resource(&s, rl)
			for _, sl := range rl.ScopeLogs().All() {
				e.Scope(&s, sl)
				for _, lr := range sl.LogRecords().All() {
					body, _ := e.Append(nil, &s, lr, recordedAt)
					all = append(all, body)
				}
			}
		}
	}
	return all
}

// entries are a chain of events that begins with the opening entry of a log.
func entries(t testing.TB, bodies ...[]byte) (all []chain.Entry) {
	id, ok := chain.ParseLogID(logID)
	require.True(t, ok)
	opened := []byte(`{"v":1,"type":"opened","time":"2026-03-04T05:00:00.000000000Z","software":"1.2.3"}`)
	closed := []byte(`{"v":1,"type":"closed","time":"2026-03-04T06:00:00.000000000Z"}`)
	full := []byte(`{"v":1,"type":"disk_full","time":"2026-03-04T06:00:00.000000000Z","error":"no space"}`)
	later := []byte(`{"v":1,"type":"of_a_later_version","time":"2026-03-04T06:00:00.000000000Z"}`)
	prev := chain.Genesis(id)
	for i, b := range append(append([][]byte{opened}, bodies...), full, later, closed) {
		kind, tag := chain.Event, "auditlog/entry/v1\n"
		if i == 0 || i > len(bodies) {
			kind, tag = chain.System, "auditlog/system/v1\n"
		}
		e := chain.Entry{Seq: prev.Seq + 1, Prev: prev.Hash, Kind: kind, Body: b}
		bh := sha256.Sum256(b)
		h := sha256.New()
		h.Write([]byte(tag))
		h.Write(e.Prev[:])
		h.Write([]byte{7: byte(e.Seq)})
		h.Write(bh[:])
		e.Hash = chain.Hash(h.Sum(nil))
		require.NoError(t, e.Check(prev))
		all = append(all, e)
		prev = e.Head()
	}
	return all
}

// samples are the records of testdata/formats, of each format the first few.
func samples(t testing.TB) (all [][]byte) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "testdata", "formats", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		ld, err := new(plog.JSONUnmarshaler).UnmarshalLogs(text)
		require.NoError(t, err)
		all = append(all, bodies(t, ld)...)
	}
	return all
}

// torn says who, what and when under the names of several conventions, and each
// says something else.
func torn() plog.Logs {
	ld := record("user.create", "audit.record.id=own-id", "audit.actor.id=a1", "audit.actor.type=user", "audit.action=CREATE", "audit.outcome=success",
		"audit.target.id=t1", "audit.target.type=tt1", "audit.source.id=192.0.2.1", "metadata.uid=other-id", "actor.user.uid=a2", "actor.session.uid=s2",
		"session.id=s1", "src_endpoint.ip=192.0.2.2", "client.address=192.0.2.3", "api.operation=o2", "user.uid=u2", "activity_name=n2", "metadata.event_code=e2",
		"event.id=e3", "event.action=a3", "event.code=c3", "user.id=u3", "source.address=192.0.2.4", "user.target.id=t3", "event.outcome=failure", "auth_protocol=p2")
	attributes(ld).PutInt("class_uid", 3001)
	attributes(ld).PutInt("activity_id", 6)
	return ld
}

func named() (all []plog.Logs) {
	for _, name := range []string{
		"user.create", "UserDeleted", "account.locked", "user.password.changed", "role.granted", "permission.revoked",
		"group.member.added", "group.delete", "mfa.enabled", "config.change", "authz.denied", "user.logout", "order.placed", "DeleteUser",
	} {
		all = append(all, record(name, "audit.actor.id=root", "audit.target.id=bob"))
	}
	return append(all, record("", "http.request.method=GET", "url.path=/orders", "client.address=2001:db8::1"), record(""))
}

func every(t testing.TB) []chain.Entry {
	return entries(t, append(append(bodies(t, append(named(), whole(), odd(), torn())...), samples(t)...), bodies(t, record("last"))...)...)
}

func lines(t testing.TB, m *siem.Mapper, all []chain.Entry) (lines [][]byte) {
	for _, e := range all {
		line, err := m.Map(e)
		require.NoError(t, err, "%s", e.Body)
		require.NotContains(t, string(line), "\n")
		lines = append(lines, line)
	}
	return lines
}

func TestGolden(t *testing.T) {
	all := entries(t, bodies(t, append(named(), whole(), odd(), torn())...)...)
	for name, m := range map[string]*siem.Mapper{"ocsf": siem.NewOCSF(logID), "ecs": siem.NewECS(logID)} {
		got := append(bytes.Join(lines(t, m, all), []byte("\n")), '\n')
		file := filepath.Join("testdata", name+".jsonl")
		if *update {
			require.NoError(t, os.WriteFile(file, got, 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

// Every entry becomes an event that its schema allows.
func TestOCSFIsValid(t *testing.T) {
	classes := map[string]int{}
	for _, line := range lines(t, siem.NewOCSF(logID), every(t)) {
		o := requireOCSF(t, line)
		classes[fmt.Sprint(o["class_uid"])]++
	}
	for _, class := range []string{"0", "3001", "3002", "3005", "3006", "6002", "6003"} {
		require.NotZero(t, classes[class], "no event of class %s: %v", class, classes)
	}
}

func TestECSIsValid(t *testing.T) {
	categories := map[any]int{}
	for _, line := range lines(t, siem.NewECS(logID), every(t)) {
		if c, ok := requireECS(t, line)["event"].(map[string]any)["category"].([]any); ok {
			categories[c[0]]++
		}
	}
	for _, c := range []string{"authentication", "iam", "configuration", "api", "process", "host"} {
		require.NotZero(t, categories[c], c)
	}
}

// Nothing of an event is lost: its bytes stand in the line, with the hash that the
// chain has of them, and each attribute and resource attribute stands in some
// field beside.
func TestNothingIsLost(t *testing.T) {
	all := every(t)
	ocsf, ecs := lines(t, siem.NewOCSF(logID), all), lines(t, siem.NewECS(logID), all)
	for i, e := range all {
		sum := sha256.Sum256(e.Body)
		o, c := requireOCSF(t, ocsf[i]), requireECS(t, ecs[i])
		require.Equal(t, string(e.Body), o["raw_data"])
		require.Equal(t, hex.EncodeToString(sum[:]), o["raw_data_hash"].(map[string]any)["value"])
		original := c["event"].(map[string]any)
		require.Equal(t, string(e.Body), original["original"])
		require.Equal(t, hex.EncodeToString(sum[:]), original["hash"])
		delete(o, "raw_data")
		delete(original, "original")
		if e.Kind == chain.System {
			continue
		}
		var ev struct {
			Attributes map[string]any    `json:"attributes"`
			From       map[string]string `json:"from"`
			Critical   any               `json:"critical"`
			Invalid    any               `json:"invalid"`
			Redacted   any               `json:"redacted"`
			Truncated  any               `json:"truncated"`
			Escaped    any               `json:"escaped"`
			Exact      any               `json:"exact"`
			Body       any               `json:"body"`
			Resource   struct {
				Attributes map[string]any `json:"attributes"`
			} `json:"resource"`
		}
		d := json.NewDecoder(bytes.NewReader(e.Body))
		d.UseNumber()
		require.NoError(t, d.Decode(&ev))
		for name, v := range ev.Attributes {
			if name == ev.From["outcome"] {
				continue // a code or a word, which stands in the words of the schema
			}
			require.True(t, holds(o, v), "OCSF lacks %s of %s", name, e.Body)
			require.True(t, holds(c, v), "ECS lacks %s of %s", name, e.Body)
		}
		for _, v := range []any{ev.Critical, ev.Invalid, ev.Redacted, ev.Truncated, ev.Escaped, ev.Exact, ev.Body} {
			if text, ok := v.(string); v == nil || ok && text == "" {
				continue
			}
			require.True(t, holds(o, v) || taken(v, "class_uid"), "OCSF lacks a member of %s", e.Body)
			require.True(t, holds(c, v) || taken(v, "ecs", "ecs.version"), "ECS lacks a member of %s", e.Body)
		}
		for name, v := range ev.Resource.Attributes {
			require.True(t, holds(o, v), "OCSF lacks resource %s", name)
			require.True(t, holds(c, v), "ECS lacks resource %s", name)
		}
	}
}

// taken tells whether a body is such an event itself, whose members are then those
// of the line.
func taken(body any, marks ...string) bool {
	o, ok := body.(map[string]any)
	for _, m := range marks {
		if ok && o[m] != nil {
			return true
		}
	}
	return false
}

// holds tells whether v stands anywhere in o: as it is, as its text, as a number
// of digits or, an address, in the usual form.
func holds(o, v any) bool {
	text := func(v any) string {
		if s, ok := v.(string); ok {
			return s
		}
		b, _ := json.Marshal(v)
		return string(b)
	}
	if text(o) == text(v) {
		return true
	}
	switch o := o.(type) {
	case string: // a body that is no text, as its JSON
		var in any
		d := json.NewDecoder(strings.NewReader(o))
		d.UseNumber()
		return strings.HasPrefix(o, "{") && d.Decode(&in) == nil && text(in) == text(v)
	case map[string]any:
		for _, e := range o {
			if holds(e, v) {
				return true
			}
		}
	case []any:
		for _, e := range o {
			if holds(e, v) {
				return true
			}
		}
	}
	return false
}

// The chain: each line names its entry and the one before, and the producer's own
// chain stands beside it, unmixed.
func TestAttestations(t *testing.T) {
	all := entries(t, bodies(t, record("a", "audit.record.id=id-a"), whole())...)
	m := siem.NewOCSF(logID)
	var events []map[string]any
	for _, line := range lines(t, m, all) {
		events = append(events, requireOCSF(t, line))
	}
	attestation := func(i, n int) map[string]any {
		return events[i]["attestation_list"].([]any)[n].(map[string]any)
	}
	require.NotContains(t, attestation(0, 0), "prev_event", "the first of the chain")
	require.Equal(t, logID, attestation(1, 0)["chain_uid"])
	require.Equal(t, logID+":2", attestation(1, 0)["uid"])
	require.Equal(t, all[1].Hash.String(), attestation(1, 0)["fingerprint"].(map[string]any)["value"])
	require.Equal(t, logID+":1", attestation(1, 0)["prev_event"].(map[string]any)["uid"])
	require.Equal(t, "id-a", events[1]["metadata"].(map[string]any)["uid"])

	own, log := attestation(2, 0), attestation(2, 1)
	require.Equal(t, "id-a", log["prev_event"].(map[string]any)["uid"])
	require.Equal(t, all[1].Hash.String(), log["prev_event"].(map[string]any)["fingerprint"].(map[string]any)["value"])
	require.Equal(t, "stream-1", own["chain_uid"])
	require.Equal(t, "7d1c8a10-3f0e-4a25-8d7c-0d6f4f0ff0aa", own["prev_event"].(map[string]any)["uid"])
	require.Equal(t, "ECDSA-P256-SHA256", own["signatures"].([]any)[0].(map[string]any)["algorithm"])
	require.Contains(t, fmt.Sprint(events[2]["unmapped"]), "MEUCIQ==")

	// From the middle on, the entry before is read too.
	m = siem.NewOCSF(logID)
	require.NoError(t, m.Pass(all[1]))
	line, err := m.Map(all[2])
	require.NoError(t, err)
	require.Equal(t, events[2], requireOCSF(t, line))
}

func TestFields(t *testing.T) {
	all := entries(t, bodies(t, whole())...)
	line, err := siem.NewOCSF(logID).Map(all[1])
	require.NoError(t, err)
	o := requireOCSF(t, line)
	for path, want := range map[string]string{
		"class_uid": "3002", "activity_id": "1", "type_uid": "300201", "status_id": "2", "time": "1772600766123", "user.uid": "alice",
		"actor.user.type_id": "1", "src_endpoint.ip": "192.0.2.44", "service.name": "shop", "metadata.uid": "0a8f6a0e-6c0e-4f5f-9f4e-2d1f1f3b5a77",
		"metadata.logged_time": "1772600767122", "metadata.processed_time": "1772600767123", "metadata.sequence": "2",
		"metadata.event_code": "user.login.failure", "unmapped.critical": "audit:audit.record.id", "unmapped.resource.attributes.deployment\\.zone": "eu",
	} {
		require.Equal(t, want, at(o, path), path)
	}
	line, err = siem.NewECS(logID).Map(all[1])
	require.NoError(t, err)
	c := requireECS(t, line)
	for path, want := range map[string]string{
		"@timestamp": "2026-03-04T05:06:06.123456789Z", "event.category": "[authentication]", "event.type": "[start]", "event.outcome": "failure",
		"event.action": "LOGIN", "event.code": "user.login.failure", "event.id": "0a8f6a0e-6c0e-4f5f-9f4e-2d1f1f3b5a77", "user.id": "alice",
		"source.ip": "192.0.2.44", "service.name": "shop", "labels.deployment_zone": "eu", "labels.audit_integrity_value": "MEUCIQ==",
		"auditlog.seq": "2", "auditlog.critical": "audit:audit.record.id", "event.ingested": "2026-03-04T05:06:07.123456789Z",
	} {
		require.Equal(t, want, at(c, path), path)
	}
}

func at(o map[string]any, path string) string {
	var v any = o
	for key := range strings.SplitSeq(strings.ReplaceAll(path, `\.`, "\x00"), ".") {
		in, _ := v.(map[string]any)
		v = in[strings.ReplaceAll(key, "\x00", ".")]
	}
	return fmt.Sprint(v)
}

func TestRefusesWhatIsNoEvent(t *testing.T) {
	for _, m := range []*siem.Mapper{siem.NewOCSF(logID), siem.NewECS(logID)} {
		_, err := m.Map(chain.Entry{Seq: 1, Body: []byte(`{"v":9}`)})
		var fe *event.FormatError
		require.ErrorAs(t, err, &fe)
	}
}

// What the log knows of a record beside it, in this version or a later one, goes along by its name.
func TestOtherMembersGoAlong(t *testing.T) {
	body := bodies(t, record("order.placed"))[0]
	const more = `"integrity":{"verified":false,"reason":"mismatch"},"of_later":{"a":[1,"x"]}`
	body = append(bytes.TrimSuffix(body, []byte("}")), ","+more+"}"...)
	e := entries(t, body)[1]
	line, err := siem.NewOCSF(logID).Map(e)
	require.NoError(t, err)
	o := requireOCSF(t, line)
	require.Equal(t, "mismatch", at(o, "unmapped.integrity.reason"))
	require.Equal(t, "[1 x]", at(o, "unmapped.of_later.a"))
	line, err = siem.NewECS(logID).Map(e)
	require.NoError(t, err)
	c := requireECS(t, line)
	require.Equal(t, "false", at(c, "auditlog.integrity.verified"))
	require.Equal(t, "[1 x]", at(c, "auditlog.of_later.a"))
}

// Each type of entry that this version of the log writes has a weight.
func TestSystemTypesHaveAWeight(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "..", "chain", "system.go"))
	require.NoError(t, err)
	types := regexp.MustCompile(`\bType[A-Z][A-Za-z]+ += "([a-z_]+)"`).FindAllSubmatch(source, -1)
	require.GreaterOrEqual(t, len(types), 8)
	for _, m := range types {
		body := fmt.Appendf(nil, `{"v":1,"type":%q,"time":"2026-03-04T06:00:00.000000000Z"}`, m[1])
		e := chain.Entry{Seq: 1, Kind: chain.System, Body: body}
		line, err := siem.NewOCSF(logID).Map(e)
		require.NoError(t, err)
		require.NotEqual(t, "0", at(requireOCSF(t, line), "severity_id"), "%s", m[1])
		line, err = siem.NewECS(logID).Map(e)
		require.NoError(t, err)
		requireECS(t, line)
	}
}
