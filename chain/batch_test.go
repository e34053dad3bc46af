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

// What entries need beside the log is made durable before they count as synced, and before none that is
// written meanwhile does.
func TestBeforeSync(t *testing.T) {
	var w *chain.Writer
	var fail error
	calls := 0
	w = open(t, chain.Options{Directory: t.TempDir(), BeforeSync: func() error {
		calls++
		require.NoError(t, w.Write([]*chain.Batch{batch("meanwhile")}))
		return fail
	}})
	require.Zero(t, calls)
	first := batch("first")
	require.NoError(t, w.Write([]*chain.Batch{first}))
	require.NoError(t, w.Sync())
	require.Equal(t, 1, calls)
	require.Equal(t, first.First(), w.Info().Synced.Seq)
	require.Equal(t, first.First()+1, w.Info().Head.Seq)

	fail = errors.New("couldn't sync what is beside it")
	require.ErrorIs(t, w.Sync(), fail)
	require.Equal(t, first.First(), w.Info().Synced.Seq)
	require.ErrorIs(t, w.Write([]*chain.Batch{batch("refused")}), fail)
	require.NoError(t, w.Renew(fail, nil))
	fail = nil
	require.NoError(t, w.Abandon())
}
