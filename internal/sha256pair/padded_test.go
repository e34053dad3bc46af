package sha256pair_test

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/sha256pair"
)

func TestSumPadded(t *testing.T) {
	for n := range 300 {
		a, b := make([]byte, 512), make([]byte, 512)
		for i := range a {
			a[i], b[i] = byte(i*7), byte(i*11+1)
		}
		p, q := sha256pair.Pad(a, n), sha256pair.Pad(b, n)
		for range 2 { // padded once
			x, y := sha256pair.SumPadded(p, q, n)
			require.Equal(t, sha256.Sum256(a[:n]), x)
			require.Equal(t, sha256.Sum256(b[:n]), y)
			for i := range n {
				p[i], q[i] = p[i]+3, q[i]+5
			}
		}
	}
}
