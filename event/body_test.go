package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// withBody is an ordinary record with a body: a string, or what a map is made of.
func withBody(t testing.TB, body any) plog.Logs {
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	require.NoError(t, lr.Body().FromRaw(body))
	return ld
}

func bodyRule(t testing.TB, body any) string {
	return summarise(t, defaults(t), withBody(t, body)).Critical
}

// lookalikes are ordinary bodies that hold words, names and marks of the formats.
var lookalikes = []any{
	`{"level":"info","ts":1772600767.1,"logger":"http","msg":"request","method":"GET","path":"/login","status":403}`,
	`{"time":"2026-03-04T05:06:07Z","level":"WARN","msg":"audit.k8s.io/v1 webhook is slow","kind":"Event"}`,
	`{"time":"2026-03-04T05:06:07Z","level":"INFO","msg":"watching","apiVersion":"audit.k8s.io/v1","kind":"Policy"}`,
	`{"kind":"Event","apiVersion":"v1","metadata":{"name":"web.17"},"reason":"FailedScheduling","verb":"delete"}`,
	`{"kind":"Event","apiVersion":"events.k8s.io/v1","reason":"Killing","responseStatus":{"code":403}}`,
	`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"verb":"delete","objectRef":{"resource":"secrets"}}]}`,
	`{"msg":"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"verb\":\"create\",\"impersonatedUser\":{\"username\":\"x\"}}"}`,
	`{"eventVersion":"1.0","eventName":"order.created","eventSource":"shop","errorCode":"AccessDenied"}`,
	`{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventName":"ObjectCreated:Put"}`,
	`{"awsRegion":"eu-central-1","msg":"assumed role","service":"iam.amazonaws.com"}`,
	`{"Records":[{"eventVersion":"1.11","eventSource":"iam.amazonaws.com","eventName":"DeleteUser"}]}`,
	`{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{"eventVersion":"1.11","eventName":"DeleteUser"}}`,
	`{"level":"error","msg":"AccessDenied: user is not authorized to perform iam:PassRole","errorCode":"AccessDenied"}`,
	`{"class":"com.example.Login","message":"Failed password for root from 192.0.2.1 port 22 ssh2"}`,
	`{"class_uid":3002,"activity_id":1,"severity_id":5,"note":"text is not looked into"}`,
	`{"ecs.version":"1.2.0","event.category":"authentication","note":"text is not looked into"}`,
	`type=USER_AUTH is what auditd calls it`, `type=checkout msg=ok`, `type=USER_AUTH msg=audit`, `type= msg=audit(1:1): res=failed`,
	`types=USER_AUTH msg=audit(1:1): res=failed`, `the line was: type=USER_AUTH msg=audit(1:1): res=failed`,
	`node=17 ready, type=USER_AUTH msg=audit(1:1): res=failed`, `node=node-17 type=worker state=up`,
	`audit: backlog limit exceeded`, `audit: type=1400`, `audit: it said type=1400 audit(1:1): apparmor="DENIED"`,
	`<38>Mar  4 05:06:07 node-17 sshd[4711]: Invalid user  type=USER_LOGIN msg=audit(1:1): res=success`,
	`<38>Mar  4 05:06:07 node-17 sshd[4711]: Invalid user audit: type=1400 audit(1:1): apparmor="DENIED"`,
	`<38>1 2026-03-04T05:06:07Z node-17 sshd 4711 - - Invalid user  type=USER_LOGIN msg=audit(1:1): res=success`,
	`<html><body>type=USER_AUTH msg=audit(1:1)</body></html>`,
	`sudo: pam_unix(sudo:auth): authentication failure; logname=ada uid=1000`,
	`Failed password for root from 192.0.2.7 port 22 ssh2`, `{`, `{"eventVersion"`, `[{"kind":"Event","apiVersion":"audit.k8s.io/v1"}]`, `type=`, `<`,
	map[string]any{"apiVersion": "v1", "kind": "Event", "responseStatus": map[string]any{"code": 403}},
	map[string]any{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "verb": "delete"},
	map[string]any{"apiVersion": "audit.k8s.io/v1", "user": map[string]any{"username": "ada"}, "verb": "delete"},
	map[string]any{"eventVersion": "1.0", "eventName": "DeleteUser", "eventSource": "iam.example.com", "errorCode": "AccessDenied"},
	map[string]any{"eventVersion": "1.0", "userIdentity": map[string]any{"type": "Root"}},
	map[string]any{"class": 3002, "severity": 5},
	map[string]any{"nested": map[string]any{"class_uid": 3002}},
	map[string]any{"class_uid": "login", "level": "info"},
	map[string]any{"class_uid": nil},
	map[string]any{"ecs": "cluster-7", "event": map[string]any{"category": "authentication"}},
	map[string]any{"ecs": map[string]any{"cluster": "7"}, "event": map[string]any{"kind": "alert"}},
	map[string]any{"MESSAGE": "Failed password for root from 192.0.2.7 port 22 ssh2", "SYSLOG_IDENTIFIER": "sshd"},
	map[string]any{"_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "app", "MESSAGE": "Failed password for root from 192.0.2.7 port 22"},
	map[string]any{"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": "Server listening on 0.0.0.0 port 22."},
	map[string]any{"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "sudo", "MESSAGE": "pam_unix(sudo:session): session opened for user root"},
	map[string]any{"user": map[string]any{"username": "ada"}, "verb": "delete", "objectRef": map[string]any{"resource": "secrets"}},
}

func TestLookalikesAreRoutine(t *testing.T) {
	require.Greater(t, len(lookalikes), 30)
	for _, body := range lookalikes {
		require.Empty(t, bodyRule(t, body), "%v", body)
		checkRoundTrip(t, defaults(t), withBody(t, body))
	}
}

// What stands before a fault counts, and nothing is said of what is not there.
func TestBodyCutShort(t *testing.T) {
	const k8s = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"delete","objectRef":{"resource":"roles","name":"r`
	s := summarise(t, defaults(t), withBody(t, k8s))
	require.Equal(t, "kubernetes:roles", s.Critical)
	require.Equal(t, map[string][2]string{"action": {"/body#/verb", "delete"}, "target.type": {"/body#/objectRef/resource", "roles"}}, s.Fields)

	trail := `{"eventVersion":"1.11","eventSource":"ec2.amazonaws.com","eventName":"StartInstances","requestParameters":{"a":[1,{}]}`
	require.NotContains(t, summarise(t, defaults(t), withBody(t, trail)).Fields, "outcome")
	require.Equal(t, "success", summarise(t, defaults(t), withBody(t, trail+"}")).Fields["outcome"][1])
	long := strings.TrimSuffix(trail, "}") + `,"pad":"` + strings.Repeat("x", 64<<10) + `"},"errorCode":"AccessDenied"}`
	s = summarise(t, defaults(t), withBody(t, long))
	require.NotContains(t, s.Fields, "outcome", "beyond 64 KiB nothing is read, and nothing concluded")
	require.Empty(t, s.Critical)
}

// Attributes come first, field by field.
func TestAttributesBeforeBody(t *testing.T) {
	ld := withBody(t, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"get","user":{"username":"ada"},"responseStatus":{"code":200}}`)
	first(ld).Attributes().PutStr("user.id", "u-1")
	first(ld).Attributes().PutInt("status_id", 2)
	require.Equal(t, map[string][2]string{
		"actor.id": {"user.id", "u-1"}, "outcome": {"status_id", "failure"}, "action": {"/body#/verb", "get"},
	}, summarise(t, defaults(t), ld).Fields)
}

// The order of the rules is CRITICAL.md's: those of attributes before those of
// the body, and these before security_rule.
func TestBodyPrecedence(t *testing.T) {
	ld := withBody(t, `type=USER_AUTH msg=audit(1:1): res=failed`)
	first(ld).Attributes().PutStr("security_rule.name", "x")
	require.Equal(t, "auditd:USER_AUTH", summarise(t, defaults(t), ld).Critical)
	first(ld).Attributes().PutStr("event.kind", "alert")
	require.Equal(t, "ecs:event.kind=alert", summarise(t, defaults(t), ld).Critical)
	require.Equal(t, "kubernetes:denied", bodyRule(t, map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": "delete", "objectRef": map[string]any{"resource": "secrets"},
		"impersonatedUser": map[string]any{"username": "x"}, "responseStatus": map[string]any{"code": 403.0},
	}))
}

// A key that stands twice, in JSON text or in a map: the last counts, as the
// event shows it.
func TestBodyKeyTwice(t *testing.T) {
	const text = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"get","verb":"delete","sourceIPs":["192.0.2.1","x\u0079"]}`
	s := summarise(t, defaults(t), withBody(t, text))
	require.Equal(t, [2]string{"/body#/verb", "delete"}, s.Fields["action"])
	require.Equal(t, [2]string{"/body#/sourceIPs/1", "xy"}, s.Fields["source.id"])

	ld := withBody(t, map[string]any{"kind": "Event", "apiVersion": "audit.k8s.io/v1"})
	first(ld).Body().Map().PutStr("twin:0", "get")
	first(ld).Body().Map().PutStr("twin:1", "delete")
	ld = renamed(t, twins(t, ld), "twin!!", "verb")
	require.Equal(t, "delete", summarise(t, defaults(t), ld).Fields["action"][1])
	checkRoundTrip(t, defaults(t), ld)
}

// renamed replaces a key of a body's top level.
func renamed(t testing.TB, ld plog.Logs, from, to string) plog.Logs {
	var m plog.JSONMarshaler
	b, err := m.MarshalLogs(ld)
	require.NoError(t, err)
	var u plog.JSONUnmarshaler
	ld, err = u.UnmarshalLogs([]byte(strings.ReplaceAll(string(b), `"`+from+`"`, `"`+to+`"`)))
	require.NoError(t, err)
	return ld
}

// The kernel's fields stand before the message of a program, which can't
// replace them; names in capitals count only where auditd adds them.
func TestAuditdFieldsAreNotForged(t *testing.T) {
	s := summarise(t, defaults(t), withBody(t, `type=USER_CMD msg=audit(1.2:3): pid=1 uid=1000 auid=1000 ses=3 `+
		`msg='cwd="/" auid=0 ses=1 AUID="root" cmd=6C73202D6C UID="root" type=PATH res=success'`+"\x1dUID=\"ada\" AUID=\"ada\""))
	require.Equal(t, "auditd:USER_CMD", s.Critical)
	require.Equal(t, "ada", s.Fields["actor.id"][1])
	require.Equal(t, "3", s.Fields["actor.session"][1])
	require.Equal(t, "ls -l", s.Fields["target.id"][1])
}

// Values that a body says are none, are too long, or are of no use feed nothing.
func TestBodyValuesThatFeedNothing(t *testing.T) {
	for _, v := range []any{"", nil, true, 1.5, []any{"a"}, map[string]any{"a": "b"}, strings.Repeat("x", 1025)} {
		s := summarise(t, defaults(t), withBody(t, map[string]any{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": v}))
		require.Empty(t, s.Fields, "%v", v)
	}
	s := summarise(t, defaults(t), withBody(t, map[string]any{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": 7}))
	require.Equal(t, [2]string{"/body/verb", "7"}, s.Fields["action"])
	s = summarise(t, defaults(t), withBody(t, map[string]any{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": 7.0}))
	require.Equal(t, [2]string{"/body/verb", "7"}, s.Fields["action"], "a double has a copy: the event has 7.0")
}

func bodies() map[string]string {
	pad := strings.Repeat("lorem ipsum ", 18)
	return map[string]string{
		"zap":    `{"level":"info","ts":1772600767.1,"logger":"http","caller":"http/server.go:42","msg":"request ` + pad + `","status":200}`,
		"slog":   `{"time":"2026-03-04T05:06:07.123456789Z","level":"INFO","msg":"request ` + pad + `","k":"v"}`,
		"plain":  "type the order and " + pad + pad,
		"node":   "node=17 " + pad,
		"syslog": "<38>Mar  4 05:06:07 node-17 app[1]: " + pad,
	}
}

func allocs(t testing.TB, runs int, ld plog.Logs) float64 {
	e := defaults(t)
	var s event.Source
	rl := ld.ResourceLogs().At(0)
	e.Resource(&s, rl)
	e.Scope(&s, rl.ScopeLogs().At(0))
	var buf []byte
	return testing.AllocsPerRun(runs, func() {
		buf, _ = e.Append(buf[:0], &s, first(ld), recordedAt)
	})
}

func TestBodiesAllocateNothing(t *testing.T) {
	for name, body := range bodies() {
		require.Zero(t, allocs(t, 100, withBody(t, body)), name)
	}
	require.Zero(t, allocs(t, 100, withBody(t, map[string]any{"message": "order placed", "level": "info", "n": 1})))
	for _, name := range []string{"kubernetes-text", "kubernetes-map", "cloudtrail-text", "cloudtrail-map", "auditd", "journald", "ocsf-map", "ecs-map"} {
		for i, ld := range samples(t, formats+"/"+name+".json") {
			require.LessOrEqual(t, allocs(t, 20, ld), 8.0, "%s %d", name, i)
		}
	}
}

// Hostile text costs in proportion to its first 64 KiB.
func TestHostileBodies(t *testing.T) {
	const start = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","user":`
	for name, body := range map[string]string{
		"deep arrays": start + strings.Repeat("[", 1<<18), "deep objects": start + strings.Repeat(`{"user":`, 1<<18),
		"deep known": start + strings.Repeat(`{"username":`, 1<<18), "backslashes": start + `{"username":"` + strings.Repeat(`\`, 1<<18),
		"quotes": start + strings.Repeat(`"`, 1<<18), "commas": start + strings.Repeat(",", 1<<18), "NULs": start + strings.Repeat("\x00", 1<<18),
		"keys": start + `{` + strings.Repeat(`"username":"a",`, 1<<16), "ips": `{"apiVersion":"audit.k8s.io/v1","kind":"Event","sourceIPs":[` + strings.Repeat(`"x",`, 1<<18),
		"auditd": "type=USER_AUTH msg=audit(1:1): " + strings.Repeat("acct=\x1d'", 1<<18), "hex": "type=AVC msg=audit(1:1): acct=" + strings.Repeat("41", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			ld := withBody(t, body)
			_, info := encode(defaults(t), ld)
			require.LessOrEqual(t, len(info.Rule), 64)
			require.LessOrEqual(t, allocs(t, 4, ld), 64.0)
		})
	}
}

func FuzzBody(f *testing.F) {
	for _, name := range []string{"kubernetes-text", "cloudtrail-text", "auditd"} {
		for _, ld := range samples(f, formats+"/"+name+".json") {
			f.Add(first(ld).Body().Str())
		}
	}
	for _, body := range lookalikes {
		if s, ok := body.(string); ok {
			f.Add(s)
		}
	}
	e := defaults(f)
	f.Fuzz(func(t *testing.T, body string) {
		ld := withBody(t, body)
		checkRoundTrip(t, e, ld)
		s := summarise(t, e, ld)
		for field, is := range s.Fields {
			require.True(t, strings.HasPrefix(is[0], "/body"), "%s from %s", field, is[0])
			require.LessOrEqual(t, len(is[1]), 1024*3)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	all := bodies()
	for _, name := range []string{"kubernetes-text", "kubernetes-map", "auditd"} {
		all[name] = ""
	}
	for name, body := range all {
		ld := withBody(b, body)
		if body == "" {
			ld = samples(b, fmt.Sprintf("%s/%s.json", formats, name))[0]
		}
		b.Run(name, func(b *testing.B) {
			e := defaults(b)
			var s event.Source
			rl := ld.ResourceLogs().At(0)
			e.Resource(&s, rl)
			e.Scope(&s, rl.ScopeLogs().At(0))
			lr := first(ld)
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.Append(buf[:0], &s, lr, recordedAt)
			}
		})
	}
}

// Every word of the lists that CRITICAL.md shows fires where it says.
func TestBodyWordsFire(t *testing.T) {
	lists := event.BodyWords()
	k8s := func(verb, resource, sub string) any {
		return map[string]any{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": verb, "user": map[string]any{"username": "system:x"},
			"objectRef": map[string]any{"resource": resource, "subresource": sub},
		}
	}
	trail := func(service, name, code string, readOnly any) any {
		return map[string]any{
			"eventVersion": "1.11", "eventSource": service + ".amazonaws.com", "eventName": name, "errorCode": code, "readOnly": readOnly,
		}
	}
	for _, resource := range lists[1] {
		for _, verb := range lists[0] {
			require.Empty(t, bodyRule(t, k8s(verb, resource, "")))
		}
		require.Equal(t, "kubernetes:"+resource, bodyRule(t, k8s("unheard-of", resource, "status")))
	}
	for _, w := range lists[2] {
		resource, sub, _ := strings.Cut(w, "/")
		require.Equal(t, "kubernetes:"+w, bodyRule(t, k8s("get", resource, sub)))
	}
	for _, w := range lists[3] {
		code := strings.Replace(w, "*", "Exception", 1)
		require.Equal(t, "cloudtrail:denied", bodyRule(t, trail("ec2", "DescribeInstances", code, true)))
		require.Empty(t, bodyRule(t, trail("ec2", "DescribeInstances", "x"+code, true)))
	}
	for _, w := range lists[4] {
		require.Equal(t, "cloudtrail:"+w, bodyRule(t, trail(w, "CreateThing", "", false)))
		require.Equal(t, "cloudtrail:"+w, bodyRule(t, trail(w, "CreateThing", "", nil)), "an absent readOnly goes by the name")
		require.Empty(t, bodyRule(t, trail(w, "CreateThing", "", true)))
		require.Empty(t, bodyRule(t, trail(w, "ListThings", "", nil)))
	}
	for _, w := range lists[5] {
		require.Equal(t, "cloudtrail:"+w, bodyRule(t, trail("any", strings.Replace(w, "*", "X", 1), "", true)))
	}
	for _, w := range lists[6] {
		kind := strings.Replace(w, "*", "X", 1)
		require.Equal(t, "auditd:"+w, bodyRule(t, "type="+kind+" msg=audit(1.2:3): uid=0 res=success"))
		require.Equal(t, "auditd:"+w, bodyRule(t, map[string]any{"_TRANSPORT": "audit", "_AUDIT_TYPE_NAME": kind}))
		require.Empty(t, bodyRule(t, "type=X"+kind+" msg=audit(1.2:3): uid=0 res=success"))
	}
	for _, m := range event.Messages() {
		text := strings.Replace(m[1], "...", "ada ", 1)
		s := summarise(t, defaults(t), withBody(t, map[string]any{"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": m[0], "MESSAGE": text}))
		require.Equal(t, "journald:"+m[0], s.Critical, text)
		require.Equal(t, [2]string{"/body/MESSAGE", m[2]}, s.Fields["action"])
		require.Equal(t, [2]string{"/body/MESSAGE", m[3]}, s.Fields["outcome"])
	}
}
