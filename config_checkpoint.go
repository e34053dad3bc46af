package auditexporter

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otelaudit/auditexporter/exporter"
)

// checkpointConfig is how checkpoints are signed.
type checkpointConfig struct {
	// Origin names the logs of this exporter, as in example.com/audit. With a log's id it is the origin
	// of the log's checkpoints. It must be set, and be the name that the key was made for.
	Origin string `mapstructure:"origin"`
	// KeyFile is a file that auditlog keygen wrote. Nobody but its owner may have access to it.
	KeyFile string `mapstructure:"key_file"`
	// Key is what stands in such a file, from a configuration provider.
	Key configopaque.String `mapstructure:"key"`
	// Interval is the time between checkpoints while entries come. 100ms to 24h, default 10s.
	Interval time.Duration `mapstructure:"interval"`
	// Heartbeat is the time between checkpoints while none come. 1s to 24h, default 5m.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// ForwardSecure has each start, and each EpochInterval, sign with a key of its own, too, which is
	// destroyed when the next begins. It can't be switched off for a log. Default false.
	ForwardSecure bool `mapstructure:"forward_secure"`
	// EpochInterval is 1m to 8760h, default 24h.
	EpochInterval time.Duration `mapstructure:"epoch_interval"`
	// EpochDirectory holds these keys. It must be there, and not be in the log's directory, so that no
	// backup of the log has them. Default the folder of KeyFile.
	EpochDirectory string `mapstructure:"epoch_directory"`
	// Copies are folders that get the newest checkpoint, too, best of other machines.
	Copies []string `mapstructure:"copies"`
	// Witnesses cosign checkpoints.
	Witnesses []witnessConfig `mapstructure:"witnesses"`
	// Policy says which of them must have cosigned, in the lines of a C2SP tlog-policy after one for
	// each witness: groups and a quorum. Empty (default): all.
	Policy string `mapstructure:"policy"`
	// WitnessTimeout is how long a witness may take to answer. 100ms to 1m, default 10s.
	WitnessTimeout time.Duration `mapstructure:"witness_timeout"`
	// RequireWitness has every sync last until the policy's quorum has cosigned what it covers.
	// Default false.
	RequireWitness bool `mapstructure:"require_witness"`
}

// witnessConfig is one that cosigns checkpoints.
type witnessConfig struct {
	// Name is what the policy calls it. Empty (default): the name of its key.
	Name string `mapstructure:"name"`
	// Key is its verifier key, as auditlog witness prints it.
	Key string `mapstructure:"key"`
	// URL is what add-checkpoint is below.
	URL string `mapstructure:"url"`
	// MonitoringURL is where it tells its newest checkpoints. Empty (default): URL.
	MonitoringURL string `mapstructure:"monitoring_url"`
}

// Unmarshal fills in the defaults of a section that is there.
func (c *checkpointConfig) Unmarshal(conf *confmap.Conf) error {
	*c = checkpointConfig{
		Interval: 10 * time.Second, Heartbeat: 5 * time.Minute, EpochInterval: 24 * time.Hour,
		WitnessTimeout: 10 * time.Second, Witnesses: []witnessConfig{},
	}
	return conf.Unmarshal(c)
}

func (c *checkpointConfig) options() *exporter.Checkpoint {
	if c == nil {
		return nil
	}
	o := &exporter.Checkpoint{
		Origin: c.Origin, KeyFile: c.KeyFile, Key: c.Key, Interval: c.Interval, Heartbeat: c.Heartbeat, Copies: slices.Clone(c.Copies),
		Witnesses: c.witnesses(),
	}
	if c.ForwardSecure {
		o.Epochs = &exporter.Epochs{Interval: c.EpochInterval, Directory: c.EpochDirectory}
	}
	return o
}

func (c *checkpointConfig) witnesses() exporter.Witnesses {
	w := exporter.Witnesses{Policy: c.Policy, Timeout: c.WitnessTimeout, Require: c.RequireWitness}
	for _, one := range c.Witnesses {
		w.List = append(w.List, exporter.Witness{Name: one.Name, Key: one.Key, URL: one.URL, Monitoring: one.MonitoringURL})
	}
	return w
}

func (c *checkpointConfig) validate(directory string) error {
	if c == nil {
		return nil
	}
	errs := []error{
		exporter.CheckCheckpoint(c.options()),
		lasting("checkpoint.interval", c.Interval, 100*time.Millisecond, 24*time.Hour),
		lasting("checkpoint.witness_timeout", c.WitnessTimeout, 100*time.Millisecond, time.Minute),
		lasting("checkpoint.heartbeat", c.Heartbeat, time.Second, 24*time.Hour),
		lasting("checkpoint.epoch_interval", c.EpochInterval, time.Minute, 8760*time.Hour),
	}
	keys := c.EpochDirectory
	if keys == "" {
		keys = filepath.Dir(c.KeyFile)
	}
	if rel, err := filepath.Rel(directory, keys); c.ForwardSecure && err == nil && filepath.IsLocal(rel) {
		errs = append(errs, errors.New("checkpoint.epoch_directory: must not be in directory: a backup of the log would hold the keys"))
	}
	for i, dir := range c.Copies {
		if !filepath.IsAbs(dir) {
			errs = append(errs, errors.New("checkpoint.copies["+strconv.Itoa(i)+"]: must be an absolute path"))
		}
	}
	return errors.Join(errs...)
}

// note adds to the settings that opening entries tell.
func (c *checkpointConfig) note(settings map[string]string) {
	if c == nil {
		return
	}
	settings["checkpoint.origin"] = c.Origin
	settings["checkpoint.interval"] = c.Interval.String()
	settings["checkpoint.heartbeat"] = c.Heartbeat.String()
	settings["checkpoint.forward_secure"] = strconv.FormatBool(c.ForwardSecure)
	settings["checkpoint.copies"] = strconv.Itoa(len(c.Copies))
	if len(c.Witnesses) > 0 {
		settings["checkpoint.witnesses"] = strconv.Itoa(len(c.Witnesses))
		settings["checkpoint.require_witness"] = strconv.FormatBool(c.RequireWitness)
	}
}
