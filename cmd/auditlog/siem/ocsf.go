package siem

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/otelaudit/auditexporter/chain"
)

// ocsf maps an entry to an event of OCSF 1.9 with the profile record_integrity.
func ocsf(r *record) object {
	o := object{}
	if r.Kind == chain.System {
		systemOCSF(r, o)
	} else {
		ownOCSF(r, o)
		classOCSF(r, o)
		eventOCSF(r, o)
	}
	o.set(r.id, "metadata", "uid")
	o.set(OCSFVersion, "metadata", "version")
	o.set("unknown", "metadata", "product", "name")
	o.set(r.logID, "metadata", "log_name")
	o.set("auditexporter", "metadata", "log_provider")
	o.set(r.Seq, "metadata", "sequence")
	profiles, _ := o.get("metadata", "profiles").([]any)
	o["metadata"].(object)["profiles"] = append(profiles, "record_integrity")
	list, _ := o["attestation_list"].([]any)
	o["attestation_list"] = append(list, attestations(r)...)
	o["raw_data"] = string(r.Body)
	o["raw_data_size"] = len(r.Body)
	o["raw_data_hash"] = sha256Of("", bodyHash(r.Body))
	return o
}

// ownNames are the members that a record which is OCSF itself may have as
// attributes, by their first segment.
var ownNames = set(` action action_id activity_id activity_name actor api app auth_protocol auth_protocol_id category_name category_uid
 class_name class_uid cloud confidence confidence_id count device disposition disposition_id dst_endpoint duration end_time
 entity finding_info group http_request http_response is_mfa is_remote logon_type logon_type_id message metadata policy
 privileges resource resources service session severity severity_id src_endpoint start_time status status_code
 status_detail status_id time timezone_offset type_name type_uid user`)

// ownOCSF takes over what a record says that is an OCSF event itself: its body, or
// attributes under dotted names.
func ownOCSF(r *record, o object) {
	if b := r.body(); numeric(scalar(b["class_uid"])) {
		for _, name := range sortedKeys(b) {
			o.set(copied(b[name]), strings.Split(name, ".")...)
		}
	}
	if numeric(scalar(r.attrs["class_uid"])) {
		for _, name := range sortedKeys(r.attrs) {
			first, _, _ := strings.Cut(name, ".")
			keys := strings.Split(name, ".")
			if slices.Contains(objectNames, name) || semconvNames[name] {
				continue
			}
			if ownNames[first] && o.get(keys...) == nil {
				o.set(copied(r.attrs[name]), keys...)
				r.used[name] = o.get(keys...) != nil
			}
		}
	}
	// Of another type they would not be OCSF; raw_data has them as they came.
	for _, name := range []string{"class_uid", "activity_id", "category_uid", "type_uid", "severity_id", "status_id", "time"} {
		if s, ok := o[name].(string); ok && numeric(s) {
			o[name] = json.Number(s)
		}
		if n, ok := o[name].(json.Number); !ok || !numeric(n.String()) {
			delete(o, name)
		}
	}
	o.keepObjects(objectNames)
	o.keepObjects([]string{"product"}, "metadata")
	o.keepObjects([]string{"user", "session"}, "actor")
	o.keepObjects([]string{"service"}, "api")
}

// semconvNames are attributes of OTel's semantic conventions that begin as members of OCSF do.
var semconvNames = set("user.id user.hash user.roles user.email user.target.id user.target.name session.id session.previous_id")

// objectNames are the members of ownNames that are objects.
var objectNames = strings.Fields("actor api app device dst_endpoint group metadata service session src_endpoint unmapped user")

// copied is a value whose objects are not those of the event.
func copied(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := object{}
		for k, e := range v {
			c[k] = copied(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = copied(v[i])
		}
		return c
	}
	return v
}

// classOCSF says what happened: class, activity and what follows of them.
func classOCSF(r *record, o object) {
	k := r.kind
	if c, err := strconv.Atoi(scalar(o["class_uid"])); err == nil && c >= 0 {
		k = kind{class: c, activity: 0, name: "Unknown"}
		if a, err := strconv.Atoi(scalar(o["activity_id"])); err == nil {
			k.activity, k.name = a, ""
		}
	} else {
		delete(o, "class_uid")
		delete(o, "activity_id")
		delete(o, "type_uid")
		delete(o, "category_uid")
	}
	o.set(k.class, "class_uid")
	o.set(k.class/1000, "category_uid")
	o.set(k.activity, "activity_id")
	o.set(k.name, "activity_name")
	o.set(k.class*100+k.activity, "type_uid")
	r.kind.class, r.kind.activity = k.class, k.activity
	partiesOCSF(r, o)
}

