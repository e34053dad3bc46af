package witness_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/witness"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// fakeWitness is a witness that can be away, slow, or no teller of what it has.
type fakeWitness struct {
	http.Handler
	signer *torchwood.CosignatureSigner
	away   atomic.Bool
	mute   atomic.Bool // does not tell its newest checkpoint
	slow   atomic.Int64
	asked  atomic.Int64
	s      *witness.Server
}

func (f *fakeWitness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		f.asked.Add(1)
	}
	select {
	case <-time.After(time.Duration(f.slow.Load())):
	case <-r.Context().Done():
		return
	}
	switch {
	case f.away.Load():
		http.Error(w, "away", http.StatusServiceUnavailable)
	case f.mute.Load() && r.Method == http.MethodGet:
		http.NotFound(w, r)
	default:
		f.s.ServeHTTP(w, r)
	}
}

// RoundTrip ends with its request's context, as a connection does.
func (f *fakeWitness) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// panelRig is a log on disk and its witnesses.
type panelRig struct {
	t         *testing.T
	log       *chain.Writer
	folder    string
	origin    string
	private   ed25519.PrivateKey
	tree      *checkpoint.Tree
	panel     *witness.Panel
	witnesses []*fakeWitness
	notices   []string
}

func newPanelRig(t *testing.T, n int, quorum string) *panelRig {
	r := &panelRig{t: t, tree: new(checkpoint.Tree), private: ed25519.NewKeyFromSeed(make([]byte, 32))}
	vkey, err := note.NewEd25519VerifierKey("example.com/audit", r.private.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	l, err := policy.ParseLog(vkey)
	require.NoError(t, err)
	key, err := checkpoint.ParsePublicKey(vkey)
	require.NoError(t, err)
	text := ""
	var members []witness.Member
	for i := range n {
		signer, err := torchwood.NewCosignatureSigner(fmt.Sprint("w", i), ed25519.NewKeyFromSeed(append(make([]byte, 31), byte(i+1))))
		require.NoError(t, err)
		w := &fakeWitness{signer: signer}
		w.s, err = witness.NewServer(witness.ServerOptions{
			FS: durable.OS(), Directory: filepath.Join(t.TempDir(), "state"), Signer: signer, Logs: []policy.Log{l},
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, w.s.Close()) })
		r.witnesses = append(r.witnesses, w)
		members = append(members, witness.Member{Verifier: signer.Verifier(), Client: witness.NewClient(witness.ClientOptions{
			URL: "http://w.test", Verifier: signer.Verifier(), HTTP: &http.Client{Transport: w},
		})})
		text += fmt.Sprintf("witness w%d %s\n", i, signer.Verifier())
	}
	p, err := policy.Parse([]byte(text + quorum))
	require.NoError(t, err)
	dir := t.TempDir()
	r.panel = witness.NewPanel(witness.PanelOptions{
		FS: durable.OS(), Directory: dir, Key: key, Members: members, Policy: p,
		Notice: func(n chain.Notice) { r.notices = append(r.notices, fmt.Sprint(n.Attrs["error"])) },
	})
	t.Cleanup(func() { require.NoError(t, r.panel.Close()) })
	r.log, err = chain.Open(t.Context(), chain.Options{Directory: dir, Software: "test", Synced: func(first uint64, hashes []chain.Hash) {
		r.tree.Append(first, hashes)
		r.panel.Append(first, hashes)
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.log.Close()) })
	r.folder = r.log.Info().Folder
	r.origin = "example.com/audit/" + r.log.Info().LogID.String()
	return r
}

// grow adds entries and returns the signed checkpoint of all.
func (r *panelRig) grow(n int) checkpoint.Record {
	r.t.Helper()
	var b chain.Batch
	for i := range n {
		b.EndEvent(fmt.Appendf(b.Buffer(), `{"v":1,"n":%d}`, i))
	}
	b.Finish()
	require.NoError(r.t, r.log.Write([]*chain.Batch{&b}))
	require.NoError(r.t, r.log.Sync())
	return r.sign(tlog.Tree{N: int64(r.tree.Head().Seq), Hash: r.tree.Root()})
}

func (r *panelRig) sign(tree tlog.Tree) checkpoint.Record {
	s, err := note.NewSigner(skey(r.t, r.origin, r.private))
	require.NoError(r.t, err)
	text, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: r.origin, Tree: tree}.String()}, s)
	require.NoError(r.t, err)
	c, err := checkpoint.Parse(text)
	require.NoError(r.t, err)
	return checkpoint.Record{Checkpoint: c}
}

