package chain_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

// BenchmarkRotate is what a rotation keeps requests waiting, with what Tidy spares it and without.
func BenchmarkRotate(b *testing.B) {
	for _, tidy := range []bool{true, false} {
		b.Run(fmt.Sprintf("tidied=%v", tidy), func(b *testing.B) {
			w, err := chain.Open(b.Context(), chain.Options{Directory: b.TempDir(), MaxSize: 100 << 20})
			require.NoError(b, err)
			for b.Loop() {
				b.StopTimer()
				if tidy {
					w.Tidy()
				}
				require.NoError(b, w.Write([]*chain.Batch{batch("a")}))
				require.NoError(b, w.Sync())
				b.StartTimer()
				if err := w.Rotate(); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			require.NoError(b, w.Close())
		})
	}
}
