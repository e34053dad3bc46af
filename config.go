package auditexporter

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelaudit/auditexporter/exporter"
)

// Config is the exporter's configuration.
type Config struct {
	// Directory holds the log, and those it succeeded. It has one writer. It is mandatory; a relative
	// path is one from the collector's working directory.
	Directory string `mapstructure:"directory"`

	// Permissions of what the exporter creates.
	Permissions permissionsConfig `mapstructure:"permissions"`

	// Flush says what must have happened to a request before it is acknowledged.
	Flush flushConfig `mapstructure:"flush"`

	// Rotation says when a segment is sealed and the next begun.
	Rotation rotationConfig `mapstructure:"rotation"`

	// MaxInFlightMiB bounds the memory of entries that are not synced yet; requests beyond it are
	// refused. A request larger than the bound is let in alone. 1 to 65,536, default 64.
	MaxInFlightMiB int64 `mapstructure:"max_in_flight_mib"`

	// ShutdownTimeout bounds Shutdown, even if its context has no deadline. 100ms to 10m, default 10s.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`

	// Profile says which records must be audit records: auto (default; those that carry an audit.*
	// attribute which the OTel Audit Logging draft makes mandatory), audit (all) or any (none).
	Profile string `mapstructure:"profile"`

	// Critical says which events are critical.
	Critical criticalConfig `mapstructure:"critical"`

	// Validation says what becomes of invalid records, and where values are cut.
	Validation validationConfig `mapstructure:"validation"`

	// Redaction says which values never reach the log.
	Redaction redactionConfig `mapstructure:"redaction"`

	// Integrity says what is looked at of what producers say of their records. Absent: nothing.
	Integrity configoptional.Optional[integrityConfig] `mapstructure:"integrity"`

	// Checkpoint has checkpoints of the log signed. Absent: none is.
	Checkpoint configoptional.Optional[checkpointConfig] `mapstructure:"checkpoint"`

	// Idempotency has records recognised that come again. Absent: each is written.
	Idempotency configoptional.Optional[idempotencyConfig] `mapstructure:"idempotency"`

	// Retention says which values can be erased, and whether they may be. Absent: none can.
	Retention configoptional.Optional[retentionConfig] `mapstructure:"retention"`

	// VerifyOnStart is how much of an existing log is verified before anything is added to it: tail
	// (default; what a crash can have touched) or full.
	VerifyOnStart string `mapstructure:"verify_on_start"`

	// OnTampering is what happens at start if the log was tampered with: refuse (default; every
	// request), exit (the collector does not start) or new_log (one beside it that names the break).
	OnTampering string `mapstructure:"on_tampering"`

	_ struct{} // prevents unkeyed literal initialization
}

// permissionsConfig is modes as octal strings, without bits for the world.
type permissionsConfig struct {
	// Directory is for folders: default "0700".
	Directory string `mapstructure:"directory"`
	// File is for files that are written: default "0600".
	File string `mapstructure:"file"`
	// Sealed is for segments that are closed for ever, a courtesy: default "0400".
	Sealed string `mapstructure:"sealed"`
}

// flushConfig is the meaning of an acknowledgement.
type flushConfig struct {
	// Mode is hybrid (default; critical events are synced, routine ones written), immediate (all are
	// synced) or batched (all are written).
	Mode string `mapstructure:"mode"`
	// BatchSize is how many events may be acknowledged and not yet synced. 1 to 1,000,000, default 100.
	BatchSize int `mapstructure:"batch_size"`
	// BatchInterval is how long after its acknowledgement the sync of an event starts at the latest.
	// 1ms to 1m, default 1s.
	BatchInterval time.Duration `mapstructure:"batch_interval"`
	// CriticalImmediate false lets hybrid acknowledge critical events before they are synced.
	// Default true.
	CriticalImmediate bool `mapstructure:"critical_immediate"`
	// SyncTimeout is how long a write or a sync may take before requests are refused until it
	// returns. 10ms to 10m, default 10s.
	SyncTimeout time.Duration `mapstructure:"sync_timeout"`
}

// rotationConfig is the limits of a segment.
type rotationConfig struct {
	// MaxSizeMiB is the size after which a segment is sealed. 1 to 102,400, default 100.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxAge is the age after which a segment that holds an event is sealed. 1s to 8760h, default 24h.
	MaxAge time.Duration `mapstructure:"max_age"`
}

// criticalConfig is the rules of criticality; one that applies is enough.
type criticalConfig struct {
	// Defaults are the built-in rules. Default true.
	Defaults bool `mapstructure:"defaults"`
	// Attributes are names whose presence in record, scope or resource makes an event critical.
	Attributes []string `mapstructure:"attributes"`
	// Conditions are OTTL conditions on the log record. One that fails to evaluate counts as true.
	Conditions []string `mapstructure:"conditions"`
}

// validationConfig is what is demanded of records.
type validationConfig struct {
	// OnInvalid is what happens to a request with a structurally invalid record: record (default; it is
	// evidence, and critical) or reject (the request is refused for good, and a system entry says so).
	OnInvalid string `mapstructure:"on_invalid"`
	// Limits are where values are cut. What is cut stands in the event with its length and digest.
	Limits limitsConfig `mapstructure:"limits"`
}

