package event_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

type keyID [16]byte

func (k keyID) ID() [16]byte { return k }

// counting fills bytes with 0, 1, 2 ...
func counting() func([]byte) {
	n := byte(0)
	return func(b []byte) {
		for i := range b {
			b[i] = n
			n++
		}
	}
}

func withholding(t testing.TB, o event.Options, subjects *[]string) *event.Encoder {
	t.Helper()
	o.Withhold.Key = func(subject string) event.SubjectKey {
		if subjects != nil {
			*subjects = append(*subjects, subject)
		}
		sum := sha256.Sum256([]byte(subject))
		return keyID(sum[:16])
	}
	return encoder(t, o)
}

// opened encodes the first record of ld and checks each commitment of its event with
// the openings, which it returns by pointer.
func opened(t testing.TB, e *event.Encoder, ld plog.Logs) ([]byte, map[string]event.Opening) {
	t.Helper()
	var s event.Source
	rl := ld.ResourceLogs().At(0)
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	body, _ := e.Append(nil, &s, first(ld), recordedAt)
	parsed, err := event.Parse(body)
	require.NoError(t, err)
	w, ok := s.Withheld()
	require.Equal(t, ok, parsed.Withheld != nil)
	all := make(map[string]event.Opening)
	if !ok {
		return body, all
	}
	require.Equal(t, w.ID, parsed.Withheld.ID)
	require.Equal(t, w.Key.ID(), parsed.Withheld.Key)
	list, err := event.ParseOpenings(w.Openings)
	require.NoError(t, err)
	for _, o := range list {
		all[o.Pointer] = o
	}
	require.Len(t, all, len(parsed.Withheld.Values))
	for _, c := range parsed.Withheld.Values {
		require.Equal(t, c.HMAC, all[c.Pointer].Commitment(w.ID), c.Pointer)
	}
	return body, all
}

// The worked example of FORMAT.md, computed by the standard library.
func TestCommitmentExample(t *testing.T) {
	var message, sum []byte
	for line := range strings.Lines(blocks(section(t, document(t, "FORMAT.md"), "Withholding"), "text")[0]) {
		word, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		b, err := hex.DecodeString(strings.TrimSpace(digits))
		require.NoError(t, err)
		if word == "message" {
			message = append(message, b...)
		} else {
			sum = b
		}
	}
	o := event.Opening{Pointer: "/attributes/user.email", Value: append([]byte{'s', 0, 0, 0, 0, 0, 0, 0, 17}, "alice@example.com"...)}
	counting()(o.Salt[:])
	id := [16]byte([]byte(strings.Repeat("\x06", 16)))
	mac := hmac.New(sha256.New, o.Salt[:])
	mac.Write(message)
	got := o.Commitment(id)
	require.Equal(t, sum, mac.Sum(nil))
	require.Equal(t, sum, got[:])
}

// A withheld value stands nowhere in the event, whatever it is and wherever it stood,
// and nothing else of the event depends on it.
func TestWithheldValueLeavesNoTrace(t *testing.T) {
	const marker = "s3cr3t"
	values := map[string]func(pcommon.Value){
		"string":  func(v pcommon.Value) { v.SetStr(marker) },
		"hostile": func(v pcommon.Value) { v.SetStr(marker + "\x1b\xff\u202e\"") },
		"long":    func(v pcommon.Value) { v.SetStr(strings.Repeat(marker, 20_000)) },
		"int":     func(v pcommon.Value) { v.SetInt(7_000_000_000_000_000_001) },
		"bytes":   func(v pcommon.Value) { v.SetEmptyBytes().FromRaw([]byte(marker)) },
		"map":     func(v pcommon.Value) { v.SetEmptyMap().PutStr("x", marker) },
		"list":    func(v pcommon.Value) { v.SetEmptySlice().AppendEmpty().SetStr(marker) },
		"code":    func(v pcommon.Value) { v.SetStr("iam") },
	}
	e := withholding(t, event.Options{
		Critical: event.Critical{Defaults: true}, Profile: event.ProfileAny,
		Limits: event.Limits{Attributes: 16, Depth: 2},
		Withhold: event.Withholding{
			Fields: []string{"user.email", "event.category", "username", "user.id", "audit.record.id"}, Subject: []string{"subject"}, Random: func([]byte) {},
		},
	}, nil)
	var alike []string
	for name, set := range values {
		ld := ordinary()
		rl := ld.ResourceLogs().At(0)
		set(rl.Resource().Attributes().PutEmpty("user.email"))
		set(rl.ScopeLogs().At(0).Scope().Attributes().PutEmpty("user.email"))
		lr := first(ld)
		lr.Attributes().PutStr("audit.integrity.value", "hash of "+marker)
		for _, key := range []string{"user.email", "event.category", "user.id", "audit.record.id"} {
			set(lr.Attributes().PutEmpty(key))
		}
		set(lr.Attributes().PutEmptyMap("deep").PutEmptyMap("deeper").PutEmptyMap("cut").PutEmpty("user.email"))
		for i := range 20 {
			set(lr.Attributes().PutEmptyMap(fmt.Sprintf("more%d", i)).PutEmpty("username"))
		}
		b := lr.Body().SetEmptyMap()
		b.PutStr("kind", "Event")
		b.PutStr("apiVersion", "audit.k8s.io/v1")
		b.PutStr("auditID", "1")
		b.PutStr("verb", "get")
		set(b.PutEmptyMap("user").PutEmpty("username"))
		body, all := opened(t, e, ld)
		require.NotContains(t, string(body), marker, name)
		require.NotContains(t, string(body), "7000000000000000001", name)
		require.Contains(t, all, "/resource/attributes/user.email")
		require.Contains(t, all, "/scope/attributes/user.email")
		require.Contains(t, all, "/body/user/username")
		require.Contains(t, all, "/attributes/audit.integrity.value")
		for pointer, o := range all {
			v, err := o.Decode()
			require.NoError(t, err)
			want := pcommon.NewValueEmpty()
			if set(want); pointer == "/attributes/audit.integrity.value" {
				want.SetStr("hash of " + marker)
			}
			if name == "long" && want.Type() == pcommon.ValueTypeStr && len(want.Str()) > 64<<10 {
				want.SetStr(want.Str()[:64<<10])
			}
			require.Equal(t, want, v, pointer)
		}
		text := string(body)
		for _, o := range all { // what differs is the commitments, and that of a long one is cut
			sum := o.Commitment([16]byte{})
			text = strings.ReplaceAll(text, hex.EncodeToString(sum[:]), "")
		}
		alike = append(alike, strings.ReplaceAll(text, `,"cut":true`, ""))
	}
	for _, text := range alike {
		require.Equal(t, alike[0], text)
	}
}