func (r *panelRig) empty() []byte {
	root, err := tlog.TreeHash(0, nil)
	require.NoError(r.t, err)
	return r.sign(tlog.Tree{Hash: root}).Note
}

// names are of those whose valid cosignatures stand in a note.
func (r *panelRig) names(text []byte) (names []string) {
	var known []note.Verifier
	for _, w := range r.witnesses {
		known = append(known, w.signer.Verifier())
	}
	n, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		return nil
	}
	for _, s := range n.Sigs {
		names = append(names, s.Name)
	}
	return names
}

func TestPanelIsCosigned(t *testing.T) {
	r := newPanelRig(t, 2, "group all all w0 w1\nquorum all\n")
	seen, err := r.panel.Latest(t.Context(), r.origin, r.empty())
	require.NoError(t, err)
	require.Len(t, seen, 2)
	require.Zero(t, seen[0].Size)
	var last checkpoint.Record
	for _, n := range []int{1, 5, 300, 1, 1000, 0} {
		last = r.grow(n)
		cosigned, err := r.panel.Cosign(t.Context(), last)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"w0", "w1"}, r.names(cosigned))
		require.NoError(t, r.panel.Wait(t.Context(), last.Size))
	}
	seen, err = r.panel.Latest(t.Context(), r.origin, r.empty())
	require.NoError(t, err)
	for _, s := range seen {
		require.Equal(t, last.Size, s.Size)
		c, err := checkpoint.Parse(s.Checkpoint)
		require.NoError(t, err)
		require.Equal(t, last.Root, c.Root)
	}
	// Once more is no new size, and a new time.
	_, err = r.panel.Cosign(t.Context(), last)
	require.NoError(t, err)
	require.Empty(t, r.notices)
}

// A new process knows neither sizes nor hashes: it finds both.
func TestPanelGoesOnAfterARestart(t *testing.T) {
	r := newPanelRig(t, 1, "quorum w0\n")
	_, err := r.panel.Cosign(t.Context(), r.grow(700))
	require.NoError(t, err)
	key, err := checkpoint.ParsePublicKey(newKeys(t).vkey)
	require.NoError(t, err)
	other := witness.NewPanel(witness.PanelOptions{
		FS: durable.OS(), Directory: filepath.Dir(r.folder), Key: key,
		Members: []witness.Member{{Verifier: r.witnesses[0].signer.Verifier(), Client: witness.NewClient(witness.ClientOptions{
			URL: "http://w.test", Verifier: r.witnesses[0].signer.Verifier(), HTTP: &http.Client{Transport: r.witnesses[0]},
		})}},
		Policy: must(policy.Parse([]byte("witness w0 " + r.witnesses[0].signer.Verifier().String() + "\nquorum w0\n"))),
	})
	last := r.grow(900)
	other.Append(last.Size, []chain.Hash{{}}) // that there are so many entries; the hash is not asked for
	cosigned, err := other.Cosign(t.Context(), last)
	require.NoError(t, err)
	require.Equal(t, []string{"w0"}, r.names(cosigned))
	require.NoError(t, other.Close())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestPanelWaitsForTheQuorumOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPanelRig(t, 3, "group two 2 w0 w1 w2\nquorum two\n")
		r.witnesses[1].slow.Store(int64(time.Hour))
		start := time.Now()
		first := r.grow(3)
		cosigned, err := r.panel.Cosign(t.Context(), first)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"w0", "w2"}, r.names(cosigned))
		require.Equal(t, witness.Grace, time.Since(start), "the third has its grace")
		require.NoError(t, r.panel.Wait(t.Context(), first.Size))

		// It is left alone for a while, and costs nothing meanwhile.
		start = time.Now()
		_, err = r.panel.Cosign(t.Context(), r.grow(1))
		require.NoError(t, err)
		require.Zero(t, time.Since(start))

		r.witnesses[1].slow.Store(0)
		time.Sleep(2 * time.Second)
		cosigned, err = r.panel.Cosign(t.Context(), r.grow(1))
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"w0", "w1", "w2"}, r.names(cosigned))
	})
}

func TestPanelWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPanelRig(t, 2, "group all all w0 w1\nquorum all\n")
		r.witnesses[1].away.Store(true)
		c := r.grow(3)
		cosigned, err := r.panel.Cosign(t.Context(), c)
		require.ErrorContains(t, err, "witness w1: status 503")
		require.Equal(t, []string{"w0"}, r.names(cosigned), "what there is")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, r.panel.Wait(ctx, c.Size), context.DeadlineExceeded)

		// Asked more and more seldom, told once.
		for range 600 {
			_, err = r.panel.Cosign(t.Context(), c)
			require.Error(t, err)
			time.Sleep(time.Second)
		}
		require.Less(t, r.witnesses[1].asked.Load(), int64(20))
		require.Len(t, r.notices, 1)

		waited := make(chan error)
		go func() { waited <- r.panel.Wait(t.Context(), c.Size) }()
		r.witnesses[1].away.Store(false)
		time.Sleep(time.Minute)
		cosigned, err = r.panel.Cosign(t.Context(), c)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"w0", "w1"}, r.names(cosigned))
		require.NoError(t, <-waited)
	})
}

func TestPanelAsksWhoDoesNotTell(t *testing.T) {
	r := newPanelRig(t, 2, "quorum w0\n")
	r.witnesses[1].mute.Store(true)
	last := r.grow(10)
	_, err := r.panel.Cosign(t.Context(), last)
	require.NoError(t, err)
	seen, err := r.panel.Latest(t.Context(), r.origin, r.empty())
	require.NoError(t, err)
	require.Equal(t, last.Size, seen[1].Size)
	require.Nil(t, seen[1].Checkpoint)
	require.NotNil(t, seen[0].Checkpoint)
	r.witnesses[1].away.Store(true)
	_, err = r.panel.Latest(t.Context(), r.origin, r.empty())
	require.ErrorContains(t, err, "status 503")
}

// A witness that saw another history, or a longer one, ends it.
func TestPanelFindsAnotherHistory(t *testing.T) {
	for name, seen := range map[string]func(r *panelRig) checkpoint.Record{
		"fork":            func(r *panelRig) checkpoint.Record { return r.sign(tlog.Tree{N: 5, Hash: tlog.Hash{1}}) },
		"fork, same size": func(r *panelRig) checkpoint.Record { return r.sign(tlog.Tree{N: 8, Hash: tlog.Hash{1}}) },
		"longer":          func(r *panelRig) checkpoint.Record { return r.sign(tlog.Tree{N: 80, Hash: tlog.Hash{1}}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newPanelRig(t, 1, "quorum w0\n")
			c := client(r.witnesses[0], keys{witness: r.witnesses[0].signer})
			_, err := c.Add(t.Context(), 0, nil, seen(r).Note)
			require.NoError(t, err)
			mine := r.grow(7)
			require.EqualValues(t, 8, mine.Size)
			cosigned, err := r.panel.Cosign(t.Context(), mine)
			var other *checkpoint.InconsistentError
			require.ErrorAs(t, err, &other)
			require.Equal(t, "w0", other.Witness)
			require.Empty(t, r.names(cosigned))
		})
	}
}

// What a witness answers is not believed.
func TestClientDoesNotBelieve(t *testing.T) {
	k := newKeys(t)
	h := (&history{}).grow(3, "a")
	signed := k.checkpoint(t, h.tree(t, 3))
	another, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: origin, Tree: h.tree(t, 2)}.String()}, k.witness)
	require.NoError(t, err)
	stranger, err := torchwood.NewCosignatureSigner(k.witness.Name(), ed25519.NewKeyFromSeed(make([]byte, 32)))
	require.NoError(t, err)
	forged, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: origin, Tree: h.tree(t, 3)}.String()}, stranger)
	require.NoError(t, err)
	line := func(b []byte) string { return strings.SplitN(string(b), "\n\n", 2)[1] }
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{200, "", witness.ErrForged},
		{200, "nonsense\n", witness.ErrForged},
		{200, line(another), witness.ErrForged},
		{200, line(forged), witness.ErrForged},
		{200, line(signed), witness.ErrForged},
		{404, "", witness.ErrUnknownLog},
		{403, "", witness.ErrUntrusted},
		{422, "", witness.ErrProof},
		{400, "", witness.ErrRequest},
		{302, "", nil},
		{409, "x\n", nil},
		{409, "-1\n", nil},
		{409, "01\n", nil},
		{500, "", nil},
		{200, strings.Repeat("x", 1<<20), nil},
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere.test/")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		got, err := client(h, k).Add(t.Context(), 0, nil, signed)
		require.Error(t, err, "%d %.20q", c.status, c.body)
		require.Nil(t, got)
		if c.want != nil {
			require.ErrorIs(t, err, c.want)
		}
		var conflict *witness.ConflictError
		require.False(t, errors.As(err, &conflict))
	}
	h2 := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(signed) })
	_, _, err = client(h2, k).Latest(t.Context(), origin, k.logV)
	require.ErrorIs(t, err, witness.ErrForged, "not cosigned")
}
