package auditexporter

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelaudit/auditexporter/exporter"
)

// retentionConfig is what of the log may be erased.
type retentionConfig struct {
	// Worm forbids erasing. Default false.
	Worm bool `mapstructure:"worm"`
	// Withhold says which values stand in the log as commitments only.
	Withhold withholdConfig `mapstructure:"withhold"`
}

// withholdConfig is which values can be erased, and where their keys lie.
type withholdConfig struct {
	// Fields are keys, as they are, of attributes and of entries of maps, wherever they stand in a record.
	Fields []string `mapstructure:"fields"`
	// Body withholds bodies as a whole. Default false.
	Body bool `mapstructure:"body"`
	// Subject are attributes of record, scope or resource; the first that is there names whom the withheld
	// values are about. Default user.id, enduser.id, audit.actor.id.
	Subject []string `mapstructure:"subject"`
	// KeyStore is the folder of the subjects' keys, outside Directory. Mandatory if something is withheld.
	KeyStore string `mapstructure:"key_store"`
	// KeyEncryptionKey encrypts the key store's secret: 64 hex digits. Empty (default): none does.
	KeyEncryptionKey configopaque.String `mapstructure:"key_encryption_key"`
	// KeyEncryptionKeyFile is a file that holds such a key. Empty (default): none.
	KeyEncryptionKeyFile string `mapstructure:"key_encryption_key_file"`
}

// Unmarshal fills in the defaults of a section that is there.
func (r *retentionConfig) Unmarshal(conf *confmap.Conf) error {
	*r = retentionConfig{Withhold: withholdConfig{Subject: []string{"user.id", "enduser.id", "audit.actor.id"}}}
	return conf.Unmarshal(r)
}

func (w *withholdConfig) on() bool { return len(w.Fields) > 0 || w.Body }

func (r *retentionConfig) options() *exporter.Withhold {
	if r == nil || r.Withhold.KeyStore == "" {
		return nil
	}
	w := &r.Withhold
	return &exporter.Withhold{
		Fields: slices.Clone(w.Fields), Subject: slices.Clone(w.Subject), Body: w.Body, KeyStore: w.KeyStore,
		Key: w.KeyEncryptionKey, KeyFile: w.KeyEncryptionKeyFile, Worm: r.Worm,
	}
}

// validateRetention names each wrong value by its YAML key.
func (c *Config) validateRetention() error {
	r := c.Retention.Get()
	if r == nil {
		return nil
	}
	w := &r.Withhold
	var errs []error
	switch {
	case w.KeyStore == "" && w.on():
		errs = append(errs, errors.New("retention.withhold.key_store: must be set to the folder of the keys, outside directory, such as /var/lib/otelcol/audit-keys"))
	case w.KeyStore != "" && (contains(c.Directory, w.KeyStore) || contains(w.KeyStore, c.Directory)):
		errs = append(errs, errors.New("retention.withhold.key_store: must neither lie in directory nor hold it: who copies the log would copy the keys"))
	case strings.ContainsRune(w.KeyStore, 0):
		errs = append(errs, errors.New("retention.withhold.key_store: must not contain a NUL"))
	}
	if w.KeyEncryptionKey != "" && w.KeyEncryptionKeyFile != "" {
		errs = append(errs, errors.New("retention.withhold.key_encryption_key: key_encryption_key_file is set, too: set one"))
	}
	errs = append(errs, exporter.CheckWithhold(exporter.Withhold{Fields: w.Fields, Subject: w.Subject, Body: w.Body, Key: w.KeyEncryptionKey}, c.Redaction.options()))
	if ids := c.Idempotency.Get(); ids != nil {
		for i, key := range ids.Keys {
			if slices.Contains(w.Fields, key) {
				errs = append(errs, fmt.Errorf("idempotency.keys[%d]: %s is withheld, and its hash would stand in the log", i, key))
			}
		}
	}
	return errors.Join(errs...)
}

// contains tells whether path is folder or lies in it, as far as their names say.
func contains(folder, path string) bool {
	rel, err := filepath.Rel(filepath.Clean(folder), filepath.Clean(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// note adds to the settings that opening entries tell.
func (r *retentionConfig) note(settings map[string]string) {
	if r != nil {
		settings["retention.worm"] = fmt.Sprint(r.Worm)
	}
}
