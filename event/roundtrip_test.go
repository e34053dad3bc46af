package event_test

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// checkRoundTrip encodes ld's record and holds everything that is true of every
// event.
func checkRoundTrip(t testing.TB, e *event.Encoder, ld plog.Logs) {
	t.Helper()
	checkEvent(t, e, ld, false)
}

// checkEvent is checkRoundTrip; foreign says that the record is from the wire and
// may have fields that pdata keeps and shows nobody, such as key_strindex.
func checkEvent(t testing.TB, e *event.Encoder, ld plog.Logs, foreign bool) {
	t.Helper()
	before := wire(t, ld)
	body, info := encode(e, ld)
	require.Equal(t, before, wire(t, ld), "the record is not changed")
	require.True(t, json.Valid(body), "%q", body)
	requireHarmless(t, body)

	again, infoAgain := encode(e, ld)
	require.Equal(t, body, again)
	require.Equal(t, info, infoAgain)

	back, err := event.Decode(body)
	require.NoError(t, err, "%s", body)
	parsed, err := event.Parse(body)
	require.NoError(t, err, "%s", body)
	require.Len(t, parsed.Redacted, info.Redacted)
	require.Len(t, parsed.Truncated, info.Truncated)
	require.Empty(t, difference(ld, back, parsed), "%s", body)
	if info.Redacted+info.Truncated == 0 && !foreign {
		require.Equal(t, before, wire(t, back), "%s", body)
	}
	require.LessOrEqual(t, nesting(body), 256)

	require.Equal(t, info.Critical, parsed.Critical)
	require.Equal(t, info.Identity+info.Structural.Len(), len(parsed.Invalid))
	require.Equal(t, info.Content, len(parsed.Escaped)+parsed.EscapedMore)
	require.False(t, info.Invalid() && !info.Critical)
	require.Equal(t, info.Rule, parsed.Rule)
	require.Equal(t, strings.ToValidUTF8(info.ID, "\ufffd") != "", parsed.ID != "" && info.ID != "")
	require.True(t, recordedAt.Equal(parsed.RecordedTime))
}

// requireHarmless fails if a byte of body could drive a terminal, break a line
// or hide what it says.
func requireHarmless(t testing.TB, body []byte) {
	t.Helper()
	require.True(t, utf8.Valid(body))
	for _, r := range string(body) {
		bad := r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x61c || r == 0x200e || r == 0x200f ||
			r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff
		if bad {
			t.Fatalf("%U stands raw in %q", r, body)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	e, narrow := defaults(t), tight(t)
	for seed := range uint64(2000) {
		ld := generator{rand.New(rand.NewPCG(seed, 1))}.logs(t)
		checkRoundTrip(t, e, ld)
		checkRoundTrip(t, narrow, ld)
	}
}

func FuzzRoundTrip(f *testing.F) {
	e, narrow := defaults(f), tight(f)
	for seed := range uint64(8) {
		f.Add(seed, uint64(1), "user.id", "\xff\x1b")
	}
	f.Fuzz(func(t *testing.T, a, b uint64, key, text string) {
		ld := generator{rand.New(rand.NewPCG(a, b))}.logs(t)
		lr := first(ld)
		lr.Attributes().PutStr(key, text)
		lr.Body().SetEmptyMap().PutEmptySlice(text).AppendEmpty().SetStr(key)
		lr.SetEventName(text)
		checkRoundTrip(t, e, ld)
		checkRoundTrip(t, narrow, ld)
	})
}

// FuzzRecord takes what a client may send: a request in protobuf with one record.
func FuzzRecord(f *testing.F) {
	e, narrow := defaults(f), tight(f)
	for seed := range uint64(64) {
		f.Add(wire(f, generator{rand.New(rand.NewPCG(seed, 4))}.logs(f)))
	}
	for _, ld := range []plog.Logs{ordinary(), audit(), secrets(), long(), hostile(), faulty()} {
		f.Add(wire(f, ld))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		var u plog.ProtoUnmarshaler
		ld, err := u.UnmarshalLogs(request)
		if err != nil || ld.LogRecordCount() != 1 || ld.ResourceLogs().Len() != 1 || ld.ResourceLogs().At(0).ScopeLogs().Len() != 1 {
			return
		}
		checkEvent(t, e, ld, true)
		checkEvent(t, narrow, ld, true)
	})
}

func FuzzDecode(f *testing.F) {
	e := defaults(f)
	for seed := range uint64(32) {
		body, _ := encode(e, generator{rand.New(rand.NewPCG(seed, 2))}.logs(f))
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ld, err := event.Decode(body)
		if err != nil {
			var fe *event.FormatError
			require.ErrorAs(t, err, &fe)
			requireHarmless(t, []byte(err.Error()))
			return
		}
		_, err = event.Parse(body)
		require.NoError(t, err)
		checkRoundTrip(t, e, ld)
	})
}

