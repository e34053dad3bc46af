package event_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"

	"github.com/otelaudit/auditexporter/event"
)

// difference tells where got, decoded from an event, differs from the record want
// in a way that the lists of the event do not say; "" if nowhere.
func difference(want, got plog.Logs, e event.Event) string {
	c := comparison{redacted: make(map[string]bool), cut: make(map[string]event.Truncated), digests: make(map[string]bool)}
	for _, r := range e.Redacted {
		c.redacted[r.Pointer] = true
	}
	for _, t := range e.Truncated {
		c.cut[t.Pointer] = t
		c.digests[fmt.Sprint(t.Length, t.SHA256)] = true
	}
	wr, gr := want.ResourceLogs().At(0), got.ResourceLogs().At(0)
	ws, gs := wr.ScopeLogs().At(0), gr.ScopeLogs().At(0)
	wl, gl := ws.LogRecords().At(0), gs.LogRecords().At(0)
	for _, d := range []string{
		c.attributes(wr.Resource().Attributes(), gr.Resource().Attributes(), "/resource/attributes"),
		c.same(wr.Resource().DroppedAttributesCount(), gr.Resource().DroppedAttributesCount(), "/resource/dropped_attributes_count"),
		c.entities(entity.ResourceEntityRefs(wr.Resource()), entity.ResourceEntityRefs(gr.Resource())),
		c.text(wr.SchemaUrl(), gr.SchemaUrl(), "/resource/schema_url"),
		c.text(ws.Scope().Name(), gs.Scope().Name(), "/scope/name"),
		c.text(ws.Scope().Version(), gs.Scope().Version(), "/scope/version"),
		c.attributes(ws.Scope().Attributes(), gs.Scope().Attributes(), "/scope/attributes"),
		c.same(ws.Scope().DroppedAttributesCount(), gs.Scope().DroppedAttributesCount(), "/scope/dropped_attributes_count"),
		c.text(ws.SchemaUrl(), gs.SchemaUrl(), "/scope/schema_url"),
		c.text(wl.EventName(), gl.EventName(), "/type"),
		c.same(wl.Timestamp(), gl.Timestamp(), "/time"),
		c.same(wl.ObservedTimestamp(), gl.ObservedTimestamp(), "/observed_time"),
		c.same(wl.SeverityNumber(), gl.SeverityNumber(), "/severity_number"),
		c.text(wl.SeverityText(), gl.SeverityText(), "/severity_text"),
		c.value(wl.Body(), gl.Body(), "/body", false),
		c.attributes(wl.Attributes(), gl.Attributes(), "/attributes"),
		c.same(wl.DroppedAttributesCount(), gl.DroppedAttributesCount(), "/dropped_attributes_count"),
		c.same(wl.Flags(), gl.Flags(), "/flags"),
		c.same(wl.TraceID(), gl.TraceID(), "/trace_id"),
		c.same(wl.SpanID(), gl.SpanID(), "/span_id"),
	} {
		if d != "" {
			return d
		}
	}
	return ""
}

type comparison struct {
	redacted map[string]bool
	cut      map[string]event.Truncated
	digests  map[string]bool // of what was cut, for places in an exact member
}

func (c comparison) same(want, got any, at string) string {
	if want != got {
		return at
	}
	return ""
}

// text compares strings; at is "" in an exact member, where the digest must do.
func (c comparison) text(want, got, at string) string {
	if want == got {
		if _, cut := c.cut[at]; cut && at != "" {
			return at + " is said to be cut"
		}
		return ""
	}
	sum := sha256.Sum256([]byte(want))
	t := c.cut[at]
	listed := t.Length == int64(len(want)) && t.SHA256 == hex.EncodeToString(sum[:])
	if at == "" {
		listed = c.digests[fmt.Sprint(len(want), hex.EncodeToString(sum[:]))]
	}
	if !listed || !strings.HasPrefix(want, got) {
		return at + " differs"
	}
	return ""
}

func below(at, token string) string {
	if at == "" {
		return ""
	}
	return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}

