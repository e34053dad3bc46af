package event_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// withKeys is a record with these attributes, a key twice where it is listed twice.
func withKeys(t testing.TB, keys []string) plog.Logs {
	var texts []string
	for i, k := range keys {
		key, err := json.Marshal(k)
		require.NoError(t, err)
		texts = append(texts, fmt.Sprintf(`{"key":%s,"value":{"stringValue":"%d"}}`, key, i))
	}
	ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs([]byte(
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[` + strings.Join(texts, ",") + `]}]}]}]}`))
	require.NoError(t, err)
	return ld
}

// What an encoder remembers of earlier records changes no event, and no key that
// stands twice is overlooked.
func TestRememberedKeys(t *testing.T) {
	pool := []string{
		"user.id", "http.request.method", "db.password", "session.token", "security_rule.name", "audit.action", "event.category", "",
		`a "quoted" key`, "caf\u00e9", "tab\t", "esc\x1b", strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("k", 1025), "password",
	}
	for i := range 900 {
		pool = append(pool, fmt.Sprintf("shop.attribute_%d", i))
	}
	e, narrow := defaults(t), tight(t)
	var shared event.Source
	r := rand.New(rand.NewPCG(3, 4))
	for range 1500 {
		var keys []string
		n, among := 1+r.IntN(14), 20
		if r.IntN(20) == 0 {
			n, among = 1+r.IntN(250), len(pool)
		}
		for range n {
			keys = append(keys, pool[r.IntN(among)])
		}
		if r.IntN(20) == 0 { // keys that are not remembered, one perhaps twice
			for i := range 20 + r.IntN(4) {
				keys = append(keys, fmt.Sprintf("\t%d", i%22))
			}
		}
		ld := withKeys(t, keys)
		for _, e := range []*event.Encoder{e, narrow} {
			want, info := encode(e, ld)
			rl := ld.ResourceLogs().At(0)
			e.Resource(&shared, rl)
			e.Scope(&shared, rl.ScopeLogs().At(0))
			got, infoShared := e.Append(nil, &shared, first(ld), recordedAt)
			require.Equal(t, string(want), string(got))
			require.Equal(t, info, infoShared)
		}
		checkRoundTrip(t, e, ld)
	}
}

// A map may have fewer entries than are compared one by one, and yet too many.
func TestLowAttributeLimit(t *testing.T) {
	e := encoder(t, event.Options{Limits: event.Limits{Attributes: 16}})
	for _, n := range []int{16, 17, 40, 48, 49} {
		var keys []string
		for i := range n {
			keys = append(keys, fmt.Sprintf("k%d", i))
		}
		body, info := encode(e, withKeys(t, keys))
		parsed, err := event.Parse(body)
		require.NoError(t, err)
		require.Equal(t, 16, strings.Count(string(body), `"k`))
		if n == 16 {
			require.Zero(t, info.Truncated)
			continue
		}
		require.Equal(t, "/attributes", parsed.Truncated[0].Pointer)
		require.EqualValues(t, n, parsed.Truncated[0].Entries)
	}
}

func TestSourceAllocatesNothing(t *testing.T) {
	e, ld := defaults(t), ordinary()
	rl := ld.ResourceLogs().At(0)
	var s event.Source
	require.Zero(t, testing.AllocsPerRun(100, func() {
		e.Resource(&s, rl)
		e.Scope(&s, rl.ScopeLogs().At(0))
		s.Reset()
	}))
}

// Of the default limit's length, no byte of it UTF-8.
func TestInvalidTextAllocatesNothing(t *testing.T) {
	e, ld := defaults(t), ordinary()
	first(ld).Body().SetStr(strings.Repeat("\xff", 64<<10))
	rl := ld.ResourceLogs().At(0)
	var s event.Source
	e.Resource(&s, rl)
	var buf []byte
	require.Zero(t, testing.AllocsPerRun(10, func() { buf, _ = e.Append(buf[:0], &s, first(ld), recordedAt) }))
}
