package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/otelaudit/auditexporter/event"
)

// rules are an exporter's, as far as they decide about single records.
type rules struct {
	key     string // of the exporter's section, exporters.audit; "" without a configuration
	options event.Options
	reject  bool
	notes   []string // what of the configuration has no effect here
}

// section is the keys of an exporter that decide about records.
type section struct {
	Profile  string `yaml:"profile"`
	Critical struct {
		Defaults   *bool    `yaml:"defaults"`
		Attributes []string `yaml:"attributes"`
		Conditions []string `yaml:"conditions"`
	} `yaml:"critical"`
	Validation struct {
		OnInvalid string `yaml:"on_invalid"`
		Limits    struct {
			ValueKiB      *int `yaml:"value_kib"`
			IdentityBytes *int `yaml:"identity_bytes"`
			Attributes    *int `yaml:"attributes"`
			Depth         *int `yaml:"depth"`
			RecordKiB     *int `yaml:"record_kib"`
		} `yaml:"limits"`
	} `yaml:"validation"`
	Redaction struct {
		ExtraKeys []string `yaml:"extra_keys"`
		Except    []string `yaml:"except"`
		DigestKey string   `yaml:"digest_key"`
	} `yaml:"redaction"`
	Retention struct {
		Withhold struct {
			Fields []string `yaml:"fields"`
			Body   bool     `yaml:"body"`
		} `yaml:"withhold"`
	} `yaml:"retention"`
}

// known are the keys of a section, dotted: those that are read, with what is below them, and those of
// the exporter that decide about other things, which are not looked into.
var (
	known = map[string][]string{
		"":                  {"profile", "critical", "validation", "redaction", "retention"},
		"critical":          {"defaults", "attributes", "conditions"},
		"validation":        {"on_invalid", "limits"},
		"validation.limits": {"value_kib", "identity_bytes", "attributes", "depth", "record_kib"},
		"redaction":         {"extra_keys", "except", "digest_key"},
		"retention":         {"worm", "withhold"},
		"retention.withhold": {
			"fields", "body", "subject", "key_store", "key_encryption_key", "key_encryption_key_file",
		},
	}
	elsewhere = []string{
		"directory", "permissions", "flush", "rotation", "max_in_flight_mib", "shutdown_timeout", "checkpoint", "idempotency", "integrity", "verify_on_start",
		"on_tampering", "sending_queue", "retry_on_failure", "timeout",
	}
)

const (
	keyConditions = "critical.conditions"
	keyDigestKey  = "redaction.digest_key"
	keysOfStore   = "retention.withhold.key_"
)

// readRules reads those of an exporter in a collector's configuration file; without a file they are the
// defaults. No error or note quotes a value.
func readRules(file, exporter string) (rules, error) {
	r := rules{options: event.Options{Critical: event.Critical{Defaults: true}}}
	if file == "" {
		if exporter != "" {
			return r, errors.New("--exporter needs --config")
		}
		return r, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return r, fmt.Errorf("couldn't read configuration: %w", err)
	}
	var collector struct {
		Exporters map[string]yaml.Node `yaml:"exporters"`
	}
	if err := yaml.Unmarshal(text, &collector); err != nil {
		return r, fmt.Errorf("%s: no YAML, or exporters is no map", file)
	}
	id, err := pick(collector.Exporters, exporter)
	if err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	r.key = "exporters." + id
	node := collector.Exporters[id]
	if err := r.check(&node, ""); err != nil {
		return r, err
	}
	var s section
	if err := node.Decode(&s); err != nil {
		return r, fmt.Errorf("%s: a value of profile, critical, validation, redaction or retention is of the wrong type", r.key)
	}
	return r, r.take(s)
}

