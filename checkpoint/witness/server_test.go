package witness_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/checkpoint/witness"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

func TestWitnessCosignsWhatGrows(t *testing.T) {
	r := newRig(t)
	h := (&history{}).grow(100, "a")
	old := int64(0)
	for _, n := range []int64{1, 2, 7, 7, 8, 64, 100} {
		signed, err := r.add(h, n, old)
		require.NoError(t, err, "size %d", n)
		opened, err := note.Open(signed, note.VerifierList(r.keys.logV, r.keys.witness.Verifier()))
		require.NoError(t, err)
		require.Len(t, opened.Sigs, 2)
		require.Equal(t, n, r.size())
		old = n
	}
}

// post sends a body as it is.
func (r *rig) post(body string) *http.Response {
	w := httptest.NewRecorder()
	r.s.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
	return w.Result()
}

func TestWitnessRefuses(t *testing.T) {
	r := newRig(t)
	h := (&history{}).grow(20, "a")
	other := (&history{}).grow(10, "a").grow(20, "b")
	_, err := r.add(h, 12, 0)
	require.NoError(t, err)
	before := r.fs.Files(state)

	body := func(old int64, p tlog.TreeProof, checkpoint []byte) string {
		s := fmt.Sprintf("old %d\n", old)
		for _, h := range p {
			s += h.String() + "\n"
		}
		return s + "\n" + string(checkpoint)
	}
	at := func(h *history, n int64) []byte { return r.keys.checkpoint(t, h.tree(t, n)) }
	flipped := h.prove(t, 20, 12)
	flipped[0][5] ^= 1
	twice := bytes.Replace(at(h, 20), []byte("— "), append(bytes.Split(at(other, 20), []byte("\n\n"))[1], "— "...), 1)
	for _, c := range []struct {
		name, body, answer string
		status             int
	}{
		{"stale size", body(10, h.prove(t, 20, 10), at(h, 20)), "12\n", 409},
		{"no size known", body(0, nil, at(h, 20)), "12\n", 409},
		{"size in the future", body(14, h.prove(t, 20, 14), at(h, 20)), "12\n", 409},
		{"fork", body(12, other.prove(t, 20, 12), at(other, 20)), "", 422},
		{"fork, same size", body(12, nil, at(other, 12)), "12\n", 409},
		{"proof of the other way", body(12, h.prove(t, 20, 12), at(other, 20)), "", 422},
		{"flipped proof", body(12, flipped, at(h, 20)), "", 422},
		{"no proof", body(12, nil, at(h, 20)), "", 422},
		{"proof too long", body(12, append(h.prove(t, 20, 12), tlog.Hash{}), at(h, 20)), "", 422},
		{"old above", body(20, nil, at(h, 12)), "", 400},
		{"other key", body(12, h.prove(t, 20, 12), r.keys.checkpoint(t, h.tree(t, 20), r.keys.otherLog)), "", 403},
		{"right key under another name", body(12, h.prove(t, 20, 12), r.keys.checkpoint(t, h.tree(t, 20), r.keys.otherName)), "", 403},
		{"one signature of the key is wrong", body(12, h.prove(t, 20, 12), twice), "", 403},
		{"other log", body(0, nil, bytes.ReplaceAll(at(h, 20), []byte(origin), []byte("example.com/other"))), "", 404},
		{"id of another form", body(0, nil, bytes.ReplaceAll(at(h, 20), []byte(origin), []byte(origin+"0"))), "", 404},
		{"empty", "", "", 400},
		{"leading zero", strings.Replace(body(12, h.prove(t, 20, 12), at(h, 20)), "old 12", "old 012", 1), "", 400},
		{"sign", strings.Replace(body(12, h.prove(t, 20, 12), at(h, 20)), "old 12", "old +12", 1), "", 400},
		{"64 hashes", body(12, make(tlog.TreeProof, 64), at(h, 20)), "", 400},
		{"short hash", "old 12\nAAAA\n\n" + string(at(h, 20)), "", 400},
		{"too long", body(12, nil, bytes.Repeat([]byte("x"), 100<<10)), "", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := r.post(c.body)
			require.Equal(t, c.status, res.StatusCode)
			if c.answer != "" {
				var b bytes.Buffer
				b.ReadFrom(res.Body)
				require.Equal(t, c.answer, b.String())
				require.Equal(t, "text/x.tlog.size", res.Header.Get("Content-Type"))
			}
			after := r.fs.Files(state)
			for name := range after {
				if strings.HasSuffix(name, ".refused") {
					delete(after, name)
				}
			}
			require.Equal(t, before, after, "the state has changed")
		})
	}
	_, err = r.add(h, 20, 12)
	require.NoError(t, err, "what it refused is forgotten")
}

// A log that signed two histories is shown by the two checkpoints that are kept.
func TestWitnessKeepsTheOtherHistory(t *testing.T) {
	r := newRig(t)
	h := (&history{}).grow(12, "a")
	_, err := r.add(h, 12, 0)
	require.NoError(t, err)
	other := (&history{}).grow(5, "a").grow(12, "b")
	_, err = r.add(other, 12, 12)
	var conflict *witness.ConflictError
	require.ErrorAs(t, err, &conflict)
	kept := 0
	for name, b := range r.fs.Files(state) {
		if strings.HasSuffix(name, ".refused") {
			kept++
			require.Equal(t, r.keys.checkpoint(t, other.tree(t, 12)), b)
		}
	}
	require.Equal(t, 1, kept)
}

