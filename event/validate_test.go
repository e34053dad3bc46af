package event_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// encoder is an encoder with options, which must be valid.
func encoder(t testing.TB, o event.Options) *event.Encoder {
	t.Helper()
	e, err := event.NewEncoder(o)
	require.NoError(t, err)
	return e
}

// judged gives what is said of a record, and holds that the event says the same.
func judged(t testing.TB, o event.Options, ld plog.Logs) (event.Event, event.Info) {
	t.Helper()
	e := encoder(t, o)
	checkRoundTrip(t, e, ld)
	body, info := encode(e, ld)
	parsed, err := event.Parse(body)
	require.NoError(t, err)
	return parsed, info
}

func TestOptionsAreRefused(t *testing.T) {
	for _, c := range []struct {
		o    event.Options
		want string
	}{
		{event.Options{Profile: "strict"}, `profile: "strict": must be auto, audit or any`},
		{event.Options{Limits: event.Limits{ValueBytes: 1023}}, "validation.limits.value_kib: 0: must be 1 to 1024"},
		{event.Options{Limits: event.Limits{ValueBytes: 2 << 20}}, "validation.limits.value_kib: 2048: must be 1 to 1024"},
		{event.Options{Limits: event.Limits{IdentityBytes: 63}}, "validation.limits.identity_bytes: 63: must be 64 to 4096"},
		{event.Options{Limits: event.Limits{Attributes: -1}}, "validation.limits.attributes: -1: must be 16 to 10000"},
		{event.Options{Limits: event.Limits{Depth: 65}}, "validation.limits.depth: 65: must be 1 to 64"},
		{event.Options{Limits: event.Limits{RecordBytes: 1 << 10}}, "validation.limits.record_kib: 1: must be 256 to 16384"},
		{event.Options{Redaction: event.Redaction{ExtraKeys: []string{"x", "._"}}}, "redaction.extra_keys[1]: empty"},
		{event.Options{Redaction: event.Redaction{ExtraKeys: []string{strings.Repeat("x", 49)}}}, "redaction.extra_keys[0]: longer than 48 letters"},
		{event.Options{Redaction: event.Redaction{Except: []string{""}}}, "redaction.except[0]: empty"},
		{event.Options{Redaction: event.Redaction{ExtraKeys: []string{"pin"}, Except: []string{"P_in"}}}, "redaction.except[0]: is also in redaction.extra_keys[0]"},
		{event.Options{Redaction: event.Redaction{DigestKey: []byte("hunter2 hunter2")}}, "redaction.digest_key: shorter than 16 bytes"},
	} {
		_, err := event.NewEncoder(c.o)
		require.EqualError(t, err, c.want)
	}
	e, err := event.NewEncoder(event.Options{Limits: event.DefaultLimits()})
	require.NoError(t, err)
	got, _ := encode(e, ordinary())
	want, _ := encode(encoder(t, event.Options{}), ordinary())
	require.Equal(t, string(want), string(got), "zero limits are the defaults")
}

// Each mandatory field fails in each way it can, alone, and is named.
func TestStructural(t *testing.T) {
	put := func(key string, v any) func(plog.Logs) {
		return func(ld plog.Logs) { _ = first(ld).Attributes().PutEmpty(key).FromRaw(v) }
	}
	remove := func(key string) func(plog.Logs) {
		return func(ld plog.Logs) { first(ld).Attributes().Remove(key) }
	}
	type failure struct {
		field, what, text string
		fail              func(plog.Logs)
	}
	cases := []failure{
		{"Timestamp", "missing", "Timestamp: missing", func(ld plog.Logs) { first(ld).SetTimestamp(0) }},
		{"ObservedTimestamp", "missing", "ObservedTimestamp: missing", func(ld plog.Logs) { first(ld).SetObservedTimestamp(0) }},
		{"EventName", "missing", "EventName: missing", func(ld plog.Logs) { first(ld).SetEventName("") }},
		{"Resource", "missing", "Resource: missing", func(ld plog.Logs) { ld.ResourceLogs().At(0).Resource().Attributes().Clear() }},
		{"audit.actor.type", "value", "audit.actor.type: not one of user, service, system", put("audit.actor.type", "User")},
		{"audit.outcome", "value", "audit.outcome: not one of success, failure, unknown", put("audit.outcome", "denied")},
	}
	for _, name := range []string{"audit.record.id", "audit.actor.id", "audit.actor.type", "audit.action", "audit.outcome"} {
		cases = append(cases,
			failure{name, "missing", name + ": missing", remove(name)},
			failure{name, "missing", name + ": missing", put(name, "")},
			failure{name, "missing", name + ": missing", put(name, nil)},
			failure{name, "type", name + ": not a string", put(name, 7)},
			failure{name, "type", name + ": not a string", put(name, []any{"x"})},
		)
	}
	for _, c := range cases {
		for _, profile := range []event.Profile{"", event.ProfileAuto, event.ProfileAudit} {
			ld := audit()
			c.fail(ld)
			// Neither the defaults nor anything else is needed for it to be critical.
			e, info := judged(t, event.Options{Profile: profile}, ld)
			require.Equal(t, []event.Violation{{Class: "structural", Field: c.field, What: []string{c.what}}}, e.Invalid, c.text)
			require.Equal(t, []string{c.text}, info.Structural.Strings())
			require.Equal(t, 1, info.Structural.Len())
			require.True(t, info.Invalid())
			require.Equal(t, "invalid:structural", info.Rule)
		}
		ld := audit()
		c.fail(ld)
		_, info := judged(t, event.Options{Profile: event.ProfileAny}, ld)
		require.False(t, info.Invalid(), c.text)
		require.False(t, info.Critical)
	}
}

