package siem

import (
	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// systemKind is what an entry of the log itself is in a SIEM.
type systemKind struct {
	activity int // of OCSF's class Application Lifecycle
	severity int // OCSF's severity_id
	types    []string
	category string
}

var systemKinds = map[string]systemKind{
	chain.TypeOpened:        {3, 1, []string{"start"}, "process"},
	chain.TypeClosed:        {4, 1, []string{"end"}, "process"},
	chain.TypeDiskFull:      {otherActivity, 4, []string{"error"}, "host"},
	chain.TypeWriteFailed:   {otherActivity, 4, []string{"error"}, "host"},
	chain.TypeSyncFailed:    {otherActivity, 4, []string{"error"}, "host"},
	chain.TypeTouched:       {otherActivity, 5, []string{"error"}, "host"},
	chain.TypeClockJumped:   {otherActivity, 3, []string{"change"}, "host"},
	chain.TypeRefused:       {otherActivity, 3, []string{"denied"}, "api"},
	chain.TypeErased:        {otherActivity, 3, []string{"deletion"}, "host"},
	chain.TypeOpeningsLost:  {otherActivity, 4, []string{"error"}, "host"},
	checkpoint.TypeEpochKey: {otherActivity, 1, []string{"change"}, "configuration"},
}

// systemKindOf takes a type that a later version writes as one whose weight is not
// known.
func systemKindOf(r *record) systemKind {
	if k, ok := systemKinds[r.system.Type]; ok {
		return k
	}
	return systemKind{otherActivity, 0, []string{"info"}, "host"}
}

func systemOCSF(r *record, o object) {
	k := systemKindOf(r)
	o.set(classLifecycle, "class_uid")
	o.set(classLifecycle/1000, "category_uid")
	o.set(k.activity, "activity_id")
	o.set(r.system.Type, "activity_name")
	o.set(classLifecycle*100+k.activity, "type_uid")
	o.set(k.severity, "severity_id")
	o.set(millis(r.system.Time), "time")
	o.set("the audit log itself: "+r.system.Type, "message")
	o.set(r.software(), "app")
	o.set(r.software(), "metadata", "product")
	o.set("auditlog."+r.system.Type, "metadata", "event_code")
	o.set(millis(r.system.Time), "metadata", "processed_time")
	o.set(r.members, "unmapped", "system")
}

// software is the exporter as an opening entry names it.
func (r *record) software() object {
	s := object{"name": "auditexporter", "vendor_name": "otelaudit"}
	s.set(r.members["software"], "version")
	return s
}

func systemECS(r *record, o object) {
	k := systemKindOf(r)
	o.set(timeText(r.system.Time), "@timestamp")
	o.set("event", "event", "kind")
	o.set([]string{k.category}, "event", "category")
	o.set(k.types, "event", "type")
	o.set("auditlog."+r.system.Type, "event", "action")
	o.set("auditlog.system", "event", "dataset")
	o.set("the audit log itself: "+r.system.Type, "message")
	o.set(timeText(r.system.Time), "event", "ingested")
	o.set(r.members, "auditlog", "system")
}
