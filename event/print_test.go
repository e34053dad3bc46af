package event_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// printed encodes the first record of ld with its Print.
func printed(t *testing.T, e *event.Encoder, ld plog.Logs, p *event.Print) ([]byte, event.Info) {
	t.Helper()
	var s event.Source
	rl := ld.ResourceLogs().At(0)
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	return e.AppendPrinted(nil, &s, first(ld), time.Unix(1_700_000_000, 7), p)
}

func digests(e *event.Encoder, ld plog.Logs) (stands, whole [32]byte) {
	rl := ld.ResourceLogs().At(0)
	return e.Digests(new(event.Source), rl, rl.ScopeLogs().At(0), first(ld))
}

func TestPrintIsReadBack(t *testing.T) {
	e := encoder(t, event.Options{})
	hostile := ordinary()
	m := first(hostile).Body().SetEmptyMap()
	m.PutEmptyMap("digest").PutStr("id", strings.Repeat("0", 32))
	m.PutStr("recorded_time", `","recorded_time":"2001-01-01T00:00:00.000000000Z"`)
	first(hostile).SetEventName(`{"v":1,"digest":{"id":"`)
	for name, p := range map[string]event.Print{
		"plain":    {ID: event.HashID("a"), SHA256: sha256.Sum256([]byte("x"))},
		"keyed":    {ID: event.HashID("b"), Keyed: true, HMAC: sha256.Sum256([]byte("y")), Key: [4]byte{1, 2, 3, 4}},
		"conflict": {ID: event.HashID("c"), Conflict: true},
		"both":     {ID: event.HashID("d"), Keyed: true, Conflict: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ld := range []plog.Logs{ordinary(), hostile} {
				p.Field = "audit.record.id"
				body, info := printed(t, e, ld, &p)
				got, recorded, ok := event.ReadPrint(body)
				require.True(t, ok)
				require.Equal(t, time.Unix(1_700_000_000, 7).UTC(), recorded)
				want := p
				want.Field = ""
				require.Equal(t, want, got)
				require.Equal(t, p.Conflict, info.Critical && info.Rule == "invalid:record_id_conflict")

				parsed, err := event.Parse(body)
				require.NoError(t, err)
				if p.Conflict {
					require.Contains(t, parsed.Invalid, event.Violation{Class: "conflict", Field: "audit.record.id", What: []string{"record_id_conflict"}})
				}
				back, err := event.Decode(body)
				require.NoError(t, err)
				require.Equal(t, wire(t, ld), wire(t, back))
			}
		})
	}
}

// What an event without a Print holds is none, whatever a client puts in it.
func TestNoPrintIsRead(t *testing.T) {
	ld := ordinary()
	first(ld).Body().SetEmptyMap().PutEmptyMap("digest").PutStr("id", strings.Repeat("0", 32))
	body, _ := encode(encoder(t, event.Options{}), ld)
	_, _, ok := event.ReadPrint(body)
	require.False(t, ok)

	whole, _ := printed(t, encoder(t, event.Options{}), ordinary(), &event.Print{Keyed: true})
	for n := range strings.Index(string(whole), `","time_source`) {
		_, _, ok := event.ReadPrint(whole[:n])
		require.False(t, ok, "cut at %d", n)
	}
}

func TestHashID(t *testing.T) {
	sum := sha256.Sum256([]byte("auditlog/record-id/v1\nabc"))
	id := event.HashID("abc")
	require.Equal(t, sum[:16], id[:])
}

// A producer computes the digest of a record without redactions by FORMAT.md.
func TestRecordDigestPreimage(t *testing.T) {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "portal")
	sl := rl.ScopeLogs().AppendEmpty()
	lr := sl.LogRecords().AppendEmpty()
	lr.SetEventName("user.login")
	lr.SetTimestamp(7)
	lr.Attributes().PutStr("audit.record.id", "rec-1")
	lr.Attributes().PutInt("n", -1)

	var pre []byte
	num := func(kind byte, n uint64) { pre = binary.BigEndian.AppendUint64(append(pre, kind), n) }
	text := func(s string) { num('s', uint64(len(s))); pre = append(pre, s...) }
	pre = append(pre, "auditlog/record/v1\n"...)
	num('m', 1) // resource
	text("service.name")
	text("portal")
	num('i', 0)
	num('a', 0)
	text("")
	text("") // scope
	text("")
	num('m', 0)
	num('i', 0)
	text("")
	text("user.login")
	num('i', 7)
	num('i', 0)
	num('i', 0)
	text("")
	pre = append(pre, 'n')
	num('m', 2)
	text("audit.record.id")
	text("rec-1")
	text("n")
	num('i', ^uint64(0))
	num('i', 0)
	num('b', 16)
	pre = append(pre, make([]byte, 16)...)
	num('b', 8)
	pre = append(pre, make([]byte, 8)...)
	num('i', 0)

	stands, whole := digests(encoder(t, event.Options{}), ld)
	require.Equal(t, sha256.Sum256(pre), stands)
	require.Equal(t, stands, whole)
}

// What stands in the log is the same for every redacted value, what recognises a
// record is not.
func TestDigestsOfRedactedValues(t *testing.T) {
	e := encoder(t, event.Options{})
	make1 := func(secret string) plog.Logs {
		ld := ordinary()
		first(ld).Attributes().PutStr("db.password", secret)
		return ld
	}
	standsA, wholeA := digests(e, make1("a"))
	standsB, wholeB := digests(e, make1("b"))
	require.Equal(t, standsA, standsB)
	require.NotEqual(t, wholeA, wholeB)
	require.NotEqual(t, standsA, wholeA)

	// The whole does not depend on what is redacted today.
	all := encoder(t, event.Options{Redaction: event.Redaction{Except: []string{"password"}}})
	stands, whole := digests(all, make1("a"))
	require.Equal(t, wholeA, whole)
	require.Equal(t, wholeA, stands)

	p := event.Print{SHA256: standsA, Keyed: true}
	body, _ := printed(t, e, make1("a"), &p)
	require.NotContains(t, string(body), hex.EncodeToString(wholeA[:]))
}
