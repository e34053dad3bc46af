package otlpjson_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/cmd/auditlog/otlpjson"
	"github.com/otelaudit/auditexporter/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

var recordedAt = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)

func encoder(t testing.TB) *event.Encoder {
	e, err := event.NewEncoder(event.Options{
		Critical:  event.Critical{Defaults: true},
		Limits:    event.Limits{ValueBytes: 1 << 10, IdentityBytes: 64, Attributes: 16, Depth: 4, RecordBytes: 256 << 10},
		Redaction: event.Redaction{DigestKey: []byte("0123456789abcdef")},
	})
	require.NoError(t, err)
	return e
}

// encode makes the events of all records of ld.
func encode(e *event.Encoder, ld plog.Logs) (bodies [][]byte) {
	var s event.Source
	for _, rl := range ld.ResourceLogs().All() {
		e.Resource(&s, rl)
		for _, sl := range rl.ScopeLogs().All() {
			e.Scope(&s, sl)
			for _, lr := range sl.LogRecords().All() {
				body, _ := e.Append(nil, &s, lr, recordedAt)
				bodies = append(bodies, body)
			}
		}
	}
	return bodies
}

// export writes events and returns the lines.
func export(t testing.TB, bodies ...[]byte) []string {
	var out bytes.Buffer
	w := otlpjson.NewWriter(&out)
	for _, b := range bodies {
		require.NoError(t, w.Add(b), "%s", b)
	}
	require.NoError(t, w.Flush())
	if out.Len() == 0 {
		return nil
	}
	require.True(t, utf8.Valid(out.Bytes()))
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// replay is what a collector makes of lines: their records as events.
func replay(t testing.TB, lines ...string) (bodies [][]byte) {
	for _, l := range lines {
		require.True(t, json.Valid([]byte(l)), "%s", l)
		ld, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(l))
		require.NoError(t, err, "%s", l)
		bodies = append(bodies, encode(encoder(t), ld)...)
	}
	return bodies
}

func one(fill func(plog.LogRecord)) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	fill(rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	return ld
}

// twice makes the key "twice!" of "twice1" and "twice2": pdata has no call for that.
func twice(t testing.TB, ld plog.Logs) plog.Logs {
	b, err := new(plog.ProtoMarshaler).MarshalLogs(ld)
	require.NoError(t, err)
	b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("twice1"), []byte("twice!")), []byte("twice2"), []byte("twice!"))
	ld, err = new(plog.ProtoUnmarshaler).UnmarshalLogs(b)
	require.NoError(t, err)
	return ld
}

// hostile holds what JSON or OTLP/JSON could lose, and can't lose here.
func hostile(t testing.TB) plog.Logs {
	return twice(t, one(func(lr plog.LogRecord) {
		lr.SetTimestamp(math.MaxUint64)
		lr.SetObservedTimestamp(1)
		lr.SetEventName("order.placed\u202e")
		lr.SetSeverityNumber(-1)
		lr.SetSeverityText("\x1b[31m")
		lr.SetDroppedAttributesCount(math.MaxUint32)
		lr.SetFlags(math.MaxUint32)
		lr.SetTraceID([16]byte{15: 1})
		lr.SetSpanID([8]byte{1})
		lr.Body().SetEmptyMap().PutEmptySlice("list").AppendEmpty().SetEmptyMap()
		a := lr.Attributes()
		a.PutInt("int", math.MinInt64)
		a.PutInt("safe", 1<<53)
		a.PutDouble("nan", math.NaN())
		a.PutDouble("infinity", math.Inf(-1))
		a.PutDouble("whole", 5)
		a.PutDouble("zero", math.Copysign(0, -1))
		a.PutDouble("tiny", 5e-324)
		a.PutEmptyBytes("bytes").FromRaw([]byte{0, 1, 0xff})
		a.PutEmptyBytes("no bytes")
		a.PutStr("", "no key")
		a.PutStr("text", "")
		a.PutEmpty("absent")
		a.PutEmptySlice("no list")
		m := a.PutEmptyMap("map")
		m.PutInt("twice1", 1)
		m.PutEmptyMap("twice2").PutBool("deep", true)
		a.PutStr("controls", "\x00\x1b\u009b\u2028\ufeff\u202e\ufffd")
	}))
}