func TestWitnessFromSizeZero(t *testing.T) {
	r := newRig(t)
	h := (&history{}).grow(3, "a")
	_, _, err := r.c.Latest(t.Context(), origin, r.keys.logV)
	require.ErrorIs(t, err, witness.ErrNothing)
	_, err = r.c.Add(t.Context(), 0, nil, r.keys.checkpoint(t, tlog.Tree{}))
	require.ErrorIs(t, err, witness.ErrProof, "a root that is none of size 0")
	_, err = r.add(h, 0, 0)
	require.NoError(t, err)
	_, err = r.c.Add(t.Context(), 0, tlog.TreeProof{{}}, r.keys.checkpoint(t, h.tree(t, 3)))
	require.ErrorIs(t, err, witness.ErrProof, "a proof from size 0")
	_, err = r.add(h, 3, 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, r.size())
}

// A state that can't be read is never taken for none.
func TestWitnessWithDamagedState(t *testing.T) {
	r := newRig(t)
	h := (&history{}).grow(3, "a")
	_, err := r.add(h, 2, 0)
	require.NoError(t, err)
	for name := range r.fs.Files(state) {
		require.NoError(t, r.fs.WriteOutside(state+"/"+name, []byte("x"), 3))
	}
	_, err = r.add(h, 3, 0)
	require.ErrorContains(t, err, "status 500")
	_, err = r.add(h, 3, 2)
	require.ErrorContains(t, err, "status 500")
}

func TestWitnessHoldsItsState(t *testing.T) {
	r := newRig(t)
	_, err := open(t, r.fs, r.keys)
	require.ErrorIs(t, err, durable.ErrLocked)
	require.NoError(t, r.s.Close())
	require.Empty(t, r.fs.OpenFiles())
}

// Two histories ask at once, again and again: the witness follows one of them.
func TestWitnessFollowsOneOfMany(t *testing.T) {
	r := newRig(t)
	const ways, size = 4, 24
	signed := make([][]int64, ways)
	var wg sync.WaitGroup
	for i := range ways {
		h := (&history{}).grow(1, "same").grow(size, fmt.Sprint("way ", i))
		wg.Go(func() {
			old := int64(0)
			for tries := 0; old < size && tries < 200; tries++ {
				_, err := r.add(h, old+1, old)
				var conflict *witness.ConflictError
				switch {
				case err == nil:
					old++
					signed[i] = append(signed[i], old)
				case errors.As(err, &conflict) && conflict.Size > old && conflict.Size <= size:
					old = conflict.Size
				}
			}
		})
	}
	wg.Wait()
	winners := 0
	for _, sizes := range signed {
		for _, n := range sizes {
			if n > 1 {
				winners++
				break
			}
		}
	}
	require.Equal(t, 1, winners, "%v", signed)
	require.EqualValues(t, size, r.size())
}

// Whatever operation fails, and whenever the power goes: what was cosigned is not
// forgotten, so that no other history is cosigned after it.
func TestWitnessForgetsNothingItSigned(t *testing.T) {
	h := (&history{}).grow(40, "a")
	k := newKeys(t)
	failed := errors.New("failed")
	for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All} {
		for fail := 1; ; fail++ {
			fsys := faultfs.New(t, state)
			start := 0
			fsys.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if start++; start == fail {
					return faultfs.Outcome{Err: failed, Effect: effect}
				}
				return faultfs.Outcome{}
			})
			told := int64(0) // the largest size that anyone was told of
			s, err := open(t, fsys, k)
			if err == nil {
				c := client(s, k)
				old := int64(0)
				for n := int64(5); n <= 20; n += 5 {
					_, err := c.Add(t.Context(), old, h.prove(t, n, old), k.checkpoint(t, h.tree(t, n)))
					var conflict *witness.ConflictError
					if errors.As(err, &conflict) {
						old, told = conflict.Size, max(told, conflict.Size)
					} else if err == nil {
						old, told = n, n
					}
					if latest, _, err := c.Latest(t.Context(), origin, k.logV); err == nil {
						told = max(told, latest.N)
					}
				}
			}
			for seed := range uint64(4) {
				checkForgotten(t, fsys.PowerCut(seed), k, h, told)
			}
			checkForgotten(t, fsys.ProcessDeath(), k, h, told)
			if start < fail {
				break
			}
		}
	}
}

func checkForgotten(t *testing.T, fsys *faultfs.FS, k keys, h *history, told int64) {
	t.Helper()
	s, err := open(t, fsys, k)
	require.NoError(t, err)
	c := client(s, k)
	latest, _, err := c.Latest(t.Context(), origin, k.logV)
	if told == 0 && errors.Is(err, witness.ErrNothing) {
		return
	}
	require.NoError(t, err)
	require.GreaterOrEqual(t, latest.N, told)
	require.Equal(t, h.tree(t, latest.N).Hash, latest.Hash)
	// And it goes on from there.
	_, err = c.Add(t.Context(), latest.N, h.prove(t, 40, latest.N), k.checkpoint(t, h.tree(t, 40)))
	require.NoError(t, err)
}