func TestProfiles(t *testing.T) {
	_, info := judged(t, event.Options{}, ordinary())
	require.Zero(t, info, "a record without audit attributes is no audit record")
	_, info = judged(t, event.Options{Profile: event.ProfileAudit}, ordinary())
	require.Equal(t, 6, info.Structural.Len(), "EventName and five attributes")
	_, info = judged(t, event.Options{Profile: event.ProfileAudit}, audit())
	require.False(t, info.Invalid())

	// Optional attributes of the draft are no mark of an audit record.
	ld := ordinary()
	first(ld).Attributes().PutStr("audit.schema.version", "1.0.0")
	_, info = judged(t, event.Options{}, ld)
	require.False(t, info.Invalid())
	// The deprecated attribute for the name counts.
	ld = audit()
	first(ld).SetEventName("")
	first(ld).Attributes().PutStr("event.name", "user.login")
	_, info = judged(t, event.Options{}, ld)
	require.False(t, info.Invalid())
	// Of a redacted one only its kind is judged.
	ld = audit()
	first(ld).Attributes().PutStr("audit.outcome", "perhaps")
	_, info = judged(t, event.Options{Redaction: event.Redaction{ExtraKeys: []string{"outcome"}}}, ld)
	require.False(t, info.Invalid())
	require.Equal(t, 1, info.Redacted)
}

// FORMAT.md's table of mandatory fields is the code's.
func TestMandatoryTable(t *testing.T) {
	section := section(t, document(t, "FORMAT.md"), "Violations")
	section, _, _ = strings.Cut(section, "Class `identity`")
	var got [][]string
	for _, row := range rows(section) {
		var words []string
		if list, ok := strings.CutPrefix(row[1], "one of "); ok {
			words = strings.Split(strings.ReplaceAll(list, "`", ""), ", ")
		}
		got = append(got, append([]string{strings.Trim(row[0], "`")}, words...))
	}
	require.Equal(t, event.Mandatory(), got)
}

