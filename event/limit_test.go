package event_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"

	"github.com/otelaudit/auditexporter/event"
)

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestValueLimits(t *testing.T) {
	o := event.Options{Limits: event.Limits{ValueBytes: 2048, IdentityBytes: 100}}
	for _, c := range []struct {
		name, pointer string
		limit         int
		put           func(plog.Logs, string)
	}{
		{"body", "/body", 2048, func(ld plog.Logs, s string) { first(ld).Body().SetStr(s) }},
		{"bytes", "/body", 2048, func(ld plog.Logs, s string) { first(ld).Body().SetEmptyBytes().FromRaw([]byte(s)) }},
		{"attribute", "/attributes/x", 2048, func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("x", s) }},
		{"nested", "/attributes/x/0/user.id", 2048, func(ld plog.Logs, s string) {
			first(ld).Attributes().PutEmptySlice("x").AppendEmpty().SetEmptyMap().PutStr("user.id", s)
		}},
		{"identity", "/attributes/user.id", 100, func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("user.id", s) }},
		{"identity of another kind", "/attributes/user.id", 2048, func(ld plog.Logs, s string) {
			first(ld).Attributes().PutEmptyBytes("user.id").FromRaw([]byte(s))
		}},
		{"event name", "/type", 100, func(ld plog.Logs, s string) { first(ld).SetEventName(s) }},
		{"severity text", "/severity_text", 100, func(ld plog.Logs, s string) { first(ld).SetSeverityText(s) }},
		{"key", "/exact/attributes/1/key", 100, func(ld plog.Logs, s string) { first(ld).Attributes().PutStr(s, "") }},
		{"key in a body", "/exact/body/1/key", 100, func(ld plog.Logs, s string) { first(ld).Body().SetEmptyMap().PutStr(s, "") }},
		{"resource", "/resource/attributes/user.id", 2048, func(ld plog.Logs, s string) {
			ld.ResourceLogs().At(0).Resource().Attributes().PutStr("user.id", s)
		}},
		{"resource schema", "/resource/schema_url", 100, func(ld plog.Logs, s string) { ld.ResourceLogs().At(0).SetSchemaUrl(s) }},
		{"entity", "/resource/entity_refs/0/type", 100, func(ld plog.Logs, s string) {
			entity.ResourceEntityRefs(ld.ResourceLogs().At(0).Resource()).AppendEmpty().SetType(s)
		}},
		{"scope name", "/scope/name", 100, func(ld plog.Logs, s string) { ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName(s) }},
		{"scope version", "/scope/version", 100, func(ld plog.Logs, s string) { ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetVersion(s) }},
		{"scope attribute", "/scope/attributes/x", 2048, func(ld plog.Logs, s string) {
			ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutStr("x", s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ld := bare()
			c.put(ld, strings.Repeat("y", c.limit))
			_, info := judged(t, o, ld)
			require.Zero(t, info.Truncated, "at the limit")
			long := strings.Repeat("z", c.limit+1)
			ld = bare()
			c.put(ld, long)
			e, info := judged(t, o, ld)
			require.Equal(t, []event.Truncated{{Pointer: c.pointer, Length: int64(len(long)), SHA256: sumOf(long)}}, e.Truncated)
			require.False(t, info.Invalid(), "no violation")
			require.False(t, info.Critical)
		})
	}
}

// A cut splits no character.
func TestCutBetweenCharacters(t *testing.T) {
	e := encoder(t, event.Options{Limits: event.Limits{IdentityBytes: 64}})
	for pad := range 5 {
		for _, c := range []string{"é", "漢", "😀"} {
			ld := bare()
			s := strings.Repeat("x", 60+pad) + c + "end"
			first(ld).SetEventName(s)
			checkRoundTrip(t, e, ld)
			body, info := encode(e, ld)
			parsed, err := event.Parse(body)
			require.NoError(t, err)
			require.Equal(t, 1, info.Truncated)
			require.False(t, info.Invalid())
			require.NotContains(t, parsed.Type, "\ufffd")
			require.Greater(t, len(parsed.Type), 60)
		}
	}
}

