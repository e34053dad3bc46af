package auditexporter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelaudit/auditexporter"
)

// A configuration that is accepted says the same when it is written out and read
// again; nothing panics.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"valid.yaml", "invalid.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", "config", name))
		require.NoError(f, err)
		// A section is what follows a key without indentation.
		for _, section := range strings.Split("\n"+string(data), "\naudit/")[1:] {
			if _, body, ok := strings.Cut(section, "\n"); ok {
				f.Add(body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
		if err != nil {
			return
		}
		conf, err := retrieved.AsConf()
		if err != nil {
			return
		}
		read := func(conf *confmap.Conf) (*auditexporter.Config, error) {
			cfg := auditexporter.NewFactory().CreateDefaultConfig().(*auditexporter.Config)
			if err := conf.Unmarshal(cfg); err != nil {
				return nil, err
			}
			return cfg, confmap.Validate(cfg)
		}
		cfg, err := read(conf)
		if err != nil {
			return
		}
		out := confmap.New()
		require.NoError(t, out.Marshal(cfg))
		if cfg.Redaction.DigestKey != "" {
			require.Equal(t, "[REDACTED]", fmt.Sprint(out.Get("redaction::digest_key")), "a secret is not written out")
		}
		out.Delete("redaction::digest_key")
		putSecretsBack(t, cfg, out)
		again, err := read(out)
		require.NoError(t, err, "%v", out.ToStringMap())
		again.Redaction.DigestKey = cfg.Redaction.DigestKey
		require.Equal(t, cfg, again)
	})
}

// putSecretsBack puts the secrets of trusted keys where out has that they are redacted.
func putSecretsBack(t *testing.T, cfg *auditexporter.Config, out *confmap.Conf) {
	t.Helper()
	if c := cfg.Checkpoint.Get(); c != nil {
		require.Equal(t, "[REDACTED]", fmt.Sprint(out.Get("checkpoint::key")), "a secret is not written out")
		require.NoError(t, out.Merge(confmap.NewFromStringMap(map[string]any{"checkpoint": map[string]any{"key": string(c.Key)}})))
	}
	if r := cfg.Retention.Get(); r != nil && r.Withhold.KeyEncryptionKey != "" {
		key := "retention::withhold::key_encryption_key"
		require.Equal(t, "[REDACTED]", fmt.Sprint(out.Get(key)), "a secret is not written out")
		require.NoError(t, out.Merge(confmap.NewFromStringMap(map[string]any{key: string(r.Withhold.KeyEncryptionKey)})))
	}
	if !cfg.Integrity.HasValue() {
		return
	}
	list, _ := out.Get("integrity::trusted_keys").([]any)
	for i, k := range cfg.Integrity.Get().TrustedKeys {
		require.Equal(t, "[REDACTED]", fmt.Sprint(list[i].(map[string]any)["secret"]), "a secret is not written out")
		list[i].(map[string]any)["secret"] = string(k.Secret)
	}
	require.NoError(t, out.Merge(confmap.NewFromStringMap(map[string]any{"integrity": map[string]any{"trusted_keys": list}})))
}
