package idindex_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/idindex"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// life fills an index so that tables are written and runs merged.
func (r *rig) life() {
	r.open()
	for range 10 {
		r.add(120)
		synctest.Wait()
	}
	_ = r.x.Close()
}

// requireSound opens what was left: what it covers it knows, as it was added.
// Nothing else is known.
func (r *rig) requireSound() {
	r.t.Helper()
	_, err := r.fs.Lock(dir)
	require.NoError(r.t, err)
	r.open()
	at, h, ok := r.x.Newest()
	if ok {
		require.Equal(r.t, hash(at), h)
	}
	r.requireKnown(1, at)
	r.x.Resume(at)
	for seq := at + 1; seq <= at+250; seq++ { // it goes on
		rec := record(seq)
		r.known[seq] = rec
		r.seq = max(r.seq, seq)
		r.x.Add([]idindex.Record{rec}, seq, hash(seq), 1)
	}
	synctest.Wait()
	r.requireKnown(1, at+250)
	require.NoError(r.t, r.x.Close())
	for _, name := range names(r.fs) {
		require.False(r.t, strings.HasSuffix(name, ".tmp"), name)
	}
}

// A power cut, or the death of the process, at each operation leaves an index that
// knows all that it says it covers.
func TestIndexCrashesAnywhere(t *testing.T) {
	ops := 0
	inBubble(t, func(r *rig) {
		before := r.fs.Ops()
		r.life()
		ops = r.fs.Ops() - before
	})
	require.Greater(t, ops, 100)
	for n := range ops {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			var images []*faultfs.FS
			start := r.fs.Ops()
			r.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N == start+n+1 {
					images = append(images, r.fs.ProcessDeath(), r.fs.PowerCut(uint64(n)))
				}
				return faultfs.Outcome{}
			})
			r.life()
			require.True(t, len(images) == 2 || n > ops*9/10, "operation %d of %d", n, ops) // not all run in one order
			for _, image := range images {
				after := &rig{t: t, fs: image, o: r.o, seq: r.seq, known: r.known}
				after.requireSound()
			}
		})
	}
}

// An operation that fails costs at most what is not written yet.
func TestIndexOperationFails(t *testing.T) {
	for n := range 130 {
		synctest.Test(t, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			r := newRig(t)
			start := r.fs.Ops()
			r.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N == start+n+1 {
					return faultfs.Outcome{Err: errors.New("input/output error"), Effect: faultfs.Half}
				}
				return faultfs.Outcome{}
			})
			r.open()
			for range 10 {
				r.add(120)
				synctest.Wait()
			}
			time.Sleep(time.Minute) // it is tried again
			r.fs.Intercept(func(faultfs.Op) faultfs.Outcome { return faultfs.Outcome{} })
			if !strings.Contains(r.told(), "are forgotten") {
				r.requireKnown(1, r.seq)
			}
			require.NoError(t, r.x.Close())
			image := r.fs.ProcessDeath()
			after := &rig{t: t, fs: image, o: r.o, seq: r.seq, known: r.known}
			_, err := image.Lock(dir)
			require.NoError(t, err)
			after.open()
			at, h, ok := after.x.Newest()
			require.True(t, ok)
			require.Equal(t, hash(at), h)
			for seq := at + 1; seq <= r.seq; seq++ {
				_, ok := after.x.Find(key(seq))
				require.False(t, ok)
			}
			require.NoError(t, after.x.Close())
		})
	}
}

// A disk that takes nothing for long bounds what is known, and costs no more.
func TestIndexDiskIsFull(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open()
		r.fs.SetSpace(0)
		r.add(5000)
		synctest.Wait()
		require.Contains(t, r.told(), "can't be written")
		s := r.x.Stats()
		require.LessOrEqual(t, s.Tables, 16)
		require.LessOrEqual(t, s.Records, uint64(16*105))
		r.requireKnown(r.seq-s.Records+1, r.seq)
		r.fs.SetSpace(-1)
		time.Sleep(time.Minute)
		require.Equal(t, 1, r.x.Stats().Tables)
		r.requireKnown(r.seq-s.Records+1, r.seq)
		require.NoError(t, r.x.Close())
	})
}

// No byte that was changed is believed: what is found is as it was added, and the
// rest is forgotten and told.
func TestIndexFileIsDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		inBubble(t, func(r *rig) {
			r.life()
			var runs []string
			files := r.fs.Files(dir)
			for name := range files {
				if strings.HasSuffix(name, ".ids") {
					runs = append(runs, name)
				}
			}
			name := runs[rnd.IntN(len(runs))]
			at := rnd.IntN(len(files[name]))
			was := files[name][at]
			require.NoError(t, r.fs.WriteOutside(dir+"/"+name, []byte{was ^ 0x10}, int64(at)))
			r.open()
			forgotten := 0
			for seq := uint64(1); seq <= r.seq; seq++ {
				got, ok := r.x.Find(key(seq))
				if ok {
					require.Equal(t, r.known[seq], got)
				} else {
					forgotten++
				}
			}
			synctest.Wait()
			if forgotten > 0 {
				require.Contains(t, r.told(), "are forgotten", "%s at %d", name, at)
			}
			require.NoError(t, r.x.Close())
		})
	}
}

// Another log's index, or an old one's under a new name, is none.
func TestIndexOfAnotherLog(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.life()
		r.o.LogID = [16]byte{2}
		r.open()
		_, _, ok := r.x.Newest()
		require.False(t, ok)
		require.Contains(t, r.told(), "another log's")
		r.requireKnown(1, 0)
		require.NoError(t, r.x.Close())
	})
}

func TestIndexFolderIsAFile(t *testing.T) {
	inBubble(t, func(r *rig) {
		f, err := r.fs.Create(folder, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		r.open()
		r.add(500)
		synctest.Wait()
		r.requireKnown(1, r.seq)
		require.Error(t, r.x.Close())
		require.NotEmpty(t, r.told())
	})
}
