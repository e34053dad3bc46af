package canonical_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/canonical"
)

func record(set func(plog.LogRecord)) plog.LogRecord {
	lr := plog.NewLogRecord()
	set(lr)
	return lr
}

func attribute(set func(pcommon.Map)) plog.LogRecord {
	return record(func(lr plog.LogRecord) { set(lr.Attributes()) })
}

func nested(depth int) plog.LogRecord {
	return attribute(func(m pcommon.Map) {
		s := m.PutEmptySlice("deep")
		for range depth - 1 {
			s = s.AppendEmpty().SetEmptySlice()
		}
		s.AppendEmpty().SetInt(1)
	})
}

func TestJSON(t *testing.T) {
	for name, c := range map[string]struct {
		lr     plog.LogRecord
		want   string
		string string // of StringBody, where it differs
	}{
		"empty": {lr: plog.NewLogRecord(), want: `{}`},
		"audit": {
			lr: record(func(lr plog.LogRecord) {
				lr.SetEventName("user.login.success")
				lr.SetTimestamp(1714041600000000001)
				lr.SetObservedTimestamp(1714041600001000000)
				lr.SetTraceID([16]byte{1, 2, 15: 255})
				lr.SetSpanID([8]byte{7: 10})
				lr.Body().SetStr("hello")
				lr.Attributes().PutStr("audit.action", "LOGIN")
				lr.Attributes().PutInt("audit.sequence.number", math.MaxInt64)
				lr.Attributes().PutStr("audit.integrity.value", "c2lnbmF0dXJl")
				lr.Attributes().PutStr("audit.integrity.anything", "x")
				lr.Attributes().PutStr("audit.integrity", "stays")
			}),
			want: `{"attributes":{"audit.action":{"stringValue":"LOGIN"},"audit.integrity":{"stringValue":"stays"},` +
				`"audit.sequence.number":{"intValue":"9223372036854775807"}},"body":{"stringValue":"hello"},` +
				`"event_name":"user.login.success","observed_timestamp":"1714041600001000000","span_id":"000000000000000a",` +
				`"timestamp":"1714041600000000001","trace_id":"010200000000000000000000000000ff"}`,
			string: `{"attributes":{"audit.action":{"stringValue":"LOGIN"},"audit.integrity":{"stringValue":"stays"},` +
				`"audit.sequence.number":{"intValue":"9223372036854775807"}},"body":"hello",` +
				`"event_name":"user.login.success","observed_timestamp":"1714041600001000000","span_id":"000000000000000a",` +
				`"timestamp":"1714041600000000001","trace_id":"010200000000000000000000000000ff"}`,
		},
		"kinds": {
			lr: attribute(func(m pcommon.Map) {
				m.PutDouble("d", 1e21)
				m.PutDouble("e", 0.5)
				m.PutDouble("f", math.Copysign(0, -1))
				m.PutBool("b", true)
				m.PutEmptyBytes("y").FromRaw([]byte{0xde, 0xad})
				m.PutEmptyBytes("z")
				m.PutEmpty("n")
				m.PutStr("s", "")
				m.PutEmptyMap("m").PutEmptySlice("a").AppendEmpty().SetInt(-5)
				m.PutEmptyMap("o")
			}),
			want: `{"attributes":{"b":{"boolValue":true},"d":{"doubleValue":1e+21},"e":{"doubleValue":0.5},"f":{"doubleValue":0},` +
				`"m":{"a":[{"intValue":"-5"}]},"n":null,"o":{},"s":{"stringValue":""},"y":{"bytesValue":"3q0="},"z":{"bytesValue":""}}}`,
		},
		"body map": {
			lr:     record(func(lr plog.LogRecord) { lr.Body().SetEmptyMap().PutBool("dry", false) }),
			want:   `{"body":{"dry":{"boolValue":false}}}`,
			string: `{}`,
		},
		"empty body string": {
			lr:     record(func(lr plog.LogRecord) { lr.Body().SetStr("") }),
			want:   `{"body":{"stringValue":""}}`,
			string: `{"body":""}`,
		},
		"order is UTF-16's": {
			lr:   attribute(func(m pcommon.Map) { m.PutInt("\uff5e", 1); m.PutInt("\U00010000", 2) }),
			want: "{\"attributes\":{\"\U00010000\":{\"intValue\":\"2\"},\"\uff5e\":{\"intValue\":\"1\"}}}",
		},
		"text of a surrogate": {
			lr:   attribute(func(m pcommon.Map) { m.PutStr("k", `\ud800`+"<&>\u2028\x01") }),
			want: `{"attributes":{"k":{"stringValue":"\\ud800<&>` + "\u2028" + `\u0001"}}}`,
		},
		"what is not signed": {
			lr: record(func(lr plog.LogRecord) {
				lr.SetSeverityNumber(9)
				lr.SetSeverityText("INFO")
				lr.SetFlags(1)
				lr.SetDroppedAttributesCount(3)
			}),
			want: `{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := canonical.JSON(c.lr, canonical.TaggedBody)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
			sum, err := canonical.Hash(c.lr, canonical.TaggedBody)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(got), sum)
			if c.string == "" {
				c.string = c.want
			}
			got, err = canonical.JSON(c.lr, canonical.StringBody)
			require.NoError(t, err)
			require.Equal(t, c.string, string(got))
		})
	}
}

// What has no canonical form is refused, with a word that holds nothing of it.
func TestNoCanonicalForm(t *testing.T) {
	str := func(s string) plog.LogRecord { return attribute(func(m pcommon.Map) { m.PutStr("k", s) }) }
	for name, c := range map[string]struct {
		lr   plog.LogRecord
		want canonical.Error
	}{
		"value":             {str("\xff"), canonical.ErrUTF8},
		"surrogate":         {str("\xed\xa0\x80"), canonical.ErrUTF8},
		"surrogates":        {str("\xed\xa0\x80\xed\xb0\x80"), canonical.ErrUTF8},
		"key":               {attribute(func(m pcommon.Map) { m.PutStr("k\xff", "v") }), canonical.ErrUTF8},
		"nested key":        {attribute(func(m pcommon.Map) { m.PutEmptyMap("m").PutStr("\xc0", "v") }), canonical.ErrUTF8},
		"event name":        {record(func(lr plog.LogRecord) { lr.SetEventName("a\xff") }), canonical.ErrUTF8},
		"body":              {record(func(lr plog.LogRecord) { lr.Body().SetStr("\xff") }), canonical.ErrUTF8},
		"NaN":               {attribute(func(m pcommon.Map) { m.PutDouble("d", math.NaN()) }), canonical.ErrNumber},
		"infinite":          {attribute(func(m pcommon.Map) { m.PutDouble("d", math.Inf(-1)) }), canonical.ErrNumber},
		"depth":             {nested(canonical.MaxDepth + 1), canonical.ErrDepth},
		"far too deep":      {nested(100_000), canonical.ErrDepth},
		"size":              {str(strings.Repeat("x", canonical.MaxSize)), canonical.ErrSize},
		"size when escaped": {str(strings.Repeat("\x01", canonical.MaxSize/6)), canonical.ErrSize},
		"many entries":      {attribute(func(m pcommon.Map) { fill(m.PutEmptySlice("s"), canonical.MaxSize+1) }), canonical.ErrSize},
		"twice":             {duplicate(t, "k", "k"), canonical.ErrDuplicate},
		"excluded twice":    {duplicate(t, "audit.integrity.value", "audit.integrity.value"), canonical.ErrDuplicate},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := canonical.JSON(c.lr, canonical.TaggedBody)
			require.Equal(t, c.want, err)
			require.Nil(t, got)
			if name != "body" {
				_, err = canonical.Hash(c.lr, canonical.StringBody)
				require.Equal(t, c.want, err)
			}
		})
	}
	_, err := canonical.JSON(nested(canonical.MaxDepth), canonical.TaggedBody)
	require.NoError(t, err)
	_, err = canonical.JSON(str(strings.Repeat("x", canonical.MaxSize-100)), canonical.TaggedBody)
	require.NoError(t, err)
	_, err = canonical.JSON(str(strings.Repeat("{", 1000)), canonical.TaggedBody)
	require.NoError(t, err, "braces in text are no levels")
}

// duplicate is a record with two attributes of those names, which only the wire has.
func duplicate(t *testing.T, a, b string) plog.LogRecord {
	t.Helper()
	var u plog.JSONUnmarshaler
	ld, err := u.UnmarshalLogs(fmt.Appendf(nil, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[`+
		`{"key":%q,"value":{"stringValue":"1"}},{"key":%q,"value":{"stringValue":"2"}}]}]}]}]}`, a, b))
	require.NoError(t, err)
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// fill appends n integers.
func fill(s pcommon.Slice, n int) {
	s.EnsureCapacity(n)
	for range n {
		s.AppendEmpty()
	}
}

// Kinds that look alike have different bytes.
func TestKindsDiffer(t *testing.T) {
	seen := map[string]string{}
	for name, set := range map[string]func(pcommon.Value){
		"string": func(v pcommon.Value) { v.SetStr("123") },
		"int":    func(v pcommon.Value) { v.SetInt(123) },
		"double": func(v pcommon.Value) { v.SetDouble(123) },
		"base64": func(v pcommon.Value) { v.SetStr("MTIz") },
		"bytes":  func(v pcommon.Value) { v.SetEmptyBytes().FromRaw([]byte("123")) },
		"array":  func(v pcommon.Value) { v.SetEmptySlice().AppendEmpty().SetInt(123) },
		"tag":    func(v pcommon.Value) { v.SetEmptyMap().PutStr("stringValue", "123") },
		"null":   func(pcommon.Value) {},
	} {
		lr := attribute(func(m pcommon.Map) { set(m.PutEmpty("k")) })
		got, err := canonical.JSON(lr, canonical.TaggedBody)
		require.NoError(t, err)
		require.Empty(t, seen[string(got)], name)
		seen[string(got)] = name
	}
}

// The library is one that refuses what an older one made equal.
func TestLibraryRefuses(t *testing.T) {
	for _, bad := range []string{`{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1,"a":2}`, `{"a":"\udc00\ud800"}`} {
		_, err := jcs.Transform([]byte(bad))
		require.Error(t, err, bad)
	}
}

// The output is JSON, and canonical: transforming it again changes nothing.
func FuzzJSON(f *testing.F) {
	f.Add("user.login", "k", "v", int64(1), 0.5, []byte{1})
	f.Add("", "audit.integrity.value", "\u2028<", int64(-1<<63), 1e-7, []byte{})
	f.Fuzz(func(t *testing.T, name, key, text string, n int64, d float64, b []byte) {
		lr := record(func(lr plog.LogRecord) {
			lr.SetEventName(name)
			lr.SetTimestamp(pcommon.Timestamp(n))
			lr.Body().SetEmptyMap().PutEmptyBytes(key).FromRaw(b)
			lr.Attributes().PutStr(key, text)
			lr.Attributes().PutEmptyMap("m").PutDouble(text, d)
		})
		got, err := canonical.JSON(lr, canonical.TaggedBody)
		if err != nil {
			require.IsType(t, canonical.Error(""), err)
			return
		}
		require.True(t, json.Valid(got))
		again, err := jcs.Transform(got)
		require.NoError(t, err)
		require.Equal(t, string(got), string(again))
	})
}
