package event_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// redacts tells whether a string under a key is redacted.
func redacts(t testing.TB, r event.Redaction, key string) bool {
	ld := bare()
	first(ld).Attributes().PutStr(key, secretValue)
	e, info := judged(t, event.Options{Redaction: r}, ld)
	require.Len(t, e.Redacted, info.Redacted)
	return info.Redacted == 1
}

func TestSecretKeys(t *testing.T) {
	for _, key := range []string{
		"password", "PASSWORD", "db.password", "db-password", "db_password", "dbPassword", "DB_PASSWORD", "userPASSWORD", "pass_word", "pass.word",
		"secret", "client_secret", "clientSecret", "clientsecret", "token", "access_token", "accessToken", "accesstoken", "OAuth2Token", "x.y.z-token",
		"api_key", "apikey", "apiKey", "APIKey", "API-KEY", "X-Api-Key", "x.api.key", "myAPIKey", "aws_secret_access_key", "AWSSecretAccessKey",
		"private_key", "ssh-key", "signing.key", "authorization", "Proxy-Authorization", "http.request.header.authorization", "cookie", "Set-Cookie",
		"credentials", "passwd", "pwd", "jwt", "gen_ai.prompt", "seal_key", "vram.ptr_memory_pointer", "password_", "password.", "_password",
	} {
		require.True(t, redacts(t, event.Redaction{}, key), key)
	}
	for _, key := range []string{
		"authorization.k8s.io/decision", "tokens_processed", "token_fingerprint", "password_changed", "keyspace", "key", "primary_key", "sort.key",
		"", ".", "_-.", "token_prefix", "secretary", "mypassword", "tokens", "gen_ai.usage.input_tokens", "cookies_accepted", "author", "passenger",
		"authorizationMode", "monkey", "api_keys", "prompt_length", "prompt_hash", "wordpass", "d", "passwört", "session.id", "user.id", "k8s.pod.name",
		strings.Repeat("x", 60) + "password", strings.Repeat("password", 9),
	} {
		require.False(t, redacts(t, event.Redaction{}, key), key)
	}
}

func TestSecretKeysAreConfigured(t *testing.T) {
	r := event.Redaction{ExtraKeys: []string{"employee_number", "IBAN", "a.b.c.d", "naïf"}, Except: []string{"csrf_token", "cookie"}}
	for key, want := range map[string]bool{
		"hr.employeeNumber": true, "EMPLOYEE-NUMBER": true, "number": false, "employee": false, "iban": true, "customer.iban": true, "x.naïf": true,
		"z.a.b.c.d": true, "b.c.d": false, "token": true, "csrf_token": false, "x-csrf-token": false, "xcsrfToken": true, "cookie": false, "set-cookie": false,
		"password": true, "access_token": true,
	} {
		require.Equal(t, want, redacts(t, r, key), key)
	}
}

func TestSecretNamesAreDocumented(t *testing.T) {
	list := blocks(section(t, document(t, "FORMAT.md"), "Redaction"), "text")[0]
	require.Equal(t, strings.Fields(event.SecretNames()), strings.Fields(list))
}

