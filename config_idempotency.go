package auditexporter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/otelaudit/auditexporter/exporter"
)

// idempotencyConfig is how a record that comes again is recognised.
type idempotencyConfig struct {
	// Horizon is how long a record id is known. 1m to 8760h, default 24h.
	Horizon time.Duration `mapstructure:"horizon"`
	// MaxRecords is how many ids are known at least, if they are not older than Horizon. Each takes 2.2
	// bytes of memory and 67 of disk. 100,000 to 1,000,000,000, default 10,000,000.
	MaxRecords int64 `mapstructure:"max_records"`
	// Keys are attributes that hold the record id; the first counts that is a string and not empty.
	// Default audit.record.id, log.record.uid.
	Keys []string `mapstructure:"keys"`
}

// Unmarshal fills in the defaults of a section that is there.
func (i *idempotencyConfig) Unmarshal(conf *confmap.Conf) error {
	*i = idempotencyConfig{Horizon: 24 * time.Hour, MaxRecords: 10_000_000, Keys: []string{"audit.record.id", "log.record.uid"}}
	return conf.Unmarshal(i)
}

func (i *idempotencyConfig) options() *exporter.Idempotency {
	if i == nil {
		return nil
	}
	return &exporter.Idempotency{Horizon: i.Horizon, MaxRecords: i.MaxRecords, Keys: slices.Clone(i.Keys)}
}

// validate also refuses ids that are withheld by retention: their hashes stand in the log.
func (i *idempotencyConfig) validate(r exporter.Redaction, withheld *retentionConfig) error {
	if i == nil {
		return nil
	}
	var errs []error
	for n, key := range i.Keys {
		if withheld != nil && slices.Contains(withheld.Withhold.Fields, key) {
			errs = append(errs, fmt.Errorf("idempotency.keys[%d]: %s is in retention.withhold.fields: name another attribute", n, key))
		}
	}
	return errors.Join(
		errors.Join(errs...),
		lasting("idempotency.horizon", i.Horizon, time.Minute, 8760*time.Hour),
		within("idempotency.max_records", i.MaxRecords, 100_000, 1_000_000_000),
		exporter.CheckIdempotency(i.options(), r),
	)
}

// note adds to the settings that opening entries tell.
func (i *idempotencyConfig) note(settings map[string]string) {
	if i == nil {
		return
	}
	settings["idempotency.horizon"] = i.Horizon.String()
	settings["idempotency.max_records"] = strconv.FormatInt(i.MaxRecords, 10)
	settings["idempotency.keys"] = strings.Join(i.Keys, " ")
}
