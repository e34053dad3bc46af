package event_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// ruleOf classifies a record that fill makes.
func ruleOf(t testing.TB, c event.Critical, fill func(plog.LogRecord)) string {
	t.Helper()
	e, err := event.NewEncoder(event.Options{Critical: c, Profile: event.ProfileAny})
	require.NoError(t, err)
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	fill(lr)
	body, info := encode(e, ld)
	require.Equal(t, info.Rule != "", info.Critical)
	parsed, err := event.Parse(body)
	require.NoError(t, err)
	require.Equal(t, info.Rule, parsed.Rule)
	return info.Rule
}

func nameRule(t testing.TB, name string) string {
	return ruleOf(t, event.Critical{Defaults: true}, func(lr plog.LogRecord) { lr.SetEventName(name) })
}

func attributeRule(t testing.TB, key string, value any) string {
	return ruleOf(t, event.Critical{Defaults: true}, func(lr plog.LogRecord) {
		require.NoError(t, lr.Attributes().PutEmpty(key).FromRaw(value))
	})
}

// The golden file has one event name and its rule a line, "-" for routine.
func TestNamesGolden(t *testing.T) {
	f, err := os.Open("../testdata/events/names.tsv")
	require.NoError(t, err)
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		name, want, ok := strings.Cut(lines.Text(), "\t")
		require.True(t, ok, "line %d", n+1)
		want = strings.TrimPrefix(want, "-")
		require.Equal(t, want, nameRule(t, name), name)
		require.Equal(t, want, attributeRule(t, "event.name", name), name)
		require.Equal(t, want, nameRule(t, strings.ToUpper(name)), name)
	}
	require.Greater(t, n, 2*35)
}

func TestAttributeRules(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"audit.record.id", "1", "audit:audit.record.id"},
		{"audit.actor.id", "", "audit:audit.actor.id"},
		{"audit.actor.type", 7, "audit:audit.actor.type"},
		{"audit.action", "READ", "audit:audit.action"},
		{"audit.outcome", nil, "audit:audit.outcome"},
		{"audit.target.id", "x", ""},
		{"audit.schema.version", "1.0.0", ""},

		{"event.kind", "alert", "ecs:event.kind=alert"},
		{"event.kind", "event", ""},
		{"event.category", "authentication", "ecs:event.category=authentication"},
		{"event.category", []any{"web", "IAM"}, "ecs:event.category=iam"},
		{"event.category", []any{"web", 7, nil}, ""},
		{"event.category", []any{}, ""},
		{"event.category", "intrusion_detection", "ecs:event.category=intrusion_detection"},
		{"event.category", "malware", "ecs:event.category=malware"},
		{"event.category", "threat", "ecs:event.category=threat"},
		{"event.category", "configuration", "ecs:event.category=configuration"},
		{"event.category", "session", ""},
		{"event.type", []any{"access", "denied"}, "ecs:event.type=denied"},
		{"event.type", "admin", "ecs:event.type=admin"},
		{"event.type", "administration", ""},
		{"event.outcome", "failure", ""},

		{"category_uid", 3, "ocsf:category_uid=3"},
		{"category_uid", "2", "ocsf:category_uid=2"},
		{"category_uid", 6, ""},
		{"category_uid", []any{3}, ""},
		{"class_uid", 3002, "ocsf:class_uid=3000"},
		{"class_uid", 3002.0, "ocsf:class_uid=3000"},
		{"class_uid", 2004, "ocsf:class_uid=2000"},
		{"class_uid", 103001, "ocsf:class_uid=3000"},
		{"class_uid", 6003, ""},
		{"class_uid", 30021, ""},
		{"type_uid", 300201, "ocsf:type_uid=300000"},
		{"type_uid", 600301, ""},
		{"severity_id", 4, "ocsf:severity_id=4"},
		{"severity_id", 6, "ocsf:severity_id=6"},
		{"severity_id", 3, ""},
		{"severity_id", 99, ""},
		{"severity_id", -4, ""},
		{"action_id", 2, "ocsf:action_id=2"},
		{"action_id", 1, ""},
		{"action_id", 2.5, ""},
		{"action_id", "2x", ""},

		{"security_rule.name", "x", "security_rule"},
		{"security_rule.ruleset.name", "x", "security_rule"},
		{"security_rules", "x", ""},

		{"event.name", "user.login", "name:login"},
		{"event_type", "auth_failure", "taxonomy:auth_failure"},
		{"event.name", 7, ""},
		{"http.response.status_code", 401, ""},
		{"http.response.status_code", 403, ""},
		{"message", "login failed: access denied", ""},
		{"user.id", "root", ""},
		{"", "x", ""},
	} {
		require.Equal(t, c.want, attributeRule(t, c.key, c.value), "%s=%v", c.key, c.value)
		off := ruleOf(t, event.Critical{}, func(lr plog.LogRecord) {
			require.NoError(t, lr.Attributes().PutEmpty(c.key).FromRaw(c.value))
			lr.SetEventName("auth.failure")
		})
		require.Empty(t, off, "without defaults: %s", c.key)
	}
}

