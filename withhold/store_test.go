package withhold_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/withhold"
)

// A subject has one key, across restarts, and others have others.
func TestKeysStay(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	first := map[string]withhold.ID{}
	for i := range 300 {
		subject := fmt.Sprint("subject-", i)
		first[subject] = s.Key(subject).ID()
		require.EqualValues(t, first[subject], s.Key(subject).ID())
		if i%3 == 0 {
			keep(t, s)
		}
	}
	keep(t, s)
	require.NoError(t, s.Close())
	s = open(t, f)
	seen := map[withhold.ID]bool{}
	for subject, id := range first {
		require.EqualValues(t, id, s.Key(subject).ID())
		require.False(t, seen[id])
		seen[id] = true
	}
	require.NoError(t, s.Close())
}

// A sync that takes long holds up no write: what is written meanwhile is for the next.
func TestKeysAreWrittenBesideASync(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	first := s.Key("first").ID()
	require.NoError(t, s.Write())
	syncing, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	f.Intercept(func(op faultfs.Op) faultfs.Outcome {
		if op.Kind == faultfs.Sync {
			close(syncing)
			<-goOn
		}
		return faultfs.Outcome{}
	})
	go func() { ended <- s.Sync() }()
	<-syncing
	second := s.Key("second").ID()
	require.NoError(t, s.Write())
	close(goOn)
	require.NoError(t, <-ended)
	f.Intercept(nil)
	require.NoError(t, s.Sync())
	cut := f.PowerCut(1)
	require.NoError(t, s.Close())
	s = open(t, cut)
	require.Equal(t, first, s.Key("first").ID())
	require.Equal(t, second, s.Key("second").ID())
	require.NoError(t, s.Close())
}

// More subjects than keys are kept in memory.
func TestKeysAreReadAgain(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	first := s.Key("first").ID()
	for i := range 9000 {
		s.Key(fmt.Sprint(i))
	}
	keep(t, s)
	require.Equal(t, first, s.Key("first").ID())
	frame := parse(t, s.Key("first").Seal(nil, withhold.ID{7}, []byte("x")))
	require.NoError(t, s.Close())
	text, ok := unsealed(t, f, frame)
	require.True(t, ok)
	require.Equal(t, "x", text)
}

// parse reads the only frame of b.
func parse(t testing.TB, b []byte) withhold.Frame {
	t.Helper()
	require.Greater(t, len(b), 40)
	return withhold.Frame{Event: withhold.ID(b[4:20]), Key: withhold.ID(b[20:36]), Sealed: b[36 : len(b)-4]}
}

// A destroyed key opens nothing, whether it was synced before or not, and a subject that
// comes again gets another.
func TestDestroy(t *testing.T) {
	for name, synced := range map[string]bool{"synced": true, "new": false} {
		t.Run(name, func(t *testing.T) {
			f := machine(t)
			s := open(t, f)
			alice, bob := s.Key("alice"), s.Key("bob")
			hers, his := parse(t, alice.Seal(nil, withhold.ID{1}, []byte("a"))), parse(t, bob.Seal(nil, withhold.ID{2}, []byte("b")))
			if synced {
				keep(t, s)
			}
			ids, err := s.Of("alice")
			require.NoError(t, err)
			require.Equal(t, []withhold.ID{alice.ID()}, ids)
			require.NoError(t, s.Destroy(ids))
			require.NotEqual(t, alice.ID(), s.Key("alice").ID())
			require.Equal(t, bob.ID(), s.Key("bob").ID())
			keep(t, s)
			require.NoError(t, s.Close())
			off := f.PowerCut(1)
			_, ok := unsealed(t, off, hers)
			require.False(t, ok)
			text, ok := unsealed(t, off, his)
			require.True(t, ok)
			require.Equal(t, "b", text)
		})
	}
}