// limitsConfig is the largest that an event holds of a record.
type limitsConfig struct {
	// ValueKiB is of a string or bytes. 1 to 1,024, default 64.
	ValueKiB int `mapstructure:"value_kib"`
	// IdentityBytes is of a value that says who, what or where: event name, actor, action, outcome,
	// target, source; and of a key. 64 to 4,096, default 1024.
	IdentityBytes int `mapstructure:"identity_bytes"`
	// Attributes is entries of a map. 16 to 10,000, default 256.
	Attributes int `mapstructure:"attributes"`
	// Depth is levels of maps and arrays in a value. 1 to 64, default 16.
	Depth int `mapstructure:"depth"`
	// RecordKiB is of a whole event. 256 to 16,384, default 1024.
	RecordKiB int `mapstructure:"record_kib"`
}

// redactionConfig is which strings and bytes are replaced before they reach the log, by the last
// segment of their key.
type redactionConfig struct {
	// ExtraKeys are redacted besides the built-in ones.
	ExtraKeys []string `mapstructure:"extra_keys"`
	// Except are not redacted, though built in.
	Except []string `mapstructure:"except"`
	// DigestKey has the HMAC-SHA-256 of each redacted value stand in its event, so that equal values
	// can be recognised. At least 16 bytes; empty (default): none.
	DigestKey configopaque.String `mapstructure:"digest_key"`
}

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
	_ confmap.Validator   = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{
		Permissions: permissionsConfig{Directory: "0700", File: "0600", Sealed: "0400"},
		Flush: flushConfig{
			Mode:              "hybrid",
			BatchSize:         100,
			BatchInterval:     time.Second,
			CriticalImmediate: true,
			SyncTimeout:       10 * time.Second,
		},
		Rotation:        rotationConfig{MaxSizeMiB: 100, MaxAge: 24 * time.Hour},
		MaxInFlightMiB:  64,
		ShutdownTimeout: 10 * time.Second,
		Profile:         "auto",
		Critical:        criticalConfig{Defaults: true},
		Validation: validationConfig{
			OnInvalid: "record",
			Limits:    limitsConfig{ValueKiB: 64, IdentityBytes: 1024, Attributes: 256, Depth: 16, RecordKiB: 1024},
		},
		VerifyOnStart: "tail",
		OnTampering:   "refuse",
	}
}

// options is the configuration as package exporter takes it. c is valid.
func (c *Config) options() (exporter.Options, error) {
	note, err := c.note()
	if err != nil {
		return exporter.Options{}, err
	}
	directory, err1 := parseMode(c.Permissions.Directory, directoryBits)
	file, err2 := parseMode(c.Permissions.File, fileBits)
	sealed, err3 := parseMode(c.Permissions.Sealed, sealedBits)
	if err := errors.Join(err1, err2, err3); err != nil {
		return exporter.Options{}, fmt.Errorf("permissions: %w", err)
	}
	return exporter.Options{
		Directory:     c.Directory,
		DirectoryMode: directory, FileMode: file, SealedMode: sealed,

		Mode:              c.Flush.Mode,
		BatchSize:         c.Flush.BatchSize,
		BatchInterval:     c.Flush.BatchInterval,
		CriticalImmediate: c.Flush.CriticalImmediate,
		SyncTimeout:       c.Flush.SyncTimeout,
		MaxInFlight:       c.MaxInFlightMiB << 20,

		MaxSegmentSize: c.Rotation.MaxSizeMiB << 20,
		MaxSegmentAge:  c.Rotation.MaxAge,

		CriticalDefaults:   c.Critical.Defaults,
		CriticalAttributes: c.Critical.Attributes,
		CriticalConditions: c.Critical.Conditions,

		Profile:       c.Profile,
		RejectInvalid: c.Validation.OnInvalid == "reject",
		Limits:        c.Validation.Limits.options(),
		Redaction:     c.Redaction.options(),
		Checkpoint:    c.Checkpoint.Get().options(),
		Idempotency:   c.Idempotency.Get().options(),
		Withhold:      c.Retention.Get().options(),

		Integrity: integrityOptions(c.Integrity.Get()),

		VerifyOnStart:   c.VerifyOnStart,
		OnTampering:     c.OnTampering,
		ShutdownTimeout: c.ShutdownTimeout,
		ConfigDigest:    note.digest,
		ConfigSettings:  note.settings,
	}, nil
}

func (l limitsConfig) options() exporter.Limits {
	return exporter.Limits{
		Value: l.ValueKiB << 10, Identity: l.IdentityBytes, Attributes: l.Attributes, Depth: l.Depth, Record: l.RecordKiB << 10,
	}
}

func (r redactionConfig) options() exporter.Redaction {
	return exporter.Redaction{ExtraKeys: r.ExtraKeys, Except: r.Except, DigestKey: r.DigestKey}
}