func TestAttributeLimit(t *testing.T) {
	many := func(m pcommon.Map, n int) {
		for i := range n {
			m.PutInt(fmt.Sprint("a", i), int64(i))
		}
	}
	ld := bare()
	many(first(ld).Attributes(), 256)
	many(first(ld).Body().SetEmptyMap(), 256)
	many(ld.ResourceLogs().At(0).Resource().Attributes(), 256)
	_, info := judged(t, event.Options{}, ld)
	require.Zero(t, info.Truncated)

	many(first(ld).Attributes(), 300)
	many(first(ld).Attributes().PutEmptyMap("a0"), 300)
	many(first(ld).Body().SetEmptyMap(), 300)
	many(ld.ResourceLogs().At(0).Resource().Attributes(), 300)
	first(ld).Attributes().PutStr("user.id", "alice")
	first(ld).Attributes().PutStr("event.category", "iam")
	first(ld).Attributes().PutStr("audit.outcome", "failure")
	e, info := judged(t, event.Options{Critical: event.Critical{Defaults: true}}, ld)
	var at []string
	for _, c := range e.Truncated {
		at = append(at, fmt.Sprint(c.Pointer, " ", c.Entries))
	}
	require.Equal(t, []string{"/body 300", "/attributes/a0 300", "/attributes 303", "/resource/attributes 300"}, at)
	// What makes an event critical and who did it can't be hidden behind padding.
	require.Equal(t, "audit:audit.outcome", info.Rule)
	require.Equal(t, "alice", e.Actor.ID)
	require.Equal(t, "failure", e.Outcome)
	require.NotContains(t, info.Structural.Strings(), "audit.outcome: missing")
}

// deep is n levels of arrays and maps in turn, around a value.
func deep(v pcommon.Value, n int) {
	for i := range n {
		if i%2 == 0 {
			v = v.SetEmptySlice().AppendEmpty()
		} else {
			v = v.SetEmptyMap().PutEmpty("k")
		}
	}
	v.SetInt(1)
}

func TestDepthLimit(t *testing.T) {
	for _, depth := range []int{1, 2, 16, 63, 64} {
		o := event.Options{Limits: event.Limits{Depth: depth}}
		ld := bare()
		deep(first(ld).Body(), depth)
		deep(first(ld).Attributes().PutEmpty("x"), depth)
		_, info := judged(t, o, ld)
		require.Zero(t, info.Truncated)
		deep(first(ld).Body(), depth+1)
		deep(first(ld).Attributes().PutEmpty("x"), 10_000)
		e, info := judged(t, o, ld)
		require.Equal(t, 2, info.Truncated)
		require.EqualValues(t, 1, e.Truncated[0].Entries)
		require.Equal(t, depth+1, strings.Count(e.Truncated[0].Pointer, "/"))
	}
}

// At the deepest setting an event of maps that hold each key twice stays within
// the levels that a log takes.
func TestNestingOfTwins(t *testing.T) {
	ld := bare()
	v := first(ld).Attributes().PutEmpty("x")
	for range 70 {
		m := v.SetEmptyMap()
		m.EnsureCapacity(2) // so that first stays where it is
		first := m.PutEmpty("twin:0")
		m.PutEmptyBytes("twin:1")
		v = first
	}
	o := event.Options{Limits: event.Limits{Depth: 64}}
	e := encoder(t, o)
	ld = twins(t, ld)
	checkRoundTrip(t, e, ld)
	body, info := encode(e, ld)
	require.Equal(t, 1, info.Truncated)
	require.Greater(t, nesting(body), 150, "the case is the worst")
}