// gaps holds what an event, or JSON, does not carry as it came.
func gaps() plog.Logs {
	ld := one(func(lr plog.LogRecord) {
		lr.Body().SetStr(strings.Repeat("é", 600))
		lr.SetEventName("a\xffb")
		a := lr.Attributes()
		a.PutStr("user.password", "hunter2")
		a.PutStr("\xfe", "value")
		a.PutEmptySlice("list").AppendEmpty().SetDouble(math.Float64frombits(0x7ff8000000000002))
		a.PutStr("audit.export.redacted", "of an export before")
		for i := range 10 {
			m := a.PutEmptyMap(fmt.Sprintf("deep.%d", i))
			m.PutEmptyMap("a").PutEmptyMap("b").PutEmptyMap("c").PutEmptyMap("d").PutInt("e", 1)
		}
	})
	ld.ResourceLogs().At(0).Resource().Attributes().PutStr("api.key", "canary")
	return ld
}

// What is neither redacted nor cut comes back through OTLP/JSON as an equal event.
func TestGivesRecordsBack(t *testing.T) {
	e, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}})
	require.NoError(t, err)
	bodies := encode(e, hostile(t))
	require.Contains(t, string(bodies[0]), `"exact"`)
	lines := export(t, bodies...)
	require.Len(t, lines, 1)
	require.NotContains(t, lines[0], "audit.export")
	ld, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(lines[0]))
	require.NoError(t, err)
	require.Equal(t, string(bodies[0]), string(encode(e, ld)[0]))
}

// The same of records of every shape; what can't come back is marked.
func TestGivesRandomRecordsBack(t *testing.T) {
	e, err := event.NewEncoder(event.Options{Critical: event.Critical{Defaults: true}})
	require.NoError(t, err)
	plain, marked := 0, 0
	for seed := range uint64(1000) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		body := encode(e, g.logs(t))[0]
		lines := export(t, body)
		require.Len(t, lines, 1)
		ld, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(lines[0]))
		require.NoError(t, err, "%s", lines[0])
		if strings.Contains(lines[0], "audit.export.") {
			marked++
			continue
		}
		plain++
		require.Equal(t, string(body), string(encode(e, ld)[0]))
	}
	require.Greater(t, plain, 100)
	require.Greater(t, marked, 200)
}

func TestMarks(t *testing.T) {
	body := encode(encoder(t), gaps())[0]
	lines := export(t, body)
	require.Len(t, lines, 1)
	ld, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(lines[0]))
	require.NoError(t, err)
	attrs := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
	require.NotContains(t, lines[0], "canary")
	require.NotContains(t, lines[0], "hunter2")

	parsed, err := event.Parse(body)
	require.NoError(t, err)
	var redacted, truncated []any
	for _, r := range parsed.Redacted {
		redacted = append(redacted, map[string]any{"at": r.Pointer, "hmac": r.HMAC, "length_at_most": r.LengthAtMost})
	}
	for _, c := range parsed.Truncated {
		m := map[string]any{"at": c.Pointer, "sha256": c.SHA256}
		if c.Length > 0 {
			m["length"] = c.Length
		} else {
			m["entries"] = c.Entries
		}
		truncated = append(truncated, m)
	}
	require.Equal(t, append([]any{"of an export before"}, redacted...), attrs["audit.export.redacted"])
	require.Len(t, redacted, 2)
	require.Equal(t, truncated, attrs["audit.export.truncated"])
	require.Len(t, truncated, 11)
	require.Equal(t, []any{
		map[string]any{"at": "/attributes/list/0", "tag": "double:NaN:7ff8000000000002"},
		map[string]any{"at": "/exact/attributes/1/key", "tag": "string:fe"},
		map[string]any{"at": "/type", "tag": "string:ff"},
	}, attrs["audit.export.inexact"])
	require.Equal(t, "a\ufffdb", ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).EventName())
}

type subjectKey struct{}

func (subjectKey) ID() [16]byte { return [16]byte{1} }

// What the event only commits to is marked with all that it takes to check an opening.
func TestWithheldIsMarked(t *testing.T) {
	e, err := event.NewEncoder(event.Options{Withhold: event.Withholding{
		Fields: []string{"user.email"},
		Key:    func(string) event.SubjectKey { return subjectKey{} },
	}})
	require.NoError(t, err)
	body := encode(e, one(func(lr plog.LogRecord) {
		lr.Attributes().PutStr("user.email", "alice@example.com")
		lr.Attributes().PutStr("user.id", "alice")
	}))[0]
	parsed, err := event.Parse(body)
	require.NoError(t, err)
	require.NotNil(t, parsed.Withheld)
	lines := export(t, body)
	require.NotContains(t, lines[0], "example.com")
	ld, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(lines[0]))
	require.NoError(t, err)
	attrs := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()
	require.Equal(t, "[withheld]", attrs["user.email"])
	marks := attrs["audit.export.withheld"].([]any)
	require.Len(t, marks, 1)
	mark := marks[0].(map[string]any)
	require.Equal(t, "/attributes/user.email", mark["at"])
	for name, length := range map[string]int{"hmac": 64, "id": 32, "key": 32} {
		require.Len(t, mark[name], length, name)
	}
}

