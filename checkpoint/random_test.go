package checkpoint_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// Random lives: events that stay exposed, writes and syncs that fail, failovers,
// rotations, and a crash at some operation. No checkpoint covers an entry that is
// gone, and the next lives go on.
func TestRandomLives(t *testing.T) {
	lives := 150
	if testing.Short() {
		lives = 30
	}
	failovers := 0
	for seed := range uint64(lives) {
		bubble(t, func(_ *testing.T, r *rig) { failovers += r.randomLives(seed) })
	}
	require.Greater(t, failovers, lives/2)
}

// dice is a source of chance that goroutines may share.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) Uint64() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Uint64()
}

func (r *rig) randomLives(seed uint64) (failovers int) {
	rng := &dice{r: rand.New(rand.NewPCG(seed, 7))}
	at := 10 + rng.IntN(250)
	var mu sync.Mutex // the notary's operations are intercepted, too
	var after *rig
	r.fs.Intercept(func(op faultfs.Op) (o faultfs.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case op.N >= at && after == nil:
			if rng.IntN(2) == 0 {
				after = r.on(r.fs.ProcessDeath())
			} else {
				after = r.on(r.fs.PowerCut(rng.Uint64()))
			}
			r.fs.TurnOff()
		case op.N > 40 && (op.Kind == faultfs.Sync || op.Kind == faultfs.Write) && !strings.HasSuffix(op.Path, "mark") && rng.IntN(12) == 0:
			o.Err = syscall.EIO
			o.Effect = []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All}[rng.IntN(3)]
		}
		return o
	})
	failovers = r.randomLife(rng)
	mu.Lock()
	defer mu.Unlock()
	if after == nil {
		return failovers
	}
	after.live()
	after.check("seed", seed, "operation", at)
	last := after.last()
	require.Equal(r.t, after.root(last.Size), last.Root)
	return failovers
}

// randomLife goes on until the machine is off.
func (r *rig) randomLife(rng *dice) (failovers int) {
	for r.tryOpen() != nil {
		if r.fs.Off() {
			return 0
		}
	}
	defer func() {
		r.w.Abandon()
		r.w = nil
		synctest.Wait()
	}()
	var exposed []*chain.Batch
	for !r.fs.Off() {
		var err error
		switch rng.IntN(8) {
		case 0:
			err = r.w.Rotate()
		case 1:
			r.n.Sign()
			time.Sleep(15 * time.Millisecond)
			synctest.Wait()
		case 2, 3:
			err = r.w.Sync()
		default:
			b := new(chain.Batch)
			for range 1 + rng.IntN(3) {
				b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, r.events.Add(1)))
			}
			exposed = append(exposed, b)
			err = r.w.Write([]*chain.Batch{b})
		}
		for err != nil && !r.fs.Off() {
			failovers++
			err = r.w.Renew(err, exposed)
		}
		if r.w.Info().Unsynced == 0 {
			exposed = nil
		}
	}
	return failovers
}