// fields put a text everywhere a record has one.
var everywhere = map[string]func(plog.Logs, string){
	"body":       func(ld plog.Logs, s string) { first(ld).Body().SetStr(s) },
	"body map":   func(ld plog.Logs, s string) { first(ld).Body().SetEmptyMap().PutStr(s, s) },
	"body bytes": func(ld plog.Logs, s string) { first(ld).Body().SetEmptyBytes().FromRaw([]byte(s)) },
	"attribute":  func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("comment", s) },
	"key":        func(ld plog.Logs, s string) { first(ld).Attributes().PutStr(s, "x") },
	"actor":      func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("user.id", s) },
	"record id":  func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("audit.record.id", s) },
	"outcome":    func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("audit.outcome", s) },
	"password":   func(ld plog.Logs, s string) { first(ld).Attributes().PutStr("password", s) },
	"event name": func(ld plog.Logs, s string) { first(ld).SetEventName(s) },
	"severity":   func(ld plog.Logs, s string) { first(ld).SetSeverityText(s) },
	"array":      func(ld plog.Logs, s string) { first(ld).Attributes().PutEmptySlice("x").AppendEmpty().SetStr(s) },
	"resource":   func(ld plog.Logs, s string) { ld.ResourceLogs().At(0).Resource().Attributes().PutStr(s, s) },
	"schema":     func(ld plog.Logs, s string) { ld.ResourceLogs().At(0).SetSchemaUrl(s) },
	"scope":      func(ld plog.Logs, s string) { ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName(s) },
	"scope attr.": func(ld plog.Logs, s string) {
		ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutStr(s, s)
	},
	"entity": func(ld plog.Logs, s string) {
		entity.ResourceEntityRefs(ld.ResourceLogs().At(0).Resource()).AppendEmpty().IdKeys().Append(s)
	},
}

// hostileTexts are what has broken a log, a reader or a terminal.
var hostileTexts = map[string]string{
	"escape": "\x1b]0;title\x07\x1b[2J", "nul": "a\x00b", "c1": "\u009b31m\u0085", "bidi": "\u202egpj.exe\u2066", "bom": "\ufeff",
	"surrogate": `\ud800`, "raw surrogate": "\xed\xa0\x80", "invalid": "\xff\xfe\xc0\xaf", "separators": "\u2028\u2029\r\n", "tags": "\U000e0041\u200e",
	"JSON": `{"v":1,"critical":null}`, "member": `","critical":"no`, "key": "attributes", "exact": "exact", "pointer": "/body/~0~1",
	"10 MB": strings.Repeat("0123456789", 1<<20), "1 MB of controls": strings.Repeat("\x1b\x00", 1<<19), "1 MB invalid": strings.Repeat("\xff", 1<<20),
	"1 MB hidden": strings.Repeat("\u202e", 1<<18),
}

// Whatever is sent is recorded, as one strict JSON object of bounded size.
func TestHostileRecords(t *testing.T) {
	for name, text := range hostileTexts {
		for place, put := range everywhere {
			ld := ordinary()
			put(ld, text)
			for _, e := range []*event.Encoder{defaults(t), tight(t)} {
				body, info := encode(e, ld)
				require.LessOrEqual(t, len(body), 1<<20, "%s in %s", name, place)
				requireHarmless(t, body)
				parsed, err := event.Parse(body)
				require.NoError(t, err, "%s in %s", name, place)
				back, err := event.Decode(body)
				require.NoError(t, err, "%s in %s", name, place)
				require.Empty(t, difference(ld, back, parsed), "%s in %s", name, place)
				require.False(t, info.Invalid() && !info.Critical)
			}
		}
	}
}

