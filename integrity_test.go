package auditexporter_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"

	"github.com/otelaudit/auditexporter"
	"github.com/otelaudit/auditexporter/event/canonical"
	"github.com/otelaudit/auditexporter/event/producer"
	"github.com/otelaudit/auditexporter/internal/metadata"
)

// column is the words in backquotes of the first column of the table that follows a header.
func column(t *testing.T, text, header string) (words []string) {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+header+"\n")
	require.True(t, found, header)
	for _, line := range strings.Split(rest, "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			words = append(words, m[1])
		}
	}
	return words
}

func texts[T ~string](words []T) (out []string) {
	for _, w := range words {
		out = append(out, string(w))
	}
	return out
}

// docs/integrity.md, and the metrics, know every word that an event can have.
func TestIntegrityDocument(t *testing.T) {
	b, err := os.ReadFile("docs/integrity.md")
	require.NoError(t, err)
	doc := string(b)
	require.Equal(t, texts(producer.Reasons), column(t, doc, "| reason | what is wrong |"))
	require.Equal(t, texts(producer.Breaks), column(t, doc, "| `break` | what is wrong |"))
	require.Equal(t, texts([]producer.State{
		producer.StateFirst, producer.StateNext, producer.StateAgain, producer.StateUnknown, producer.StateBroken,
	}), column(t, doc, "| `state` | means |"))
	require.Equal(t, producer.Algorithms, column(t, doc, "| algorithm | signature |"))
	require.Equal(t, []string{"id", "algorithm", "form", "key", "key_file", "secret"}, column(t, doc, "| key | is |"))

	lr := plog.NewLogRecord()
	lr.SetEventName("user.login")
	lr.SetTimestamp(1714041600000000001)
	lr.Body().SetStr("in")
	lr.Attributes().PutStr("audit.action", "LOGIN")
	lr.Attributes().PutStr("audit.integrity.value", "is not signed")
	var signed []string
	for _, f := range []canonical.Form{canonical.TaggedBody, canonical.StringBody} {
		text, err := canonical.JSON(lr, f)
		require.NoError(t, err)
		signed = append(signed, string(text))
	}
	require.Contains(t, doc, "```json\n"+strings.Join(signed, "\n")+"\n```")

	var meta struct {
		Attributes map[string]struct{ Enum []string }
	}
	b, err = os.ReadFile("metadata.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(b, &meta))
	require.Equal(t, append([]string{"verified"}, texts(producer.Reasons)...), meta.Attributes["result"].Enum)
	require.Equal(t, texts(producer.Breaks), meta.Attributes["break"].Enum)

	b, err = os.ReadFile("event/FORMAT.md")
	require.NoError(t, err)
	for _, word := range producer.Breaks {
		require.Contains(t, string(b), "`"+string(word)+"`")
	}
}

// The example of the documentation is a configuration, and the records that an implementation of its own
// signed are verified by what is configured, down to the log.
func TestIntegrityEndToEnd(t *testing.T) {
	doc, err := os.ReadFile("docs/integrity.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(doc), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var file struct {
		Exporters map[string]map[string]any `yaml:"exporters"`
	}
	t.Setenv("EDGE_HMAC_KEY", "MDEyMzQ1Njc4OWFiY2RlZg==")
	require.NoError(t, yaml.Unmarshal([]byte(os.ExpandEnv(strings.ReplaceAll(example, "${env:", "${"))), &file))
	section := file.Exporters["audit"]

	var vectors struct {
		Keys    map[string]struct{ PEM string }
		Vectors []struct {
			Name     string
			Logs     json.RawMessage
			Verified bool
		}
	}
	b, err := os.ReadFile("event/producer/testdata/vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &vectors))
	dir := t.TempDir()
	pem := filepath.Join(dir, "portal.pem")
	require.NoError(t, os.WriteFile(pem, []byte(vectors.Keys["es256"].PEM), 0o600))
	section["directory"] = filepath.Join(dir, "log")
	section["integrity"].(map[string]any)["trusted_keys"].([]any)[0].(map[string]any)["key_file"] = pem

	cfg := auditexporter.NewFactory().CreateDefaultConfig().(*auditexporter.Config)
	require.NoError(t, confmap.NewFromStringMap(section).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	exp, err := auditexporter.NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, exp.Start(t.Context(), componenttest.NewNopHost()))
	var want []string
	for _, v := range vectors.Vectors {
		if !slices.Contains([]string{"ES256, all there is", "ES256, actor changed", "body, older form, map"}, v.Name) {
			continue
		}
		var u plog.JSONUnmarshaler
		logs, err := u.UnmarshalLogs(v.Logs)
		require.NoError(t, err)
		require.NoError(t, exp.ConsumeLogs(t.Context(), logs))
		want = append(want, map[bool]string{true: `"verified":true,"key":"portal-2026"`, false: `"verified":false,"reason":"mismatch"`}[v.Verified])
	}
	require.Len(t, want, 3)
	require.NoError(t, exp.Shutdown(t.Context()))

	segments, err := filepath.Glob(filepath.Join(dir, "log", "*", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, segments, 1)
	text, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	var got []string
	for _, m := range regexp.MustCompile(`"integrity":\{("verified":(?:true,"key":"[^"]*"|false,"reason":"[^"]*"))`).FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	require.Equal(t, want, got)
	opening, _, _ := strings.Cut(string(text), "\n")
	require.Contains(t, opening, `"integrity.trusted_keys[0]":"portal-2026 ES256 sha256:`)
	require.Contains(t, opening, `"integrity.trusted_keys[1]":"edge HMAC-SHA256"`)
	require.Contains(t, opening, `"integrity.verify":"annotate"`)
	require.NotContains(t, string(text), "MDEyMzQ1")
}
