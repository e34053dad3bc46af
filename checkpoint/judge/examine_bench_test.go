//go:build unix

package judge_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/judge"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// benchLog writes a log of 130,000 entries of about 640 bytes, with a signed
// checkpoint after each thousand.
func benchLog(b *testing.B) (folder string, key *checkpoint.PublicKey) {
	var tree checkpoint.Tree
	seed := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	var id chain.LogID
	var file []byte
	w, err := chain.Open(b.Context(), chain.Options{
		Directory: filepath.Join(b.TempDir(), "audit"),
		Synced: func(first uint64, hashes []chain.Hash) {
			tree.Append(first, hashes)
			if id != (chain.LogID{}) {
				file = append(file, benchRecord(b, seed, checkpoint.Origin("bench", id), &tree)...)
			}
		},
	})
	require.NoError(b, err)
	id = w.Info().LogID
	body := fmt.Appendf(nil, `{"v":1,"id":"0123456789abcdef","text":%q}`, strings.Repeat("an order ", 45))
	for range 130 {
		batch := new(chain.Batch)
		for range 1000 {
			batch.EndEvent(append(batch.Buffer(), body...))
		}
		batch.Finish()
		require.NoError(b, w.Write([]*chain.Batch{batch}))
		require.NoError(b, w.Sync())
	}
	require.NoError(b, w.Close())
	folder = w.Info().Folder
	require.NoError(b, os.WriteFile(filepath.Join(folder, checkpoint.FileName), file, 0o600))
	vkey, err := note.NewEd25519VerifierKey("bench", seed.Public().(ed25519.PublicKey))
	require.NoError(b, err)
	key, err = checkpoint.ParsePublicKey(vkey)
	require.NoError(b, err)
	return folder, key
}

type benchSigner struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s benchSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

func benchRecord(b *testing.B, key ed25519.PrivateKey, origin string, tree *checkpoint.Tree) []byte {
	vkey, err := note.NewEd25519VerifierKey(origin, key.Public().(ed25519.PublicKey))
	require.NoError(b, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(b, err)
	timed, err := torchwood.NewCosignatureSigner(origin, key)
	require.NoError(b, err)
	head := tree.Head()
	c := torchwood.Checkpoint{Origin: origin, Tree: tlog.Tree{N: int64(head.Seq), Hash: tree.Root()}}
	signed, err := note.Sign(&note.Note{Text: c.String()}, benchSigner{v, key}, timed)
	require.NoError(b, err)
	frontier := []chain.Hash{}
	for _, h := range tree.Frontier() {
		frontier = append(frontier, chain.Hash(h))
	}
	line, err := json.Marshal(struct {
		V        int          `json:"v"`
		Note     string       `json:"note"`
		Head     chain.Hash   `json:"head"`
		Frontier []chain.Hash `json:"frontier"`
	}{1, string(signed), head.Hash, frontier})
	require.NoError(b, err)
	text := line[:len(line)-1]
	return fmt.Appendf(text, `,"crc":"%08x"}`+"\n", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
}

// BenchmarkExamine stands beside openssl hashing the same bytes, and beside the
// verification of the chain alone. Times are of all cores' work, medians of
// interleaved rounds.
func BenchmarkExamine(b *testing.B) {
	folder, key := benchLog(b)
	trust := judge.Trust{Keys: []*checkpoint.PublicKey{key}}
	segments, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	require.NoError(b, err)
	require.Len(b, segments, 1)
	info, err := os.Stat(segments[0])
	require.NoError(b, err)
	for workers := 1; workers <= 2; workers++ {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(info.Size())
			var examined, verified, openssl []time.Duration
			for b.Loop() {
				examined = append(examined, cpuTime(b, syscall.RUSAGE_SELF, func() {
					r, a, err := trust.Examine(b.Context(), durable.OS(), folder, nil, chain.VerifyOptions{Workers: workers, Lock: chain.LockFree})
					require.NoError(b, err)
					require.False(b, r.Broken(), r.Faults)
					require.Equal(b, 131, a.Checkpoints)
					require.Nil(b, a.Unproven)
				}))
				b.StopTimer()
				verified = append(verified, cpuTime(b, syscall.RUSAGE_SELF, func() {
					_, err := chain.Verify(b.Context(), durable.OS(), folder, chain.VerifyOptions{Workers: workers, Lock: chain.LockFree})
					require.NoError(b, err)
				}))
				openssl = append(openssl, cpuTime(b, syscall.RUSAGE_CHILDREN, func() {
					_ = exec.CommandContext(b.Context(), "openssl", "dgst", "-sha256", segments[0]).Run() // 0 if it is not installed
				}))
				b.StartTimer()
			}
			b.ReportMetric(float64(median(openssl))/float64(median(examined)), "of-openssl")
			b.ReportMetric(float64(median(openssl))/float64(median(verified)), "of-openssl-chain-only")
		})
	}
}

func cpuTime(b *testing.B, who int, f func()) time.Duration {
	used := func() time.Duration {
		var r syscall.Rusage
		require.NoError(b, syscall.Getrusage(who, &r))
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	f()
	return used() - before
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