// numbers, duplicate keys, many attributes and levels.
func TestHostileStructures(t *testing.T) {
	loose := encoder(t, event.Options{
		Limits: event.Limits{ValueBytes: 1 << 20, IdentityBytes: 4096, Attributes: 10_000, Depth: 64, RecordBytes: 256 << 10},
	})
	big := func() string { return strings.Repeat("\x01", 70<<10) }
	for name, fill := range map[string]func(plog.Logs){
		"numbers": func(ld plog.Logs) {
			a := first(ld).Attributes()
			for i, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.Copysign(0, -1)} {
				a.PutDouble(fmt.Sprint("f", i), f)
			}
			a.PutInt("max", math.MaxInt64)
			a.PutInt("min", math.MinInt64)
			a.PutDouble("status_id", math.NaN())
			a.PutInt("class_uid", math.MinInt64)
		},
		"100,000 attributes": func(ld plog.Logs) {
			a := first(ld).Attributes()
			a.EnsureCapacity(100_000)
			raw := make(map[string]any, 100_000)
			for i := range 100_000 {
				raw[fmt.Sprint("k", i)] = i
			}
			require.NoError(t, a.FromRaw(raw))
		},
		"100,000 of one key": func(ld plog.Logs) {
			s := first(ld).Attributes().PutEmptyMap("twin:0")
			for i := range 1000 {
				s.PutInt(fmt.Sprint("x", i), 1)
			}
		},
		"100,000 elements": func(ld plog.Logs) { fillSlice(first(ld).Body().SetEmptySlice(), 100_000, "x") },
		"elements in resource": func(ld plog.Logs) {
			fillSlice(ld.ResourceLogs().At(0).Resource().Attributes().PutEmptySlice("x"), 100_000, "\xff")
		},
		"depth 10,000": func(ld plog.Logs) { deep(first(ld).Body(), 10_000) },
		"depth 10,000 in all": func(ld plog.Logs) {
			deep(first(ld).Attributes().PutEmpty("actor"), 10_000)
			deep(ld.ResourceLogs().At(0).Resource().Attributes().PutEmpty("x"), 10_000)
			deep(ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutEmpty("x"), 10_000)
		},
		"large everywhere": func(ld plog.Logs) {
			for _, m := range []pcommon.Map{
				first(ld).Attributes(), first(ld).Body().SetEmptyMap(), ld.ResourceLogs().At(0).Resource().Attributes(),
				ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes(),
			} {
				for i := range 30 {
					m.PutStr(fmt.Sprint(i, strings.Repeat("\x7f", 1000)), big())
					m.PutEmptyMap(fmt.Sprint("m", i)).PutEmptyBytes(strings.Repeat("k", 2000)).FromRaw([]byte(big()))
				}
			}
		},
		"secrets under long keys": func(ld plog.Logs) {
			v := first(ld).Body().SetEmptyMap()
			for range 12 {
				v = v.PutEmptyMap(strings.Repeat("\x1b", 1000))
			}
			for i := range 250 {
				v.PutStr(fmt.Sprint(i, ".password"), "x")
				v.PutStr(fmt.Sprint(i, strings.Repeat("\x1b", 900)), big())
			}
		},
		"entities": func(ld plog.Logs) {
			refs := entity.ResourceEntityRefs(ld.ResourceLogs().At(0).Resource())
			for range 300 {
				r := refs.AppendEmpty()
				r.SetType(big())
				for range 2 {
					r.IdKeys().Append(big())
				}
			}
		},
		"all identity fields": func(ld plog.Logs) {
			for _, row := range event.Sources() {
				for _, name := range row[1:] {
					first(ld).Attributes().PutStr(name, big())
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ld := ordinary()
			fill(ld)
			ld = twins(t, ld)
			for _, e := range []struct {
				encoder *event.Encoder
				size    int
			}{{defaults(t), 1 << 20}, {tight(t), 256 << 10}, {loose, 256 << 10}} {
				body, _ := encode(e.encoder, ld)
				require.LessOrEqual(t, len(body), e.size)
				checkRoundTrip(t, e.encoder, ld)
			}
		})
	}
}

func fillSlice(s pcommon.Slice, n int, text string) {
	s.EnsureCapacity(n)
	for range n {
		s.AppendEmpty().SetStr(text)
	}
}

// What is cut costs no memory: an event of values that hold ten megabytes each
// takes no more than its own size.
func TestHostileMemory(t *testing.T) {
	ld := ordinary()
	long := strings.Repeat("\x1b", 10<<20)
	first(ld).Body().SetStr(long)
	for _, key := range []string{"x", "user.id", "password", "url.path"} {
		first(ld).Attributes().PutStr(key, long)
	}
	first(ld).Attributes().PutEmptyBytes("raw").FromRaw([]byte(long))
	first(ld).SetEventName(long)
	deep(first(ld).Attributes().PutEmpty("deep"), 10_000)
	e := tight(t)
	var s event.Source
	rl := ld.ResourceLogs().At(0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	body, info := e.Append(nil, &s, first(ld), recordedAt)
	runtime.ReadMemStats(&after)
	require.Equal(t, 7, info.Truncated)
	require.Less(t, len(body), 256<<10)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
}
