package event_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"

	"github.com/otelaudit/auditexporter/event"
)

var update = flag.Bool("update", false, "rewrite the golden events")

// unusual holds one value of each kind that natural JSON can't carry.
func unusual(t testing.TB) plog.Logs {
	ld := ordinary()
	rl := ld.ResourceLogs().At(0)
	rl.Resource().SetDroppedAttributesCount(2)
	rl.Resource().Attributes().PutInt("host.boot", math.MaxInt64)
	ref := entity.ResourceEntityRefs(rl.Resource()).AppendEmpty()
	ref.SetType("service")
	ref.IdKeys().Append("service.name", "bad\xff")
	rl.ScopeLogs().At(0).Scope().Attributes().PutStr("build", "\xc3(")
	lr := first(ld)
	lr.SetTimestamp(0)
	lr.SetDroppedAttributesCount(1)
	lr.Attributes().Clear()
	a := lr.Attributes()
	a.PutInt("safe", 1<<53-1)
	a.PutInt("big", 1<<53)
	a.PutInt("min", math.MinInt64)
	a.PutDouble("whole", 5)
	a.PutDouble("minus zero", math.Copysign(0, -1))
	a.PutDouble("nan", math.NaN())
	a.PutDouble("other nan", math.Float64frombits(0x7ff8000000000000))
	a.PutDouble("inf", math.Inf(-1))
	a.PutEmptyBytes("raw").FromRaw([]byte{0, 1, 2, 255})
	a.PutEmptyBytes("no bytes")
	a.PutEmpty("empty")
	a.PutStr("empty string", "")
	a.PutStr("latin1", "caf\xe9 \ufffd")
	a.PutStr("key\xe9", "of invalid UTF-8")
	a.PutStr("twin:0", "first")
	a.PutStr("twin:1", "second")
	m := lr.Body().SetEmptyMap()
	m.PutEmptyMap("none")
	m.PutEmptySlice("nothing")
	s := m.PutEmptySlice("list")
	s.AppendEmpty().SetInt(1 << 60)
	s.AppendEmpty().SetEmptyBytes().FromRaw([]byte("x"))
	n := s.AppendEmpty().SetEmptyMap()
	n.PutInt("twin:0", 1)
	n.PutEmptyBytes("twin:1").FromRaw([]byte{2})
	return twins(t, ld)
}

// hostile has in every text what must not reach a terminal.
func hostile() plog.Logs {
	const text = "a\x00b\x1b[2Jc\x7fd\u009be\u202ef\u2066g\ufeffh\u2028i\r\nj\tk\"l\\m\u200dn\xff"
	ld := ordinary()
	rl := ld.ResourceLogs().At(0)
	rl.SetSchemaUrl(text)
	rl.Resource().Attributes().PutStr(text, text)
	sl := rl.ScopeLogs().At(0)
	sl.SetSchemaUrl(text)
	sl.Scope().SetName(text)
	sl.Scope().SetVersion(text)
	sl.Scope().Attributes().PutStr(text, text)
	lr := first(ld)
	lr.SetEventName("login." + text)
	lr.SetSeverityText(text)
	lr.Body().SetEmptyMap().PutEmptySlice(text).AppendEmpty().SetStr(text)
	lr.Attributes().Clear()
	lr.Attributes().PutStr("user.id", text)
	lr.Attributes().PutStr(text, text)
	return ld
}

// bare is a record that holds nothing.
func bare() plog.Logs {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	return ld
}

// siem is a record as a SIEM hands it over: ECS and OCSF names.
func siem() plog.Logs {
	ld := ordinary()
	lr := first(ld)
	lr.Attributes().Clear()
	a := lr.Attributes()
	a.PutStr("event.action", "ssh_login")
	a.PutEmptySlice("event.category").AppendEmpty().SetStr("authentication")
	a.PutStr("event.id", "9f1c")
	a.PutStr("user.name", "root")
	a.PutStr("source.ip", "198.51.100.7")
	a.PutInt("class_uid", 3002)
	a.PutInt("status_id", 2)
	return ld
}

// faulty is an audit record in which every mandatory field fails.
func faulty() plog.Logs {
	ld := audit()
	ld.ResourceLogs().At(0).Resource().Attributes().Clear()
	lr := first(ld)
	lr.SetEventName("")
	lr.SetTimestamp(0)
	lr.SetObservedTimestamp(0)
	a := lr.Attributes()
	a.PutInt("audit.record.id", 7)
	a.PutStr("audit.actor.id", "")
	a.PutStr("audit.actor.type", "robot")
	a.Remove("audit.action")
	a.PutStr("audit.outcome", "Success")
	return ld
}