func TestWorm(t *testing.T) {
	f := machine(t)
	s, err := withhold.OpenStore(f, keysDir, nil, &always)
	require.NoError(t, err)
	id := s.Key("alice").ID()
	require.ErrorIs(t, s.Destroy([]withhold.ID{id}), withhold.ErrWorm)
	keep(t, s)
	require.NoError(t, s.Close())
	k, err := withhold.OpenKeys(f, keysDir, nil)
	require.NoError(t, err)
	require.True(t, k.Worm())
	require.NoError(t, k.Close())
	s = open(t, f)
	require.False(t, s.Worm())
	require.NoError(t, s.Destroy([]withhold.ID{id}))
	require.NoError(t, s.Close())
}

func TestKeyEncryptionKey(t *testing.T) {
	f := machine(t)
	key, err := withhold.ParseKey(" " + strings.Repeat("0f", 32) + "\n")
	require.NoError(t, err)
	s, err := withhold.OpenStore(f, keysDir, key, &never)
	require.NoError(t, err)
	id := s.Key("alice").ID()
	keep(t, s)
	_, err = withhold.OpenStore(f, keysDir, key, &never)
	require.ErrorIs(t, err, durable.ErrLocked)
	require.NoError(t, s.Close())
	for want, wrong := range map[string][]byte{"not the one": make([]byte, 32), "none is given": nil} {
		_, err = withhold.OpenStore(f, keysDir, wrong, &never)
		require.ErrorContains(t, err, want)
		_, err = withhold.OpenKeys(f, keysDir, wrong)
		require.ErrorContains(t, err, want)
	}
	s, err = withhold.OpenStore(f, keysDir, key, &never)
	require.NoError(t, err)
	require.Equal(t, [16]byte(id), s.Key("alice").ID())
	require.NoError(t, s.Close())
	for _, bad := range []string{"", "0f", strings.Repeat("0g", 32), strings.Repeat("0f", 33)} {
		_, err := withhold.ParseKey(bad)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "0g")
	}
}

// A frame opens only for its event, under its key, as it was.
func TestSealing(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	key := s.Key("alice")
	b := key.Seal([]byte("before"), withhold.ID{9}, []byte("openings"))
	require.Equal(t, "before", string(b[:6]))
	frame := parse(t, b[6:])
	text, err := key.Open(frame)
	require.NoError(t, err)
	require.Equal(t, "openings", string(text))
	moved := frame
	moved.Event[0]++
	_, err = key.Open(moved)
	require.Error(t, err)
	_, err = s.Key("bob").Open(frame)
	require.Error(t, err)
	frame.Sealed[3] ^= 1
	_, err = key.Open(frame)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "openings\"")
	require.NoError(t, s.Close())
}

// Subjects stand nowhere in the store, and what stands for an erased one in the log
// depends on the store's secret.
func TestSubjectsAreNotWritten(t *testing.T) {
	f, other := machine(t), machine(t)
	s, o := open(t, f), open(t, other)
	s.Key("alice@example.com")
	keep(t, s)
	require.NotEqual(t, s.Erased("alice@example.com"), o.Erased("alice@example.com"))
	require.NotEqual(t, s.Erased("alice"), s.Erased("bob"))
	r := s.NewRequest("alice@example.com", "op", "art. 17")
	require.NoError(t, r.Check())
	require.Equal(t, s.Tag("alice@example.com"), r.TagOf())
	sum := s.Erased("alice@example.com")
	require.Equal(t, hex.EncodeToString(sum[:]), r.Subject)
	for _, name := range []string{"root", "keys"} {
		file, err := f.Open(keysDir + "/" + name)
		require.NoError(t, err)
		info, err := file.Stat()
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode.Perm())
		b := make([]byte, info.Size)
		_, err = file.ReadAt(b, 0)
		require.NoError(t, err)
		require.NotContains(t, string(b), "alice")
		require.NoError(t, file.Close())
	}
	require.NoError(t, s.Close())
	require.NoError(t, o.Close())
}

