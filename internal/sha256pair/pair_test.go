package sha256pair_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/sha256pair"
)

func message(seed uint64, n int) []byte {
	b := make([]byte, n+1)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b[1:] // aligned to nothing
}

// requireSums holds a pair to crypto/sha256.
func requireSums(t testing.TB, a, b []byte) {
	x, y := sha256pair.Sum(a, b)
	if x != sha256.Sum256(a) || y != sha256.Sum256(b) {
		require.Fail(t, "wrong digest", "of %d and %d bytes", len(a), len(b))
	}
}

// All ways in which two messages can end within three blocks.
func TestSumOfAllLengths(t *testing.T) {
	a, b := message(1, 200), message(2, 200)
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			requireSums(t, a[:i], b[:j])
		}
	}
}

func TestShort(t *testing.T) {
	m := message(5, 300)
	for n := range len(m) + 1 {
		require.Equal(t, sha256.Sum256(m[:n]), sha256pair.Short(m[:n]), "%d bytes", n)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { sha256pair.Short(m[:90]) }))
}

func TestSumOfLongMessages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		requireSums(t, message(uint64(i), r.IntN(70_000)), message(uint64(i)+1, r.IntN(70_000)))
	}
	requireSums(t, make([]byte, 1<<20), message(3, 1<<20+5))
	same := message(4, 1000)
	requireSums(t, same, same)
}

func TestSumAllocatesNothing(t *testing.T) {
	a, b := message(1, 643), message(2, 700)
	require.Zero(t, testing.AllocsPerRun(100, func() { sha256pair.Sum(a, b) }))
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("abc"), []byte(""), 7)
	f.Add(message(1, 55), message(2, 119), 63)
	f.Add(message(1, 64), message(2, 128), 64)
	f.Fuzz(func(t *testing.T, a, b []byte, at int) {
		requireSums(t, a, b)
		both := append(append([]byte(nil), a...), b...)
		at = int(uint(at) % uint(len(both)+1))
		requireSums(t, both[:at], both[at:])
	})
}

func BenchmarkShort(b *testing.B) {
	m := message(1, 90)
	b.Run("short", func(b *testing.B) {
		for b.Loop() {
			sha256pair.Short(m)
		}
	})
	b.Run("crypto", func(b *testing.B) {
		for b.Loop() {
			sha256.Sum256(m)
		}
	})
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{90, 643, 8 << 10} {
		x, y := message(1, n), message(2, n)
		b.Run(fmt.Sprintf("pair/bytes=%d", n), func(b *testing.B) {
			b.SetBytes(int64(2 * n))
			for b.Loop() {
				sha256pair.Sum(x, y)
			}
		})
		b.Run(fmt.Sprintf("crypto/bytes=%d", n), func(b *testing.B) {
			b.SetBytes(int64(2 * n))
			for b.Loop() {
				_, _ = sha256.Sum256(x), sha256.Sum256(y)
			}
		})
	}
}
