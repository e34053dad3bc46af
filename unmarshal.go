package auditexporter

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
)

// foreign are sections that other exporters have, and why this one has not. They may stand if they
// are switched off.
var foreign = []struct{ key, why string }{
	{"sending_queue", "a queue acknowledges a request before the log does"},
	{"retry_on_failure", "a retry may write a request again that the log already holds, and hides from the client that it was refused"},
	{"timeout", "it may give up on a request after the log has written it; flush.sync_timeout bounds a stall"},
}

// Unmarshal refuses what confmap would take in another sense than its author's: a number for a
// duration (as nanoseconds) and a string for a list (split at commas). Unknown keys are refused by
// confmap.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	for _, f := range foreign {
		if !conf.IsSet(f.key) {
			continue
		}
		if !isOff(conf.Get(f.key)) {
			return fmt.Errorf("%s: not supported: %s; remove it", f.key, f.why)
		}
		conf.Delete(f.key)
	}
	keys := keysOf(reflect.TypeFor[Config]())
	for _, key := range keys.durations {
		if err := checkDuration(key, conf.Get(confPath(key))); err != nil {
			return err
		}
	}
	for _, key := range keys.lists {
		if v := conf.Get(confPath(key)); v != nil && reflect.TypeOf(v).Kind() != reflect.Slice {
			return fmt.Errorf(`%s: must be a list, write ["..."]`, key)
		}
	}
	err := conf.Unmarshal(c)
	if err == nil {
		return nil
	}
	for _, key := range []string{"permissions.directory", "permissions.file", "permissions.sealed"} {
		if n, ok := conf.Get(confPath(key)).(int); ok {
			return fmt.Errorf(`%s: %d is a number: write it as an octal string in quotes, such as "0600"`, key, n)
		}
	}
	return err
}

// isOff tells whether a section's value switches it off: nothing, zero, or a map with enabled: false.
func isOff(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case int:
		return v == 0
	case string:
		d, err := time.ParseDuration(v)
		return err == nil && d == 0
	case map[string]any:
		return v["enabled"] == false
	}
	return false
}

func checkDuration(key string, v any) error {
	switch v := v.(type) {
	case int, int64, uint64, float64:
		return fmt.Errorf("%s: %v has no unit: write 1s for a second", key, v)
	case string:
		if _, err := time.ParseDuration(v); err != nil {
			return fmt.Errorf("%s: %q is no duration with a unit: write 1s for a second", key, v)
		}
	}
	return nil
}

// specialKeys are the YAML keys of a struct, dotted, whose values confmap reads too freely.
type specialKeys struct{ durations, lists []string }

func keysOf(t reflect.Type) specialKeys {
	var k specialKeys
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("mapstructure")
		switch {
		case f.Type == reflect.TypeFor[time.Duration]():
			k.durations = append(k.durations, key)
		case f.Type.Kind() == reflect.Slice:
			k.lists = append(k.lists, key)
		case f.Type.Kind() == reflect.Struct && key != "":
			sub := keysOf(section(f.Type))
			k.durations = slices.Concat(k.durations, prefixed(key, sub.durations))
			k.lists = slices.Concat(k.lists, prefixed(key, sub.lists))
		}
	}
	return k
}

// section is the struct of a section that may be optional.
func section(t reflect.Type) reflect.Type {
	if t.PkgPath() != reflect.TypeFor[configoptional.Optional[struct{}]]().PkgPath() {
		return t
	}
	value, _ := t.FieldByName("value")
	return value.Type
}

func prefixed(prefix string, keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = prefix + "." + k
	}
	return out
}

// confPath is a dotted YAML key as confmap takes it.
func confPath(key string) string { return strings.ReplaceAll(key, ".", confmap.KeyDelimiter) }