// partiesOCSF says who, what and where, as the class wants it.
func partiesOCSF(r *record, o object) {
	actor := userOCSF(r)
	o.set(actor, "actor", "user")
	r.put(o, "actor.session", r.ev.Actor.Session, "actor", "session", "uid")
	sourceOCSF(r, o)
	switch r.kind.class {
	case classAuthentication:
		o.set(copied(map[string]any(actor)), "user")
		r.put(o, "actor.auth_method", r.ev.Actor.AuthMethod, "auth_protocol")
		o.set(r.resourceText("service.name"), "service", "name")
		o.set(r.resourceText("service.version"), "service", "version")
		o.set(r.resourceText("host.name"), "dst_endpoint", "hostname")
		if o["service"] == nil && o["dst_endpoint"] == nil {
			o.set("unknown", "service", "name")
		}
	case classAccountChange, classUserAccess:
		if o["user"] == nil {
			r.put(o, "target.id", r.ev.Target.ID, "user", "uid")
		}
		o.set(copied(map[string]any(actor)), "user")
	case classGroup:
		r.put(o, "target.id", r.ev.Target.ID, "group", "uid")
		if o.get("group", "uid") == nil {
			o.set("unknown", "group", "name")
		}
	case classAPI:
		callOCSF(r, o)
	}
	useActor(r, o)
	// What the class demands and the event does not say.
	unknown := object{"name": "unknown"}
	switch r.kind.class {
	case classAPI:
		o.set(object{"user": unknown}, "actor")
		o.set(unknown, "src_endpoint")
	case classAuthentication, classAccountChange, classUserAccess:
		o.set(unknown, "user")
	}
}

// callOCSF says what was asked for, and of what.
func callOCSF(r *record, o object) {
	r.put(o, "action", r.ev.Action, "api", "operation")
	r.put(o, "type", r.ev.Type, "api", "operation")
	o.set("unknown", "api", "operation")
	o.set(r.resourceText("service.name"), "api", "service", "name")
	if r.ev.Target.ID != "" && o["resources"] == nil {
		target := object{}
		r.put(target, "target.id", r.ev.Target.ID, "uid")
		r.put(target, "target.type", r.ev.Target.Type, "type")
		o["resources"] = []any{target}
	}
}

func sourceOCSF(r *record, o object) {
	field, address := r.source()
	if o["src_endpoint"] != nil || address == "" {
		return
	}
	r.use(field, address)
	if r.ev.Actor.Address == address {
		r.use("actor.address", address)
	}
	if ip := asIP(address); ip != "" {
		o.set(ip, "src_endpoint", "ip")
	} else {
		o.set(address, "src_endpoint", "hostname")
	}
}

// userOCSF is who acted, as a user; nil if that is not known.
func userOCSF(r *record) object {
	id, t := r.ev.Actor.ID, r.ev.Actor.Type
	if id == "" {
		return nil
	}
	u := object{userNames[r.identity()]: id, "type_id": otherActivity}
	if u["email_addr"] != nil { // one of name, uid and account has to be there
		u["name"] = id
	}
	if n, ok := userTypes[strings.ToLower(t)]; ok {
		u["type_id"] = n
	}
	u.set(t, "type")
	return u
}

var (
	userNames = map[string]string{"id": "uid", "name": "name", "email": "email_addr"}
	userTypes = map[string]int{"": 0, "user": 1, "admin": 2, "system": 3, "service": 4}
)

// useActor says that who acted stands in o, if it does.
func useActor(r *record, o object) {
	for _, keys := range [][]string{{"actor", "user"}, {"user"}} {
		if u, ok := asObject(o.get(keys...)); ok && u[userNames[r.identity()]] == r.ev.Actor.ID {
			r.use("actor.id", r.ev.Actor.ID)
			if u["type"] == r.ev.Actor.Type {
				r.use("actor.type", r.ev.Actor.Type)
			}
		}
	}
}

// statusOCSF says how it ended.
func statusOCSF(r *record, o object) {
	id, text := otherActivity, r.ev.Outcome
	switch text {
	case "success":
		id, text = 1, "Success"
	case "failure":
		id, text = 2, "Failure"
	case "", "unknown":
		id, text = 0, "Unknown"
	}
	own := o["status_id"] != nil
	o.set(id, "status_id")
	if scalar(o["status_id"]) == strconv.Itoa(id) {
		r.use("outcome", r.ev.Outcome)
	}
	if !own {
		o.set(text, "status")
	}
}

// eventOCSF says when, how it ended, and all the rest.
func eventOCSF(r *record, o object) {
	ev := r.ev
	o.set(millis(ev.EventTime()), "time")
	o.set(severityOCSF(ev.SeverityNumber), "severity_id")
	o.set(ev.SeverityText, "severity")
	statusOCSF(r, o)
	body := r.members["body"]
	if text, ok := body.(string); ok {
		o.set(text, "message")
	} else if b := r.body(); !numeric(scalar(b["class_uid"])) {
		o.set(body, "unmapped", "body")
	}
	o.set(r.resourceText("service.name"), "metadata", "product", "name")
	o.set(r.resourceText("service.version"), "metadata", "product", "version")
	r.put(o, "type", ev.Type, "metadata", "event_code")
	r.put(o, "id", r.id, "metadata", "uid")
	o.set(timeText(ev.EventTime()), "metadata", "original_time")
	o.set(millis(ev.ObservedTime), "metadata", "logged_time")
	o.set(millis(ev.RecordedTime), "metadata", "processed_time")
	if len(ev.Truncated) > 0 {
		o.set(true, "metadata", "is_truncated")
	}
	o.set(r.members["trace_id"], "metadata", "correlation_uid")
	for _, name := range append(r.others(), "span_id", "resource", "scope") {
		o.set(r.members[name], "unmapped", name)
	}
	o.set(r.rest(), "unmapped", "attributes")
}

// severityOCSF is severity_id for OTel's severity number. The draft gives audit
// records none, and then it is not known.
func severityOCSF(n int32) int {
	switch {
	case n < 1 || n > 24:
		return 0
	case n < 13: // trace, debug, info
		return 1
	case n < 17: // warn
		return 3
	case n < 21: // error
		return 4
	}
	return 6 // fatal
}
