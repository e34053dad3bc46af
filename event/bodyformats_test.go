package event_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

const formats = "../testdata/formats"

// samples gives the records of a file of OTLP JSON, each with its resource and
// scope alone.
func samples(t testing.TB, file string) (records []plog.Logs) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var u plog.JSONUnmarshaler
	all, err := u.UnmarshalLogs(b)
	require.NoError(t, err)
	for _, rl := range all.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				one := plog.NewLogs()
				r := one.ResourceLogs().AppendEmpty()
				rl.Resource().CopyTo(r.Resource())
				s := r.ScopeLogs().AppendEmpty()
				sl.Scope().CopyTo(s.Scope())
				lr.CopyTo(s.LogRecords().AppendEmpty())
				records = append(records, one)
			}
		}
	}
	require.NotEmpty(t, records)
	return records
}

// normalised are the fields of a record that are not empty, by the names of
// FORMAT.md.
func normalised(e event.Event) map[string]string {
	m := map[string]string{
		"id": e.ID, "type": e.Type, "actor.id": e.Actor.ID, "actor.type": e.Actor.Type, "actor.address": e.Actor.Address,
		"actor.session": e.Actor.Session, "actor.auth_method": e.Actor.AuthMethod, "action": e.Action, "outcome": e.Outcome,
		"target.id": e.Target.ID, "target.type": e.Target.Type, "source.id": e.Source.ID, "source.type": e.Source.Type,
	}
	for name, value := range m {
		if value == "" {
			delete(m, name)
		}
	}
	return m
}

// summary is what a golden file has of a record.
type summary struct {
	Critical string `json:"critical"`
	// Fields has for each field what from says and the value.
	Fields map[string][2]string `json:"fields"`
}

func summarise(t testing.TB, enc *event.Encoder, ld plog.Logs) summary {
	t.Helper()
	body, _ := encode(enc, ld)
	e, err := event.Parse(body)
	require.NoError(t, err, "%s", body)
	var raw struct {
		From map[string]string `json:"from"`
	}
	require.NoError(t, json.Unmarshal(body, &raw))
	s := summary{Critical: e.Rule, Fields: make(map[string][2]string)}
	for name, value := range normalised(e) {
		require.True(t, raw.From[name] != "" || name == "type")
		s.Fields[name] = [2]string{raw.From[name], value}
	}
	require.LessOrEqual(t, len(raw.From), len(s.Fields))
	return s
}

func golden(t testing.TB, records []plog.Logs) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, ld := range records {
		require.NoError(t, enc.Encode(summarise(t, defaults(t), ld)))
	}
	return b.String()
}

// A golden file beside a sample has a line for each of its records.
func TestFormatsGolden(t *testing.T) {
	files, err := filepath.Glob(formats + "/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			records := samples(t, file)
			for _, ld := range records {
				checkRoundTrip(t, defaults(t), ld)
			}
			got := golden(t, records)
			want := file + "l"
			if *update {
				require.NoError(t, os.WriteFile(want, []byte(got), 0o644))
			}
			require.Equal(t, document(t, want), got)
		})
	}
}

// A body says the same as JSON text and as the map a parser makes of it.
func TestTextAndMapAgree(t *testing.T) {
	for _, name := range []string{"kubernetes", "cloudtrail"} {
		text, parsed := samples(t, formats+"/"+name+"-text.json"), samples(t, formats+"/"+name+"-map.json")
		require.Len(t, parsed, len(text))
		for i := range text {
			a, b := summarise(t, defaults(t), text[i]), summarise(t, defaults(t), parsed[i])
			require.Equal(t, a.Critical, b.Critical)
			for field, is := range a.Fields {
				require.Equal(t, is[1], b.Fields[field][1], "%s of record %d", field, i)
				require.Equal(t, strings.Replace(is[0], "#", "", 1), b.Fields[field][0])
			}
			require.Len(t, b.Fields, len(a.Fields))
		}
	}
}

// With the built-in rules off no format makes an event critical, and fields are
// the same.
func TestFormatsWithoutDefaults(t *testing.T) {
	off, err := event.NewEncoder(event.Options{})
	require.NoError(t, err)
	files, err := filepath.Glob(formats + "/*.json")
	require.NoError(t, err)
	for _, file := range files {
		for _, ld := range samples(t, file) {
			s := summarise(t, off, ld)
			require.Empty(t, s.Critical)
			require.Equal(t, summarise(t, defaults(t), ld).Fields, s.Fields)
		}
	}
}
