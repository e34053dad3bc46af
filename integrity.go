package auditexporter

import (
	"errors"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelaudit/auditexporter/exporter"
)

// integrityConfig is what is looked at of what producers say of their records: signatures
// (audit.integrity.*) and chains (audit.sequence.*) of the OTel Audit Logging draft.
type integrityConfig struct {
	// Verify is what happens to a record whose signature can't be verified: off (it is not looked
	// at), annotate (default; its event says so and is critical) or require (the request is refused
	// for good, also for an audit record without one, and a system entry says so).
	Verify string `mapstructure:"verify"`
	// Sequences has the producers' chains checked. A break is annotated and critical, never refused.
	// Default true.
	Sequences bool `mapstructure:"sequences"`
	// MaxStreams is how many chains are remembered, each in up to 32 KiB of memory. 1 to 1,000,000,
	// default 1000.
	MaxStreams int `mapstructure:"max_streams"`
	// TrustedKeys are the keys that producers sign with, read at start.
	TrustedKeys []trustedKeyConfig `mapstructure:"trusted_keys"`
}

// Unmarshal fills in the defaults of a section that is there: of one that is not there is no value.
func (c *integrityConfig) Unmarshal(conf *confmap.Conf) error {
	*c = integrityConfig{Verify: "annotate", Sequences: true, MaxStreams: 1000}
	return conf.Unmarshal(c)
}

// trustedKeyConfig is one key. One of Key, KeyFile and Secret must be set.
type trustedKeyConfig struct {
	// ID is the key's name in events.
	ID string `mapstructure:"id"`
	// Algorithm is RS256, RS512, ES256, EdDSA, HMAC-SHA256 or HMAC-SHA512, and the only one that the
	// key is used with.
	Algorithm string `mapstructure:"algorithm"`
	// Form is the generation of the canonical form that is signed: tagged_body, string_body or empty
	// (default; either).
	Form string `mapstructure:"form"`
	// Key is a public key or a certificate in PEM.
	Key string `mapstructure:"key"`
	// KeyFile is a file of it, or of the base64 of an HMAC's secret.
	KeyFile string `mapstructure:"key_file"`
	// Secret is an HMAC's key of at least 16 bytes, in base64.
	Secret configopaque.String `mapstructure:"secret"`
}

// validate takes nil for a section that is absent.
func (c *integrityConfig) validate() error {
	if c == nil {
		return nil
	}
	var err error
	if c.Verify != "off" && len(c.TrustedKeys) == 0 {
		err = errors.New("integrity.trusted_keys: must have a key, or integrity.verify be off")
	}
	return errors.Join(
		oneOf("integrity.verify", c.Verify, "off", "annotate", "require"),
		within("integrity.max_streams", int64(c.MaxStreams), 1, 1_000_000),
		err,
		exporter.CheckKeys(integrityOptions(c).Keys),
	)
}

func integrityOptions(c *integrityConfig) *exporter.Integrity {
	if c == nil {
		return nil
	}
	o := &exporter.Integrity{Verify: c.Verify, Sequences: c.Sequences, MaxStreams: c.MaxStreams}
	for _, k := range c.TrustedKeys {
		o.Keys = append(o.Keys, exporter.TrustedKey{
			ID: k.ID, Algorithm: k.Algorithm, Form: k.Form, Key: k.Key, KeyFile: k.KeyFile, Secret: k.Secret,
		})
	}
	return o
}
