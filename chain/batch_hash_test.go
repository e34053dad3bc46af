package chain

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each body has its own hash, whatever stands beside it, also in a batch that is used again.
func TestBatchHashesEachBody(t *testing.T) {
	var b Batch
	for n := range 8 {
		for _, finish := range []bool{true, false} {
			b.Reset()
			var bodies []string
			for i := range n {
				body := `{"text":"` + strings.Repeat("x", i*i*n*17) + `"}`
				bodies = append(bodies, body)
				if i%3 == 2 {
					b.EndSystem(append(b.Buffer(), body...))
				} else {
					b.EndEvent(append(b.Buffer(), body...))
				}
			}
			if finish {
				b.Finish()
			}
			lines, head := b.appendLines(nil, Head{}, &linker{})
			require.EqualValues(t, n, head.Seq)
			for i, body := range bodies {
				line, rest, _ := strings.Cut(string(lines), "\n")
				e, err := ParseLine([]byte(line))
				require.NoError(t, err)
				require.Equal(t, body, string(e.Body))
				require.NoError(t, e.Check(Head{Seq: uint64(i), Hash: e.Prev}))
				require.Equal(t, Hash(sha256.Sum256([]byte(body))), b.bodies[i].hash)
				lines = []byte(rest)
			}
		}
	}
}

// The hash of each is there before the writer needs it.
func TestBatchIsHashedByItsCaller(t *testing.T) {
	var b Batch
	for range 5 {
		b.EndEvent(append(b.Buffer(), `{}`...))
	}
	require.Equal(t, 4, b.hashed)
	b.Finish()
	require.Equal(t, 5, b.hashed)
}
