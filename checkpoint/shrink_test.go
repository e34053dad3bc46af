package checkpoint_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/checkpoint"
)

// witnesses are scripted.
type witnesses struct {
	mu     sync.Mutex
	latest func(ctx context.Context) ([]checkpoint.Seen, error)
	cosign func(r checkpoint.Record) ([]byte, error)
}

func (w *witnesses) Latest(ctx context.Context, _ string, _ []byte) ([]checkpoint.Seen, error) {
	w.mu.Lock()
	f := w.latest
	w.mu.Unlock()
	return f(ctx)
}

func (w *witnesses) Cosign(_ context.Context, r checkpoint.Record) ([]byte, error) {
	if w.cosign == nil {
		return nil, nil
	}
	return w.cosign(r)
}

// unanswering does not answer before stop is closed.
func unanswering(stop chan struct{}) *witnesses {
	return &witnesses{latest: func(ctx context.Context) ([]checkpoint.Seen, error) {
		select {
		case <-stop:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

// Until a configured witness has answered the log goes on and nothing is signed.
func TestNothingIsSignedBeforeTheWitnessAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := &witnesses{latest: func(context.Context) ([]checkpoint.Seen, error) { return nil, errors.New("connection refused") }}
		r.o.Witnesses = w
		r.open()
		r.append(3)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, r.file().Records)
		require.ErrorContains(t, r.state().Err, "connection refused")
		require.False(t, r.state().Permanent)
		w.mu.Lock()
		w.latest = func(context.Context) ([]checkpoint.Seen, error) { return nil, nil }
		w.mu.Unlock()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Equal(t, uint64(4), r.last().Size)
		require.NoError(t, r.state().Err)
		r.close()
		r.check()
	})
}

// A log that is closed before the witness answered is not signed either.
func TestClosedBeforeTheWitnessAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Witnesses = unanswering(make(chan struct{}))
		r.open()
		r.append(3)
		r.close()
		require.Empty(t, r.file().Records)
	})
}

// What a witness, or a copy, has seen of the log decides whether it is signed.
func TestNeverShrink(t *testing.T) {
	for name, c := range map[string]struct {
		seen func(r *rig, c []checkpoint.Record) checkpoint.Seen
		want string // of the error; "": it is signed
	}{
		"the newest":      {func(_ *rig, c []checkpoint.Record) checkpoint.Seen { return seen(c[2]) }, ""},
		"an older one":    {func(_ *rig, c []checkpoint.Record) checkpoint.Seen { return seen(c[0]) }, ""},
		"nothing":         {func(*rig, []checkpoint.Record) checkpoint.Seen { return checkpoint.Seen{} }, ""},
		"only its size":   {func(_ *rig, c []checkpoint.Record) checkpoint.Seen { return checkpoint.Seen{Size: c[1].Size} }, ""},
		"a larger size":   {func(*rig, []checkpoint.Record) checkpoint.Seen { return checkpoint.Seen{Size: 1000} }, "the log was cut"},
		"a larger log":    {func(r *rig, _ []checkpoint.Record) checkpoint.Seen { return seen(r.forged(1000)) }, "the log was cut"},
		"another history": {func(r *rig, c []checkpoint.Record) checkpoint.Seen { return seen(r.forged(int(c[1].Size))) }, "the log is another"},
		"one in between":  {func(r *rig, c []checkpoint.Record) checkpoint.Seen { return seen(r.forged(int(c[1].Size) - 1)) }, "the log is another"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.open()
				for range 3 {
					r.append(3)
					r.sign()
				}
				known := r.file().Records[len(r.file().Records)-3:]
				r.close()
				before := r.file()
				w := &witnesses{latest: func(context.Context) ([]checkpoint.Seen, error) {
					return []checkpoint.Seen{c.seen(r, known)}, nil
				}}
				r.o.Witnesses = w
				r.open()
				r.append(1)
				time.Sleep(time.Minute)
				synctest.Wait()
				if c.want == "" {
					require.NoError(t, r.state().Err)
					require.Equal(t, r.w.Info().Synced, r.last().Head)
					r.close()
					r.check()
					return
				}
				require.ErrorContains(t, r.state().Err, c.want)
				require.True(t, r.state().Permanent)
				r.append(1000) // it is long enough now, and still not signed
				r.n.Sign()
				time.Sleep(time.Minute)
				r.close()
				require.Equal(t, before.Records, r.file().Records)
				require.ErrorContains(t, errors.New(r.file().Refused[0].Refused), c.want)
				r.o.Witnesses = nil
				r.open()
				require.True(t, r.state().Permanent)
				require.ErrorContains(t, r.state().Err, c.want)
				r.close()
				require.Equal(t, before.Records, r.file().Records)
			})
		})
	}
}

func seen(r checkpoint.Record) checkpoint.Seen {
	return checkpoint.Seen{Witness: "w", Size: r.Size, Checkpoint: r.Note}
}

// forged is a checkpoint of other entries, signed with the log's key.
func (r *rig) forged(size int) checkpoint.Record {
	tree := new(checkpoint.Tree)
	tree.Append(1, randomHashes(size))
	_, id, _ := checkpoint.SplitOrigin(r.verifier().Origin)
	return checkpoint.Sign(r.o.Key, id, tree, 0)
}

// A witness that refuses as it has another history ends all signing.
func TestWitnessHasAnotherHistory(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Witnesses = &witnesses{
			latest: func(context.Context) ([]checkpoint.Seen, error) { return nil, nil },
			cosign: func(c checkpoint.Record) ([]byte, error) {
				if c.Size < 3 {
					return nil, nil
				}
				return nil, &checkpoint.InconsistentError{Witness: "w", Err: errors.New("422")}
			},
		}
		r.open()
		r.append(3)
		r.sign()
		signed := len(r.file().Records)
		r.append(3)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, r.file().Records, signed)
		require.True(t, r.state().Permanent)
		r.close()
		require.Len(t, r.file().Records, signed)
	})
}

// A checkpoint that comes back with more signatures is kept, also behind a newer one,
// which is still the one to go on from.
func TestCosignedCheckpointIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		other := named(t, "witness")
		slow := make(chan struct{})
		r.o.Witnesses = &witnesses{
			latest: func(context.Context) ([]checkpoint.Seen, error) { return nil, nil },
			cosign: func(c checkpoint.Record) ([]byte, error) {
				if c.Size < 3 {
					return nil, nil
				}
				<-slow
				tree := mustTree(t, &c)
				_, id, _ := checkpoint.SplitOrigin(c.Origin)
				more := checkpoint.Sign(other, id, tree, 0)
				return append(c.Note, signatures(more.Note)...), nil
			},
		}
		r.open()
		r.append(3)
		r.sign()
		r.append(3)
		r.sign()
		close(slow)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		sizes := map[uint64]int{}
		for _, c := range r.file().Records {
			sizes[c.Size] = max(sizes[c.Size], len(c.Sigs))
		}
		require.Equal(t, map[uint64]int{1: 2, 4: 4, 7: 4}, sizes)
		require.NoError(t, r.w.Abandon())
		synctest.Wait()
		n := checkpoint.NewNotary(r.o)
		_ = n
		r.o.Witnesses = nil
		r.open()
		r.close()
		require.Equal(t, uint64(9), r.last().Size)
	})
}

func signatures(note []byte) string {
	for i := range note {
		if string(note[i:i+2]) == "\n\n" {
			return string(note[i+2:])
		}
	}
	return ""
}
