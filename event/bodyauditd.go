package event

import (
	"encoding/hex"
	"strings"
)

// maxAuditd is how much of a line is read; the kernel writes no longer ones.
const maxAuditd = 9 << 10

// auditdStart returns where in a line's head the audit record begins, -1 if
// nowhere:
//
//	type=USER_AUTH msg=audit(1700000000.123:42): pid=...         audit.log
//	node=host type=USER_AUTH msg=audit(1700000000.123:42): ...   with a node's name
//	audit: type=1400 audit(1700000000.123:42): ...               the kernel's own line
//	<85>Nov 23 17:50:28 host audisp-syslog[7]: type=...          as syslog
//
// What stands before it has to be all header: words of another program's line,
// which a client may have chosen, begin no audit record.
func auditdStart(head string) int {
	at := 0
	switch {
	case strings.HasPrefix(head, "type="):
	case strings.HasPrefix(head, "node="):
		at = strings.IndexByte(head, ' ') + 1
	case strings.HasPrefix(head, "audit: "):
		at = len("audit: ")
	case strings.HasPrefix(head, "<"):
		at = strings.IndexByte(head, '=') - len("type")
		if at < 0 || !syslogHeader(strings.TrimSuffix(head[:at], "audit: ")) {
			return -1
		}
	default:
		return -1
	}
	rest, ok := strings.CutPrefix(head[at:], "type=")
	kind, after, _ := strings.Cut(rest, " ")
	if !ok || kind == "" || !strings.HasPrefix(after, "msg=audit(") && !strings.HasPrefix(after, "audit(") {
		return -1
	}
	return at
}

// syslogHeader tells whether s is the header of a syslog line and no more: of
// RFC 5424 without structured data, or of RFC 3164, whose tag ends in the first
// ": ".
func syslogHeader(s string) bool {
	if !strings.HasPrefix(s, "<") {
		return false
	}
	if _, rest, _ := strings.Cut(s, ">"); strings.HasPrefix(rest, "1 ") {
		return strings.HasSuffix(s, " - ") && strings.Count(s, " ") == 7
	}
	return strings.Index(s, ": ") == len(s)-2
}

// readAuditd reads the fields of an audit record, name=value between spaces. Of
// a name that stands twice the first counts: the kernel's fields come before
// the message of a program in msg='...'. The names in capitals that auditd adds
// to resolve numbers stand behind a group separator (log_format = ENRICHED).
func (f *facts) readAuditd(s string) {
	s = strings.TrimLeft(s, " ")
	s = s[auditdStart(s[:min(len(s), maxHead)]):]
	s = s[:min(len(s), maxAuditd)]
	enriched := false
	for s != "" {
		switch s[0] {
		case ' ', '\'', ',', '\n':
			s = s[1:]
			continue
		case 0x1d:
			enriched = true
			s = s[1:]
			continue
		}
		end := strings.IndexAny(s, "= \x1d'")
		if end < 0 {
			return
		}
		name := s[:end]
		if s[end] != '=' {
			f.auditdWord(name)
			s = s[end:]
			continue
		}
		var value string
		var quoted bool
		value, quoted, s = auditdValue(s[end+1:])
		at := f.format.tree.next[name]
		if at == nil || f.found[at.member].kind != factNone || !enriched && 'A' <= name[0] && name[0] <= 'Z' {
			continue
		}
		if !quoted && strings.Contains(auditdEncoded, " "+name+" ") {
			value = auditdDecode(value)
		}
		f.set(at, fact{kind: factString, text: value})
	}
}

// auditdWord takes a word of SELinux's free text into account:
// avc:  denied  { read } for ...
func (f *facts) auditdWord(word string) {
	if at := f.format.tree.next["avc"]; word == "denied" || word == "granted" {
		if f.get("/type") == "AVC" || f.get("/type") == "USER_AVC" || f.get("/type") == auditdNumberAVC {
			f.set(at, fact{kind: factString, text: word})
		}
	}
}

// auditdValue cuts the value that s begins with.
func auditdValue(s string) (value string, quoted bool, rest string) {
	if s != "" && s[0] == '"' {
		if value, rest, ok := strings.Cut(s[1:], `"`); ok {
			return value, true, rest
		}
	}
	end := strings.IndexAny(s, " \x1d'\n")
	if end < 0 {
		end = len(s)
	}
	return s[:end], false, s[end:]
}

// auditdEncoded are the fields whose value, if it stands without quotes, is in
// hex (Field dictionary of linux-audit, format "encoded").
const auditdEncoded = " acct cmd exe name path unit "

func auditdDecode(s string) string {
	if b, err := hex.DecodeString(s); err == nil && len(b) > 0 {
		return string(b)
	}
	return s
}
