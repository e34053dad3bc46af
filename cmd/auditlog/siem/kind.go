package siem

import (
	"slices"
	"strings"
	"unicode"

	"github.com/otelaudit/auditexporter/event"
)

// kind is what sort of thing happened, in the words of both schemas.
type kind struct {
	class    int    // OCSF's class_uid
	activity int    // OCSF's activity_id of that class
	name     string // OCSF's caption of it
	category string // ECS's event.category, "" for none
	types    []string
}

// OCSF's classes that events are mapped to.
const (
	classBase           = 0
	classAccountChange  = 3001
	classAuthentication = 3002
	classUserAccess     = 3005
	classGroup          = 3006
	classLifecycle      = 6002
	classAPI            = 6003
)

const otherActivity = 99

var verbs = map[string]string{}

func init() {
	for verb, words := range map[string]string{
		"create":  "create created add added new register registered insert post import provision provisioned",
		"read":    "read get list watch view head options access accessed export download query search select describe lookup",
		"update":  "update updated change changed modify modified put patch write set edit edited rename mgmt",
		"delete":  "delete deleted del remove removed destroy purge erase",
		"enable":  "enable enabled activate activated",
		"disable": "disable disabled suspend suspended deactivate deactivated",
		"lock":    "lock locked lockout",
		"unlock":  "unlock unlocked",
		"reset":   "reset",
		"grant":   "assign assigned grant granted attach attached bind bound",
		"revoke":  "unassign unassigned revoke revoked detach detached unbind",
	} {
		for w := range strings.FieldsSeq(words) {
			verbs[w] = verb
		}
	}
}

var (
	loginWords    = strings.Fields("login logon signin auth authn authentication authenticate authenticated sso saml oidc")
	logoutWords   = strings.Fields("logout logoff signout")
	mfaWords      = strings.Fields("mfa 2fa totp webauthn passkey")
	passwordWords = strings.Fields("password passwd passphrase chauthtok")
	rightWords    = strings.Fields("role roles privilege privileges permission permissions")
	accountWords  = strings.Fields("user account acct serviceaccount")
	configWords   = strings.Fields("config configuration policy policies setting settings")
)

// kindOf tells the kind of an event by its name, and by its action where the name
// says nothing.
func kindOf(e event.Event) kind {
	for _, text := range []string{e.Type, e.Action} {
		w := words(text)
		for _, rule := range []func(segments) (kind, bool){signing, groups, passwords, factors, rights, accounts, switching} {
			if k, ok := rule(w); ok {
				return k
			}
		}
	}
	return call(e)
}

// segments are the segments of a name, in lower case.
type segments []string

// words splits a name at what is no letter or digit, and in camelCase.
func words(name string) (w segments) {
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		begin, runes := 0, []rune(part)
		for i := 1; i < len(runes); i++ {
			if unicode.IsUpper(runes[i]) && unicode.IsLower(runes[i-1]) {
				w, begin = append(w, strings.ToLower(string(runes[begin:i]))), i
			}
		}
		w = append(w, strings.ToLower(string(runes[begin:])))
	}
	return w
}

func (w segments) any(of []string) bool {
	return slices.ContainsFunc(w, func(s string) bool { return slices.Contains(of, s) })
}

// pair tells whether first and second stand beside each other in that order.
func (w segments) pair(first string, second ...string) bool {
	for i := 1; i < len(w); i++ {
		if w[i-1] == first && slices.Contains(second, w[i]) {
			return true
		}
	}
	return false
}

// verb is what is done to one of things: said by a word beside it, or by any word
// if anywhere.
func (w segments) verb(things []string, anywhere bool) string {
	for i, s := range w {
		if !slices.Contains(things, s) {
			continue
		}
		if i+1 < len(w) && verbs[w[i+1]] != "" {
			return verbs[w[i+1]]
		}
		if i > 0 && verbs[w[i-1]] != "" {
			return verbs[w[i-1]]
		}
		if anywhere {
			for _, s := range w {
				if verbs[s] != "" {
					return verbs[s]
				}
			}
		}
	}
	return ""
}

func signing(w segments) (kind, bool) {
	switch {
	case w.any(logoutWords), w.pair("log", "out", "off"), w.pair("sign", "out"), w.pair("logged", "out", "off"), w.pair("signed", "out"):
		return kind{classAuthentication, 2, "Logoff", "authentication", []string{"end"}}, true
	case w.any(loginWords), w.pair("log", "in", "on"), w.pair("sign", "in", "on"), w.pair("logged", "in", "on"), w.pair("signed", "in"):
		return kind{classAuthentication, 1, "Logon", "authentication", []string{"start"}}, true
	}
	return kind{}, false
}

