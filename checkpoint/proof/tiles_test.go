package proof_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint/proof"
)

// entries reads exported tiles with torchwood, which checks them against the tree.
func entries(dir string, tree tlog.Tree) ([][]byte, error) {
	fsys, err := torchwood.NewTileFS(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	c, err := torchwood.NewClient(fsys)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, e := range c.AllEntries(context.Background(), tree, 0) {
		all = append(all, append([]byte(nil), e...))
	}
	return all, c.Err()
}

func TestTilesAreThoseOfTheSpecification(t *testing.T) {
	hashes := make([]chain.Hash, 256*256+700)
	var want []tlog.Hash
	stored := tlog.HashReaderFunc(func(is []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(is))
		for i, x := range is {
			out[i] = want[x]
		}
		return out, nil
	})
	for i := range hashes {
		hashes[i][0], hashes[i][1], hashes[i][2] = byte(i), byte(i>>8), byte(i>>16)
		more, err := tlog.StoredHashes(int64(i), append(seqBytes(uint64(i+1)), hashes[i][:]...), stored)
		require.NoError(t, err)
		want = append(want, more...)
	}
	for _, n := range []int{0, 1, 2, 3, 255, 256, 257, 300, 768, 1000, 256*256 + 700} {
		dir := t.TempDir()
		tiles := proof.NewTiles(dir)
		for i, h := range hashes[:n] {
			require.NoError(t, tiles.Add(uint64(i+1), h))
		}
		got, err := tiles.Finish()
		require.NoError(t, err)
		root, err := tlog.TreeHash(int64(n), stored)
		require.NoError(t, err)
		require.Equal(t, tlog.Tree{N: int64(n), Hash: root}, got)
		if n == 0 {
			continue
		}
		all, err := entries(dir, got)
		require.NoError(t, err)
		require.Len(t, all, n)
		// Every tile that the specification wants, and no other but entries.
		files := 0
		for _, tile := range tlog.NewTiles(8, 0, int64(n)) {
			b, err := os.ReadFile(filepath.Join(dir, torchwood.TilePath(tile)))
			require.NoError(t, err, "size %d", n)
			data, err := tlog.ReadTileData(tile, stored)
			require.NoError(t, err)
			require.Equal(t, data, b)
			if tile.L == 0 {
				files++ // its bundle
			}
			files++
		}
		count := 0
		require.NoError(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				count++
			}
			return err
		}))
		require.Equal(t, files, count)
	}
}

func TestTilesRefuse(t *testing.T) {
	dir := t.TempDir()
	tiles := proof.NewTiles(dir)
	require.Error(t, tiles.Add(2, chain.Hash{}))
	require.NoError(t, tiles.Add(1, chain.Hash{}))
	require.Error(t, tiles.Add(1, chain.Hash{}))
	_, err := tiles.Finish()
	require.NoError(t, err)
	again := proof.NewTiles(dir)
	require.NoError(t, again.Add(1, chain.Hash{1}))
	_, err = again.Finish()
	require.ErrorIs(t, err, os.ErrExist)
}

// With any byte of a tile or bundle changed the export is refused.
func TestTilesWithOneByteFlipped(t *testing.T) {
	r := newRig(t, 600, nil)
	dir := t.TempDir()
	tiles := proof.NewTiles(dir)
	for i, h := range r.hashes {
		require.NoError(t, tiles.Add(uint64(i+1), h))
	}
	tree, err := tiles.Finish()
	require.NoError(t, err)
	require.Equal(t, r.at(t, r.size()), tree)
	err = filepath.WalkDir(filepath.Join(dir, "tile", "entries"), func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		good, err := os.ReadFile(name)
		require.NoError(t, err)
		for i := 0; i < len(good); i += 97 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1
			require.NoError(t, os.WriteFile(name, bad, 0o600))
			_, err := entries(dir, tree)
			require.Error(t, err, "%s, byte %d", name, i)
		}
		return os.WriteFile(name, good, 0o600)
	})
	require.NoError(t, err)
	_, err = entries(dir, tree)
	require.NoError(t, err)
}
