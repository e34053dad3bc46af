package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/bench/trial"
)

// Tessera is a tile-based transparency log on the same disk. A call returns when
// the entry has its index, which is when its bundle is synced; the tree and its
// checkpoint follow and are not waited for.
func Tessera(callers int) trial.Case {
	name := fmt.Sprintf("Tessera POSIX, %s", plural(callers, "caller"))
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		key, _, err := note.GenerateKey(rand.Reader, "bench")
		if err != nil {
			return trial.Sample{}, err
		}
		signer, err := note.NewSigner(key)
		if err != nil {
			return trial.Sample{}, err
		}
		driver, err := posix.New(ctx, posix.Config{Path: dir + "/tessera"})
		if err != nil {
			return trial.Sample{}, err
		}
		log, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
			WithCheckpointSigner(signer).
			WithCheckpointInterval(time.Second).
			WithBatching(uint(callers), 5*time.Millisecond))
		if err != nil {
			return trial.Sample{}, err
		}
		var n atomic.Uint64
		s, err := trial.Load{Callers: callers, Events: 1, Do: func(int) error {
			data := bytes.Clone(entry)
			binary.BigEndian.PutUint64(data, n.Add(1))
			_, err := log.Add(ctx, tessera.NewEntry(data))()
			return err
		}}.Run(ctx, d)
		return s, errors.Join(err, shutdown(ctx))
	}}
}