// The scratch memory of one record leaves no trace in the event of the next.
func TestSourceReuse(t *testing.T) {
	e := defaults(t)
	var s event.Source
	for seed := range uint64(500) {
		ld := generator{rand.New(rand.NewPCG(seed, 3))}.logs(t)
		want, wantInfo := encode(e, ld)
		rl := ld.ResourceLogs().At(0)
		e.Resource(&s, rl)
		e.Scope(&s, rl.ScopeLogs().At(0))
		got, info := e.Append([]byte("before"), &s, first(ld), recordedAt)
		require.Equal(t, "before"+string(want), string(got))
		require.Equal(t, wantInfo, info)
		if seed%3 == 0 {
			s.Reset()
		}
	}
}

// A scope is that of its own resource.
func TestResourceStartsOver(t *testing.T) {
	e := defaults(t)
	var s event.Source
	rl := ordinary().ResourceLogs().At(0)
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	e.Resource(&s, bare().ResourceLogs().At(0))
	body, _ := e.Append(nil, &s, first(bare()), recordedAt)
	want, _ := encode(e, bare())
	require.Equal(t, string(want), string(body))
}

// What an attacker sends costs no more than in proportion to its size: side
// members share prefixes, and many keys are told apart without comparing all.
func TestHostileShapes(t *testing.T) {
	e := defaults(t)
	size := func(fill func(plog.LogRecord)) (event, record int) {
		ld := plog.NewLogs()
		lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		fill(lr)
		body, _ := encode(e, ld)
		checkRoundTrip(t, e, ld)
		return len(body), len(wire(t, ld))
	}
	t.Run("long key over many bytes", func(t *testing.T) {
		ev, rec := size(func(lr plog.LogRecord) {
			s := lr.Attributes().PutEmptySlice(strings.Repeat("k", 1<<16))
			for range 10_000 {
				s.AppendEmpty().SetEmptyBytes().Append('x')
			}
		})
		require.Less(t, ev, 6*rec)
	})
	t.Run("deep", func(t *testing.T) {
		ev, rec := size(func(lr plog.LogRecord) {
			v := lr.Body()
			for range 9_000 { // encoding/json stops at 10,000
				v = v.SetEmptyMap().PutEmpty("k")
			}
			v.SetEmptyBytes().Append('x')
		})
		require.Less(t, ev, 4*rec)
	})
	t.Run("many keys", func(t *testing.T) {
		ev, rec := size(func(lr plog.LogRecord) {
			raw := make(map[string]any, 100_000)
			for i := range uint64(100_000) {
				raw[string(binary.BigEndian.AppendUint64(nil, i*0x9e3779b97f4a7c15))] = true
			}
			require.NoError(t, lr.Attributes().FromRaw(raw))
		})
		require.Less(t, ev, 12*rec)
	})
}

func TestRoundTripOfEachBound(t *testing.T) {
	e := defaults(t)
	for _, ns := range instants {
		ld := ordinary()
		first(ld).SetTimestamp(pcommon.Timestamp(ns))
		checkRoundTrip(t, e, ld)
	}
	for _, n := range ints {
		ld := ordinary()
		first(ld).Attributes().PutInt("n", n)
		checkRoundTrip(t, e, ld)
	}
	for _, f := range doubles {
		ld := ordinary()
		first(ld).Attributes().PutDouble("f", f)
		checkRoundTrip(t, e, ld)
	}
	for _, s := range texts {
		ld := ordinary()
		first(ld).Attributes().PutStr(s, s)
		first(ld).Body().SetStr(s)
		first(ld).SetEventName(s)
		checkRoundTrip(t, e, ld)
	}
}
