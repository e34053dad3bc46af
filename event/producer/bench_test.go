package producer_test

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelaudit/auditexporter/event/producer"
)

// BenchmarkVerify is the cost of a record's signature, its canonical form included.
func BenchmarkVerify(b *testing.B) {
	v := readVectors(b)
	for _, c := range v.Vectors {
		if c.Name != c.Trusted[0] && len(c.Name) > len("HMAC-SHA512") || !c.Verified {
			continue
		}
		keys := v.keys(b, c.Trusted...)
		resource, lr := record(b, c.Logs)
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !keys.Verify(resource, producer.Of(lr)).Verified {
					b.Fatal("not verified")
				}
			}
		})
	}
}

// BenchmarkChain is the cost of a record's place in its producer's chain.
func BenchmarkChain(b *testing.B) {
	s := &stream{t: b, id: "s", pointer: "audit.sequence.previous_hash"}
	streams := producer.NewStreams(1)
	resource := producer.StreamOf(pcommon.NewMap())
	s.next()
	lr := s.next()
	b.ReportAllocs()
	for b.Loop() {
		l := []producer.Link{producer.ReadLink(producer.Of(lr), func() producer.Stream { return resource })}
		c, err := streams.Claim(b.Context(), l, 0)
		if err != nil {
			b.Fatal(err)
		}
		c.Judge(&l[0])
		c.Settle(true)
	}
}
