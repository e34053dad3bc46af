package otlpjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// The attributes that mark what a replayed record does not hold as it came.
const (
	markRedacted  = "audit.export.redacted"
	markTruncated = "audit.export.truncated"
	markWithheld  = "audit.export.withheld"
	markInexact   = "audit.export.inexact"
)

// members are those of an event that are read as they stand.
type members struct {
	Resource  json.RawMessage  `json:"resource"`
	Scope     json.RawMessage  `json:"scope"`
	Redacted  []map[string]any `json:"redacted"`
	Truncated []map[string]any `json:"truncated"`
	Withheld  struct {
		ID     string           `json:"id"`
		Key    string           `json:"key"`
		Values []map[string]any `json:"values"`
	} `json:"withheld"`
}

// mark puts into the attributes of a record what the event with this body says of
// its own gaps, and the tags of what JSON can't carry.
func (e *members) mark(attrs pcommon.Map, body []byte) error {
	var inexact []map[string]any
	if bytes.Contains(body, []byte(`"exact":`)) {
		var event map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&event); err != nil {
			return fmt.Errorf("couldn't parse event: %w", err)
		}
		var t tags
		t.object(event, "")
		for _, name := range []string{"resource", "scope"} {
			if o, ok := event[name].(map[string]any); ok {
				t.object(o, "/"+name)
			}
		}
		inexact = t.found
	}
	for _, value := range e.Withheld.Values { // an element has what it takes to check an opening
		value["id"], value["key"] = e.Withheld.ID, e.Withheld.Key
	}
	for _, m := range []struct {
		name  string
		marks []map[string]any
	}{{markRedacted, e.Redacted}, {markTruncated, e.Truncated}, {markWithheld, e.Withheld.Values}, {markInexact, inexact}} {
		if len(m.marks) == 0 {
			continue
		}
		// A record that was exported before keeps its marks, before ours.
		list := pcommon.NewSlice()
		if old, ok := attrs.Get(m.name); ok {
			if old.Type() == pcommon.ValueTypeSlice {
				old.Slice().CopyTo(list)
			} else {
				old.CopyTo(list.AppendEmpty())
			}
		}
		for _, mark := range m.marks {
			put(list.AppendEmpty().SetEmptyMap(), mark)
		}
		list.CopyTo(attrs.PutEmptySlice(m.name))
	}
	return nil
}

// put writes a flat mark into m, its keys in order.
func put(m pcommon.Map, mark map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(mark)) {
		switch v := mark[key].(type) {
		case string:
			m.PutStr(key, v)
		case float64:
			m.PutInt(key, int64(v))
		case bool:
			m.PutBool(key, v)
		}
	}
}

// tags collects the tags of an event's exact members that OTLP/JSON does not make
// needless: strings that are not UTF-8, and NaNs of other bits.
type tags struct {
	found []map[string]any
}

// object looks at an object of an event that may have an exact member; at is the
// object's pointer.
func (t *tags) object(o map[string]any, at string) {
	if exact, ok := o["exact"].(map[string]any); ok {
		t.children(o, exact, at, at+"/exact")
	}
}

// node looks at a value and its node; at and exactAt are their pointers.
func (t *tags) node(v, exact any, at, exactAt string) {
	switch x := exact.(type) {
	case string:
		s, _ := v.(string)
		if strings.HasPrefix(x, "string:") || x == "double" && strings.HasPrefix(s, "NaN:") {
			t.found = append(t.found, map[string]any{"at": at, "tag": x})
			if x == "double" {
				t.found[len(t.found)-1]["tag"] = "double:" + s
			}
		}
	case map[string]any:
		t.children(v, x, at, exactAt)
	case []any: // of a map with entries that can't stand in it
		for i, e := range x {
			place := exactAt + "/" + strconv.Itoa(i)
			if entry, ok := e.(map[string]any); ok && i == 0 {
				t.children(v, entry, at, place)
			} else if ok {
				t.object(entry, place)
			}
		}
	}
}

func (t *tags) children(v any, exact map[string]any, at, exactAt string) {
	for _, key := range slices.Sorted(maps.Keys(exact)) {
		var child any
		switch v := v.(type) {
		case map[string]any:
			child = v[key]
		case []any:
			if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
				child = v[i]
			}
		}
		token := "/" + escapePointer.Replace(key)
		t.node(child, exact[key], at+token, exactAt+token)
	}
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")
