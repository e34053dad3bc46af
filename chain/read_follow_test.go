package chain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// A follower sees each entry once and in order, when it is synced and not
// before, across rotation, failover, closing and restart of a real writer.
func TestFollow(t *testing.T) {
	if _, known, _ := durable.LockHeld(t.TempDir()); !known {
		t.Log("the system does not tell who holds a lock, so a follower can't tell what is synced")
		return
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := open(t, chain.Options{Directory: dir})
		folder := filepath.Join(dir, w.Info().LogID.String())
		r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{Check: true})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var seen []string
		next := uint64(1)
		ended := make(chan error, 1)
		go func() {
			defer close(ended)
			for l, err := range follow(ctx, r, time.Second) {
				if err == nil && l.Seq != next {
					err = fmt.Errorf("seq %d, want %d", l.Seq, next)
				}
				if err != nil {
					ended <- err
					return
				}
				next++
				seen = append(seen, string(l.Body))
			}
		}()
		tick := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		sees := func(n int, last string) {
			t.Helper()
			tick()
			require.Len(t, seen, n)
			require.Contains(t, seen[n-1], last)
		}
		sees(1, `"opened"`)
		require.NoError(t, w.Write([]*chain.Batch{batch("a", "b")}))
		sees(1, `"opened"`) // written, not synced
		require.NoError(t, w.Sync())
		sees(3, `{"n":"b"}`)
		require.NoError(t, w.Rotate())
		sees(4, `"rotation"`)
		require.NoError(t, w.Write([]*chain.Batch{batch("lost")}))
		tick()
		require.NoError(t, w.Renew(errors.New("a sync that failed"), []*chain.Batch{batch("kept")}))
		sees(7, `{"n":"kept"}`)
		require.Contains(t, seen[4], `"failover"`)
		require.NoError(t, w.Close())
		sees(8, `"closed"`)
		tick()
		w = open(t, chain.Options{Directory: dir})
		sees(9, `"start"`)
		write(t, w, "c")
		sees(10, `{"n":"c"}`)
		require.NoError(t, w.Close())
		sees(11, `"closed"`)
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, r.Close())
	})
}

// follow gives entries as Next does and, at the end, looks every so often for
// more. It ends when ctx does, or after an error.
func follow(ctx context.Context, r *chain.Reader, every time.Duration) iter.Seq2[chain.Line, error] {
	return func(yield func(chain.Line, error) bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for ctx.Err() == nil {
			l, err := r.Next()
			if !errors.Is(err, io.EOF) {
				if !yield(l, err) || err != nil {
					return
				}
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := r.Refresh(); err != nil {
				yield(chain.Line{}, err)
				return
			}
		}
	}
}
