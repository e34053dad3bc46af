package exporter_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// life is a random one: clients that send the same records in other groups, storage that fails, and ends.
type life struct {
	*idRig
	rnd   *rand.Rand
	all   []rec
	mu    sync.Mutex
	acked map[string]bool
}

// unreliable has operations fail now and then, and take their time.
func (l *life) unreliable(seed uint64) {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 7))
	l.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
		mu.Lock()
		fails, takes := rnd.IntN(50) == 0, time.Duration(rnd.IntN(3000))*time.Microsecond
		mu.Unlock()
		switch op.Kind {
		case faultfs.Write, faultfs.Sync, faultfs.Rename, faultfs.Create:
			time.Sleep(takes)
			if fails {
				return faultfs.Outcome{Err: errDisk, Effect: faultfs.Half}
			}
		}
		return faultfs.Outcome{}
	})
}

// clients send what is not acknowledged to each of them, until the end.
func (l *life) clients(end <-chan struct{}) *sync.WaitGroup {
	var group sync.WaitGroup
	for range 4 {
		mine := append([]rec(nil), l.all...)
		l.rnd.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		size := 1 + l.rnd.IntN(6)
		group.Go(func() {
			for len(mine) > 0 {
				select {
				case <-end:
					return
				default:
				}
				some := mine[:min(size, len(mine))]
				if l.send(some...) != nil {
					time.Sleep(50 * time.Millisecond)
					continue
				}
				mine = mine[len(some):]
				l.mu.Lock()
				for _, r := range some {
					l.acked[r.id] = true
				}
				l.mu.Unlock()
			}
		})
	}
	return &group
}

// requireAtMostOnce holds if no record stands twice, none is taken for a conflict, and each that was
// acknowledged stands, unless a power cut may have taken it.
func (l *life) requireAtMostOnce(kept bool) {
	l.t.Helper()
	times := map[string]int{}
	for _, s := range l.stands() {
		times[s]++
		require.Equal(l.t, 1, times[s], s)
		require.False(l.t, strings.HasSuffix(s, "!"), s)
	}
	for _, r := range l.all {
		if kept && l.acked[r.id] {
			require.Equal(l.t, 1, times[r.id+" "+r.says], r.id)
		}
	}
}

// Whatever fails and whenever it ends, each record stands once in the end.
func TestRandomLivesLeaveEachRecordOnce(t *testing.T) {
	for seed := range uint64(6 * *faults) {
		inBubble(t, seed, func(t *testing.T) {
			l := &life{
				idRig: &idRig{t: t, fs: faultfs.New(t, faultDir), o: idempotentOptions()},
				rnd:   rand.New(rand.NewPCG(seed, 3)), acked: map[string]bool{},
			}
			set := settings[seed%uint64(len(settings))]
			l.o.Mode, l.o.CriticalImmediate, l.o.BatchSize, l.o.MaxSegmentSize = set.mode.String(), set.critical, 10, 8000
			for i := range 120 {
				l.all = append(l.all, rec{id: fmt.Sprint("id-", i), says: fmt.Sprint("says ", i), critical: i%4 == 0})
			}
			l.boot()
			power := false
			for round := range 4 {
				l.unreliable(seed*10 + uint64(round))
				end := make(chan struct{})
				group := l.clients(end)
				time.Sleep(time.Duration(l.rnd.IntN(300)) * time.Millisecond)
				switch l.rnd.IntN(3) {
				case 0: // in order
					close(end)
					group.Wait()
					_ = l.Shutdown(t.Context())
					l.fs.Intercept(nil)
					l.boot()
				case 1:
					next := l.fs.ProcessDeath()
					l.next(next, end, group)
				default:
					power = true
					next := l.fs.PowerCut(seed)
					l.next(next, end, group)
				}
				l.requireAtMostOnce(!power)
			}
			for _, r := range l.all {
				l.persistent(r)
			}
			require.Len(t, l.stands(), len(l.all))
			l.requireAtMostOnce(true)
			l.requireIndexed()
			l.down()
		})
	}
}

// next has the machine end now and go on as it was left.
func (l *life) next(fs *faultfs.FS, end chan struct{}, group *sync.WaitGroup) {
	// What is acknowledged from now on is not: the machine is gone.
	l.mu.Lock()
	acked := map[string]bool{}
	for id := range l.acked {
		acked[id] = true
	}
	l.mu.Unlock()
	l.fs.TurnOff()
	close(end)
	_ = l.Shutdown(l.t.Context())
	group.Wait()
	l.acked, l.fs = acked, fs
	l.boot()
}