func TestForeignStores(t *testing.T) {
	f, other := machine(t), machine(t)
	require.NoError(t, open(t, f).Close())
	require.NoError(t, open(t, other).Close())
	b := read(t, other, keysDir+"/keys")
	require.NoError(t, f.Remove(keysDir+"/keys"))
	write(t, f, keysDir+"/keys", b)
	_, err := withhold.OpenStore(f, keysDir, nil, &never)
	require.ErrorContains(t, err, "not of this key store")
	require.NoError(t, f.Remove(keysDir+"/root"))
	_, err = withhold.OpenStore(f, keysDir, nil, &never)
	require.ErrorContains(t, err, "keys and no root")
	for text, want := range map[string]string{
		`{"v":2}`: "version 2", `{"v":1,"store":"x","secret":"y"}`: "malformed", `[]`: "malformed", "": "malformed",
	} {
		write(t, f, keysDir+"/root", []byte(text))
		_, err = withhold.OpenStore(f, keysDir, nil, &never)
		require.ErrorContains(t, err, want)
		require.NoError(t, f.Remove(keysDir+"/root"))
	}
}

func read(t testing.TB, f *faultfs.FS, path string) []byte {
	t.Helper()
	file, err := f.Open(path)
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	b := make([]byte, info.Size)
	_, err = file.ReadAt(b, 0)
	require.NoError(t, err)
	return b
}

func write(t testing.TB, f *faultfs.FS, path string, b []byte) {
	t.Helper()
	file, err := f.Create(path, 0o600)
	require.NoError(t, err)
	_, err = file.WriteAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, file.Sync())
	require.NoError(t, file.Close())
}

// Each operation of a life fails once, in each way, and the power is cut at the end: what
// Sync has returned for can be opened, what Destroy has returned for can't, and of all
// else either.
func TestStoreFailsAnywhere(t *testing.T) {
	total := 1
	for n := 1; n <= total; n++ {
		for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All} {
			f := machine(t)
			start := f.Ops()
			f.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N == start+n {
					return faultfs.Outcome{Err: syscall.EIO, Effect: effect}
				}
				return faultfs.Outcome{}
			})
			alive, gone := life(t, f)
			total = max(total, f.Ops()-start)
			f.Intercept(nil)
			for seed := range uint64(3) {
				off := f.PowerCut(seed*1000 + uint64(n))
				s := open(t, off)
				require.NoError(t, s.Close())
				for _, frame := range alive {
					_, ok := unsealed(t, off, frame)
					require.True(t, ok, "operation %d %s", n, effect)
				}
				for _, frame := range gone {
					_, ok := unsealed(t, off, frame)
					require.False(t, ok, "operation %d %s", n, effect)
				}
			}
		}
	}
	require.Greater(t, total, 20)
}

// life draws keys, syncs, erases and recovers; it returns a frame of each key that must
// be there, and of each that must not.
func life(t *testing.T, f *faultfs.FS) (alive, gone []withhold.Frame) {
	var s *withhold.Store
	for try := 0; ; try++ {
		var err error
		if s, err = withhold.OpenStore(f, keysDir, nil, &never); err == nil {
			break
		}
		require.Less(t, try, 2)
	}
	drawn := map[int]withhold.Frame{}
	erased := map[int]bool{}
	for i := range 6 {
		drawn[i] = parse(t, s.Key(fmt.Sprint(i)).Seal(nil, withhold.ID{byte(i)}, []byte("x")))
		if s.Write() != nil || s.Sync() != nil {
			require.NoError(t, s.Recover())
		}
		alive = append(alive, drawn[i])
		if i == 3 {
			ids, err := s.Of("1")
			if err != nil {
				ids, err = s.Of("1")
			}
			require.NoError(t, err)
			if s.Destroy(ids) != nil {
				require.NoError(t, s.Destroy(ids))
			}
			erased[1] = true
		}
	}
	_ = s.Close()
	alive = append(alive[:1], alive[2:]...)
	return alive, []withhold.Frame{drawn[1]}
}

// Keys are drawn, synced and destroyed at once.
func TestStoreIsShared(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				s.Key(fmt.Sprint(i % 10))
				if i%7 == g {
					if err := s.Write(); err != nil {
						t.Error(err)
					}
				}
				if i%20 == g {
					if err := s.Sync(); err != nil {
						t.Error(err)
					}
				}
				if i == 50 {
					ids, _ := s.Of("5")
					if err := s.Destroy(ids); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Close())
}