// Records with the same source share a line, in order, as far as a request goes.
func TestLines(t *testing.T) {
	e := encoder(t)
	named := func(service, name string) []byte {
		ld := one(func(lr plog.LogRecord) { lr.SetEventName(name) })
		ld.ResourceLogs().At(0).Resource().Attributes().PutStr("service.name", service)
		return encode(e, ld)[0]
	}
	lines := export(t, named("a", "1"), named("a", "2"), named("b", "3"), named("a", "4"))
	require.Len(t, lines, 3)
	var names []string
	for _, body := range replay(t, lines...) {
		p, err := event.Parse(body)
		require.NoError(t, err)
		names = append(names, p.Type)
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, names)

	many := make([][]byte, 1025)
	for i := range many {
		many[i] = named("a", "x")
	}
	require.Len(t, export(t, many...), 3)
	long := encode(e, one(func(lr plog.LogRecord) {
		for i := range 16 {
			lr.Attributes().PutStr(fmt.Sprint(i), strings.Repeat("x", 1<<10))
		}
	}))[0]
	require.Len(t, export(t, bytes.Split(bytes.TrimSpace(bytes.Repeat(append(long, '\n'), 130)), []byte("\n"))...), 3)
	require.Empty(t, export(t))
}

func TestRefusesWhatIsNoEvent(t *testing.T) {
	w := otlpjson.NewWriter(os.Stderr)
	var fe *event.FormatError
	require.ErrorAs(t, w.Add([]byte(`{"v":2}`)), &fe)
	require.NoError(t, w.Flush())
}

func TestGolden(t *testing.T) {
	bodies := append(encode(encoder(t), hostile(t)), encode(encoder(t), gaps())...)
	got := strings.Join(export(t, bodies...), "\n") + "\n"
	file := filepath.Join("testdata", "lines.jsonl")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// generator makes records of every shape.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

func (g generator) text() string {
	return pick(g, "", "a", "é", "\x00\x1b\u202e", "\ufffd", "\xff", "a\xc3(", "user.id", "twice1", "twice2", "k1", "k2", "k3")
}

func (g generator) value(v pcommon.Value, depth int) {
	switch g.IntN(7 + min(depth, 2)) {
	case 0:
	case 1, 2:
		v.SetStr(g.text())
	case 3:
		v.SetInt(pick(g, int64(0), 1, -1, 1<<53-1, 1<<53+1, math.MaxInt64, math.MinInt64))
	case 4:
		v.SetDouble(pick(g, 0.0, 1, 0.1, 1e21, -1e-9, math.Inf(1), math.NaN(), math.Float64frombits(0xfff8000000000001), math.MaxFloat64))
	case 5:
		v.SetBool(g.IntN(2) == 0)
	case 6:
		v.SetEmptyBytes().FromRaw([]byte(g.text()))
	case 7:
		g.entries(v.SetEmptyMap(), depth-1)
	case 8:
		s := v.SetEmptySlice()
		for range g.IntN(4) {
			g.value(s.AppendEmpty(), depth-1)
		}
	}
}

func (g generator) entries(m pcommon.Map, depth int) {
	for range g.IntN(5) {
		g.value(m.PutEmpty(g.text()), depth)
	}
}

func (g generator) logs(t testing.TB) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl(g.text())
	g.entries(rl.Resource().Attributes(), 2)
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(g.text())
	g.entries(sl.Scope().Attributes(), 1)
	lr := sl.LogRecords().AppendEmpty()
	lr.SetTimestamp(pick(g, pcommon.Timestamp(0), 1, 1<<63, math.MaxUint64))
	lr.SetSeverityNumber(pick(g, plog.SeverityNumber(0), 9, 99, math.MinInt32))
	lr.SetEventName(g.text())
	g.value(lr.Body(), 3)
	g.entries(lr.Attributes(), 3)
	return twice(t, ld)
}
