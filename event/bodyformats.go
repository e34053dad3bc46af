package event

import "strings"

// kubernetesVersion begins the apiVersion of a Kubernetes audit event; later
// versions of its API are taken to keep these members.
const kubernetesVersion = "audit.k8s.io/v"

// kubernetes is one Event of audit.k8s.io, as an API server writes it to its
// audit log. Of sourceIPs all but the last can be set by the client. The id of
// a request is that of all its stages, so it is not the record's.
var kubernetes = (&bodyFormat{
	name: "Kubernetes audit",
	is: func(f *facts) bool {
		return f.get("/kind") == "Event" && strings.HasPrefix(f.get("/apiVersion"), kubernetesVersion)
	},
	sources: [numFields][]string{
		fieldActorID:      {"/user/username", "/user/uid"},
		fieldActorAddress: {"/sourceIPs/*"},
		fieldAction:       {"/verb"},
		fieldTargetID:     {"/requestURI", "/objectRef/name"},
		fieldTargetType:   {"/objectRef/resource"},
		fieldSourceID:     {"/sourceIPs/*"},
	},
	also: []string{
		"/kind", "/apiVersion", "/responseStatus/code", "/objectRef/subresource",
		"/annotations/authorization.k8s.io~1decision", "/impersonatedUser/username",
	},
	concluded: [numFields]conclusion{fieldOutcome: kubernetesOutcome},
	rules:     []bodyRule{kubernetesDenied, kubernetesImpersonation, kubernetesResource},
}).build()

// cloudTrail is one record of AWS CloudTrail.
var cloudTrail = (&bodyFormat{
	name: "AWS CloudTrail",
	is: func(f *facts) bool {
		return f.get("/eventVersion") != "" && f.get("/eventName") != "" &&
			strings.HasSuffix(f.get("/eventSource"), ".amazonaws.com")
	},
	sources: [numFields][]string{
		fieldRecordID: {"/eventID"},
		fieldActorID: {
			"/userIdentity/arn", "/userIdentity/userName", "/userIdentity/principalId", "/userIdentity/invokedBy",
			"/userIdentity/accountId",
		},
		fieldActorType:    {"/userIdentity/type"},
		fieldActorAddress: {"/sourceIPAddress"},
		fieldAction:       {"/eventName"},
		fieldTargetID: {
			"/resources/*/ARN", "/requestParameters/userName", "/requestParameters/roleName", "/requestParameters/groupName",
			"/requestParameters/policyArn", "/requestParameters/roleArn", "/requestParameters/bucketName",
			"/requestParameters/keyId", "/requestParameters/secretId", "/requestParameters/name",
		},
		fieldTargetType: {"/eventSource"},
		fieldSourceID:   {"/sourceIPAddress"},
	},
	also:      []string{"/eventVersion", "/eventType", "/errorCode", "/readOnly", "/responseElements/ConsoleLogin"},
	concluded: [numFields]conclusion{fieldOutcome: cloudTrailOutcome},
	rules:     []bodyRule{cloudTrailRoot, cloudTrailDenied, cloudTrailSource, cloudTrailName},
}).build()

// ocsf is an OCSF event in a map, nested as the schema has it or by dotted
// names. status_id is the code it is as an attribute.
var ocsf = (&bodyFormat{
	name:   "OCSF",
	dotted: true,
	is: func(f *facts) bool {
		return f.fact("/class_uid").kind == factNumber || f.get("/class_uid") != ""
	},
	sources: [numFields][]string{
		fieldRecordID: {"/metadata/uid"},
		fieldActorID: {
			"/actor/user/uid", "/actor/user/name", "/actor/user/email_addr", "/user/uid", "/user/name", "/user/email_addr",
		},
		fieldActorType:       {"/actor/user/type", "/user/type"},
		fieldActorAddress:    {"/src_endpoint/ip"},
		fieldActorSession:    {"/actor/session/uid", "/session/uid"},
		fieldActorAuthMethod: {"/auth_protocol"},
		fieldAction:          {"/activity_name"},
		fieldTargetID: {
			"/user/uid", "/user/name", "/resource/uid", "/resource/name", "/resources/*/uid", "/resources/*/name",
			"/api/operation", "/file/path",
		},
		fieldTargetType: {"/resource/type", "/resources/*/type"},
		fieldSourceID:   {"/src_endpoint/ip", "/src_endpoint/hostname"},
	},
	also: []string{"/class_uid", "/status_id"},
	tests: map[string]string{
		"/category_uid": "category_uid", "/class_uid": "class_uid", "/type_uid": "type_uid",
		"/severity_id": "severity_id", "/action_id": "action_id",
	},
	concluded: [numFields]conclusion{fieldOutcome: ocsfOutcome},
}).build()

