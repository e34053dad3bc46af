package producer_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/canonical"
	"github.com/otelaudit/auditexporter/event/producer"
)

// vectors are what vectors.py wrote.
type vectors struct {
	Keys map[string]struct {
		Algorithm, PEM, Form string
		Secret               []byte
	}
	Vectors []struct {
		Name       string
		Trusted    []string
		Logs       json.RawMessage
		TaggedBody string `json:"tagged_body"`
		StringBody string `json:"string_body"`
		Verified   bool
		Reason     producer.Reason
		Key        string
		Uncovered  []string
	}
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v))
	return v
}

func (v *vectors) keys(t testing.TB, ids ...string) *producer.Keys {
	t.Helper()
	var list []producer.Key
	for _, id := range ids {
		k, ok := v.Keys[id]
		require.True(t, ok, id)
		list = append(list, producer.Key{ID: id, Algorithm: k.Algorithm, Form: k.Form, PEM: []byte(k.PEM), Secret: k.Secret})
	}
	keys, err := producer.NewKeys(list)
	require.NoError(t, err)
	return keys
}

// record reads a request of one record.
func record(t testing.TB, otlp []byte) (resource pcommon.Map, lr plog.LogRecord) {
	t.Helper()
	var u plog.JSONUnmarshaler
	ld, err := u.UnmarshalLogs(otlp)
	require.NoError(t, err)
	rl := ld.ResourceLogs().At(0)
	return rl.Resource().Attributes(), rl.ScopeLogs().At(0).LogRecords().At(0)
}

// What an implementation of its own has signed is verified, and what it has altered is not.
func TestVectors(t *testing.T) {
	v := readVectors(t)
	require.Greater(t, len(v.Vectors), 120)
	for _, c := range v.Vectors {
		t.Run(c.Name, func(t *testing.T) {
			resource, lr := record(t, c.Logs)
			for form, want := range map[canonical.Form]string{canonical.TaggedBody: c.TaggedBody, canonical.StringBody: c.StringBody} {
				if got, err := canonical.JSON(lr, form); want != "" {
					require.NoError(t, err)
					require.Equal(t, want, string(got))
				}
			}
			require.True(t, producer.Claimed(resource, lr))
			got := v.keys(t, c.Trusted...).Verify(resource, producer.Of(lr))
			require.Equal(t, c.Reason, got.Reason)
			require.Equal(t, c.Verified, got.Verified)
			require.Equal(t, c.Key, got.Key)
			require.ElementsMatch(t, c.Uncovered, got.Uncovered)
		})
	}
}

// No byte of a signed record's canonical form, and none of its signature, can change.
func TestEveryByteCounts(t *testing.T) {
	v := readVectors(t)
	c := v.Vectors[0]
	keys := v.keys(t, c.Trusted...)
	resource, lr := record(t, c.Logs)
	value, ok := lr.Attributes().Get("audit.integrity.value")
	require.True(t, ok)
	signed, err := base64.StdEncoding.DecodeString(value.Str())
	require.NoError(t, err)
	for i := range signed {
		signed[i] ^= 0x40
		value.SetStr(base64.StdEncoding.EncodeToString(signed))
		require.Equal(t, producer.ReasonMismatch, keys.Verify(resource, producer.Of(lr)).Reason, i)
		signed[i] ^= 0x40
	}
	value.SetStr(base64.StdEncoding.EncodeToString(signed))
	require.True(t, keys.Verify(resource, producer.Of(lr)).Verified)
	for key, at := range lr.Attributes().All() {
		for i := range len(at.Str()) {
			if key == "audit.integrity.value" {
				continue
			}
			text := []byte(at.Str())
			was := at.Str()
			text[i] ^= 1
			at.SetStr(string(text))
			require.False(t, keys.Verify(resource, producer.Of(lr)).Verified, "%s[%d]", key, i)
			at.SetStr(was)
		}
	}
	require.True(t, keys.Verify(resource, producer.Of(lr)).Verified)
}