// Two events with the same value have different commitments and ids; so have two
// records of one resource that is withheld.
func TestCommitmentsDiffer(t *testing.T) {
	e := withholding(t, event.Options{Withhold: event.Withholding{Fields: []string{"user.email"}}}, nil)
	ld := bare()
	rl := ld.ResourceLogs().At(0)
	rl.Resource().Attributes().PutStr("user.email", "a")
	first(ld).Attributes().PutStr("user.email", "a")
	var s event.Source
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	seen := make(map[any]bool)
	for range 10 {
		body, _ := e.Append(nil, &s, first(ld), recordedAt)
		p, err := event.Parse(body)
		require.NoError(t, err)
		require.Len(t, p.Withheld.Values, 2)
		for _, x := range []any{p.Withheld.ID, p.Withheld.Values[0].HMAC, p.Withheld.Values[1].HMAC} {
			require.False(t, seen[x])
			seen[x] = true
		}
	}
}

// A forged opening does not match: another value, type, place, event or salt.
func TestForgedOpening(t *testing.T) {
	o := event.Opening{Pointer: "/attributes/a", Value: append([]byte{'s', 0, 0, 0, 0, 0, 0, 0, 1}, 'x')}
	id := [16]byte{1}
	want := o.Commitment(id)
	for name, forge := range map[string]func(*event.Opening, *[16]byte){
		"value":  func(o *event.Opening, _ *[16]byte) { o.Value[9] = 'y' },
		"type":   func(o *event.Opening, _ *[16]byte) { o.Value[0] = 'b' },
		"length": func(o *event.Opening, _ *[16]byte) { o.Value = o.Value[:9] },
		"place":  func(o *event.Opening, _ *[16]byte) { o.Pointer = "/attributes/b" },
		"event":  func(_ *event.Opening, id *[16]byte) { id[15] = 1 },
		"salt":   func(o *event.Opening, _ *[16]byte) { o.Salt[31] = 1 },
		"shift":  func(o *event.Opening, _ *[16]byte) { o.Pointer, o.Value = o.Pointer+"s", o.Value[1:] },
	} {
		f, id := event.Opening{Pointer: o.Pointer, Value: append([]byte(nil), o.Value...)}, id
		forge(&f, &id)
		require.NotEqual(t, want, f.Commitment(id), name)
	}
}

// Withheld values count in no digest, and nothing of them is needed to compute one.
func TestDigestsLeaveWithheldOut(t *testing.T) {
	e := withholding(t, event.Options{Withhold: event.Withholding{Fields: []string{"user.email"}, Body: true}}, nil)
	record := func(secret, password string) plog.Logs {
		ld := ordinary()
		ld.ResourceLogs().At(0).Resource().Attributes().PutStr("user.email", secret)
		first(ld).Attributes().PutEmptyMap("m").PutStr("user.email", secret)
		first(ld).Attributes().PutStr("password", password)
		first(ld).Body().SetStr(secret)
		return ld
	}
	stands, whole := digests(e, record("a", "p"))
	otherStands, otherWhole := digests(e, record("b", "p"))
	require.Equal(t, stands, otherStands)
	require.Equal(t, whole, otherWhole)
	_, redacted := digests(e, record("a", "q"))
	require.NotEqual(t, whole, redacted)
}