// secrets holds values that are redacted, and some with names that look alike.
func secrets() plog.Logs {
	ld := ordinary()
	ld.ResourceLogs().At(0).Resource().Attributes().PutStr("db.password", secretValue)
	ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutEmptyBytes("apiKey").FromRaw([]byte(secretValue))
	lr := first(ld)
	lr.Attributes().Clear()
	a := lr.Attributes()
	a.PutStr("authorization.k8s.io/decision", "allow")
	a.PutStr("tokens_processed", "12")
	a.PutStr("token_fingerprint", "token:a3f2c1")
	a.PutBool("password_changed", true)
	a.PutStr("keyspace", "users")
	a.PutStr("X-Api-Key", secretValue)
	h := a.PutEmptyMap("http.request.header")
	h.PutEmptySlice("authorization").AppendEmpty().SetStr("Bearer " + secretValue)
	h.PutStr("accept", "*/*")
	lr.Body().SetEmptyMap().PutEmptyMap("~a/b").PutStr("userPassword", secretValue)
	return ld
}

const secretValue = "hunter2-hunter2"

// digestKey is the digest key of the golden events.
var digestKey = []byte("a key of the golden events only")

// long is a record that passes each limit.
func long() plog.Logs {
	ld := ordinary()
	lr := first(ld)
	lr.Attributes().Clear()
	a := lr.Attributes()
	for i := range 20 {
		a.PutInt("n"+string(rune('a'+i)), int64(i))
	}
	a.PutStr("user.id", strings.Repeat("é", 40))
	m := lr.Body().SetEmptyMap()
	m.PutStr("text", strings.Repeat("x", 1025))
	m.PutEmptyBytes("bytes").FromRaw(make([]byte, 1026))
	m.PutStr(strings.Repeat("k", 65), "v")
	m.PutEmptyMap("a").PutEmptyMap("b").PutEmptySlice("c").AppendEmpty().SetStr("deep")
	return ld
}

// tight is an encoder with the smallest limits and a digest key.
func tight(t testing.TB) *event.Encoder {
	e, err := event.NewEncoder(event.Options{
		Critical:  event.Critical{Defaults: true},
		Limits:    event.Limits{ValueBytes: 1 << 10, IdentityBytes: 64, Attributes: 16, Depth: 3, RecordBytes: 256 << 10},
		Redaction: event.Redaction{DigestKey: digestKey},
	})
	require.NoError(t, err)
	return e
}

func TestGolden(t *testing.T) {
	for name, ld := range map[string]plog.Logs{
		"ordinary": ordinary(), "audit": audit(), "unusual": unusual(t), "hostile": hostile(), "bare": bare(), "siem": siem(),
		"faulty": faulty(), "secrets": secrets(), "long": long(),
	} {
		t.Run(name, func(t *testing.T) {
			e := defaults(t)
			if name == "secrets" || name == "long" {
				e = tight(t)
			}
			checkRoundTrip(t, e, ld)
			got, _ := encode(e, ld)
			got = append(got, '\n')
			file := filepath.Join("..", "testdata", "events", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(file, got, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

// The event of a record with ten attributes is at most 1.6 times its OTLP/JSON,
// resource and scope included.
func TestSize(t *testing.T) {
	lean := bare()
	for c := range 10 {
		first(lean).Attributes().PutInt(string(rune('a'+c)), int64(c))
	}
	for name, ld := range map[string]plog.Logs{"ordinary": ordinary(), "audit": audit(), "lean": lean} {
		body, _ := encode(defaults(t), ld)
		var m plog.JSONMarshaler
		otlp, err := m.MarshalLogs(ld)
		require.NoError(t, err)
		require.LessOrEqual(t, 10*len(body), 16*len(otlp), name)
	}
}

// Whatever reads the log sees natural values: what encoding/json makes of the
// attributes is what the record says.
func TestNaturalValues(t *testing.T) {
	body, _ := encode(defaults(t), ordinary())
	var got struct {
		Attributes map[string]any    `json:"attributes"`
		From       map[string]string `json:"from"`
	}
	require.NoError(t, json.Unmarshal(body, &got))
	require.Equal(t, map[string]any{
		"http.request.method": "POST", "url.path": "/v1/orders", "http.response.status_code": 201.0,
		"user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)", "client.address": "192.0.2.44",
		"order.items": 3.0, "order.total": 129.9, "order.express": true, "order.currency": "EUR", "warehouse": "ams-2",
	}, got.Attributes)
	require.Equal(t, map[string]string{
		"action": "http.request.method", "target.id": "url.path", "actor.address": "client.address", "source.id": "client.address",
	}, got.From)
	require.False(t, bytes.Contains(body, []byte(`"exact"`)))
	require.Equal(t, 1, strings.Count(string(body), "192.0.2.44"), "no value twice")
}
