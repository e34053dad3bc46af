package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/producer"
)

// Whatever comes over the wire is judged, and judging it twice says the same.
func FuzzWire(f *testing.F) {
	v := readVectors(f)
	keys := v.keys(f, "rs256", "rs512", "cert", "es256", "eddsa", "hmac256")
	var m plog.ProtoMarshaler
	var j plog.JSONUnmarshaler
	for i, c := range v.Vectors {
		if i%9 == 0 {
			ld, err := j.UnmarshalLogs(c.Logs)
			require.NoError(f, err)
			b, err := m.MarshalLogs(ld)
			require.NoError(f, err)
			f.Add(b)
		}
	}
	// A resource and a record whose attributes are an array, a map and bytes that are not there.
	f.Add([]byte("\x0a\x40\x0a\x20\x0a\x06\x0a\x01a\x12\x01\x2a\x0a\x07\x0a\x01b\x12\x02\x2a\x00\x0a\x07\x0a\x01c\x12\x02\x32\x00\x0a\x04\x0a\x02\x3a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var u plog.ProtoUnmarshaler
		ld, err := u.UnmarshalLogs(b)
		if err != nil {
			return
		}
		streams := producer.NewStreams(3)
		for _, rl := range ld.ResourceLogs().All() {
			resource := rl.Resource().Attributes()
			stream := producer.StreamOf(resource)
			require.Equal(t, stream, producer.StreamOf(resource))
			for _, sl := range rl.ScopeLogs().All() {
				for _, lr := range sl.LogRecords().All() {
					r := producer.Of(lr)
					got := keys.Verify(resource, r)
					require.Equal(t, got, keys.Verify(resource, producer.Of(lr)))
					require.Equal(t, got.Verified, got.Reason == "")
					require.True(t, producer.Claimed(resource, lr) || got.Reason == producer.ReasonMissingValue)
					link := producer.ReadLink(r, func() producer.Stream { return stream })
					if !link.Says() {
						continue
					}
					c, err := streams.Claim(t.Context(), []producer.Link{link}, 0)
					require.NoError(t, err)
					first := c.Judge(&link)
					require.Equal(t, first.State == producer.StateBroken, first.Break != "")
					c.Settle(true)
				}
			}
		}
	})
}
