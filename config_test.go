package auditexporter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/otelaudit/auditexporter"
)

// load reads one section of a YAML file as the collector would, and validates it.
func load(t *testing.T, conf *confmap.Conf, key string) (*auditexporter.Config, error) {
	t.Helper()
	sub, err := conf.Sub(key)
	require.NoError(t, err)
	cfg := auditexporter.NewFactory().CreateDefaultConfig().(*auditexporter.Config)
	if err := sub.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func yamlFile(t *testing.T, name string) *confmap.Conf {
	t.Helper()
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config", name))
	require.NoError(t, err)
	return conf
}

func defaults(change func(*auditexporter.Config)) *auditexporter.Config {
	cfg := auditexporter.NewFactory().CreateDefaultConfig().(*auditexporter.Config)
	change(cfg)
	return cfg
}

func TestValidConfig(t *testing.T) {
	conf := yamlFile(t, "valid.yaml")
	const usual = "/var/lib/otelcol/audit"
	want := map[string]*auditexporter.Config{
		"audit/defaults":   defaults(func(c *auditexporter.Config) { c.Directory = usual }),
		"audit/relative":   defaults(func(c *auditexporter.Config) { c.Directory = "./audit-log" }),
		"audit/off":        defaults(func(c *auditexporter.Config) { c.Directory = usual }),
		"audit/timeout_0s": defaults(func(c *auditexporter.Config) { c.Directory = usual }),
		"audit/integrity": integrity(t, map[string]any{
			"verify": "require", "sequences": false, "max_streams": 7, "trusted_keys": []any{
				map[string]any{"id": "portal-2026", "algorithm": "ES256", "form": "tagged_body", "key": `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKhxZqnn0iIZElfCbYnDN1C1LaBY/
uhWoiOy1cnrWM91ybhUxahzGwlREC64+VUHMQWqXMkRR+5rGEpkx6QSpFw==
-----END PUBLIC KEY-----
`},
				map[string]any{"id": "edge", "algorithm": "HMAC-SHA256", "secret": "MDEyMzQ1Njc4OWFiY2RlZg=="},
				map[string]any{"id": "old", "algorithm": "RS256", "key_file": "/etc/otelcol/old.pem"},
			},
		}),
		"audit/integrity_defaults": integrity(t, map[string]any{
			"verify": "annotate", "sequences": true, "max_streams": 1000,
			"trusted_keys": []any{map[string]any{"id": "old", "algorithm": "RS256", "key_file": "/etc/otelcol/old.pem"}},
		}),
		"audit/integrity_sequences": integrity(t, map[string]any{"verify": "off"}),
		"audit/integrity_absent":    defaults(func(c *auditexporter.Config) { c.Directory = "/srv/audit" }),
		"audit/empty_sections": defaults(func(c *auditexporter.Config) {
			c.Directory = "/srv/audit"
			c.Critical.Conditions = []string{}
		}),
		"audit/all": defaults(func(c *auditexporter.Config) {
			c.Directory = "/srv/audit"
			c.Permissions.Directory, c.Permissions.File, c.Permissions.Sealed = "0750", "0640", "0440"
			c.Flush.Mode, c.Flush.BatchSize, c.Flush.BatchInterval = "batched", 1_000_000, time.Millisecond
			c.Flush.CriticalImmediate, c.Flush.SyncTimeout = false, time.Minute
			c.Rotation.MaxSizeMiB, c.Rotation.MaxAge = 1, time.Hour
			c.MaxInFlightMiB, c.ShutdownTimeout = 1, 20*time.Second
			c.Critical.Defaults, c.Critical.Attributes = false, []string{"payment.id"}
			c.Critical.Conditions = []string{
				`log.attributes["app.tier"] == "payments"`,
				`severity_number >= SEVERITY_NUMBER_ERROR and resource.attributes["env"] == "prod"`,
				`ContainsValue(attributes["event.category"], "authentication")`,
			}
			c.Profile, c.Validation.OnInvalid = "audit", "reject"
			l := &c.Validation.Limits
			l.ValueKiB, l.IdentityBytes, l.Attributes, l.Depth, l.RecordKiB = 1, 64, 16, 1, 256
			require.NoError(t, confmap.NewFromStringMap(map[string]any{"checkpoint": map[string]any{
				"origin": "example.com/audit", "key_file": "/etc/otelcol/audit.key", "interval": "1s", "heartbeat": "1m", "copies": []any{"/mnt/other"},
				"witnesses": []any{
					map[string]any{"key": "w0+90628d82+BEy1q/atefv1q7zK/MJp2FzSZR7UuIW1hp8kGu3wpbop", "url": "https://w.example/a", "monitoring_url": "https://w.example/b"},
					map[string]any{"name": "other", "key": "w0+90628d82+BEy1q/atefv1q7zK/MJp2FzSZR7UuIW1hp8kGu3wpbop", "url": "http://127.0.0.1:7380"},
				},
				"policy": "group any any w0 other\nquorum any\n", "witness_timeout": "1s", "require_witness": true,
			}}).Unmarshal(c))
			require.NoError(t, confmap.NewFromStringMap(map[string]any{"idempotency": map[string]any{
				"horizon": "1h", "max_records": 100_000, "keys": []any{"my.id"},
			}}).Unmarshal(c))
			require.NoError(t, confmap.NewFromStringMap(map[string]any{"retention": map[string]any{
				"worm": true, "withhold": map[string]any{
					"fields": []any{"user.email"}, "body": true, "subject": []any{"who"}, "key_store": "/srv/keys",
					"key_encryption_key": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
				},
			}}).Unmarshal(c))
			c.Redaction.ExtraKeys, c.Redaction.Except = []string{"iban", "ssn"}, []string{"cookie"}
			c.Redaction.DigestKey = "0123456789abcdef"
			c.VerifyOnStart, c.OnTampering = "full", "new_log"
		}),
		"audit/most": defaults(func(c *auditexporter.Config) {
			c.Directory = "/srv/audit"
			c.Profile = "any"
			l := &c.Validation.Limits
			l.ValueKiB, l.IdentityBytes, l.Attributes, l.Depth, l.RecordKiB = 1024, 4096, 10_000, 64, 16_384
		}),
	}
	for key := range conf.ToStringMap() {
		require.Contains(t, want, key)
	}
	for key, w := range want {
		t.Run(key, func(t *testing.T) {
			got, err := load(t, conf, key)
			require.NoError(t, err)
			require.Equal(t, w, got)
		})
	}
}

// integrity is a configuration with that section.
func integrity(t *testing.T, section map[string]any) *auditexporter.Config {
	t.Helper()
	return defaults(func(c *auditexporter.Config) {
		c.Directory = "/srv/audit"
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"integrity": section}).Unmarshal(c))
		require.NotNil(t, c.Integrity.Get())
	})
}

