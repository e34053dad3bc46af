package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

const keyDirectory = "/etc/audit"

// forwardSecure makes r's keys so, with a new epoch each minute.
func (r *rig) forwardSecure() *rig {
	if _, err := r.fs.Stat(keyDirectory); err != nil {
		for _, dir := range []string{filepath.Dir(keyDirectory), keyDirectory} {
			require.NoError(r.t, r.fs.Mkdir(dir, 0o700))
			require.NoError(r.t, r.fs.SyncDir(filepath.Dir(dir)))
		}
	}
	r.o.Heartbeat = 10 * time.Second
	r.o.Epochs = &checkpoint.EpochOptions{Folder: keyDirectory, Interval: time.Minute, Append: r.appendSystem}
	return r
}

// appendSystem is done between the test's own writes.
func (r *rig) appendSystem(ctx context.Context, body []byte) (uint64, error) {
	select {
	case r.writing <- struct{}{}:
		defer func() { <-r.writing }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	b := new(chain.Batch)
	b.EndSystem(append(b.Buffer(), body...))
	if err := r.w.Write([]*chain.Batch{b}); err != nil {
		return 0, err
	}
	if err := r.w.Sync(); err != nil {
		return 0, err
	}
	return b.First(), nil
}

// checkEpochs checks that each checkpoint has its epoch's signature and that each
// epoch that ended is sealed, and returns how many epochs there are.
func (r *rig) checkEpochs(story ...any) int {
	r.t.Helper()
	what := fmt.Sprint(story...)
	r.check(what)
	epochs := checkpoint.NewEpochs(r.verifier())
	reader, err := chain.OpenReader(r.fs, r.folder(), chain.ReadOptions{Lock: chain.LockFree})
	require.NoError(r.t, err)
	defer reader.Close()
	for {
		l, err := reader.Next()
		if err != nil {
			break
		}
		if l.Kind == chain.System {
			require.NoError(r.t, epochs.Add(l.Seq, l.Body), what)
		}
	}
	sealed := map[uint64]bool{}
	for _, c := range r.file().Records {
		require.NoError(r.t, epochs.Check(c.Checkpoint), what)
		if epochs.IsSeal(c.Checkpoint) {
			sealed[c.Size] = true
		}
	}
	seals := epochs.Seals()
	for i, size := range seals {
		require.True(r.t, sealed[size] || i == len(seals)-1, "epoch %d is not sealed: %s", i, what)
	}
	return len(seals)
}

// A new epoch begins at each opening and each interval, sealed by the one before,
// and only the current key is left.
func TestEpochsTurn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.forwardSecure()
		seeds := map[string]bool{}
		for range 2 {
			r.open()
			for range 3 {
				r.append(2)
				time.Sleep(59 * time.Second)
				synctest.Wait()
				files := r.fs.Files(keyDirectory)
				require.Len(t, files, 1)
				for name, text := range files {
					require.True(t, strings.HasSuffix(name, ".epoch"))
					seeds[string(text)] = true
				}
			}
			r.close()
		}
		require.NoError(t, r.state().Err)
		require.Equal(t, len(seeds), r.checkEpochs())
		require.GreaterOrEqual(t, len(seeds), 6)
		for name, text := range r.fs.Files(directory) {
			for seed := range seeds {
				require.NotContains(t, string(text), strings.SplitN(seed, `"seed":"`, 2)[1][:40], name)
			}
		}
	})
}

// Wherever the machine is turned off, or the process dies: the pending epoch is
// finished, and none has two certificates or lacks its seal.
func TestEpochsCrashAtEachOperation(t *testing.T) {
	ops := 0
	bubble(t, func(_ *testing.T, r *rig) {
		r.forwardSecure().liveLong()
		ops = r.fs.Ops()
		require.Equal(r.t, 3, r.checkEpochs())
	})
	step := 3
	if testing.Short() {
		step = 13
	}
	for at := 8; at <= ops; at += step {
		for seed := range uint64(2) {
			bubble(t, func(_ *testing.T, r *rig) {
				r.forwardSecure()
				crashed := r.crashing(at, seed)
				r.liveLong()
				after := crashed()
				if after == nil {
					return
				}
				for range 2 {
					after.forwardSecure().liveLong()
					require.NoError(r.t, after.state().Err, "operation %d seed %d", at, seed)
					after.checkEpochs("crashed before operation", at, "seed", seed)
					require.Len(r.t, after.fs.Files(keyDirectory), 1)
					after = after.on(after.fs)
				}
			})
		}
	}
}

// liveLong is live over three epochs.
func (r *rig) liveLong() {
	if err := r.tryOpen(); err != nil {
		require.True(r.t, r.fs.Off(), err)
		return
	}
	defer func() {
		if r.w != nil {
			r.w.Abandon()
		}
		synctest.Wait()
	}()
	for range 3 {
		synctest.Wait()
		if r.write(1) != nil {
			return
		}
		time.Sleep(50 * time.Second)
	}
	synctest.Wait()
	r.writing <- struct{}{}
	err := r.w.Close()
	<-r.writing
	if err == nil {
		r.w = nil
	}
}

// While the entry can't be appended nothing is signed, and then all goes on.
func TestEpochEntryCannotBeAppended(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.forwardSecure()
		down, appendSystem := true, r.o.Epochs.Append
		r.o.Epochs.Append = func(ctx context.Context, body []byte) (uint64, error) {
			if !down {
				return appendSystem(ctx, body)
			}
			if _, err := appendSystem(ctx, body); err != nil {
				return 0, err
			}
			return 0, errors.New("nobody knows whether it was")
		}
		r.open()
		r.append(5)
		require.ErrorContains(t, r.state().Err, "nobody knows")
		require.Empty(t, r.file().Records)
		down = false
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, r.state().Err)
		r.close()
		require.Positive(t, r.checkEpochs())
	})
}

// The answer to the entry can wait for a checkpoint that covers it, as it does when
// witnesses are required.
func TestEpochEntryIsAnsweredLate(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.forwardSecure()
		appendSystem := r.o.Epochs.Append
		r.o.Epochs.Append = func(ctx context.Context, body []byte) (uint64, error) {
			seq, err := appendSystem(ctx, body)
			if err == nil {
				err = r.n.Cover(ctx, seq)
			}
			return seq, err
		}
		for range 2 {
			r.open()
			r.append(3)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			require.NoError(t, r.state().Err)
			require.Equal(t, r.w.Info().Synced, r.last().Head)
			r.close()
		}
		require.GreaterOrEqual(t, r.checkEpochs(), 4)
	})
}

// A key that is lost, or of an earlier state, signs nothing.
func TestEpochKeyIsLost(t *testing.T) {
	for name, lose := range map[string]func(r *rig, path string) error{
		"lost":   func(r *rig, path string) error { return r.fs.RemoveOutside(path) },
		"broken": func(r *rig, path string) error { return r.fs.WriteOutside(path, []byte("x"), 0) },
		"not configured": func(r *rig, _ string) error {
			r.o.Epochs = nil
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.forwardSecure()
				r.open()
				r.append(2)
				time.Sleep(2 * time.Minute)
				r.close()
				before := r.file()
				require.NoError(t, lose(r, filepath.Join(keyDirectory, filepath.Base(r.folder())+".epoch")))
				r.open()
				r.append(2)
				time.Sleep(time.Minute)
				require.True(t, r.state().Permanent)
				r.close()
				require.Equal(t, before, r.file())
			})
		})
	}
}