// ecs is an event of the Elastic Common Schema in a map, nested or by dotted
// names.
var ecs = (&bodyFormat{
	name:   "ECS",
	dotted: true,
	is:     func(f *facts) bool { return f.get("/ecs/version") != "" },
	sources: [numFields][]string{
		fieldRecordID:     {"/event/id"},
		fieldActorID:      {"/user/id", "/user/name", "/user/email"},
		fieldActorAddress: {"/client/address", "/source/address", "/client/ip", "/source/ip"},
		fieldAction:       {"/event/action", "/http/request/method"},
		fieldOutcome:      {"/event/outcome"},
		fieldTargetID: {
			"/user/target/id", "/user/target/name", "/group/name", "/file/path", "/url/path", "/url/full",
		},
		fieldSourceID: {"/client/address", "/source/address", "/client/ip", "/source/ip"},
	},
	also: []string{"/ecs/version"},
	tests: map[string]string{
		"/event/kind": "event.kind", "/event/category": "event.category", "/event/type": "event.type",
	},
}).build()

// journald is an entry of the systemd journal as a map, by the names that
// systemd.journal-fields gives and journald makes of an audit record's fields.
// The login uid is who signed in; the uid may be any service's.
var journald = (&bodyFormat{
	name: "journald",
	is: func(f *facts) bool {
		return f.get("/_TRANSPORT") != "" || f.get("/__CURSOR") != "" || f.get("/_AUDIT_TYPE_NAME") != ""
	},
	sources: [numFields][]string{
		fieldActorID:      {"/_AUDIT_LOGINUID", "/AUDIT_FIELD_ACCT"},
		fieldActorAddress: {"/AUDIT_FIELD_ADDR", "/AUDIT_FIELD_HOSTNAME"},
		fieldActorSession: {"/_AUDIT_SESSION"},
		fieldAction:       {"/_AUDIT_TYPE_NAME"},
		fieldTargetID: {
			"/AUDIT_FIELD_ACCT", "/AUDIT_FIELD_CMD", "/_AUDIT_FIELD_PATH", "/_AUDIT_FIELD_NAME", "/AUDIT_FIELD_UNIT",
			"/AUDIT_FIELD_EXE",
		},
		fieldSourceID: {"/AUDIT_FIELD_ADDR", "/AUDIT_FIELD_HOSTNAME"},
	},
	also: []string{
		"/__CURSOR", "/_TRANSPORT", "/AUDIT_FIELD_RES", "/_AUDIT_FIELD_SUCCESS", "/_AUDIT_FIELD_APPARMOR",
		"/SYSLOG_IDENTIFIER", "/MESSAGE",
	},
	unset: auditdUnset,
	concluded: [numFields]conclusion{
		fieldActorID: journaldActor, fieldActorAddress: journaldAddress, fieldAction: journaldAction,
		fieldOutcome: journaldOutcome, fieldSourceID: journaldAddress,
	},
	rules: []bodyRule{journaldAudit, journaldMessage},
}).build()

// auditd is one line of the Linux audit daemon.
var auditd = (&bodyFormat{
	name: "auditd",
	line: true,
	is:   func(f *facts) bool { return f.get("/type") != "" },
	sources: [numFields][]string{
		fieldActorID:      {"/AUID", "/auid", "/acct", "/UID", "/uid"},
		fieldActorAddress: {"/addr", "/hostname"},
		fieldActorSession: {"/ses"},
		fieldAction:       {"/type"},
		fieldTargetID:     {"/acct", "/cmd", "/path", "/name", "/unit", "/exe"},
		fieldSourceID:     {"/addr", "/hostname"},
	},
	also:      []string{"/res", "/success", "/apparmor", "/avc"},
	unset:     auditdUnset,
	concluded: [numFields]conclusion{fieldOutcome: auditdOutcome},
	rules:     []bodyRule{auditdType, auditdFailed},
}).build()

// auditdUnset are how an audit record says that there is no value; the number
// is that of no login uid and no session.
var auditdUnset = []string{"4294967295", "-1", "unset", "?", "(null)", "(none)"}
