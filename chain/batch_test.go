package chain_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

// A batch knows where it stands, also after a failover has moved it, and whoever is told of synced
// entries is told the same.
func TestBatchPlaces(t *testing.T) {
	told := map[uint64]chain.Hash{}
	var last uint64
	w := open(t, chain.Options{Directory: t.TempDir(), KeepHashes: true, Synced: func(first uint64, hashes []chain.Hash) {
		require.Equal(t, last+1, first)
		for _, h := range hashes {
			last++
			told[last] = h
		}
	}})
	require.EqualValues(t, 1, last, "the opening entry")
	a, b, c := batch("a", "b"), batch("c"), batch("d")
	require.Zero(t, a.First())
	require.NoError(t, w.Write([]*chain.Batch{a, b}))
	require.EqualValues(t, 1, last)
	require.EqualValues(t, 2, a.First())
	require.EqualValues(t, 4, b.First())
	require.Equal(t, w.Info().Head.Hash, b.Hash(0))
	require.NoError(t, w.Sync())
	require.EqualValues(t, 4, last)
	require.Equal(t, a.Hash(1), told[3])

	require.NoError(t, w.Write([]*chain.Batch{a, c}))
	require.EqualValues(t, 7, c.First())
	require.NoError(t, w.Renew(errors.New("fdatasync: input/output error"), []*chain.Batch{c}))
	require.EqualValues(t, 7, c.First(), "after the opening entry and the one of the failure")
	require.Equal(t, c.Hash(0), told[7])
	require.NoError(t, w.Close())
	require.EqualValues(t, 8, last)
	c.Reset()
	require.Zero(t, c.First())
}
