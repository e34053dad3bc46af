// Package siem maps the entries of a log to what security tools read: events of
// OCSF and of the Elastic Common Schema (ECS), an object a line. docs/export.md
// says which field becomes what.
//
// Both hold the entry's body byte for byte beside the fields made of it, with its
// hash, so that nothing is lost by a mapping and each line can be checked against
// the log.
package siem

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/otelaudit/auditexporter/chain"
)

// The versions of the schemas that events are made for.
const (
	OCSFVersion = "1.9.0"
	ECSVersion  = "8.17.0"
)

// Mapper maps the entries of one log, in order.
type Mapper struct {
	logID  string
	format func(*record) object
	prevID string // of the entry before, "" if that was not seen
}

// NewOCSF maps the entries of log id to OCSF.
func NewOCSF(id string) *Mapper { return &Mapper{logID: id, format: ocsf} }

// NewECS maps the entries of log id to ECS.
func NewECS(id string) *Mapper { return &Mapper{logID: id, format: ecs} }

// Pass notes the entry before the first that is mapped: an event names the one
// before it.
func (m *Mapper) Pass(e chain.Entry) error {
	r, err := m.read(e)
	if err == nil {
		m.prevID = r.id
	}
	return err
}

// Map returns e as one JSON object without a line feed. The error is an
// [*event.FormatError] if the body is no event.
func (m *Mapper) Map(e chain.Entry) ([]byte, error) {
	r, err := m.read(e)
	if err != nil {
		return nil, err
	}
	m.prevID = r.id
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m.format(r)); err != nil {
		return nil, fmt.Errorf("couldn't encode entry %d: %w", e.Seq, err)
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}

func bodyHash(body []byte) string {
	h := sha256.Sum256(body)
	return hex.EncodeToString(h[:])
}

// object is a JSON object that is being made.
type object map[string]any

// set puts a value where the keys lead, and makes the objects on the way. What is
// empty is left out; what stands there already, or is in the way, stays.
func (o object) set(v any, keys ...string) {
	if empty(v) {
		return
	}
	for _, k := range keys[:len(keys)-1] {
		if _, ok := o[k]; !ok {
			o[k] = object{}
		}
		next, ok := asObject(o[k])
		if !ok {
			return
		}
		o[k], o = next, next
	}
	if last := keys[len(keys)-1]; o[last] == nil {
		o[last] = v
	}
}

// get returns what stands where the keys lead, nil if nothing does.
func (o object) get(keys ...string) any {
	var v any = o
	for _, k := range keys {
		in, ok := asObject(v)
		if !ok {
			return nil
		}
		v = in[k]
	}
	return v
}

// keepObjects removes those of the named members, of the object where the keys
// lead, that are no objects.
func (o object) keepObjects(names []string, keys ...string) {
	in, ok := asObject(o.get(keys...))
	if !ok {
		return
	}
	for _, name := range names {
		if _, ok := asObject(in[name]); !ok {
			delete(in, name)
		}
	}
}

func asObject(v any) (object, bool) {
	switch o := v.(type) {
	case object:
		return o, true
	case map[string]any:
		return o, true
	}
	return nil, false
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case object:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case []string:
		return len(v) == 0
	}
	return false
}