func TestSeverityIsNotUsed(t *testing.T) {
	require.Empty(t, ruleOf(t, event.Critical{Defaults: true}, func(lr plog.LogRecord) {
		lr.SetSeverityNumber(plog.SeverityNumberFatal4)
		lr.SetSeverityText("FATAL")
		lr.Body().SetStr("permission denied: password wrong")
	}))
}

func TestUserAttributes(t *testing.T) {
	c := event.Critical{Attributes: []string{"pci", "tenant.vip", "pci"}}
	require.Equal(t, "critical.attributes[0]", ruleOf(t, c, func(lr plog.LogRecord) { lr.Attributes().PutEmpty("pci") }))
	require.Empty(t, ruleOf(t, c, func(lr plog.LogRecord) { lr.Attributes().PutBool("PCI", true) }))

	e, err := event.NewEncoder(event.Options{Critical: c})
	require.NoError(t, err)
	for name, mark := range map[string]func(plog.Logs){
		"resource": func(ld plog.Logs) { ld.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.vip", "") },
		"scope": func(ld plog.Logs) {
			ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutStr("tenant.vip", "")
		},
	} {
		ld := ordinary()
		_, info := encode(e, ld)
		require.False(t, info.Critical, name)
		mark(ld)
		_, info = encode(e, ld)
		require.Equal(t, "critical.attributes[1]", info.Rule, name)
	}
	_, err = event.NewEncoder(event.Options{Critical: event.Critical{Attributes: []string{"a", ""}}})
	require.EqualError(t, err, "critical.attributes[1]: empty name")
}

func TestConditions(t *testing.T) {
	asked := 0
	c := event.Critical{Defaults: true, Conditions: func(_ plog.ResourceLogs, _ plog.ScopeLogs, lr plog.LogRecord) (string, bool) {
		asked++
		return "critical.conditions[2]", lr.Body().Str() == "yes"
	}}
	require.Equal(t, "critical.conditions[2]", ruleOf(t, c, func(lr plog.LogRecord) { lr.Body().SetStr("yes") }))
	require.Empty(t, ruleOf(t, c, func(lr plog.LogRecord) { lr.Body().SetStr("no") }))
	require.Equal(t, 2, asked)
	require.Equal(t, "name:sudo", ruleOf(t, c, func(lr plog.LogRecord) { lr.SetEventName("sudo") }))
	require.Equal(t, 2, asked, "not asked for what is critical anyway")
	require.Equal(t, "critical.conditions[2]", ruleOf(t, c, func(lr plog.LogRecord) {
		lr.Body().SetStr("yes")
		lr.Attributes().PutStr("\xff", "irregular")
	}))
	require.Equal(t, 3, asked, "once a record")
}

func TestEventNameIsFirstOfNames(t *testing.T) {
	require.Equal(t, "name:login", ruleOf(t, event.Critical{Defaults: true}, func(lr plog.LogRecord) {
		lr.Attributes().PutStr("event.name", "sudo")
		lr.SetEventName("login")
	}))
}

// Of the rules that fire, the event names one, in this order.
func TestPrecedence(t *testing.T) {
	steps := []struct {
		want string
		add  func(plog.LogRecord)
	}{
		{"security_rule", func(lr plog.LogRecord) { lr.Attributes().PutStr("security_rule.uuid", "") }},
		{"ocsf:action_id=2", func(lr plog.LogRecord) { lr.Attributes().PutInt("action_id", 2) }},
		{"ecs:event.kind=alert", func(lr plog.LogRecord) { lr.Attributes().PutStr("event.kind", "alert") }},
		{"name:login", func(lr plog.LogRecord) { lr.Attributes().PutStr("event.name", "login") }},
		{"taxonomy:auth_failure", func(lr plog.LogRecord) { lr.SetEventName("auth.failure") }},
		{"critical.attributes[0]", func(lr plog.LogRecord) { lr.Attributes().PutStr("mine", "") }},
		{"audit:audit.action", func(lr plog.LogRecord) { lr.Attributes().PutStr("audit.action", "") }},
	}
	c := event.Critical{Defaults: true, Attributes: []string{"mine"}}
	for i := range steps {
		require.Equal(t, steps[i].want, ruleOf(t, c, func(lr plog.LogRecord) {
			for _, s := range steps[:i+1] {
				s.add(lr)
			}
		}))
	}
}
