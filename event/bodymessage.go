package event

import "strings"

// message is what the program of an identifier writes in that form, and what
// it means. The forms are those in the programs' sources or manuals; nothing is
// guessed from other text.
type message struct {
	identifier string
	// form is how the message begins, or, behind "...", what stands in it.
	form            string
	action, outcome string
}

// messages are the journald messages that make an entry critical, and
// CRITICAL.md shows them. The first that fits counts.
var messages = []message{
	{"sshd", "Accepted ", "login", "success"},
	{"sshd", "Failed ", "login", "failure"},
	{"sshd", "Invalid user ", "login", "failure"},
	{"sshd", "error: maximum authentication attempts exceeded ", "login", "failure"},
	{"sshd", "pam_unix(sshd:auth): authentication failure;", "login", "failure"},
	{"sudo", "...: TTY=", "sudo", "success"},
	{"sudo", "...; COMMAND=", "sudo", "failure"},
	{"sudo", "pam_unix(sudo:auth): authentication failure;", "sudo", "failure"},
	{"su", "FAILED ", "su", "failure"},
	{"su", "Successful su for ", "su", "success"},
	{"su", "(to ", "su", "success"},
	{"su", "pam_unix(su:auth): authentication failure;", "su", "failure"},
	{"su", "pam_unix(su-l:auth): authentication failure;", "su", "failure"},
	{"login", "LOGIN ON ", "login", "success"},
	{"login", "ROOT LOGIN ", "login", "success"},
	{"login", "FAILED LOGIN ", "login", "failure"},
	{"useradd", "new user: ", "user.add", "success"},
	{"usermod", "change user ", "user.change", "success"},
	{"usermod", "add ", "group.change", "success"},
	{"userdel", "delete user ", "user.delete", "success"},
	{"groupadd", "new group: ", "group.add", "success"},
	{"groupdel", "group ", "group.delete", "success"},
	{"gpasswd", "user ", "group.change", "success"},
	{"passwd", "pam_unix(passwd:chauthtok): password changed for ", "password.change", "success"},
	{"chpasswd", "pam_unix(chpasswd:chauthtok): password changed for ", "password.change", "success"},
}

// message returns which of messages an entry is; its identifier is "" if none.
func (f *facts) message() message {
	identifier, text := f.get("/SYSLOG_IDENTIFIER"), f.get("/MESSAGE")
	// OpenSSH 9.8 gave the part that authenticates a name of its own, and 10.0
	// another one.
	if identifier == "sshd-session" || identifier == "sshd-auth" {
		identifier = "sshd"
	}
	for _, m := range messages {
		if m.identifier != identifier {
			continue
		}
		inside, ok := strings.CutPrefix(m.form, "...")
		if ok && strings.Contains(text, inside) || !ok && strings.HasPrefix(text, m.form) {
			return m
		}
	}
	return message{}
}

func journaldMessage(f *facts) string {
	return prefixed("journald", f.message().identifier)
}

func journaldActor(f *facts) (string, string) {
	user, _ := f.sshd()
	return "/MESSAGE", user
}

func journaldAddress(f *facts) (string, string) {
	_, address := f.sshd()
	return "/MESSAGE", address
}

// sshd returns who signs in and from where, if the entry is sshd's message that
// someone has or has not:
//
//	Failed password for invalid user admin from 198.51.100.7 port 50122 ssh2
//
// The name is the client's choice and may hold anything, so the address stands
// behind the last " from ".
func (f *facts) sshd() (user, address string) {
	text := f.get("/MESSAGE")
	if m := f.message(); m.identifier != "sshd" || m.form != "Accepted " && m.form != "Failed " {
		return "", ""
	}
	i := strings.LastIndex(text, " from ")
	_, user, ok := strings.Cut(text[:max(i, 0)], " for ")
	if !ok {
		return "", ""
	}
	address, _, ok = strings.Cut(text[i+len(" from "):], " port ")
	if user = strings.TrimPrefix(user, "invalid user "); !ok || len(user) > maxFactText || len(address) > maxFactText {
		return "", ""
	}
	return user, address
}
