package proof_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/checkpoint/proof"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// What a proof costs with and without the file tree, of a log of 100,000 small entries.
func BenchmarkConsistency(b *testing.B) {
	r := newRig(b, 100_000, nil)
	whole := r.at(b, r.size())
	prove := func(b *testing.B, keep bool) {
		for b.Loop() {
			t, err := proof.Open(proof.Options{FS: durable.OS(), Folder: r.folder, Keep: keep})
			require.NoError(b, err)
			_, err = t.Consistency(whole, r.size()-1000)
			require.NoError(b, err)
			require.NoError(b, t.Close())
		}
		b.ReportMetric(float64(r.size())*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	}
	b.Run("from=segments", func(b *testing.B) { prove(b, false) })
	t, err := proof.Open(proof.Options{FS: durable.OS(), Folder: r.folder, Keep: true})
	require.NoError(b, err)
	require.NoError(b, t.Bind(whole.N, whole.Hash))
	require.NoError(b, t.Close())
	b.Run("from=file", func(b *testing.B) { prove(b, false) })
}

func BenchmarkTailAppend(b *testing.B) {
	r := newRig(b, 100, nil)
	var tail proof.Tail
	for seq := uint64(1); b.Loop(); seq += 100 {
		tail.Append(seq, r.hashes[:100])
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/100, "ns/entry")
}