// Without a subject attribute the subject is "", else the first of those configured.
func TestSubject(t *testing.T) {
	var subjects []string
	e := withholding(t, event.Options{Withhold: event.Withholding{Fields: []string{"user.email"}, Subject: []string{"user.id", "enduser.id"}}}, &subjects)
	ld := bare()
	opened(t, e, ld)
	require.Empty(t, subjects, "nothing is withheld")
	first(ld).Attributes().PutStr("user.email", "a@b")
	opened(t, e, ld)
	ld.ResourceLogs().At(0).Resource().Attributes().PutInt("enduser.id", 7)
	opened(t, e, ld)
	first(ld).Attributes().PutStr("user.id", "alice")
	opened(t, e, ld)
	require.Equal(t, []string{"", "7", "alice"}, subjects)
}

// The body is withheld as a whole, and what it would have fed.
func TestWithheldBody(t *testing.T) {
	e := withholding(t, event.Options{Critical: event.Critical{Defaults: true}, Withhold: event.Withholding{Body: true}}, nil)
	ld := bare()
	b := first(ld).Body().SetEmptyMap()
	b.PutStr("kind", "Event")
	b.PutStr("apiVersion", "audit.k8s.io/v1")
	b.PutStr("auditID", "1")
	b.PutStr("verb", "delete")
	b.PutEmptyMap("user").PutStr("username", "alice")
	body, all := opened(t, e, ld)
	require.NotContains(t, string(body), "alice")
	require.NotContains(t, string(body), "delete")
	v, err := all["/body"].Decode()
	require.NoError(t, err)
	require.Equal(t, first(ld).Body().AsString(), v.AsString())
	back, err := event.Decode(body)
	require.NoError(t, err)
	require.Equal(t, "[withheld]", first(back).Body().Str())
}

// A record that is encoded twice, as a key stands twice in it, has each opening once.
func TestIrregularRecordIsOpenedOnce(t *testing.T) {
	e := withholding(t, event.Options{Withhold: event.Withholding{Fields: []string{"user.email"}}}, nil)
	twice := withKeys(t, []string{"user.email", "z", "user.email"})
	twice.ResourceLogs().At(0).Resource().Attributes().PutStr("user.email", "a")
	_, all := opened(t, e, twice)
	require.Len(t, all, 3)
	require.Contains(t, all, "/exact/attributes/1/value")
}

func TestWithholdingIsConfigured(t *testing.T) {
	for want, w := range map[string]event.Withholding{
		"retention.withhold.fields[0]: empty":                                             {Fields: []string{""}},
		"retention.withhold.fields[1]: stands twice":                                      {Fields: []string{"a", "a"}},
		"retention.withhold.fields[0]: is redacted, so that there is nothing to withhold": {Fields: []string{"db.password"}},
		"retention.withhold.subject[0]: empty":                                            {Fields: []string{"a"}, Subject: []string{""}},
	} {
		_, err := event.NewEncoder(event.Options{Withhold: w})
		require.EqualError(t, err, want)
	}
}

func FuzzOpenings(f *testing.F) {
	e := withholding(f, event.Options{Withhold: event.Withholding{Fields: []string{"password2", "user.email"}, Body: true}}, nil)
	ld := ordinary()
	first(ld).Attributes().PutStr("user.email", "a")
	var s event.Source
	e.Resource(&s, ld.ResourceLogs().At(0))
	e.Scope(&s, ld.ResourceLogs().At(0).ScopeLogs().At(0))
	e.Append(nil, &s, first(ld), recordedAt)
	w, _ := s.Withheld()
	f.Add(w.Openings)
	f.Add([]byte{0, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := event.ParseOpenings(b)
		if err != nil {
			require.Nil(t, list)
			return
		}
		for _, o := range list {
			_, _ = o.Decode()
		}
	})
}

func BenchmarkWithhold(b *testing.B) {
	ld := audit()
	first(ld).Attributes().PutStr("user.email", "alice@example.com")
	first(ld).Attributes().PutStr("client.address", "192.0.2.44")
	for name, w := range map[string]event.Withholding{"off": {}, "on": {Fields: []string{"user.email", "client.address"}, Subject: []string{"user.id"}}} {
		b.Run(name, func(b *testing.B) {
			key := keyID{1}
			w.Key = func(string) event.SubjectKey { return &key }
			e := encoder(b, event.Options{Withhold: w})
			var s event.Source
			e.Resource(&s, ld.ResourceLogs().At(0))
			e.Scope(&s, ld.ResourceLogs().At(0).ScopeLogs().At(0))
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.Append(buf[:0], &s, first(ld), recordedAt)
			}
		})
	}
}
