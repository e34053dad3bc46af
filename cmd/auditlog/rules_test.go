package main

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
)

// classify knows the keys that the exporter has, and no others.
func TestRulesKnowTheExportersKeys(t *testing.T) {
	text, err := os.ReadFile("../../config.schema.yaml")
	require.NoError(t, err)
	type schema struct {
		Properties map[string]yaml.Node `yaml:"properties"`
	}
	keys := func(n *yaml.Node) (s schema, names []string) {
		require.NoError(t, n.Decode(&s))
		return s, slices.Sorted(maps.Keys(s.Properties))
	}
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &root))
	top, names := keys(root.Content[0])
	require.Subset(t, slices.Concat(known[""], elsewhere), names)
	require.Subset(t, append(names, "sending_queue", "retry_on_failure", "timeout"), slices.Concat(known[""], elsewhere))
	for _, section := range []string{"critical", "validation", "redaction", "retention"} {
		n := top.Properties[section]
		below, names := keys(&n)
		require.ElementsMatch(t, names, known[section], section)
		if section == "retention" {
			n = below.Properties["withhold"]
			_, names = keys(&n)
			require.ElementsMatch(t, names, known["retention.withhold"])
		}
		if section == "validation" {
			n = below.Properties["limits"]
			_, names = keys(&n)
			require.ElementsMatch(t, names, known["validation.limits"])
		}
	}
}

func TestRemarks(t *testing.T) {
	require.Equal(t, []string{
		`invalid    identity a\u001bb: escape, bidi`,
		`escaped    /body: nul`,
		`escaped    in 3 more places`,
		`redacted   /attributes/token`,
		`redacted   /attributes/pwd: at most 16 bytes, hmac ab`,
		`truncated  /body: of 1 byte, sha256 cd`,
		`truncated  /attributes: of 300 entries, sha256 ef`,
	}, remarks(event.Event{
		Invalid:     []event.Violation{{Class: "identity", Field: "a\x1bb", What: []string{"escape", "bidi"}}},
		Escaped:     []event.Escaped{{Pointer: "/body", What: []string{"nul"}}},
		EscapedMore: 3,
		Redacted:    []event.Redacted{{Pointer: "/attributes/token"}, {Pointer: "/attributes/pwd", HMAC: "ab", LengthAtMost: 16}},
		Truncated:   []event.Truncated{{Pointer: "/body", Length: 1, SHA256: "cd"}, {Pointer: "/attributes", Entries: 300, SHA256: "ef"}},
	}))
}

func TestRemarksOfProducer(t *testing.T) {
	for _, c := range []struct {
		e    event.Event
		want []string
	}{
		{event.Event{Integrity: &event.Integrity{Verified: true, Key: "a"}}, []string{"integrity  signed with key a"}},
		{event.Event{Integrity: &event.Integrity{Verified: true, Key: "a\x1b", Uncovered: []string{"body", "flags"}}}, []string{`integrity  signed with key a\u001b, but for body, flags`}},
		{event.Event{Integrity: &event.Integrity{Reason: "mismatch"}, Sequence: &event.Sequence{State: "broken", Break: "gap"}}, []string{
			"integrity  the producer's signature is not verified: mismatch", "sequence   the producer's chain is broken: gap",
		}},
		{event.Event{Sequence: &event.Sequence{State: "next"}}, []string{"sequence   next in the producer's chain"}},
	} {
		require.Equal(t, c.want, remarks(c.e))
	}
}

func TestSummaryOfRefused(t *testing.T) {
	require.Equal(t, "7  2026-11-23T12:00:00.000Z  SYSTEM refused  requests=2  records=514", summary(chain.Entry{
		Seq: 7, Kind: chain.System,
		Body: []byte(`{"v":1,"type":"refused","time":"2026-11-23T12:00:00Z","requests":2,"records":514,"listed":[]}`),
	}))
}
