package event

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Profile says which records must be audit records of the OTel Audit Logging
// draft; "" is ProfileAuto.
type Profile string

// ProfileAuto holds the records that carry one of the draft's mandatory
// attributes to its rules, ProfileAudit all, ProfileAny none.
const (
	ProfileAuto  Profile = "auto"
	ProfileAudit Profile = "audit"
	ProfileAny   Profile = "any"
)

func (p Profile) complete() (Profile, error) {
	switch p {
	case "":
		return ProfileAuto, nil
	case ProfileAuto, ProfileAudit, ProfileAny:
		return p, nil
	default:
		return p, fmt.Errorf("profile: %q: must be auto, audit or any", string(p))
	}
}

// mandatory is what the draft (data model, D1) demands of an audit record: an
// attribute that is a string and not empty, and of two of them one of some words;
// or, before the attributes, what only the record itself can say. FORMAT.md shows
// the table.
var mandatory = [...]struct {
	field string
	words []string
}{
	mandatoryTimestamp:  {field: "Timestamp"},
	mandatoryObserved:   {field: "ObservedTimestamp"},
	mandatoryEventName:  {field: "EventName"},
	mandatoryResource:   {field: "Resource"},
	mandatoryAttributes: {field: "audit.record.id"},
	{field: "audit.actor.id"},
	{field: "audit.actor.type", words: []string{"user", "service", "system"}},
	{field: "audit.action"},
	{field: "audit.outcome", words: []string{"success", "failure", "unknown"}},
}

const (
	mandatoryTimestamp = iota
	mandatoryObserved
	mandatoryEventName
	mandatoryResource
	mandatoryAttributes // and all that follow
)

// fault is how a mandatory field fails, and the word for it in an event.
type fault uint8

const (
	faultMissing fault = iota
	faultType
	faultValue
	faultNone
)

var faultNames = [...]string{faultMissing: "missing", faultType: "type", faultValue: "value"}

// Structural is the set of faults that make a record structurally invalid: a bit
// for each mandatory field and way to fail.
type Structural uint32

const faultBits = uint(faultNone)

func (s Structural) with(field int, f fault) Structural {
	if f == faultNone {
		return s
	}
	return s | 1<<(uint(field)*faultBits+uint(f))
}

// all calls yield for each fault, in the order of the fields.
func (s Structural) all(yield func(field int, f fault) bool) {
	for ; s != 0; s &= s - 1 {
		bit := uint(bits.TrailingZeros32(uint32(s)))
		if !yield(int(bit/faultBits), fault(bit%faultBits)) {
			return
		}
	}
}

// Len is the number of faults.
func (s Structural) Len() int { return bits.OnesCount32(uint32(s)) }

// Strings says each fault in words, as "audit.actor.id: missing". They hold
// nothing of the record.
func (s Structural) Strings() (texts []string) {
	for field, f := range s.all {
		m := mandatory[field]
		switch f {
		case faultMissing:
			texts = append(texts, m.field+": missing")
		case faultType:
			texts = append(texts, m.field+": not a string")
		default:
			texts = append(texts, m.field+": not one of "+strings.Join(m.words, ", "))
		}
	}
	return texts
}

// mandate is an attribute's place in mandatory, 0 for one that is not.
type mandate uint8

// judge is how the value of a mandatory attribute fails. Of one that is redacted
// only the kind is looked at.
func (m mandate) judge(v pcommon.Value, secret bool) fault {
	words := mandatory[m].words
	switch {
	case v.Type() == pcommon.ValueTypeEmpty:
		return faultMissing
	case v.Type() != pcommon.ValueTypeStr:
		return faultType
	case secret:
		return faultNone
	case v.Str() == "":
		return faultMissing
	case words != nil && !slices.Contains(words, v.Str()):
		return faultValue
	}
	return faultNone
}

// structural is what makes a record structurally invalid, once its attributes
// have been seen.
func (f *finding) structural(p Profile, s *Source, lr plog.LogRecord) (set Structural) {
	if p == ProfileAny || p == ProfileAuto && !f.audit {
		return 0
	}
	present := func(field int, ok bool) {
		if !ok {
			set = set.with(field, faultMissing)
		}
	}
	present(mandatoryTimestamp, lr.Timestamp() != 0)
	present(mandatoryObserved, lr.ObservedTimestamp() != 0)
	present(mandatoryEventName, f.mapping.of(fieldType) < fromBody)
	present(mandatoryResource, s.rl.Resource().Attributes().Len() > 0)
	for i := mandatoryAttributes; i < len(mandatory); i++ {
		set = set.with(i, f.faults[i])
	}
	return set
}

// structural appends the elements of the list invalid.
func (n *notes) structural(set Structural) {
	if set == 0 {
		return
	}
	identity := string(n.invalid)
	n.invalid = n.invalid[:0]
	for field, f := range set.all {
		n.nInvalid++
		n.invalid = append(n.invalid, `,{"class":"structural","field":"`...)
		n.invalid = append(n.invalid, mandatory[field].field...)
		n.invalid = append(n.invalid, `","what":["`...)
		n.invalid = append(n.invalid, faultNames[f]...)
		n.invalid = append(n.invalid, `"]}`...)
	}
	n.invalid = append(n.invalid, identity...)
}

// IsAudit tells whether a record is held to the draft's rules: by the profile all are, none,
// or those that carry one of its mandatory attributes.
func (e *Encoder) IsAudit(lr plog.LogRecord) bool {
	if e.rules.profile != ProfileAuto {
		return e.rules.profile == ProfileAudit
	}
	for key := range lr.Attributes().All() {
		if m := e.rules.index.find(key, hashKey(key)); m != nil && m.mandate != 0 {
			return true
		}
	}
	return false
}