// value compares values; open says that entries may be missing, as a container
// around them is listed as cut.
func (c comparison) value(want, got pcommon.Value, at string, open bool) string {
	if c.redacted[at] || at == "" && got.Type() == pcommon.ValueTypeStr && got.Str() == "[redacted]" && len(c.redacted) > 0 {
		if k := want.Type(); got.Type() != pcommon.ValueTypeStr || got.Str() != "[redacted]" || k != pcommon.ValueTypeStr && k != pcommon.ValueTypeBytes {
			return at + " is not redacted"
		}
		return ""
	}
	if want.Type() != got.Type() {
		return at + " is of another kind"
	}
	switch want.Type() {
	case pcommon.ValueTypeStr:
		return c.text(want.Str(), got.Str(), at)
	case pcommon.ValueTypeBytes:
		return c.text(string(want.Bytes().AsRaw()), string(got.Bytes().AsRaw()), at)
	case pcommon.ValueTypeMap:
		return c.entries(want.Map(), got.Map(), at, open)
	case pcommon.ValueTypeSlice:
		return c.elements(want.Slice(), got.Slice(), at, open)
	default:
		if !want.Equal(got) && want.AsString() != got.AsString() {
			return at + " differs"
		}
		return ""
	}
}

// missing tells whether entries may be missing from a container of n.
func (c comparison) missing(n int, at string, open bool) bool {
	t, cut := c.cut[at]
	return open || cut && t.Entries == int64(n) || at == "" && len(c.cut) > 0
}

func (c comparison) elements(want, got pcommon.Slice, at string, open bool) string {
	open = c.missing(want.Len(), at, open)
	if got.Len() > want.Len() || got.Len() < want.Len() && !open {
		return fmt.Sprintf("%s has %d elements and not %d", at, got.Len(), want.Len())
	}
	for i := range got.Len() {
		if d := c.value(want.At(i), got.At(i), below(at, fmt.Sprint(i)), open); d != "" {
			return d
		}
	}
	return ""
}

func (c comparison) attributes(want, got pcommon.Map, at string) string {
	return c.entries(want, got, at, false)
}

type entryOf struct {
	key   string
	value pcommon.Value
}

func entriesOf(m pcommon.Map) (es []entryOf) {
	for k, v := range m.All() {
		es = append(es, entryOf{k, v})
	}
	return es
}

func (c comparison) entries(want, got pcommon.Map, at string, open bool) string {
	open = c.missing(want.Len(), at, open)
	if got.Len() > want.Len() || got.Len() < want.Len() && !open {
		return fmt.Sprintf("%s has %d entries and not %d", at, got.Len(), want.Len())
	}
	last := make(map[string]int)
	ws, gs := entriesOf(want), entriesOf(got)
	for i, g := range gs {
		last[g.key] = i
	}
	j := 0
	for i, g := range gs {
		place := "" // unless it stands in its object
		if last[g.key] == i && utf8.ValidString(g.key) {
			place = below(at, g.key)
		}
		d := at + " has an entry of its own"
		for ; d != "" && j < len(ws); j++ {
			if w := ws[j]; w.key == g.key {
				d = c.value(w.value, g.value, place, open)
			} else if d = c.text(w.key, g.key, ""); d == "" {
				d = c.value(w.value, g.value, "", open)
			}
			if d != "" && !open {
				return d
			}
		}
		if d != "" {
			return d
		}
	}
	return ""
}

func (c comparison) entities(want, got entity.EntityRefSlice) string {
	t := c.cut["/resource/entity_refs"]
	if t.Entries == int64(want.Len()) {
		return ""
	}
	if want.Len() != got.Len() {
		return "/resource/entity_refs"
	}
	for i := range want.Len() {
		at := fmt.Sprint("/resource/entity_refs/", i)
		w, g := want.At(i), got.At(i)
		if d := c.text(w.SchemaUrl(), g.SchemaUrl(), at+"/schema_url") + c.text(w.Type(), g.Type(), at+"/type"); d != "" {
			return d
		}
		if !slices.Equal(w.IdKeys().AsRaw(), g.IdKeys().AsRaw()) && len(c.cut) == 0 {
			return at + "/id_keys"
		}
	}
	return ""
}

// nesting is how many levels of objects and arrays a body has.
func nesting(body []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return deepest
}
