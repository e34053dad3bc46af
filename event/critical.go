package event

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Critical configures which events are critical.
type Critical struct {
	// Defaults turns the built-in rules on: audit, taxonomy, name, ecs, ocsf and
	// security_rule. Without them only Attributes and Conditions are left.
	Defaults bool
	// Attributes are names whose presence on the record, its scope or its
	// resource suffices, whatever the value. The rule is "critical.attributes[i]".
	Attributes []string
	// Conditions is asked for records that nothing else made critical; may be nil.
	Conditions Predicate
}

// Predicate is the user's conditions. rule names the condition that held, as in
// "critical.conditions[2]", and stands in the event; it must come from a bounded
// set and hold nothing of the record.
type Predicate func(plog.ResourceLogs, plog.ScopeLogs, plog.LogRecord) (rule string, critical bool)

// order is the precedence of a rule: of all that fire, the event names the one
// of the lowest order, among equals the first met.
type order uint8

const (
	orderAudit order = iota
	orderUser
	orderTaxonomy
	orderName
	orderECS
	orderOCSF
	orderBody
	orderSecurityRule
	orderInvalid
	orderProducer
	orderNone
)

// verdict is the rule that makes an event critical.
type verdict struct {
	order order
	rule  string
}

func (v *verdict) offer(o order, rule string) {
	if rule != "" && o < v.order {
		v.order, v.rule = o, rule
	}
}

// test decides by the value of an attribute: the rule that fires, or "".
type test func(pcommon.Value) string

// attributeRule is what an attribute means for criticality.
type attributeRule struct {
	order order
	test  test
}

func present(rule string) test {
	return func(pcommon.Value) string { return rule }
}

// oneOf fires when a string, or an element of a slice of strings, is one of
// values, without regard to ASCII case. The rule names the listed value.
func oneOf(attribute string, values ...string) test {
	rules := make([]string, len(values))
	for i, v := range values {
		rules[i] = "ecs:" + attribute + "=" + v
	}
	one := func(v pcommon.Value) string {
		if v.Type() == pcommon.ValueTypeStr {
			for i := range values {
				if strings.EqualFold(values[i], v.Str()) {
					return rules[i]
				}
			}
		}
		return ""
	}
	return func(v pcommon.Value) string {
		if v.Type() != pcommon.ValueTypeSlice {
			return one(v)
		}
		for i, s := 0, v.Slice(); i < s.Len(); i++ {
			if rule := one(s.At(i)); rule != "" {
				return rule
			}
		}
		return ""
	}
}

// codes fires when reduce of the attribute's code is one of wanted.
func codes(attribute string, reduce func(int64) int64, wanted ...int64) test {
	rules := make([]string, len(wanted))
	for i, w := range wanted {
		rules[i] = fmt.Sprintf("ocsf:%s=%d", attribute, w)
	}
	return func(v pcommon.Value) string {
		if n, ok := code(v); ok {
			n = reduce(n)
			for i := range wanted {
				if wanted[i] == n {
					return rules[i]
				}
			}
		}
		return ""
	}
}

func same(n int64) int64 { return n }

// Categories in OCSF: class_uid = extension*100000 + category*1000 + class, and
// type_uid = class_uid*100 + activity. 2 is Findings, 3 Identity & Access
// Management.
func ofClass(n int64) int64 { return n % 100000 / 1000 * 1000 }
func ofType(n int64) int64  { return ofClass(n/100) * 100 }

// attributeRules are the built-in rules by attribute. The audit.* names are
// those the OTel Audit Logging draft makes mandatory: it says that no audit
// record may be lost. SeverityNumber and HTTP status decide nothing.
var attributeRules = map[string]attributeRule{
	"audit.record.id":  {orderAudit, present("audit:audit.record.id")},
	"audit.actor.id":   {orderAudit, present("audit:audit.actor.id")},
	"audit.actor.type": {orderAudit, present("audit:audit.actor.type")},
	"audit.action":     {orderAudit, present("audit:audit.action")},
	"audit.outcome":    {orderAudit, present("audit:audit.outcome")},

	"event.kind": {orderECS, oneOf("event.kind", "alert")},
	"event.category": {orderECS, oneOf("event.category", "authentication", "iam", "intrusion_detection", "malware",
		"threat", "configuration")},
	"event.type": {orderECS, oneOf("event.type", "denied", "admin")},

	"category_uid": {orderOCSF, codes("category_uid", same, 2, 3)},
	"class_uid":    {orderOCSF, codes("class_uid", ofClass, 2000, 3000)},
	"type_uid":     {orderOCSF, codes("type_uid", ofType, 200000, 300000)},
	"severity_id":  {orderOCSF, codes("severity_id", same, 4, 5, 6)}, // High, Critical, Fatal; 99 is Other
	"action_id":    {orderOCSF, codes("action_id", same, 2)},         // Denied
}

const securityRulePrefix = "security_rule."