// A redacted value stands nowhere in the event, whatever it is and wherever it
// stood, and nothing else of the event depends on it.
func TestRedactedValueLeavesNoTrace(t *testing.T) {
	r := event.Redaction{ExtraKeys: []string{
		"id", "name", "category", "status_id", "type", "action", "uid", "outcome", "username", "class_uid", "k0", "raw",
	}}
	long := strings.Repeat("s3cr3t", 20_000)
	for _, key := range []string{"", "a key of sixteen bytes and more"} {
		r.DigestKey = []byte(key)
		e := encoder(t, event.Options{
			Critical: event.Critical{Defaults: true}, Redaction: r, Profile: event.ProfileAudit,
			Limits: event.Limits{Attributes: 16, Depth: 2},
		})
		bodies := make(map[string][]byte)
		values := []string{"s3cr3t-a", "s3cr3t-b", "iam", "auth_failure", "user", "2", "\x1b[31m\xff\u202e", "", long, `"},"x":"`}
		for _, value := range values {
			ld := ordinary()
			rl := ld.ResourceLogs().At(0)
			rl.Resource().Attributes().PutStr("password", value)
			rl.ScopeLogs().At(0).Scope().Attributes().PutStr("x.token", value)
			lr := first(ld)
			a := lr.Attributes()
			a.Clear()
			for _, k := range []string{
				"audit.record.id", "audit.actor.id", "audit.actor.type", "audit.outcome", "event.category", "event.name", "status_id", "event.action",
				"class_uid", "log.record.uid",
			} {
				a.PutStr(k, value)
			}
			a.PutEmptySlice("token").AppendEmpty().SetStr(value)
			a.PutEmptyMap("m").PutEmptyMap("n").PutEmptyMap("o").PutStr("password", value) // below the depth
			for i := range 20 {
				a.PutStr(fmt.Sprintf("p%d.token", i), value) // above the count
			}
			a.PutEmptyBytes("api_key").FromRaw([]byte(value))
			b := lr.Body().SetEmptyMap()
			b.PutStr("kind", "Event")
			b.PutStr("apiVersion", "audit.k8s.io/v1")
			b.PutStr("auditID", "1")
			b.PutStr("stage", "ResponseComplete")
			b.PutStr("verb", "get")
			b.PutEmptyMap("user").PutStr("username", value)
			body, info := encode(e, ld)
			bodies[value] = body
			require.Empty(t, info.ID)
			require.Greater(t, info.Redacted, 20)
			_, err := event.Parse(body)
			require.NoError(t, err)
			back, err := event.Decode(body)
			require.NoError(t, err)
			v, _ := first(back).Attributes().Get("audit.actor.id")
			require.Equal(t, "[redacted]", v.Str())
			require.NotContains(t, string(body), "s3cr3t")
			require.NotContains(t, string(body), "iam\"")
			sum := sha256.Sum256([]byte(value))
			require.NotContains(t, string(body), hex.EncodeToString(sum[:]))
		}
		if key == "" {
			for _, value := range values {
				require.Equal(t, string(bodies[values[0]]), string(bodies[value]), "the event is the same for every value: %.20q", value)
			}
		} else {
			require.NotEqual(t, string(bodies["s3cr3t-a"]), string(bodies["s3cr3t-b"]))
			require.Len(t, bodies["s3cr3t-a"], len(bodies["s3cr3t-b"]))
		}
	}
}

// Only strings and bytes are redacted.
func TestOtherKindsAreNotRedacted(t *testing.T) {
	ld := bare()
	a := first(ld).Attributes()
	a.PutBool("password", true)
	a.PutInt("a.password", 1)
	a.PutDouble("b.password", 1.5)
	a.PutEmpty("c.password")
	a.PutEmptyMap("d.password").PutStr("hint", "none")
	s := a.PutEmptySlice("e.password")
	s.AppendEmpty().SetInt(1)
	s.AppendEmpty().SetEmptyMap().PutStr("hint", "none")
	_, info := judged(t, event.Options{}, ld)
	require.Zero(t, info.Redacted)
	a.PutEmptyBytes("f.password")
	s.AppendEmpty().SetEmptySlice().AppendEmpty().SetStr("x")
	e, _ := judged(t, event.Options{}, ld)
	require.Equal(t, []event.Redacted{{Pointer: "/attributes/e.password/2/0"}, {Pointer: "/attributes/f.password"}}, e.Redacted)
}

