package checkpoint_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// The key and the log of the example in FORMAT.md.
const (
	exampleKey = "PRIVATE+KEY+example.com/audit+29b87bfc+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	exampleLog = "000102030405060708090a0b0c0d0e0f"
)

func key(t *testing.T) *checkpoint.Key {
	k, err := checkpoint.ParseKey(exampleKey)
	require.NoError(t, err)
	return k
}

func logID(t *testing.T) chain.LogID {
	id, ok := chain.ParseLogID(exampleLog)
	require.True(t, ok)
	return id
}

func verifierOf(t *testing.T, k *checkpoint.Key, id chain.LogID) *checkpoint.Verifier {
	v, err := k.Public().For(checkpoint.Origin(k.Name(), id))
	require.NoError(t, err)
	return v
}

// randomHashes are as good as those of entries.
func randomHashes(n int) []chain.Hash {
	rng := rand.New(rand.NewPCG(1, 2))
	hashes := make([]chain.Hash, n)
	for i := range hashes {
		for j := 0; j < len(hashes[i]); j += 8 {
			binary.BigEndian.PutUint64(hashes[i][j:], rng.Uint64())
		}
	}
	return hashes
}
