package event_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// texts are strings that have broken a log before, and keys that mean something
// here.
var texts = []string{
	"", "a", "plain", `quote " and \ slash`, "tab\tlf\ncr\r\b\f", "\x00", "\x1b[31mred\x1b[0m", "\x7f", "\u0080\u009b",
	"\u202eevil\u202c", "\u2066\u2069\u061c\u200e\u200f", "\ufeffbom", "line\u2028para\u2029", "\ufffd", "\xff", "a\xc3(\ufffd\xfe",
	"\xed\xa0\x80", "\xf0\x9f\x98", "emoji \U0001f468\u200d\U0001f469 \U000e0067", "Ünïcödé 漢字", `{"v":1}`, "</script>", "\\u0000",
	"audit.actor.id", "user.id", "client.address", "event.name", "event.category", "class_uid", "status_id", "actor",
	"audit.record.id", "audit.outcome", "security_rule.name", "password", "db.apiKey", "token", strings.Repeat("k", 70), strings.Repeat("é\x1b", 600), "v", "exact", "attributes", "critical", "0", "1", "-1", "~0/~1", strings.Repeat("long ", 40),
}

var ints = []int64{0, 1, -1, 2, 3, 3002, 1<<53 - 1, 1 << 53, 1<<53 + 1, -(1<<53 - 1), -(1 << 53), math.MaxInt64, math.MinInt64}

var doubles = []float64{
	0, math.Copysign(0, -1), 1, -1, 2, 0.1, 1e21, 1e20, 123456789e30, 1e-6, 9.9e-7, 5e-324, math.MaxFloat64, math.Pi,
	math.NaN(), math.Float64frombits(0x7ff8000000000000), math.Float64frombits(0xfff8000000000001),
	math.Float64frombits(0x7ff0000000000001), math.Inf(1), math.Inf(-1), 1 << 53, 1 << 60,
}

var counts = []uint32{0, 0, 1, math.MaxUint32}

var instants = []uint64{0, 0, 1, 999999999, 1000000000, 1772600767000000001, 1 << 63, 1<<63 + 1, math.MaxUint64}

// generator makes records of every shape the data model allows.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from []T) T { return from[g.IntN(len(from))] }

func (g generator) text() string {
	if g.IntN(8) == 0 {
		b := make([]byte, g.IntN(24))
		for i := range b {
			b[i] = byte(g.Uint32())
		}
		return string(b)
	}
	return pick(g, texts)
}

func (g generator) value(v pcommon.Value, depth int) {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch g.IntN(kinds) {
	case 0: // empty
	case 1:
		v.SetStr(g.text())
	case 2:
		v.SetInt(pick(g, ints))
	case 3:
		v.SetDouble(pick(g, doubles))
	case 4:
		v.SetBool(g.IntN(2) == 0)
	case 5:
		v.SetEmptyBytes().FromRaw([]byte(strings.Repeat(g.text(), g.IntN(12))))
	case 6:
		g.entries(v.SetEmptyMap(), depth-1)
	case 7:
		s := v.SetEmptySlice()
		for range g.IntN(4) {
			g.value(s.AppendEmpty(), depth-1)
		}
	}
}

func (g generator) entries(m pcommon.Map, depth int) {
	n := g.IntN(6)
	if g.IntN(40) == 0 {
		n = 10 + g.IntN(70)
	}
	for range n {
		key := g.text()
		switch g.IntN(12) {
		case 0:
			key = "twin:" + string(rune('0'+g.IntN(8)))
		case 1:
			key = "k" + strings.Repeat("x", g.IntN(60))
		}
		g.value(m.PutEmpty(key), depth)
	}
}

func (g generator) logs(t testing.TB) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	sl := rl.ScopeLogs().AppendEmpty()
	lr := sl.LogRecords().AppendEmpty()
	if g.IntN(3) > 0 {
		rl.SetSchemaUrl(g.text())
		g.entries(rl.Resource().Attributes(), 2)
		rl.Resource().SetDroppedAttributesCount(pick(g, counts))
		for range g.IntN(2) {
			ref := entity.ResourceEntityRefs(rl.Resource()).AppendEmpty()
			ref.SetType(g.text())
			ref.SetSchemaUrl(g.text())
			ref.IdKeys().FromRaw([]string{g.text(), g.text()}[:g.IntN(3)])
			ref.DescriptionKeys().FromRaw([]string{g.text()}[:g.IntN(2)])
		}
	}
	if g.IntN(3) > 0 {
		sl.SetSchemaUrl(g.text())
		sl.Scope().SetName(g.text())
		sl.Scope().SetVersion(g.text())
		g.entries(sl.Scope().Attributes(), 2)
		sl.Scope().SetDroppedAttributesCount(pick(g, counts))
	}
	lr.SetTimestamp(pcommon.Timestamp(pick(g, instants)))
	lr.SetObservedTimestamp(pcommon.Timestamp(pick(g, instants)))
	lr.SetSeverityNumber(plog.SeverityNumber(pick(g, []int32{0, 1, 9, 24, 99, -1, math.MinInt32})))
	lr.SetSeverityText(g.text())
	lr.SetEventName(g.text())
	g.value(lr.Body(), 4)
	g.entries(lr.Attributes(), 4)
	lr.SetDroppedAttributesCount(pick(g, counts))
	lr.SetFlags(plog.LogRecordFlags(pick(g, counts)))
	if g.IntN(2) == 0 {
		lr.SetTraceID([16]byte{15: byte(g.IntN(3))})
		lr.SetSpanID([8]byte{0: byte(g.IntN(3))})
	}
	return twins(t, ld)
}

// twins makes one key of the keys "twin:0", "twin:1" and so on: pdata has no
// call to put a key twice into a map, only the wire has.
func twins(t testing.TB, ld plog.Logs) plog.Logs {
	b := wire(t, ld)
	for c := byte('0'); c < '8'; c++ {
		b = bytes.ReplaceAll(b, []byte{'t', 'w', 'i', 'n', ':', c}, []byte("twin!!"))
	}
	var u plog.ProtoUnmarshaler
	ld, err := u.UnmarshalLogs(b)
	require.NoError(t, err)
	return ld
}

// wire is the record in protobuf: two records are equal, NaN and order
// included, if these bytes are.
func wire(t testing.TB, ld plog.Logs) []byte {
	var m plog.ProtoMarshaler
	b, err := m.MarshalLogs(ld)
	require.NoError(t, err)
	return b
}
