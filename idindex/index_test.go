package idindex_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/idindex"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

const (
	dir    = "/audit"
	folder = dir + "/ids"
)

// rig is an index on a machine in memory, and what it should know.
type rig struct {
	t     *testing.T
	fs    *faultfs.FS
	o     idindex.Options
	x     *idindex.Index
	seq   uint64
	known map[uint64]idindex.Record

	mu      sync.Mutex
	notices []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, fs: faultfs.New(t, dir), known: map[uint64]idindex.Record{}}
	if err := r.fs.Mkdir(dir, 0o700); err != nil && !durable.IsExist(err) {
		require.NoError(t, err)
	}
	require.NoError(t, r.fs.SyncDir("/"))
	_, err := r.fs.Lock(dir)
	require.NoError(t, err)
	r.o = idindex.Options{Folder: folder, LogID: [16]byte{1}, Horizon: 24 * time.Hour, TableRecords: 100, Notice: r.notice}
	return r
}

func (r *rig) notice(text string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices = append(r.notices, fmt.Sprint(text, ": ", err))
}

func (r *rig) told() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.notices, "\n")
}

func (r *rig) open() {
	r.o.FS = r.fs
	r.x = idindex.Open(r.o)
}

func key(seq uint64) idindex.Key {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, seq))
	return idindex.Key(sum[:16])
}

func hash(seq uint64) [32]byte { return sha256.Sum256(fmt.Append(nil, seq)) }

// record is the one of entry seq.
func record(seq uint64) idindex.Record {
	h := hash(seq)
	return idindex.Record{
		Key: key(seq), Seq: seq, Link: idindex.Link(h[:8]), Digest: idindex.Digest(h[8:]),
		Kind: idindex.Kind(seq % 3), Time: time.UnixMilli(time.Now().UnixMilli()),
	}
}

// add adds n entries, in requests of seven.
func (r *rig) add(n int) {
	for n > 0 {
		var some []idindex.Record
		for range min(n, 7) {
			r.seq++
			some = append(some, record(r.seq))
			r.known[r.seq] = some[len(some)-1]
			n--
		}
		r.x.Add(some, r.seq, hash(r.seq), 1000)
	}
}

// requireKnown holds if exactly the entries from first to last are known, each as
// it was added.
func (r *rig) requireKnown(first, last uint64) {
	r.t.Helper()
	for seq := uint64(1); seq <= r.seq; seq++ {
		got, ok := r.x.Find(key(seq))
		require.Equal(r.t, seq >= first && seq <= last, ok, "entry %d of %d", seq, r.seq)
		if ok {
			require.Equal(r.t, r.known[seq], got)
			require.True(r.t, r.x.Maybe(key(seq)))
		}
	}
}

func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newRig(t)) })
}

func TestIndexKnowsWhatWasAdded(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open()
		for range 30 {
			r.add(331)
			synctest.Wait()
		}
		r.requireKnown(1, r.seq)
		s := r.x.Stats()
		require.EqualValues(t, r.seq, s.Records)
		require.Less(t, s.Runs, 20, "runs are merged")
		require.Equal(t, 1, s.Tables)
		for seq := r.seq + 1; seq < r.seq+1000; seq++ {
			_, ok := r.x.Find(key(seq))
			require.False(t, ok)
		}
		require.NoError(t, r.x.Close())

		r.open()
		at, h, ok := r.x.Newest()
		require.True(t, ok)
		require.Equal(t, r.seq, at)
		require.Equal(t, hash(r.seq), h)
		r.requireKnown(1, r.seq)
		require.Equal(t, s.Records, r.x.Stats().Records)
		for _, seq := range []uint64{1, 5000, r.seq} {
			found, last, err := idindex.Search(r.fs, folder, r.o.LogID, key(seq))
			require.NoError(t, err)
			require.Equal(t, []idindex.Record{r.known[seq]}, found)
			require.Equal(t, r.seq, last)
		}
		require.NoError(t, r.x.Close())
		require.Empty(t, r.told())
		require.Equal(t, []string{"lock on audit"}, r.fs.OpenFiles(), "only the lock is held")
	})
}

// A key that comes again is known by its newest record, in whatever tables and
// runs the two are.
func TestIndexGivesTheNewest(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open()
		for round := range 40 {
			for k := range uint64(10) {
				r.seq++
				rec := record(r.seq)
				rec.Key = key(k)
				r.known[k] = rec
				r.x.Add([]idindex.Record{rec}, r.seq, hash(r.seq), 1)
			}
			r.add(90 + round)
			synctest.Wait()
			for k := range uint64(10) {
				got, ok := r.x.Find(key(k))
				require.True(t, ok)
				require.Equal(t, r.known[k], got)
			}
		}
		require.NoError(t, r.x.Close())
	})
}

func TestIndexForgetsByAge(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.Horizon = 10 * time.Hour
		r.open()
		for range 40 {
			r.add(150)
			time.Sleep(time.Hour)
		}
		synctest.Wait()
		r.requireKnown(r.seq-1500+1, r.seq)
		require.Less(t, r.x.Stats().Records, uint64(1500*3), "what is too old does not stay")
		require.WithinDuration(t, time.Now(), r.x.Stats().Since, 30*time.Hour)
		require.NoError(t, r.x.Close())
	})
}

func TestIndexForgetsByNumber(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.o.MaxRecords = 2000
		r.open()
		for range 50 {
			r.add(200)
			synctest.Wait()
			s := r.x.Stats()
			require.LessOrEqual(t, s.Records, uint64(2000*9/8+200+100))
			for seq := r.seq - min(r.seq, 2000) + 1; seq <= r.seq; seq += 13 {
				_, ok := r.x.Find(key(seq))
				require.True(t, ok)
			}
		}
		require.NoError(t, r.x.Close())
	})
}

// What the log does not have is dropped with its run.
func TestIndexDropsItsNewest(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open()
		r.add(250)
		synctest.Wait()
		require.NoError(t, r.x.Close())
		r.open()
		r.x.DropNewest()
		at, _, ok := r.x.Newest()
		require.True(t, ok)
		require.Less(t, at, r.seq)
		r.requireKnown(1, at)
		r.x.DropNewest()
		r.x.DropNewest()
		_, _, ok = r.x.Newest()
		require.False(t, ok)
		require.NoError(t, r.x.Close())
		require.Equal(t, []string{"ids/key"}, names(r.fs))
	})
}

func names(fs *faultfs.FS) (all []string) {
	for name := range fs.Files(dir) {
		all = append(all, name)
	}
	return all
}

// An entry without records still moves the position, so that an opening does not
// read what holds no ids again.
func TestIndexCoversEntriesWithoutIDs(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open()
		r.x.Resume(1000)
		r.x.Add(nil, 1001, hash(1001), 64<<20)
		synctest.Wait()
		r.x.Abandon()
		r.open()
		at, h, ok := r.x.Newest()
		require.True(t, ok)
		require.EqualValues(t, 1001, at)
		require.Equal(t, hash(1001), h)
		require.NoError(t, r.x.Close())
	})
}

func TestIndexSecretStays(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.open()
		secret := r.x.Secret()
		require.NoError(t, r.x.Close())
		r.open()
		require.Equal(t, secret, r.x.Secret())
		require.NoError(t, r.x.Close())
		require.NoError(t, r.fs.WriteOutside(folder+"/key", []byte{0xff}, 30))
		r.open()
		require.NotEqual(t, secret, r.x.Secret())
		require.Contains(t, r.told(), "checksum of the key")
		require.NotContains(t, r.told(), fmt.Sprintf("%x", secret))
		require.NoError(t, r.x.Close())
	})
}
