package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// BenchmarkVerifyWithTree stands beside the same without it.
func BenchmarkVerifyWithTree(b *testing.B) {
	w, err := chain.Open(b.Context(), chain.Options{Directory: filepath.Join(b.TempDir(), "audit")})
	require.NoError(b, err)
	body := []byte(fmt.Sprintf(`{"v":1,"id":"0123456789abcdef","text":%q}`, strings.Repeat("an order ", 45)))
	for range 1000 {
		batch := new(chain.Batch)
		for range 130 {
			batch.EndEvent(append(batch.Buffer(), body...))
		}
		batch.Finish()
		require.NoError(b, w.Write([]*chain.Batch{batch}))
	}
	require.NoError(b, w.Close())
	info := w.Info()
	size, err := os.Stat(filepath.Join(info.Folder, info.Segment))
	require.NoError(b, err)
	var sizes []uint64
	for n := uint64(100); n < info.Head.Seq; n += 100 {
		sizes = append(sizes, n)
	}
	for workers := 1; workers <= 2; workers++ {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(size.Size())
			var without, with time.Duration
			for b.Loop() {
				for _, tree := range []bool{false, true} {
					o := chain.VerifyOptions{Workers: workers}
					if tree {
						o.Fold = checkpoint.NewRoots(sizes)
					}
					start := time.Now()
					r, err := chain.Verify(b.Context(), durable.OS(), info.Folder, o)
					require.NoError(b, err)
					require.False(b, r.Broken())
					if tree {
						with += time.Since(start)
					} else {
						without += time.Since(start)
					}
				}
			}
			b.ReportMetric(float64(with)/float64(without), "with/without")
		})
	}
}