// The keyed digest is what FORMAT.md says, so that who has the key can check it.
func TestRedactedDigest(t *testing.T) {
	key := []byte("sixteen bytes and more")
	ld := secrets()
	e, info := judged(t, event.Options{Redaction: event.Redaction{DigestKey: key}}, ld)
	require.Equal(t, 5, info.Redacted)
	for _, r := range e.Redacted {
		kind, value := "s", secretValue
		switch {
		case strings.HasPrefix(r.Pointer, "/scope"):
			kind = "b"
		case strings.HasSuffix(r.Pointer, "/0"):
			value = "Bearer " + value
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(binary.BigEndian.AppendUint64([]byte("auditlog/redacted/v1\np"), uint64(len(r.Pointer))))
		mac.Write([]byte(r.Pointer + kind + value))
		require.Equal(t, hex.EncodeToString(mac.Sum(nil)), r.HMAC, r.Pointer)
	}
	require.EqualValues(t, 16, e.Redacted[0].LengthAtMost)
	require.EqualValues(t, 32, e.Redacted[2].LengthAtMost)

	sum := sha256.Sum256(append([]byte("auditlog/redaction-key/v1\n"), key...))
	require.Equal(t, hex.EncodeToString(sum[:])[:8], event.KeyID(key))

	// One encoder's digests are not another's, on one Source.
	var s event.Source
	one := func(key string) string {
		enc := encoder(t, event.Options{Redaction: event.Redaction{DigestKey: []byte(key)}})
		rl := ld.ResourceLogs().At(0)
		enc.Resource(&s, rl)
		enc.Scope(&s, rl.ScopeLogs().At(0))
		body, _ := enc.Append(nil, &s, first(ld), recordedAt)
		return string(body)
	}
	a, b := one("key number one ........"), one("key number two ........")
	require.NotEqual(t, a, b)
	require.Equal(t, a, one("key number one ........"))
}

func TestLengthBuckets(t *testing.T) {
	for n, want := range map[int]int64{0: 8, 1: 8, 8: 8, 9: 16, 16: 16, 17: 32, 1000: 1024, 100_000: 131072} {
		ld := bare()
		first(ld).Attributes().PutStr("token", strings.Repeat("x", n))
		e, _ := judged(t, event.Options{Redaction: event.Redaction{DigestKey: digestKey}}, ld)
		require.Equal(t, want, e.Redacted[0].LengthAtMost, n)
	}
}

// The digest of a record counts all of it but what is redacted.
func TestRecordDigest(t *testing.T) {
	e := encoder(t, event.Options{})
	digest := func(change func(plog.Logs)) string {
		ld := unusual(t)
		rl := ld.ResourceLogs().At(0)
		first(ld).Attributes().PutStr("password", "one")
		change(ld)
		var s event.Source
		e.Resource(&s, rl)
		e.Scope(&s, rl.ScopeLogs().At(0))
		sum := e.Digest(&s, first(ld))
		return hex.EncodeToString(sum[:])
	}
	same := func(plog.Logs) {}
	want := digest(same)
	require.Equal(t, want, digest(same))
	require.Equal(t, want, digest(func(ld plog.Logs) { first(ld).Attributes().PutStr("password", "two") }))
	seen := map[string]bool{want: true}
	for i, change := range []func(plog.Logs){
		func(ld plog.Logs) { ld.ResourceLogs().At(0).SetSchemaUrl("x") },
		func(ld plog.Logs) { ld.ResourceLogs().At(0).Resource().Attributes().PutInt("host.boot", 1) },
		func(ld plog.Logs) { ld.ResourceLogs().At(0).Resource().SetDroppedAttributesCount(9) },
		func(ld plog.Logs) { ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName("x") },
		func(ld plog.Logs) { ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetVersion("x") },
		func(ld plog.Logs) { ld.ResourceLogs().At(0).ScopeLogs().At(0).SetSchemaUrl("x") },
		func(ld plog.Logs) { first(ld).SetEventName("x") },
		func(ld plog.Logs) { first(ld).SetTimestamp(9) },
		func(ld plog.Logs) { first(ld).SetObservedTimestamp(9) },
		func(ld plog.Logs) { first(ld).SetSeverityNumber(3) },
		func(ld plog.Logs) { first(ld).SetSeverityText("x") },
		func(ld plog.Logs) { first(ld).Body().SetStr("x") },
		func(ld plog.Logs) { first(ld).Attributes().PutDouble("safe", 1<<53-1) },
		func(ld plog.Logs) { first(ld).Attributes().PutStr("password_hint", "x") },
		func(ld plog.Logs) { first(ld).SetDroppedAttributesCount(9) },
		func(ld plog.Logs) { first(ld).SetTraceID([16]byte{9}) },
		func(ld plog.Logs) { first(ld).SetSpanID([8]byte{9}) },
		func(ld plog.Logs) { first(ld).SetFlags(9) },
	} {
		got := digest(change)
		require.False(t, seen[got], i)
		seen[got] = true
	}
}

// What the lists say of an event is JSON as any reader has it.
func TestListsAreJSON(t *testing.T) {
	body, _ := encode(tight(t), secrets())
	var e struct {
		Redacted []struct {
			At     string
			HMAC   string
			AtMost int `json:"length_at_most"`
		}
	}
	require.NoError(t, json.Unmarshal(body, &e))
	require.Equal(t, "/body/~0a~1b/userPassword", e.Redacted[0].At)
	require.Len(t, e.Redacted[0].HMAC, 64)
	require.Equal(t, 16, e.Redacted[0].AtMost)
}
