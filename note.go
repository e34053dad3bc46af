package auditexporter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"go.opentelemetry.io/collector/confmap"
)

// configNote is the configuration as the log's opening entries tell it.
type configNote struct {
	digest   string            // SHA-256 of the effective configuration as JSON, keys sorted, secrets masked; 64 hex digits
	settings map[string]string // by YAML key: what decides about durability and trust
}

func (c *Config) note() (configNote, error) {
	conf := confmap.New()
	if err := conf.Marshal(c); err != nil {
		return configNote{}, fmt.Errorf("couldn't marshal configuration: %w", err)
	}
	text, err := json.Marshal(conf.ToStringMap())
	if err != nil {
		return configNote{}, fmt.Errorf("couldn't marshal configuration: %w", err)
	}
	sum := sha256.Sum256(text)
	n := configNote{
		digest: hex.EncodeToString(sum[:]),
		settings: map[string]string{
			"flush.mode":               c.Flush.Mode,
			"flush.batch_size":         strconv.Itoa(c.Flush.BatchSize),
			"flush.batch_interval":     c.Flush.BatchInterval.String(),
			"flush.critical_immediate": strconv.FormatBool(c.Flush.CriticalImmediate),
			"profile":                  c.Profile,
			"critical.defaults":        strconv.FormatBool(c.Critical.Defaults),
			"critical.attributes":      strconv.Itoa(len(c.Critical.Attributes)),
			"critical.conditions":      strconv.Itoa(len(c.Critical.Conditions)),
			"validation.on_invalid":    c.Validation.OnInvalid,
			"redaction.extra_keys":     strconv.Itoa(len(c.Redaction.ExtraKeys)),
			"redaction.except":         strconv.Itoa(len(c.Redaction.Except)),
			"verify_on_start":          c.VerifyOnStart,
			"on_tampering":             c.OnTampering,
		},
	}
	if i := c.Integrity.Get(); i != nil {
		n.settings["integrity.verify"] = i.Verify
		n.settings["integrity.sequences"] = strconv.FormatBool(i.Sequences)
	}
	c.Checkpoint.Get().note(n.settings)
	c.Idempotency.Get().note(n.settings)
	c.Retention.Get().note(n.settings)
	return n, nil
}
