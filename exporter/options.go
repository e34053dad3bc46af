package exporter

import (
	"fmt"
	"io/fs"
	"maps"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	collector "go.opentelemetry.io/collector/exporter"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/flush"
)

// Options are the exporter's effective configuration. All must be set, but for lists, the note
// and what is said to have a default.
type Options struct {
	Directory                           string // relative to the working directory, or absolute
	DirectoryMode, FileMode, SealedMode fs.FileMode

	Mode              string        // hybrid, immediate, batched
	BatchSize         int           // events exposed at most
	BatchInterval     time.Duration // until the sync of an exposed event starts, at most
	CriticalImmediate bool
	SyncTimeout       time.Duration
	MaxInFlight       int64 // bytes

	MaxSegmentSize int64 // bytes
	MaxSegmentAge  time.Duration

	CriticalDefaults   bool
	CriticalAttributes []string
	CriticalConditions []string // OTTL

	Profile       string // auto, audit, any
	RejectInvalid bool   // refuse requests with a structurally invalid record
	Limits        Limits
	Redaction     Redaction
	Withhold      *Withhold    // nil: nothing is withheld
	Idempotency   *Idempotency // nil: none
	Checkpoint    *Checkpoint  // nil: none

	Integrity *Integrity // nil: what producers say of their records is not looked at

	VerifyOnStart   string // tail, full
	OnTampering     string // refuse, exit, new_log
	ShutdownTimeout time.Duration

	// ConfigDigest and ConfigSettings stand in the log's opening entries: 64 hex digits, and values
	// by YAML key, without secrets.
	ConfigDigest   string
	ConfigSettings map[string]string
}

// Limits are where values are cut; a zero means the default.
type Limits struct {
	Value, Identity, Record int // bytes
	Attributes, Depth       int
}

// Redaction is which values are redacted besides the built-in ones, or not, by the last segments of
// their keys.
type Redaction struct {
	ExtraKeys, Except []string
	DigestKey         configopaque.String // of the HMACs of redacted values; "": none
}

func (r Redaction) event() event.Redaction {
	return event.Redaction{ExtraKeys: r.ExtraKeys, Except: r.Except, DigestKey: []byte(r.DigestKey)}
}

// CheckRedaction names what is wrong by its YAML key.
func CheckRedaction(r Redaction) error {
	_, err := event.NewEncoder(event.Options{Redaction: r.event()})
	return err
}

// event returns the options of the encoder, with the user's conditions.
func (o *Options) event(conditions event.Predicate) event.Options {
	return event.Options{
		Profile:  event.Profile(o.Profile),
		Critical: event.Critical{Defaults: o.CriticalDefaults, Attributes: o.CriticalAttributes, Conditions: conditions},
		Limits: event.Limits{
			ValueBytes: o.Limits.Value, IdentityBytes: o.Limits.Identity, RecordBytes: o.Limits.Record,
			Attributes: o.Limits.Attributes, Depth: o.Limits.Depth,
		},
		Redaction: o.Redaction.event(),
	}
}

// settings are ConfigSettings and the public name of the redaction's key, if there is one.
func (o *Options) settings() map[string]string {
	all := map[string]string{}
	if o.Redaction.DigestKey != "" {
		all["redaction.key_id"] = event.KeyID([]byte(o.Redaction.DigestKey))
	}
	if o.Withhold != nil {
		maps.Copy(all, o.Withhold.settings())
	}
	maps.Copy(all, o.ConfigSettings)
	return all
}

func (o *Options) mode() (flush.Mode, error) {
	for _, m := range []flush.Mode{flush.Hybrid, flush.Immediate, flush.Batched} {
		if m.String() == o.Mode {
			return m, nil
		}
	}
	return 0, fmt.Errorf("flush.mode: %q is unknown", o.Mode)
}

// chain returns the options of the log, without its directory and Notice.
func (o *Options) chain(set *collector.Settings) (chain.Options, error) {
	c := chain.Options{
		DirectoryMode: o.DirectoryMode, FileMode: o.FileMode, SealedMode: o.SealedMode,
		MaxSize: o.MaxSegmentSize, MaxAge: o.MaxSegmentAge,
		Software: software(set.BuildInfo), Instance: instance(set),
		Config: chain.ConfigNote{Digest: o.ConfigDigest, Settings: o.settings()},
	}
	switch o.VerifyOnStart {
	case "tail":
		c.VerifyOnStart = chain.VerifyTail
	case "full":
		c.VerifyOnStart = chain.VerifyFull
	default:
		return c, fmt.Errorf("verify_on_start: %q is unknown", o.VerifyOnStart)
	}
	switch o.OnTampering {
	case "refuse", "exit":
		c.OnTampering = chain.TamperRefuse
	case "new_log":
		c.OnTampering = chain.TamperNewLog
	default:
		return c, fmt.Errorf("on_tampering: %q is unknown", o.OnTampering)
	}
	return c, nil
}

// module is the path of this module, as a collector's build information has it.
const module = "github.com/otelaudit/auditexporter"

// software names this module's version and the collector's.
func software(info component.BuildInfo) string {
	version := "(devel)"
	if bi, ok := debug.ReadBuildInfo(); ok {
		if bi.Main.Path == module && bi.Main.Version != "" {
			version = bi.Main.Version
		}
		for _, d := range bi.Deps {
			if d.Path == module {
				version = d.Version
			}
		}
	}
	return fmt.Sprintf("auditexporter %s, %s %s", version, info.Command, info.Version)
}

// instance names the collector's process, if its telemetry does, and the exporter.
func instance(set *collector.Settings) string {
	name := set.ID.String()
	if id, ok := set.Resource.Attributes().Get("service.instance.id"); ok {
		return id.AsString() + " " + name
	}
	return name
}
