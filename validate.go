package auditexporter

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/auditexporter/exporter"
)

// Validate names each wrong value by its YAML key and says what is allowed. It touches no disk.
func (c *Config) Validate() error {
	return errors.Join(
		c.validateDirectory(),
		c.validatePermissions(),
		oneOf("flush.mode", c.Flush.Mode, "hybrid", "immediate", "batched"),
		within("flush.batch_size", int64(c.Flush.BatchSize), 1, 1_000_000),
		lasting("flush.batch_interval", c.Flush.BatchInterval, time.Millisecond, time.Minute),
		lasting("flush.sync_timeout", c.Flush.SyncTimeout, 10*time.Millisecond, 10*time.Minute),
		within("rotation.max_size_mib", c.Rotation.MaxSizeMiB, 1, 102_400),
		lasting("rotation.max_age", c.Rotation.MaxAge, time.Second, 8760*time.Hour),
		within("max_in_flight_mib", c.MaxInFlightMiB, 1, 65_536),
		lasting("shutdown_timeout", c.ShutdownTimeout, 100*time.Millisecond, 10*time.Minute),
		oneOf("profile", c.Profile, "auto", "audit", "any"),
		c.validateAttributes(),
		exporter.CheckConditions(c.Critical.Conditions),
		oneOf("validation.on_invalid", c.Validation.OnInvalid, "record", "reject"),
		c.validateLimits(),
		exporter.CheckRedaction(c.Redaction.options()),
		c.Integrity.Get().validate(),
		c.Checkpoint.Get().validate(c.Directory),
		c.Idempotency.Get().validate(c.Redaction.options(), c.Retention.Get()),
		c.validateRetention(),
		oneOf("verify_on_start", c.VerifyOnStart, "tail", "full"),
		oneOf("on_tampering", c.OnTampering, "refuse", "exit", "new_log"),
	)
}

func (c *Config) validateDirectory() error {
	switch {
	case strings.TrimSpace(c.Directory) == "":
		return errors.New("directory: must be set to the folder that holds the log, such as /var/lib/otelcol/audit")
	case strings.ContainsRune(c.Directory, 0):
		return errors.New("directory: must not contain a NUL")
	}
	return nil
}

func (c *Config) validatePermissions() error {
	var errs []error
	for _, p := range []struct {
		key, value string
		bits       modeBits
	}{
		{"permissions.directory", c.Permissions.Directory, directoryBits},
		{"permissions.file", c.Permissions.File, fileBits},
		{"permissions.sealed", c.Permissions.Sealed, sealedBits},
	} {
		if _, err := parseMode(p.value, p.bits); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.key, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateLimits() error {
	l := c.Validation.Limits
	return errors.Join(
		within("validation.limits.value_kib", int64(l.ValueKiB), 1, 1024),
		within("validation.limits.identity_bytes", int64(l.IdentityBytes), 64, 4096),
		within("validation.limits.attributes", int64(l.Attributes), 16, 10_000),
		within("validation.limits.depth", int64(l.Depth), 1, 64),
		within("validation.limits.record_kib", int64(l.RecordKiB), 256, 16_384),
	)
}

func (c *Config) validateAttributes() error {
	for i, name := range c.Critical.Attributes {
		if name == "" {
			return fmt.Errorf("critical.attributes[%d]: must be the name of an attribute, not empty", i)
		}
	}
	return nil
}

// modeBits are the bits that a mode must and may have.
type modeBits struct{ must, may fs.FileMode }

var (
	directoryBits = modeBits{0o700, 0o770}
	fileBits      = modeBits{0o600, 0o660}
	sealedBits    = modeBits{0o400, 0o440}
)

func parseMode(s string, bits modeBits) (fs.FileMode, error) {
	allowed := fmt.Sprintf(`must be "%04o" to "%04o", octal`, bits.must, bits.may)
	n, err := strconv.ParseUint(s, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("%q is no mode: %s", s, allowed)
	}
	m := fs.FileMode(n)
	switch {
	case m&0o007 != 0:
		return 0, fmt.Errorf("%q gives access to the world: %s", s, allowed)
	case m&bits.must != bits.must || m&^bits.may != 0:
		return 0, fmt.Errorf("%q is not allowed: %s", s, allowed)
	}
	return m, nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	last := len(allowed) - 1
	return fmt.Errorf("%s: %q is not allowed: must be %s or %s", key, value, strings.Join(allowed[:last], ", "), allowed[last])
}

func within(key string, value, lo, hi int64) error {
	if lo <= value && value <= hi {
		return nil
	}
	return fmt.Errorf("%s: %d is not allowed: must be %d to %d", key, value, lo, hi)
}

func lasting(key string, value, lo, hi time.Duration) error {
	if lo <= value && value <= hi {
		return nil
	}
	return fmt.Errorf("%s: %s is not allowed: must be %s to %s", key, short(value), short(lo), short(hi))
}

// short is d without trailing zero units, as one writes it.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
