package siem

import (
	"strings"

	"github.com/otelaudit/auditexporter/chain"
)

// ecs maps an entry to an event of the Elastic Common Schema.
func ecs(r *record) object {
	o := object{}
	if r.Kind == chain.System {
		systemECS(r, o)
	} else {
		ownECS(r, o)
		eventECS(r, o)
		o.set(labels(r), "labels")
	}
	o.set(ECSVersion, "ecs", "version")
	o.set(r.id, "event", "id")
	o.set("auditexporter", "event", "provider")
	o.set("auditlog", "event", "module")
	e := o["event"].(object)
	e["sequence"] = r.Seq
	e["original"] = string(r.Body)
	e["hash"] = bodyHash(r.Body)
	o.set(r.logID, "auditlog", "log_id")
	o.set(r.Seq, "auditlog", "seq")
	o.set(r.Prev.String(), "auditlog", "prev_hash")
	o.set(r.Hash.String(), "auditlog", "hash")
	return o
}

// sameInECS are names of attributes that are fields of ECS with the same meaning:
// names of ECS itself, and those that OTel's semantic conventions share with it.
var sameInECS = set(` event.kind event.category event.type event.code event.dataset event.reason event.reference event.risk_score event.severity
 user.id user.name user.email user.full_name user.hash user.roles user.domain user.target.id user.target.name user.effective.id
 user.effective.name source.ip source.port source.domain source.address client.ip client.port client.domain client.address
 destination.ip destination.port destination.domain destination.address server.address server.port host.name host.id
 http.request.method http.response.status_code url.path url.full url.domain url.query url.scheme user_agent.original
 file.path file.name process.pid process.executable process.command_line error.type error.message error.code group.id group.name
 network.protocol network.transport rule.id rule.name`)

// sameInECSResource are those of a resource.
var sameInECSResource = set(` service.name service.version host.name host.id host.architecture cloud.provider cloud.region cloud.account.id
 cloud.availability_zone container.id container.name process.pid process.executable device.id`)

// ownECS takes over what is ECS already: the body of a record that is such an
// event, and attributes by names that are fields of ECS.
func ownECS(r *record, o object) {
	b := r.body()
	if _, nested := asObject(b["ecs"]); nested || b["ecs.version"] != nil {
		for _, name := range sortedKeys(b) {
			o.set(copied(b[name]), strings.Split(name, ".")...)
		}
	}
	for _, name := range sortedKeys(r.attrs) {
		if keys := strings.Split(name, "."); sameInECS[name] && o.get(keys...) == nil {
			v := copied(r.attrs[name])
			if strings.HasSuffix(name, ".ip") && asIP(scalar(v)) == "" {
				continue
			}
			if _, list := v.([]any); !list && (name == "event.category" || name == "event.type" || name == "user.roles") {
				v = []any{v}
			}
			o.set(v, keys...)
			r.used[name] = o.get(keys...) != nil
		}
	}
	for _, name := range sortedKeys(r.resource) {
		if sameInECSResource[name] {
			o.set(copied(r.resource[name]), strings.Split(name, ".")...)
		}
	}
	for from, to := range map[string][]string{
		"service.instance.id":         {"service", "node", "name"},
		"service.namespace":           {"service", "namespace"},
		"deployment.environment.name": {"service", "environment"},
	} {
		o.set(r.resource[from], to...)
	}
	o.keepObjects(strings.Fields("auditlog ecs error event group http labels log service source span trace url user"))
}

// eventECS says who, what, when and how it ended, by the normalised fields.
func eventECS(r *record, o object) {
	ev, k := r.ev, r.kind
	o.set(timeText(ev.EventTime()), "@timestamp")
	o.set("event", "event", "kind")
	if k.category != "" {
		o.set([]string{k.category}, "event", "category")
		o.set(k.types, "event", "type")
	}
	switch ev.Outcome {
	case "success", "failure", "unknown":
		r.put(o, "outcome", ev.Outcome, "event", "outcome")
	case "":
	default: // ECS has these three
		o.set("unknown", "event", "outcome")
		r.put(o, "outcome", ev.Outcome, "auditlog", "outcome")
	}
	r.put(o, "type", ev.Type, "event", "code")
	r.put(o, "action", ev.Action, "event", "action")
	o.set(ev.Type, "event", "action")
	o.set("auditlog.event", "event", "dataset")
	o.set(timeText(ev.ObservedTime), "event", "created")
	o.set(timeText(ev.RecordedTime), "event", "ingested")
	if ev.SeverityNumber != 0 {
		o.set(ev.SeverityNumber, "event", "severity")
	}
	o.set(ev.SeverityText, "log", "level")
	if r.body()["ecs"] == nil && r.body()["ecs.version"] == nil {
		o.set(ev.Body, "message")
	}
	r.put(o, "id", r.id, "event", "id")

	r.put(o, "actor.id", ev.Actor.ID, "user", map[string]string{"id": "id", "name": "name", "email": "email"}[r.identity()])
	r.put(o, "actor.type", ev.Actor.Type, "auditlog", "actor", "type")
	r.put(o, "actor.session", ev.Actor.Session, "auditlog", "actor", "session")
	r.put(o, "actor.auth_method", ev.Actor.AuthMethod, "auditlog", "actor", "auth_method")
	field, address := r.source()
	r.put(o, field, address, "source", "address")
	if ip := asIP(address); ip != "" {
		o.set(ip, "source", "ip")
	} else {
		o.set(address, "source", "domain")
	}
	if ev.Actor.Address == address && o.get("source", "address") == address {
		r.use("actor.address", address)
	}
	r.put(o, "target.id", ev.Target.ID, "auditlog", "target", "id")
	r.put(o, "target.type", ev.Target.Type, "auditlog", "target", "type")
	switch k.class {
	case classAccountChange, classUserAccess:
		o.set(ev.Target.ID, "user", "target", "id")
	case classGroup:
		o.set(ev.Target.ID, "group", "id")
	}
	o.set(r.members["trace_id"], "trace", "id")
	o.set(r.members["span_id"], "span", "id")
	for _, name := range append(r.others(), "scope") {
		o.set(r.members[name], "auditlog", name)
	}
	if ev.Critical {
		o.set([]string{"critical"}, "tags")
	}
}

// labels are the attributes that became no field, as texts under names without
// dots. Two that come to have one name share it.
func labels(r *record) object {
	l := object{}
	add := func(name string, v any) {
		name = strings.ReplaceAll(name, ".", "_")
		switch old := l[name].(type) {
		case nil:
			l[name] = scalar(v)
		case []string:
			l[name] = append(old, scalar(v))
		case string:
			l[name] = []string{old, scalar(v)}
		}
	}
	rest := r.rest()
	for _, name := range sortedKeys(rest) {
		add(name, rest[name])
	}
	for _, name := range sortedKeys(r.resource) {
		if !sameInECSResource[name] {
			add(name, r.resource[name])
		}
	}
	return l
}