func groups(w segments) (kind, bool) {
	things := []string{"group", "grp"}
	iam := func(activity int, name, t string) (kind, bool) {
		return kind{classGroup, activity, name, "iam", []string{"group", t}}, true
	}
	member := w.any([]string{"member", "user"})
	switch verb := w.verb(things, member); {
	case verb == "create" && member:
		return iam(3, "Add User", "change")
	case verb == "delete" && member:
		return iam(4, "Remove User", "change")
	case verb == "create":
		return iam(6, "Create", "creation")
	case verb == "delete":
		return iam(5, "Delete", "deletion")
	case verb == "update":
		return iam(9, "Update", "change")
	}
	return kind{}, false
}

func account(activity int, name, t string) (kind, bool) {
	return kind{classAccountChange, activity, name, "iam", []string{"user", t}}, true
}

func passwords(w segments) (kind, bool) {
	switch w.verb(passwordWords, false) {
	case "update":
		return account(3, "Password Change", "change")
	case "reset":
		return account(4, "Password Reset", "change")
	}
	if w.any([]string{"chauthtok"}) {
		return account(3, "Password Change", "change")
	}
	return kind{}, false
}

func factors(w segments) (kind, bool) {
	switch w.verb(mfaWords, true) {
	case "enable", "create":
		return account(10, "MFA Factor Enable", "change")
	case "disable", "delete":
		return account(11, "MFA Factor Disable", "change")
	}
	if w.any(mfaWords) {
		return kind{classAuthentication, otherActivity, "Other", "authentication", []string{"info"}}, true
	}
	return kind{}, false
}

func rights(w segments) (kind, bool) {
	role := w.any([]string{"role", "roles"})
	access := func(activity int, name string) (kind, bool) {
		return kind{classUserAccess, activity, name, "iam", []string{"admin", "change"}}, true
	}
	switch w.verb(rightWords, false) {
	case "grant":
		if role {
			return access(3, "Assign Role")
		}
		return access(1, "Assign Privileges")
	case "revoke":
		if role {
			return access(4, "Remove Role")
		}
		return access(2, "Revoke Privileges")
	case "update":
		return access(otherActivity, "Other")
	}
	if w.pair("privilege", "escalation") || w.pair("role", "escalation") {
		return access(otherActivity, "Other")
	}
	return kind{}, false
}

func accounts(w segments) (kind, bool) {
	switch w.verb(accountWords, false) {
	case "create":
		return account(1, "Create", "creation")
	case "enable":
		return account(2, "Enable", "change")
	case "disable":
		return account(5, "Disable", "change")
	case "delete":
		return account(6, "Delete", "deletion")
	case "lock":
		return account(9, "Lock", "change")
	case "unlock":
		return account(12, "Unlock", "change")
	case "update":
		return account(otherActivity, "Other", "change")
	}
	return kind{}, false
}

func switching(w segments) (kind, bool) {
	if len(w) > 0 && w.any([]string{"sudo", "su"}) {
		return kind{classAuthentication, 7, "Account Switch", "authentication", []string{"start"}}, true
	}
	return kind{}, false
}

// call is what is none of the above: something that was asked for if the event
// says what, else just an event.
func call(e event.Event) kind {
	all := append(words(e.Action), words(e.Type)...)
	k := kind{class: classAPI, activity: otherActivity, name: "Other", category: "api", types: []string{"info"}}
	for _, w := range all {
		switch verbs[w] {
		case "create":
			k.activity, k.name, k.types = 1, "Create", []string{"creation"}
		case "read":
			k.activity, k.name, k.types = 2, "Read", []string{"access"}
		case "update", "enable", "disable", "lock", "unlock", "reset", "grant", "revoke":
			k.activity, k.name, k.types = 3, "Update", []string{"change"}
		case "delete":
			k.activity, k.name, k.types = 4, "Delete", []string{"deletion"}
		default:
			continue
		}
		break
	}
	switch {
	case len(all) == 0:
		return kind{class: classBase, name: "Unknown"}
	case all.any(configWords) && k.activity != 2:
		k.category = "configuration"
	case all.any([]string{"denied", "refused", "forbidden"}):
		k.types = []string{"denied"}
	case all.any([]string{"granted", "allowed"}):
		k.types = []string{"allowed"}
	}
	return k
}
