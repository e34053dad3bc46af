package checkpoint_test

import (
	"testing"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// BenchmarkRoots is the time that an entry's place in the tree takes.
func BenchmarkRoots(b *testing.B) {
	const n = 400
	hashes := make([]chain.Hash, n)
	r := checkpoint.NewRoots(nil)
	var again any
	for first := uint64(1); b.Loop(); first += n {
		again = r.Prepare(first, hashes, again)
		r.Take(first, hashes, again)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
}
