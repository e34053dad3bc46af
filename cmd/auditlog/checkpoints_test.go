package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
)

// signedCheckpoint is a checkpoint of a log's first entries.
type signedCheckpoint struct {
	size   uint64
	note   []byte
	leaves []tlog.Hash
	head   chain.Hash
}

// testKey signs checkpoints of one log.
type testKey struct {
	t      *testing.T
	origin string
	vkey   string // under the name before the log id
	signer ed25519Signer
	timed  timedSigner
}

func newTestKey(t *testing.T, id chain.LogID) *testKey {
	k := &testKey{t: t, origin: "example.com/audit/" + id.String()}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	k.vkey, err = note.NewEd25519VerifierKey("example.com/audit", private.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	under, err := note.NewEd25519VerifierKey(k.origin, private.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	v, err := note.NewVerifier(under)
	require.NoError(t, err)
	k.signer = ed25519Signer{v, private}
	timed, err := torchwood.NewCosignatureSigner(k.origin, private)
	require.NoError(t, err)
	k.timed = timedSigner{Verifier: timed.Verifier(), key: private, at: time.Now}
	return k
}

// at returns the key with another clock.
func (k *testKey) at(now time.Time) *testKey {
	c := *k
	c.timed.at = func() time.Time { return now }
	return &c
}

// timedSigner makes cosignatures of C2SP tlog-cosignature.
type timedSigner struct {
	note.Verifier
	key ed25519.PrivateKey
	at  func() time.Time
}

func (s timedSigner) Sign(msg []byte) ([]byte, error) {
	now := s.at().Unix()
	sig := ed25519.Sign(s.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", now, msg))
	return append(binary.BigEndian.AppendUint64(nil, uint64(now)), sig...), nil
}

type ed25519Signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s ed25519Signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// leavesOf are the leaf hashes of RFC 6962 of entries with these hashes.
func leavesOf(hashes []chain.Hash) (leaves []tlog.Hash) {
	for i, h := range hashes {
		leaves = append(leaves, tlog.RecordHash(append(binary.BigEndian.AppendUint64(nil, uint64(i)+1), h[:]...)))
	}
	return leaves
}

// treeHash is MTH of RFC 6962, as it is defined there.
func treeHash(leaves []tlog.Hash) tlog.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	return tlog.NodeHash(treeHash(leaves[:k]), treeHash(leaves[k:]))
}

// frontierOf are the roots of the complete subtrees that leaves make.
func frontierOf(leaves []tlog.Hash) (frontier []string) {
	for k := 1 << 20; k > 0; k /= 2 {
		if len(leaves)&k != 0 {
			root := treeHash(leaves[:k])
			frontier = append(frontier, hex.EncodeToString(root[:]))
			leaves = leaves[k:]
		}
	}
	return frontier
}

// sign signs the tree of the entries with these hashes.
func (k *testKey) sign(hashes []chain.Hash) signedCheckpoint {
	return k.signed(hashes, k.timed)
}

// signed is sign with these keys besides the log's.
func (k *testKey) signed(hashes []chain.Hash, more ...note.Signer) signedCheckpoint {
	leaves := leavesOf(hashes)
	c := torchwood.Checkpoint{Origin: k.origin, Tree: tlog.Tree{N: int64(len(hashes)), Hash: treeHash(leaves)}}
	s := k.signText(c.String(), more...)
	s.size, s.leaves, s.head = uint64(len(hashes)), leaves, hashes[len(hashes)-1]
	return s
}

func (k *testKey) signText(text string, more ...note.Signer) signedCheckpoint {
	signed, err := note.Sign(&note.Note{Text: text}, append(more, k.signer)...)
	require.NoError(k.t, err)
	return signedCheckpoint{note: signed}
}

// retagged returns a signature line with the name and key hash of another.
func retagged(t *testing.T, line, like []byte) []byte {
	signature := func(line []byte) []byte {
		b, err := base64.StdEncoding.DecodeString(string(line[bytes.LastIndexByte(line, ' ')+1:]))
		require.NoError(t, err)
		return b
	}
	sig := append(signature(like)[:4], signature(line)[4:]...)
	return append(bytes.Clone(like[:bytes.LastIndexByte(like, ' ')+1]), base64.StdEncoding.EncodeToString(sig)...)
}

// record is the checkpoint's line in the log's file, as checkpoint/FORMAT.md has it.
func (c signedCheckpoint) record(t *testing.T) []byte {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	frontier := []string{}
	if len(c.leaves) > 0 {
		frontier = append(frontier, frontierOf(c.leaves[:len(c.leaves)-1])...)
	}
	require.NoError(t, e.Encode(struct {
		V        int        `json:"v"`
		Note     string     `json:"note"`
		Head     chain.Hash `json:"head"`
		Frontier []string   `json:"frontier"`
	}{1, string(c.note), c.head, frontier}))
	text := bytes.TrimSuffix(line.Bytes(), []byte("}\n"))
	return fmt.Appendf(text, `,"crc":"%08x"}`+"\n", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
}

// saveCheckpoints writes the log's file of checkpoints.
func saveCheckpoints(t *testing.T, folder string, signed []signedCheckpoint) {
	var file []byte
	for _, c := range signed {
		file = append(file, c.record(t)...)
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "checkpoints"), file, 0o600))
}
