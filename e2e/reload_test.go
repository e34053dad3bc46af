package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A reload takes a changed configuration: the chain goes on under it, and the opening entries tell which
// key the digests of redacted values are made with, but not the key.
func TestReloadWithAnotherDigestKey(t *testing.T) {
	t.Parallel()
	const first, second = "canary-first-key-0123", "canary-second-key-456"
	o := options(t)
	text, err := os.ReadFile(o.Config)
	require.NoError(t, err)
	o.Config = filepath.Join(o.Dir, "collector.yaml")
	configure := func(key string) {
		section := "    validation: {on_invalid: reject}\n    redaction: {digest_key: " + key + "}\n"
		changed := strings.Replace(string(text), "\nservice:", "\n"+section+"\nservice:", 1)
		require.Contains(t, changed, key)
		require.NoError(t, os.WriteFile(o.Config, []byte(changed), 0o600))
	}
	send := func(url, attributes string) string {
		body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[` + attributes + `]}]}]}]}`
		code, out := run(t, "curl", "-s", "-w", " %{http_code}", "-H", "Content-Type: application/json", "-d", body, "http://"+url+"/v1/logs")
		require.Zero(t, code, out)
		return out
	}
	const password = `{"key":"user.password","value":{"stringValue":"hunter2"}}`
	const action = `{"key":"audit.action","value":{"stringValue":"hunter2"}}`

	configure(first)
	c := start(t, o)
	require.Contains(t, send(c.HTTP, password), " 200")
	configure(second)
	require.NoError(t, c.Signal(syscall.SIGHUP))
	require.NoError(t, c.AwaitReady(within(t, 30*time.Second), 2))
	require.Contains(t, send(c.HTTP, password), " 200")
	refused := send(c.HTTP, action)
	require.Contains(t, refused, " 400")
	require.Contains(t, refused, "audit.outcome: missing")
	stop(t, c)
	requireIntact(t, c.Audit)

	code, lines := run(t, bin("auditlog"), "cat", c.Audit)
	require.Zero(t, code, lines)
	var types, keys, hmacs []string
	for line := range bytes.Lines([]byte(lines)) {
		var e struct {
			System struct {
				Type   string
				Config struct{ Settings map[string]string }
			}
			Event struct {
				Redacted []struct{ HMAC string }
			}
		}
		require.NoError(t, json.Unmarshal(line, &e))
		types = append(types, e.System.Type)
		if e.System.Type == "opened" {
			keys = append(keys, e.System.Config.Settings["redaction.key_id"])
		}
		for _, r := range e.Event.Redacted {
			hmacs = append(hmacs, r.HMAC)
		}
	}
	require.Equal(t, []string{"opened", "", "closed", "opened", "", "refused", "closed"}, types)
	for _, pair := range [][]string{keys, hmacs} {
		require.Len(t, pair, 2)
		require.NotEmpty(t, pair[0])
		require.NotEqual(t, pair[0], pair[1], "one key each")
	}
	for _, secret := range []string{"hunter2", "canary"} {
		require.NotContains(t, lines, secret)
		require.NotContains(t, c.Log(), secret)
		require.NotContains(t, refused, secret)
	}
}
