package checkpoint_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// unsynced is a file system whose syncs do nothing, so that what is measured is
// processors.
type unsynced struct{ durable.FS }

type unsyncedFile struct{ durable.File }

func (f unsynced) Create(name string, perm fs.FileMode) (durable.File, error) {
	file, err := f.FS.Create(name, perm)
	return unsyncedFile{file}, err
}

func (unsyncedFile) Sync() error { return nil }

// BenchmarkAppend writes and syncs requests of 100 events of 512 bytes. Interval is
// the least that is allowed.
func BenchmarkAppend(b *testing.B) {
	body := fmt.Appendf(nil, `{"v":1,"body":%q}`, strings.Repeat("x", 490))
	for _, disk := range []string{"synced", "processors"} {
		for _, on := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/checkpoints=%v", disk, on), func(b *testing.B) {
				o := chain.Options{Directory: b.TempDir(), FS: durable.OS()}
				if disk == "processors" {
					o.FS = unsynced{o.FS}
				}
				if on {
					k, err := checkpoint.GenerateKey("example.com/audit")
					require.NoError(b, err)
					n := checkpoint.NewNotary(checkpoint.Options{Key: k, FS: o.FS, Interval: 100 * time.Millisecond})
					o.Anchor, o.Synced, o.LetGo = n.Anchor, n.Synced, n.LetGo
					defer func() {
						require.NotZero(b, n.Stats().Signed)
						require.Zero(b, n.Stats().Failures)
					}()
					w, err := chain.Open(b.Context(), o)
					require.NoError(b, err)
					require.NoError(b, n.Begin(w.Info()))
					appendAll(b, w, body)
					return
				}
				w, err := chain.Open(b.Context(), o)
				require.NoError(b, err)
				appendAll(b, w, body)
			})
		}
	}
}

func appendAll(b *testing.B, w *chain.Writer, body []byte) {
	batch := new(chain.Batch)
	b.SetBytes(int64(100 * len(body)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		for range 100 {
			batch.EndEvent(append(batch.Buffer(), body...))
		}
		batch.Finish()
		require.NoError(b, w.Write([]*chain.Batch{batch}))
		require.NoError(b, w.Sync())
	}
	require.NoError(b, w.Close())
}
