package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fsck runs Tessera's fsck, unmodified, on exported tiles. It exits with 0 whatever it finds, and with
// fewer workers than there are tiles to compare it waits for ever after the first that differs.
func fsck(t *testing.T, tiles, key string) (good bool, out string) {
	t.Helper()
	_, out = run(t, bin("fsck"), "--storage_url=file://"+tiles+"/", "--public_key="+key, "--ui=false", "--N=16")
	good = strings.Contains(out, "Successfully fsck'd log")
	require.NotEqual(t, good, strings.Contains(out, "fsck failed"), out)
	return good, out
}

// exported is a log of a collector of two segments and more than two tiles, and its tree.
func exported(t *testing.T) (p *party, tiles, originKey string) {
	t.Helper()
	p = newParty(t, "example.com/audit")
	c := p.start(t, "")
	pour(t, c, "one", 150)
	stop(t, c)
	c = p.start(t, "")
	pour(t, c, "two", 50)
	stop(t, c)
	code, out := run(t, bin("auditlog"), "verify", "--key", p.vkey, p.audit())
	require.Equal(t, 0, code, out)
	tiles = filepath.Join(p.o.Dir, "tiles")
	code, out = run(t, bin("auditlog"), "export-tiles", "--key", p.vkey, p.audit(), tiles)
	require.Equal(t, 0, code, out)
	key := regexp.MustCompile(`key of this origin: (\S+)`).FindStringSubmatch(out)
	require.Len(t, key, 2, out)
	return p, tiles, key[1]
}

// Stock fsck takes the exported log, and no other.
func TestFsckOfExportedTiles(t *testing.T) {
	t.Parallel()
	p, tiles, originKey := exported(t)
	key := filepath.Join(p.o.Dir, "vkey")
	require.NoError(t, os.WriteFile(key, []byte(originKey), 0o600))
	good, out := fsck(t, tiles, key)
	require.True(t, good, out)
	require.Contains(t, out, "size "+strconv.Itoa(len(entries(t, p.audit()))))

	flipped := 0
	require.NoError(t, filepath.WalkDir(tiles, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		was, err := os.ReadFile(name)
		require.NoError(t, err)
		places := []int{0, len(was) / 2, len(was) - 1}
		if d.Name() == "checkpoint" {
			// The size, the root and the log's signature.
			text := string(was)
			places = []int{strings.IndexByte(text, '\n') + 1, strings.IndexByte(text, '=') - 5, strings.Index(text, "\n— ") + len("\n— ") + strings.IndexByte(text, '\n') + 20}
		}
		for _, i := range places {
			is := append([]byte(nil), was...)
			is[i] ^= 1
			require.NoError(t, os.WriteFile(name, is, 0o600))
			good, out := fsck(t, tiles, key)
			require.False(t, good, "byte %d of %s: %s", i, name, out)
			flipped++
		}
		return os.WriteFile(name, was, 0o600)
	}))
	require.GreaterOrEqual(t, flipped, 15)
	good, out = fsck(t, tiles, key)
	require.True(t, good, out)
}

// Stock torchwood takes a proof, with the leaf computed here from the log's line, and the tiles.
func TestTorchwoodOfProofs(t *testing.T) {
	t.Parallel()
	p, tiles, originKey := exported(t)
	v, err := note.NewVerifier(originKey)
	require.NoError(t, err)
	trusted := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
	all := entries(t, p.audit())
	for _, seq := range []int{1, 2, 300, len(all)} {
		name := filepath.Join(t.TempDir(), "proof")
		code, out := run(t, bin("auditlog"), "prove", "-o", name, strconv.Itoa(seq), p.audit())
		require.Equal(t, 0, code, out)
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		hash, err := hex.DecodeString(all[seq-1].Hash)
		require.NoError(t, err)
		leaf := append(binary.BigEndian.AppendUint64(nil, uint64(seq)), hash...)
		require.Equal(t, tlog.Hash(sha256.Sum256(append([]byte{0}, leaf...))), tlog.RecordHash(leaf))
		require.NoError(t, torchwood.VerifyProof(trusted, tlog.RecordHash(leaf), file))

		lines := strings.SplitAfter(string(file), "\n")
		for n, line := range lines {
			if len(line) < 10 || strings.HasPrefix(line, "extra ") {
				continue // torchwood does not look at the entry; check-proof does
			}
			if n > 0 && lines[n-1] != "\n" && strings.HasPrefix(line, "— ") && !strings.HasPrefix(lines[n-1], "\n") {
				continue // the log's second line, which this policy does not know
			}
			bad := append([]string(nil), lines...)
			b := []byte(line)
			b[len(b)-7] ^= 1
			bad[n] = string(b)
			require.Error(t, torchwood.VerifyProof(trusted, tlog.RecordHash(leaf), []byte(strings.Join(bad, ""))), "line %d", n+1)
		}
		leaf[9] ^= 1
		require.Error(t, torchwood.VerifyProof(trusted, tlog.RecordHash(leaf), file), "another entry")

		code, out = run(t, bin("auditlog"), "check-proof", "--key", p.vkey, name)
		require.Equal(t, 0, code, out)
		require.Contains(t, out, all[seq-1].Hash)
		signed := strings.Index(string(file), "\n— ") // after it lines of keys that nobody knows may stand
		for i := signed / 7; i < signed; i += signed / 7 {
			bad := append([]byte(nil), file...)
			bad[i] ^= 2
			require.NoError(t, os.WriteFile(name, bad, 0o600))
			code, out = run(t, bin("auditlog"), "check-proof", "--key", p.vkey, name)
			require.Equal(t, 1, code, "byte %d: %s", i, out)
		}
	}
	checkpoint, err := os.ReadFile(filepath.Join(tiles, "checkpoint"))
	require.NoError(t, err)
	c, _, err := torchwood.VerifyCheckpoint(checkpoint, trusted)
	require.NoError(t, err)
	tfs, err := torchwood.NewTileFS(os.DirFS(tiles))
	require.NoError(t, err)
	client, err := torchwood.NewClient(tfs)
	require.NoError(t, err)
	n := 0
	for i, e := range client.AllEntries(t.Context(), c.Tree, 0) {
		require.Equal(t, all[i].Hash, hex.EncodeToString(e[8:]))
		n++
	}
	require.NoError(t, client.Err())
	require.Len(t, all, n)
}