func TestInvalidConfig(t *testing.T) {
	conf := yamlFile(t, "invalid.yaml")
	for key := range conf.ToStringMap() {
		t.Run(key, func(t *testing.T) {
			sub, err := conf.Sub(key)
			require.NoError(t, err)
			_, err = load(t, sub, "config")
			want := sub.Get("want").([]any)
			require.NotEmpty(t, want)
			for _, w := range want {
				require.ErrorContains(t, err, w.(string))
			}
		})
	}
}

// The values design.md gives.
func TestDefaults(t *testing.T) {
	c := auditexporter.NewFactory().CreateDefaultConfig().(*auditexporter.Config)
	require.Equal(t, defaults(func(c *auditexporter.Config) {
		c.Directory = ""
		c.Permissions.Directory, c.Permissions.File, c.Permissions.Sealed = "0700", "0600", "0400"
		c.Flush.Mode, c.Flush.BatchSize, c.Flush.BatchInterval = "hybrid", 100, time.Second
		c.Flush.CriticalImmediate, c.Flush.SyncTimeout = true, 10*time.Second
		c.Rotation.MaxSizeMiB, c.Rotation.MaxAge = 100, 24*time.Hour
		c.MaxInFlightMiB, c.ShutdownTimeout = 64, 10*time.Second
		c.Critical.Defaults, c.Critical.Attributes, c.Critical.Conditions = true, nil, nil
		c.Profile, c.Validation.OnInvalid = "auto", "record"
		l := &c.Validation.Limits
		l.ValueKiB, l.IdentityBytes, l.Attributes, l.Depth, l.RecordKiB = 64, 1024, 256, 16, 1024
		c.Redaction.ExtraKeys, c.Redaction.Except, c.Redaction.DigestKey = nil, nil, ""
		c.VerifyOnStart, c.OnTampering = "tail", "refuse"
	}), c)
}

