package event_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// encodeOf encodes ld's record with what is known of its producer.
func encodeOf(e *event.Encoder, ld plog.Logs, p *event.Producer) ([]byte, event.Info) {
	s := event.Source{Producer: p}
	rl := ld.ResourceLogs().At(0)
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	return e.Append(nil, &s, first(ld), recordedAt)
}

func TestGoldenProducer(t *testing.T) {
	got, _ := encodeOf(defaults(t), audit(), &event.Producer{
		Integrity: &event.Integrity{Verified: true, Key: "portal-2026", Uncovered: []string{"body", "severity_number"}},
		Sequence:  &event.Sequence{State: "broken", Break: "gap"},
	})
	got = append(got, '\n')
	file := filepath.Join("..", "testdata", "events", "signed.json")
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// What is known of the producer stands beside the record and comes back; the record is as it was.
func TestProducer(t *testing.T) {
	routine, err := event.NewEncoder(event.Options{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		p    event.Producer
		text string
		rule string
	}{
		"nothing":  {},
		"verified": {p: event.Producer{Integrity: &event.Integrity{Verified: true, Key: "a"}}, text: `,"integrity":{"verified":true,"key":"a"}`},
		"uncovered": {
			p:    event.Producer{Integrity: &event.Integrity{Verified: true, Key: "a", Uncovered: []string{"body", "flags"}}},
			text: `,"integrity":{"verified":true,"key":"a","uncovered":["body","flags"]}`,
		},
		"failed": {
			p:    event.Producer{Integrity: &event.Integrity{Reason: "mismatch"}, Sequence: &event.Sequence{State: "broken", Break: "fork"}},
			text: `,"integrity":{"verified":false,"reason":"mismatch"},"sequence":{"state":"broken","break":"fork"}`, rule: "integrity:signature",
		},
		"next":   {p: event.Producer{Sequence: &event.Sequence{State: "next"}}, text: `,"sequence":{"state":"next"}`},
		"broken": {p: event.Producer{Sequence: &event.Sequence{State: "broken", Break: "gap"}}, text: `,"sequence":{"state":"broken","break":"gap"}`, rule: "integrity:sequence"},
	} {
		t.Run(name, func(t *testing.T) {
			ld := ordinary()
			body, info := encodeOf(routine, ld, &c.p)
			require.Contains(t, string(body), c.text)
			require.Equal(t, c.rule, info.Rule)
			require.Equal(t, c.rule != "", info.Critical, "whatever rules are configured")
			e, err := event.Parse(body)
			require.NoError(t, err)
			require.Equal(t, c.p, event.Producer{Integrity: e.Integrity, Sequence: e.Sequence})
			back, err := event.Decode(body)
			require.NoError(t, err)
			require.Equal(t, wire(t, ld), wire(t, back))
		})
	}
}

// What was found out about one request's records is not said of another's.
func TestResetForgetsProducer(t *testing.T) {
	s := event.Source{Producer: &event.Producer{Sequence: &event.Sequence{State: "next"}}}
	s.Reset()
	require.Nil(t, s.Producer)
}

func TestParseProducerRefuses(t *testing.T) {
	for _, member := range []string{
		`"integrity":1`, `"integrity":{}`, `"integrity":{"verified":1}`, `"integrity":{"verified":false}`,
		`"integrity":{"verified":true,"reason":"mismatch"}`, `"integrity":{"verified":true,"uncovered":[]}`,
		`"integrity":{"verified":true,"key":""}`, `"sequence":[]`, `"sequence":{}`, `"sequence":{"state":"broken"}`,
		`"sequence":{"state":"next","break":"gap"}`,
	} {
		_, err := event.Parse([]byte(`{"v":1,` + member + `}`))
		require.Error(t, err, member)
	}
	for _, member := range []string{`"integrity":{"verified":true,"later":1}`, `"sequence":{"state":"later","more":[]}`} {
		_, err := event.Parse([]byte(`{"v":1,` + member + `}`))
		require.NoError(t, err, member)
	}
}