// pick returns the exporter that is wanted, or the only one of type audit.
func pick[T any](exporters map[string]T, wanted string) (string, error) {
	var ids []string
	for id := range exporters {
		if typ, _, _ := strings.Cut(id, "/"); typ == "audit" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	switch {
	case slices.Contains(ids, wanted):
		return wanted, nil
	case wanted != "":
		return "", fmt.Errorf("exporters has no %q; of type audit it has: %s", wanted, strings.Join(ids, ", "))
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) == 0:
		return "", errors.New("exporters has none of type audit")
	}
	return "", fmt.Errorf("exporters has several of type audit, name one with --exporter: %s", strings.Join(ids, ", "))
}

// check refuses keys that the exporter does not have, and values that only the collector can resolve.
func (r *rules) check(n *yaml.Node, key string) error {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if !strings.Contains(n.Value, "${") && !strings.Contains(n.Value, "$$") || key == keyDigestKey || strings.HasPrefix(key, keysOfStore) || strings.HasPrefix(key, keyConditions) {
			return nil
		}
		return fmt.Errorf("%s.%s: only the collector resolves ${…} and $$: put the value itself into a copy of the file", r.key, key)
	case yaml.SequenceNode:
		for i, e := range n.Content {
			if err := r.check(e, fmt.Sprintf("%s[%d]", key, i)); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			path := strings.TrimPrefix(key+"."+name, ".")
			switch {
			case key == "" && slices.Contains(elsewhere, name):
			case !slices.Contains(known[key], name):
				return fmt.Errorf("%s.%s: is no key of the exporter", r.key, path)
			default:
				if err := r.check(n.Content[i+1], path); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// noKey stands for a subject's key: what is withheld of classified records is dropped.
type noKey struct{}

func (noKey) ID() (id [16]byte) { return id }

// take makes options of a section.
func (r *rules) take(s section) error {
	o := &r.options
	o.Profile = event.Profile(s.Profile)
	o.Critical.Defaults = s.Critical.Defaults == nil || *s.Critical.Defaults
	o.Critical.Attributes = s.Critical.Attributes
	o.Redaction = event.Redaction{ExtraKeys: s.Redaction.ExtraKeys, Except: s.Redaction.Except}
	o.Withhold = event.Withholding{Fields: s.Retention.Withhold.Fields, Body: s.Retention.Withhold.Body, Key: func(string) event.SubjectKey { return noKey{} }}
	l, set := &o.Limits, &s.Validation.Limits
	for _, limit := range []struct {
		key  string
		from *int
		unit int
		to   *int
	}{
		{"value_kib", set.ValueKiB, 1 << 10, &l.ValueBytes},
		{"identity_bytes", set.IdentityBytes, 1, &l.IdentityBytes},
		{"attributes", set.Attributes, 1, &l.Attributes},
		{"depth", set.Depth, 1, &l.Depth},
		{"record_kib", set.RecordKiB, 1 << 10, &l.RecordBytes},
	} {
		switch n := limit.from; {
		case n == nil:
		case *n < 1 || *n > 1<<20: // event knows the bounds; this keeps 0 from meaning the default
			return fmt.Errorf("%s.validation.limits.%s: %d is not allowed", r.key, limit.key, *n)
		default:
			*limit.to = *n * limit.unit
		}
	}
	switch s.Validation.OnInvalid {
	case "", "record":
	case "reject":
		r.reject = true
	default:
		return fmt.Errorf("%s.validation.on_invalid: must be record or reject", r.key)
	}
	if n := len(s.Critical.Conditions); n > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%s.critical.conditions: OTTL is not evaluated here, so its %s can make more records critical; "+
			"otelcol-audit evaluates it, see testdata/examples/classify.yaml", r.key, count(uint64(n), "condition", "conditions")))
	}
	if k := s.Redaction.DigestKey; strings.Contains(k, "$") {
		r.notes = append(r.notes, r.key+".redaction.digest_key: is not resolved here, so redacted values have no digests")
	} else if k != "" {
		o.Redaction.DigestKey = []byte(k)
	}
	return nil
}