func TestConfigStruct(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(auditexporter.NewFactory().CreateDefaultConfig()))
}

// A field for a queue, retries or a timeout would switch on what acknowledges before the log does.
func TestDefaultConfigHasNoQueue(t *testing.T) {
	conf := confmap.New()
	require.NoError(t, conf.Marshal(auditexporter.NewFactory().CreateDefaultConfig()))
	for _, key := range []string{"sending_queue", "retry_on_failure", "timeout"} {
		require.False(t, conf.IsSet(key), key)
	}
	typ := reflect.TypeFor[auditexporter.Config]()
	for i := range typ.NumField() {
		require.NotContains(t, []string{"sending_queue", "retry_on_failure", "timeout"}, typ.Field(i).Tag.Get("mapstructure"))
	}
}

// The key of digests is in no text that anyone may see, wrong or right.
func TestDigestKeyStaysSecret(t *testing.T) {
	const secret = "s3cret-canary"
	for name, value := range map[string]any{
		"short": secret, "list": []any{secret}, "map": map[string]any{secret: secret, "a": secret},
	} {
		t.Run(name, func(t *testing.T) {
			conf := confmap.NewFromStringMap(map[string]any{"directory": "/a", "redaction": map[string]any{"digest_key": value}})
			cfg := defaults(func(*auditexporter.Config) {})
			err := conf.Unmarshal(cfg)
			if err == nil {
				err = confmap.Validate(cfg)
			}
			require.ErrorContains(t, err, "digest_key")
			require.NotContains(t, err.Error(), secret)
		})
	}
	cfg := defaults(func(c *auditexporter.Config) { c.Redaction.DigestKey = secret + secret })
	effective := confmap.New()
	require.NoError(t, effective.Marshal(cfg))
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), fmt.Sprint(effective.ToStringMap())} {
		require.Contains(t, text, "[REDACTED]")
		require.NotContains(t, text, secret)
	}
}

// Values from the environment are numbers or strings as YAML reads them.
func TestConfigFromEnvironment(t *testing.T) {
	t.Setenv("AUDIT_FILE_MODE", "0640")
	t.Setenv("AUDIT_INTERVAL", "5")
	t.Setenv("AUDIT_ATTRIBUTES", "[a, b]")
	resolve := func(t *testing.T, yaml string) (*auditexporter.Config, error) {
		t.Helper()
		conf := resolved(t, yaml)
		cfg := auditexporter.NewFactory().CreateDefaultConfig().(*auditexporter.Config)
		return cfg, errors.Join(conf.Unmarshal(cfg), confmap.Validate(cfg))
	}
	cfg, err := resolve(t, `yaml:{directory: /a, permissions: {file: "${env:AUDIT_FILE_MODE}"}, critical: {attributes: "${env:AUDIT_ATTRIBUTES}"}}`)
	require.NoError(t, err)
	require.Equal(t, "0640", cfg.Permissions.File)
	require.Equal(t, []string{"a", "b"}, cfg.Critical.Attributes)
	_, err = resolve(t, `yaml:{directory: /a, flush: {batch_interval: "${env:AUDIT_INTERVAL}"}}`)
	require.ErrorContains(t, err, "flush.batch_interval: 5 has no unit: write 1s")
}

// environment is the env provider of a collector, for scheme env and, as a document, yaml.
type environment struct{ scheme string }

func (e environment) Scheme() string               { return e.scheme }
func (environment) Shutdown(context.Context) error { return nil }

func (e environment) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	text := uri[len(e.scheme)+1:]
	if e.scheme == "env" {
		text = os.Getenv(text)
	}
	return confmap.NewRetrievedFromYAML([]byte(text))
}

func resolved(t *testing.T, uri string) *confmap.Conf {
	t.Helper()
	provider := func(scheme string) confmap.ProviderFactory {
		return confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return environment{scheme} })
	}
	r, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: []string{uri}, ProviderFactories: []confmap.ProviderFactory{provider("yaml"), provider("env")},
	})
	require.NoError(t, err)
	conf, err := r.Resolve(t.Context())
	require.NoError(t, err)
	return conf
}
