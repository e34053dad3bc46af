package auditexporter_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otelaudit/auditexporter"
)

// property is one of config.schema.yaml that holds a value.
type property struct {
	key    string // dotted
	schema map[string]any
}

func properties(t *testing.T, prefix string, schema map[string]any) []property {
	t.Helper()
	require.Equal(t, false, schema["additionalProperties"], prefix)
	var out []property
	for name, p := range schema["properties"].(map[string]any) {
		p := p.(map[string]any)
		require.NotEmpty(t, p["description"], prefix+name)
		if p["type"] == "object" {
			out = append(out, properties(t, prefix+name+".", p)...)
			continue
		}
		out = append(out, property{prefix + name, p})
	}
	return out
}

// config.schema.yaml has the keys, defaults and bounds of Config.
func TestConfigSchema(t *testing.T) {
	schema, err := confmaptest.LoadConf("config.schema.yaml")
	require.NoError(t, err)
	effective := confmap.New()
	require.NoError(t, effective.Marshal(defaults(func(c *auditexporter.Config) {
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"integrity": map[string]any{"trusted_keys": []any{}}}).Unmarshal(c))
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"checkpoint": map[string]any{"copies": []any{}}}).Unmarshal(c))
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"idempotency": map[string]any{}}).Unmarshal(c))
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"retention": map[string]any{"withhold": map[string]any{"fields": []any{}}}}).Unmarshal(c))
		c.Critical.Attributes, c.Critical.Conditions = []string{}, []string{}
		c.Redaction.ExtraKeys, c.Redaction.Except = []string{}, []string{}
	})))
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	known := map[string]bool{}
	for _, p := range properties(t, "", schema.ToStringMap()) {
		path := strings.ReplaceAll(p.key, ".", confmap.KeyDelimiter)
		known[path] = true
		t.Run(p.key, func(t *testing.T) {
			require.True(t, effective.IsSet(path))
			require.Contains(t, string(readme), "| `"+p.key+"` | ")
			if def, ok := p.schema["default"]; ok {
				got := effective.Get(path)
				if p.key == "redaction.digest_key" || p.key == "checkpoint.key" || p.key == "retention.withhold.key_encryption_key" {
					require.Empty(t, def) // what is effective is not shown
				} else if d, is := got.(time.Duration); is {
					want, err := time.ParseDuration(def.(string))
					require.NoError(t, err)
					require.Equal(t, want, d)
				} else {
					require.EqualValues(t, def, got)
				}
			} else {
				require.Equal(t, "directory", p.key)
			}
			for value, valid := range samples(p) {
				conf := confmap.NewFromStringMap(map[string]any{"directory": "/a"})
				if strings.HasPrefix(p.key, "integrity.") {
					require.NoError(t, conf.Merge(confmap.NewFromStringMap(map[string]any{"integrity::trusted_keys": []any{
						map[string]any{"id": "a", "algorithm": "HMAC-SHA256", "secret": "MDEyMzQ1Njc4OWFiY2RlZg=="},
					}})))
				}
				if strings.HasPrefix(p.key, "checkpoint.") {
					require.NoError(t, conf.Merge(confmap.NewFromStringMap(map[string]any{
						"checkpoint::origin": "example.com/audit", "checkpoint::key_file": "/a/key",
					})))
				}
				require.NoError(t, conf.Merge(confmap.NewFromStringMap(map[string]any{path: value})))
				cfg := defaults(func(*auditexporter.Config) {})
				err := conf.Unmarshal(cfg)
				if err == nil {
					err = confmap.Validate(cfg)
				}
				require.Equal(t, valid, err == nil, "%v: %v", value, err)
			}
		})
	}
	for _, key := range effective.AllKeys() {
		require.True(t, known[key], "config.schema.yaml lacks %s", key)
	}
}

// samples are values at the edges of what the schema allows, and whether it does.
func samples(p property) map[any]bool {
	out := map[any]bool{}
	if lo, ok := p.schema["minimum"].(int); ok {
		hi := p.schema["maximum"].(int)
		out = map[any]bool{lo: true, hi: true, lo - 1: false, hi + 1: false}
	}
	if values, ok := p.schema["enum"].([]any); ok {
		out["other"] = false
		for _, v := range values {
			out[v] = true
		}
	}
	if pattern, ok := p.schema["pattern"].(string); ok {
		re := regexp.MustCompile(pattern)
		for n := range 0o2000 {
			s := fmt.Sprintf("%04o", n)
			out[s] = re.MatchString(s)
		}
	}
	if p.schema["format"] == "duration" {
		if lo, hi, ok := strings.Cut(edges.FindString(p.schema["description"].(string)), " to "); ok {
			l, _ := time.ParseDuration(lo)
			h, _ := time.ParseDuration(hi)
			out = map[any]bool{lo: true, hi: true, (l - 1).String(): false, (h + 1).String(): false}
		}
	}
	return out
}

// edges are what a description says of the bounds of a duration.
var edges = regexp.MustCompile(`[0-9]+[a-z]+ to [0-9]+[a-z]+`)