// Every character is what FORMAT.md's table says, in an identity field and
// elsewhere.
func TestMarks(t *testing.T) {
	text := section(t, document(t, "FORMAT.md"), "Violations")
	kinds := make(map[rune]string)
	invalid, escaped := make(map[string]bool), make(map[string]bool)
	for _, row := range rows(text) {
		word := strings.Trim(row[0], "`")
		invalid[word], escaped[word] = row[2] == "invalid", row[3] == "escaped"
		for _, m := range regexp.MustCompile(`U\+([0-9A-F]+)(?:\s+to\s+U\+([0-9A-F]+))?`).FindAllStringSubmatch(row[1], -1) {
			var lo, hi rune
			_, err := fmt.Sscanf(m[1]+" "+m[1]+m[2], "%X", &lo)
			require.NoError(t, err)
			if hi = lo; m[2] != "" {
				_, err = fmt.Sscanf(m[2], "%X", &hi)
				require.NoError(t, err)
			}
			for r := lo; r <= hi; r++ {
				require.Empty(t, kinds[r], "%U", r)
				kinds[r] = word
			}
		}
	}
	require.Len(t, invalid, 9)
	e := encoder(t, event.Options{})
	check := func(s, word string) {
		ld := bare()
		lr := first(ld)
		lr.Body().SetStr("a" + s + "b")
		lr.Attributes().PutStr("user.id", "a"+s+"b")
		lr.Attributes().PutStr("comment", "a"+s+"b")
		body, _ := encode(e, ld)
		parsed, err := event.Parse(body)
		require.NoError(t, err)
		var wantInvalid []event.Violation
		var wantEscaped []event.Escaped
		if invalid[word] {
			wantInvalid = []event.Violation{{Class: "identity", Field: "user.id", What: []string{word}}}
		}
		if escaped[word] {
			wantEscaped = []event.Escaped{{Pointer: "/body", What: []string{word}}, {Pointer: "/attributes/comment", What: []string{word}}}
		}
		if !slices.EqualFunc(wantInvalid, parsed.Invalid, func(a, b event.Violation) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) ||
			!slices.EqualFunc(wantEscaped, parsed.Escaped, func(a, b event.Escaped) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Fatalf("%q: %s, got %v %v", s, word, parsed.Invalid, parsed.Escaped)
		}
	}
	for r := rune(0); r < 0xe2000; r++ {
		if r >= 0xd800 && r < 0xe000 || r >= 0x3000 && r < 0xf000 || r >= 0x10000 && r < 0xdff00 && r%0x100 != 0 {
			continue
		}
		check(string(r), kinds[r])
	}
	for _, s := range []string{"\xff", "\xed\xa0\x80", "\xc3("} {
		check(s, "utf-8")
	}
	for _, s := range []string{`\ud800`, `\uDFFF`, `\ud83d\u0041`, `\udc00\ud800`, `\ud83d\ud83d\ude00`, `\\\ud800`} {
		check(s, "surrogate")
	}
	for _, s := range []string{`\ud83d\ude00`, `\uD83D\uDE00`, `\\ud800`, `\u0041`, `\ud8`, `ud800`, `\u`, `\`, "\u200b\u200c\u200d"} {
		check(s, "")
	}
}

// What is forbidden anywhere but in an identity field changes nothing, and what
// is in one makes the event critical.
func TestContentViolations(t *testing.T) {
	ld := ordinary()
	rl := ld.ResourceLogs().At(0)
	rl.Resource().Attributes().PutStr("user.id", "\x1b")
	rl.ScopeLogs().At(0).Scope().SetName("\u202e")
	first(ld).Attributes().PutStr("\x00", "x")
	first(ld).Body().SetEmptyMap().PutStr("user.id", "\x1b")
	first(ld).Attributes().PutEmptyMap("actor").PutStr("id", "\x1b")
	e, info := judged(t, event.Options{Critical: event.Critical{Defaults: true}}, ld)
	require.Equal(t, event.Info{Content: 5}, info)
	require.Equal(t, []event.Escaped{
		{Pointer: "/body/user.id", What: []string{"escape"}},
		{Pointer: "/attributes/\x00", What: []string{"nul"}},
		{Pointer: "/attributes/actor/id", What: []string{"escape"}},
		{Pointer: "/scope/name", What: []string{"bidi"}},
		{Pointer: "/resource/attributes/user.id", What: []string{"escape"}},
	}, e.Escaped)

	for _, key := range []string{"user.email", "audit.target.id", "client.address", "http.route", "event.outcome", "event.action", "event.name"} {
		ld := ordinary()
		first(ld).Attributes().PutStr(key, "a\nb\x1b")
		e, info := judged(t, event.Options{}, ld)
		require.Equal(t, []event.Violation{{Class: "identity", Field: key, What: []string{"escape", "line"}}}, e.Invalid)
		require.Equal(t, "invalid:identity", info.Rule)
	}
	ld = ordinary()
	first(ld).SetEventName("a\u200eb")
	e, _ = judged(t, event.Options{}, ld)
	require.Equal(t, []event.Violation{{Class: "identity", Field: "EventName", What: []string{"hidden"}}}, e.Invalid)

	// A field that the body feeds is one, wherever its text stands.
	ld = bare()
	first(ld).Body().SetStr(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","stage":"ResponseComplete","verb":"get","user":{"username":"eve\u001b"}}`)
	e, info = judged(t, event.Options{Critical: event.Critical{Defaults: true}}, ld)
	require.Equal(t, []event.Violation{{Class: "identity", Field: "/body#/user/username", What: []string{"escape"}}}, e.Invalid)
	require.True(t, info.Critical)
}

func TestEscapedIsBounded(t *testing.T) {
	ld := bare()
	s := first(ld).Body().SetEmptySlice()
	for range 20 {
		s.AppendEmpty().SetStr("\x1b")
	}
	first(ld).Attributes().PutEmptyMap(strings.Repeat("k", 300)).PutStr("x", "\x1b")
	e, info := judged(t, event.Options{}, ld)
	require.Equal(t, 21, info.Content)
	require.Len(t, e.Escaped, 16)
	require.Equal(t, 5, e.EscapedMore)

	ld = bare()
	first(ld).Attributes().PutEmptyMap("top").PutEmptyMap(strings.Repeat("k", 300)).PutStr("x", "\x1b")
	e, _ = judged(t, event.Options{}, ld)
	require.Equal(t, []event.Escaped{{Pointer: "/attributes/top", What: []string{"escape"}}}, e.Escaped)
}
