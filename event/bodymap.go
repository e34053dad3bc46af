package event

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// readMap reads the facts of a body that is a map, if it looks like one of a
// known format.
func (f *facts) readMap(m pcommon.Map, asked bool) bool {
	b := formatOfMap(m)
	if b == nil {
		return false
	}
	f.start(b, false, asked)
	f.entries(m, b.tree, 0)
	return true
}

// formatOfMap tells what a body may be by keys that its format always has.
func formatOfMap(m pcommon.Map) *bodyFormat {
	for key, v := range m.All() {
		switch key {
		case "apiVersion":
			if v.Type() == pcommon.ValueTypeStr && strings.HasPrefix(v.Str(), kubernetesVersion) {
				return kubernetes
			}
		case "eventVersion":
			return cloudTrail
		case "class_uid":
			return ocsf
		case "ecs", "ecs.version":
			return ecs
		case "__CURSOR", "_TRANSPORT", "_AUDIT_TYPE_NAME":
			return journald
		}
	}
	return nil
}

func (f *facts) entries(m pcommon.Map, at *bodyStep, index int) {
	for key, v := range m.All() {
		if next := at.next[key]; next != nil {
			f.value(v, next, index)
		}
	}
}

// value takes a value at a step into account; the tree bounds the depth.
func (f *facts) value(v pcommon.Value, at *bodyStep, index int) {
	if at.test != nil && f.asked {
		f.verdict.offer(at.test.order, at.test.test(v))
	}
	x := fact{kind: factOther, index: index}
	switch v.Type() {
	case pcommon.ValueTypeMap:
		f.entries(v.Map(), at, index)
	case pcommon.ValueTypeSlice:
		if at.each != nil {
			for i, s := 0, v.Slice(); i < s.Len(); i++ {
				f.value(s.At(i), at.each, i)
			}
		}
	case pcommon.ValueTypeStr:
		x.kind, x.text = factString, v.Str()
	case pcommon.ValueTypeInt:
		x.kind, x.num = factNumber, v.Int()
	case pcommon.ValueTypeDouble:
		// What a JSON parser made of a code.
		if n, ok := code(v); ok {
			x.kind, x.num, x.made = factNumber, n, true
		}
	case pcommon.ValueTypeBool:
		x.text = strconv.FormatBool(v.Bool())
	case pcommon.ValueTypeEmpty:
		return
	}
	f.set(at, x)
}
