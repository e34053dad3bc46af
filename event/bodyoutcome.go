package event

import "strings"

func kubernetesOutcome(f *facts) (string, string) {
	const code, decision = "/responseStatus/code", "/annotations/authorization.k8s.io~1decision"
	switch x := f.fact(code); {
	case x.kind == factNumber && x.num < 400:
		return code, "success"
	case x.kind == factNumber:
		return code, "failure"
	case f.get(decision) == "forbid":
		return decision, "failure"
	}
	return "", ""
}

// cloudTrailOutcome takes a record without an error, read to its end, as a call
// that succeeded: so CloudTrail says it.
func cloudTrailOutcome(f *facts) (string, string) {
	const code, login = "/errorCode", "/responseElements/ConsoleLogin"
	switch {
	case f.get(code) != "":
		return code, "failure"
	case f.get(login) == "Success":
		return login, "success"
	case f.get(login) != "":
		return login, "failure"
	case f.whole:
		return "", "success"
	}
	return "", ""
}

func ocsfOutcome(f *facts) (string, string) {
	switch x := f.fact("/status_id"); {
	case x.kind == factNumber && x.num == 1:
		return "/status_id", "success"
	case x.kind == factNumber && x.num == 2:
		return "/status_id", "failure"
	}
	return "", ""
}

func auditdOutcome(f *facts) (string, string) {
	return f.result("/res", "/success", "/avc", "/apparmor")
}

func journaldOutcome(f *facts) (string, string) {
	if member, word := f.result("/AUDIT_FIELD_RES", "/_AUDIT_FIELD_SUCCESS", "/_AUDIT_FIELD_APPARMOR"); word != "" {
		return member, word
	}
	return "/MESSAGE", f.message().outcome
}

func journaldAction(f *facts) (string, string) {
	return "/MESSAGE", f.message().action
}

// result is the outcome by the first of the members that tells one.
func (f *facts) result(members ...string) (member, word string) {
	for _, m := range members {
		if word := resultWord(f.get(m)); word != "" {
			return m, word
		}
	}
	return "", ""
}

// resultWord is the outcome that a result in an audit record means.
func resultWord(result string) string {
	switch strings.Trim(result, `"`) {
	case "success", "yes", "1", "granted", "ALLOWED":
		return "success"
	case "failed", "no", "0", "denied", "DENIED":
		return "failure"
	}
	return ""
}
