package event

import "strings"

// words make an event name critical when one stands in it as a whole segment.
// A name's segments are split at '.', '_' and '-' and compared without regard to
// ASCII case, so author.created and tokenizer.loaded hold none of them. A word
// is here if it speaks of identity, rights or attacks wherever it stands.
const words = `
	auth authn authz authentication authenticate authenticated authorization authorisation authorize authorized
	unauthorized unauthenticated login logout logon logoff signin signout signon
	oauth oauth2 oidc saml sso mfa 2fa totp webauthn passkey
	permission permissions privilege privileges iam rbac acl impersonate impersonated impersonation
	password passwords passwd passphrase credential credentials secret secrets apikey sudo
	security audit suspicious malware ransomware intrusion threat exfiltration bruteforce
	tamper tampered tampering`

// pairs make an event name critical when the first word and one of those beside
// it are neighbouring segments. Words with an everyday meaning are here only:
// cache.key.evicted and gen_ai.token.usage hold no pair, api.key.created and
// token.revoked do.
var pairs = [][2]string{
	{"sign", "in out on"},
	{"signed", "in out on"},
	{"log", "in out on"},
	{"logged", "in out on"},
	{"access", "denied granted refused revoked violation key keys token tokens policy"},
	{"config", "change changed changes update updated modify modified"},
	{"configuration", "change changed changes update updated modify modified"},
	{"user", "create created delete deleted update updated add added remove removed disable disabled enable enabled " +
		"lock locked unlock unlocked lockout suspend suspended"},
	{"account", "create created delete deleted disable disabled enable enabled lock locked unlock unlocked lockout " +
		"suspend suspended takeover"},
	{"role", "assign assigned unassign unassigned grant granted revoke revoked change changed create created delete " +
		"deleted update updated modify modified add added remove removed bind bound binding bindings escalation"},
	{"roles", "assigned granted revoked changed updated modified added removed"},
	{"policy", "violation violations violated bypass bypassed change changed create created delete deleted update " +
		"updated modify modified attach attached detach detached disable disabled enable enabled remove removed"},
	{"token", "revoke revoked revocation rotate rotated leaked stolen forged compromised invalid replay replayed reuse reused"},
	{"tokens", "revoked rotated leaked stolen compromised"},
	{"invalid", "token key signature certificate"},
	{"refresh", "token tokens"},
	{"bearer", "token tokens"},
	{"session", "token tokens hijack hijacked hijacking fixation revoked"},
	{"api", "key keys token tokens"},
	{"private", "key keys"},
	{"signing", "key keys"},
	{"encryption", "key keys"},
	{"ssh", "key keys"},
	{"kms", "key keys"},
	{"master", "key keys"},
	{"recovery", "key keys code codes"},
	{"key", "revoke revoked revocation rotate rotated rotation leaked stolen compromised exported disclosed"},
	{"keys", "revoked rotated leaked stolen compromised exported"},
	{"certificate", "revoked revocation compromised"},
	{"cert", "revoked revocation compromised"},
	{"multi", "factor"},
	{"two", "factor"},
	{"brute", "force"},
	{"path", "traversal"},
	{"sql", "injection"},
	{"command", "injection"},
	{"code", "injection"},
	{"prompt", "injection"},
	{"integrity", "violation violated failure failed"},
	{"data", "breach leak leaked"},
}

// word is what a segment means in a name.
type word struct {
	rule string            // critical by itself, by this rule
	next map[string]string // critical before one of these segments, by these rules
}

// nameRules decides by an event's name: kinds by the whole name, then segments.
type nameRules struct {
	kinds map[string]string // rule, "" for a kind that is routine
	words map[string]word
}

// names is read only.
var names = func() nameRules {
	r := nameRules{kinds: make(map[string]string), words: make(map[string]word)}
	for _, k := range taxonomy {
		rule := ""
		if k.critical {
			rule = "taxonomy:" + k.name
		}
		r.kinds[k.name], r.kinds[k.dotted] = rule, rule
	}
	for _, w := range strings.Fields(words) {
		r.words[w] = word{rule: "name:" + w}
	}
	for _, p := range pairs {
		w := r.words[p[0]]
		w.next = make(map[string]string)
		for _, second := range strings.Fields(p[1]) {
			w.next[second] = "name:" + p[0] + "." + second
		}
		r.words[p[0]] = w
	}
	return r
}()

// maxSegment is longer than any word of the rules, and maxName than any kind.
const (
	maxSegment = 20
	maxName    = 40
)

// classify returns the rule that makes an event of that name critical and its
// order, or "" if none does.
func (r *nameRules) classify(name string) (order, string) {
	var low [maxName]byte
	if len(name) <= maxName {
		for i := range len(name) {
			low[i] = lower(name[i])
		}
		if rule, ok := r.kinds[string(low[:len(name)])]; ok {
			return orderTaxonomy, rule
		}
	}
	var before word
	for start := 0; start <= len(name); {
		end := start
		for end < len(name) && name[end] != '.' && name[end] != '_' && name[end] != '-' {
			end++
		}
		var now word
		if n := end - start; n > 0 && n <= maxSegment {
			for i := range n {
				low[i] = lower(name[start+i])
			}
			segment := low[:n]
			if rule := before.next[string(segment)]; rule != "" {
				return orderName, rule
			}
			if now = r.words[string(segment)]; now.rule != "" {
				return orderName, now.rule
			}
		}
		before, start = now, end+1
	}
	return orderNone, ""
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
