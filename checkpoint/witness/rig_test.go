package witness_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/witness"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const (
	origin = "example.com/audit/00112233445566778899aabbccddeeff"
	state  = "/witness"
)

// history is a log: its leaves, with which one can take another way than a copy.
type history struct {
	leaves [][]byte
}

func (h *history) grow(n int, salt string) *history {
	for len(h.leaves) < n {
		sum := sha256.Sum256([]byte(salt + string(rune(len(h.leaves)))))
		h.leaves = append(h.leaves, sum[:])
	}
	return h
}

func (h *history) reader(t testing.TB) (tlog.HashReader, int64) {
	var hashes []tlog.Hash
	r := tlog.HashReaderFunc(func(is []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(is))
		for i, n := range is {
			out[i] = hashes[n]
		}
		return out, nil
	})
	for i, l := range h.leaves {
		add, err := tlog.StoredHashes(int64(i), l, r)
		require.NoError(t, err)
		hashes = append(hashes, add...)
	}
	return r, int64(len(h.leaves))
}

func (h *history) tree(t testing.TB, n int64) tlog.Tree {
	r, _ := h.reader(t)
	root, err := tlog.TreeHash(n, r)
	require.NoError(t, err)
	return tlog.Tree{N: n, Hash: root}
}

func (h *history) prove(t testing.TB, n, old int64) tlog.TreeProof {
	if old == 0 {
		return nil
	}
	r, _ := h.reader(t)
	p, err := tlog.ProveTree(n, old, r)
	require.NoError(t, err)
	return p
}

// keys are one log's and one witness's.
type keys struct {
	log       note.Signer
	logV      note.Verifier
	vkey      string // of the log, under the name without its id
	witness   *torchwood.CosignatureSigner
	otherLog  note.Signer
	otherName note.Signer
}

func newKeys(t testing.TB) keys {
	seed := func(b byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(append(make([]byte, 31), b))
	}
	sign := func(name string, b byte) note.Signer {
		s, err := note.NewSigner(skey(t, name, seed(b)))
		require.NoError(t, err)
		return s
	}
	w, err := torchwood.NewCosignatureSigner("witness.example/w1", seed(2))
	require.NoError(t, err)
	vkey, err := note.NewEd25519VerifierKey("example.com/audit", seed(1).Public().(ed25519.PublicKey))
	require.NoError(t, err)
	v, err := torchwood.NewVerifierFromSigner(skey(t, origin, seed(1)))
	require.NoError(t, err)
	return keys{
		log: sign(origin, 1), logV: v, vkey: vkey, witness: w,
		otherLog: sign(origin, 3), otherName: sign("example.com/elsewhere", 1),
	}
}

func (k keys) checkpoint(t testing.TB, tree tlog.Tree, by ...note.Signer) []byte {
	if len(by) == 0 {
		by = []note.Signer{k.log}
	}
	b, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: origin, Tree: tree}.String()}, by...)
	require.NoError(t, err)
	return b
}

// rig is a witness and what talks to it.
type rig struct {
	t    testing.TB
	keys keys
	fs   *faultfs.FS
	s    *witness.Server
	c    *witness.Client
}

// open starts a witness on fsys.
func open(t testing.TB, fsys durable.FS, k keys) (*witness.Server, error) {
	l, err := policy.ParseLog(k.vkey)
	require.NoError(t, err)
	return witness.NewServer(witness.ServerOptions{
		FS: fsys, Directory: state, Signer: k.witness, Logs: []policy.Log{l},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, keys: newKeys(t), fs: faultfs.New(t, state)}
	var err error
	r.s, err = open(t, r.fs, r.keys)
	require.NoError(t, err)
	r.c = client(r.s, r.keys)
	return r
}

// client asks a server without a network.
func client(s http.Handler, k keys) *witness.Client {
	return witness.NewClient(witness.ClientOptions{
		URL: "http://witness.test/", Verifier: k.witness.Verifier(),
		HTTP: &http.Client{Transport: direct{s}},
	})
}

type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// add submits the checkpoint of size n of a history.
func (r *rig) add(h *history, n, old int64) ([]byte, error) {
	r.t.Helper()
	return r.c.Add(context.Background(), old, h.prove(r.t, n, old), r.keys.checkpoint(r.t, h.tree(r.t, n)))
}

// size is what the witness tells.
func (r *rig) size() int64 {
	c, _, err := r.c.Latest(context.Background(), origin, r.keys.logV)
	require.NoError(r.t, err)
	return c.N
}
