package withhold_test

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/withhold"
)

func event(n int) withhold.ID { return withhold.ID{byte(n >> 8), byte(n), 1} }

func TestOpeningsAreRead(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	w := writer(t, f)
	want := map[withhold.ID]string{}
	for i := range 50 {
		text := fmt.Sprint("opening ", i)
		want[event(i)] = text
		b := s.Key("a").Seal(nil, event(i), []byte(text))
		require.NoError(t, w.Append([][]byte{b}))
		if i%20 == 19 {
			require.NoError(t, w.Sync())
			require.NoError(t, w.Begin(uint64(i)))
		}
	}
	keep(t, s)
	got := map[withhold.ID]string{}
	for id, frame := range frames(t, f) {
		got[id], _ = unsealed(t, f, frame)
	}
	require.Equal(t, want, got)
	files, err := withhold.List(f, logDir+"/withheld")
	require.NoError(t, err)
	require.Len(t, files, 3)
	h, err := files[2].Frames(func(withhold.Frame) error { return nil })
	require.NoError(t, err)
	require.Equal(t, withhold.Header{Log: withhold.ID{1}, Ordinal: 3, After: 39}, h)
	require.NoError(t, w.Close())
	require.NoError(t, s.Close())
}

// A file that holds no frame goes when the next begins, and its ordinal is used up.
func TestEmptyOpeningsAreRemoved(t *testing.T) {
	f := machine(t)
	w := writer(t, f)
	require.NoError(t, w.Begin(2))
	require.NoError(t, w.Begin(3))
	require.NoError(t, w.Close())
	w, err := withhold.NewWriter(f, logDir, "withheld", withhold.ID{1})
	require.NoError(t, err)
	require.NoError(t, w.Begin(4))
	require.NoError(t, w.Close())
	files, err := withhold.List(f, logDir+"/withheld")
	require.NoError(t, err)
	var ordinals []uint64
	for _, file := range files {
		ordinals = append(ordinals, file.Ordinal)
	}
	require.Equal(t, []uint64{3, 4}, ordinals)
}

// Whatever is cut off the end or changed, the frames before it are read.
func TestTornOpenings(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	w := writer(t, f)
	var ends []int
	header := len(read(t, f, logDir+"/withheld/0000000001.openings"))
	for i := range 3 {
		b := s.Key("a").Seal(nil, event(i), bytes.Repeat([]byte{'x'}, 10*i))
		require.NoError(t, w.Append([][]byte{b}))
		ends = append(ends, len(b))
	}
	require.NoError(t, w.Close())
	require.NoError(t, s.Close())
	path := logDir + "/withheld/0000000001.openings"
	whole := read(t, f, path)
	for cut := range len(whole) {
		for _, flip := range []bool{false, true} {
			b := bytes.Clone(whole)
			if flip {
				b[cut] ^= 0x40
			} else {
				b = b[:cut]
			}
			require.NoError(t, f.Remove(path))
			write(t, f, path, b)
			files, err := withhold.List(f, logDir+"/withheld")
			require.NoError(t, err)
			n := 0
			_, err = files[0].Frames(func(withhold.Frame) error { n++; return nil })
			want, at := 0, header
			for _, e := range ends {
				if at += e; at > cut {
					break
				}
				want++
			}
			require.Equal(t, cut < header, err != nil, "byte %d", cut)
			require.Equal(t, want, n, "byte %d", cut)
		}
	}
}

// Each operation fails once, and the power is cut at the end: what Sync or Begin has
// returned for is there.
func TestOpeningsFailAnywhere(t *testing.T) {
	total := 1
	for n := 1; n <= total; n++ {
		for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All} {
			f := machine(t)
			s := open(t, f)
			keep(t, s)
			start := f.Ops()
			f.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N == start+n {
					return faultfs.Outcome{Err: syscall.EIO, Effect: effect}
				}
				return faultfs.Outcome{}
			})
			var w *withhold.Writer
			retry(t, func() (err error) {
				if w, err = withhold.NewWriter(f, logDir, "withheld", withhold.ID{1}); err == nil {
					err = w.Begin(0)
				}
				return err
			})
			var durable, pending []int
			var unsynced [][]byte
			for i := range 9 {
				b := s.Key("a").Seal(nil, event(i), []byte("x"))
				unsynced, pending = append(unsynced, b), append(pending, i)
				err := w.Append([][]byte{b})
				if err == nil && i%3 == 2 {
					err = w.Sync()
				}
				if err != nil || i == 5 {
					retry(t, func() error { return w.Begin(uint64(i), unsynced...) })
				}
				if err != nil || i%3 == 2 {
					durable, pending, unsynced = append(durable, pending...), nil, nil
				}
			}
			_ = w.Close()
			total = max(total, f.Ops()-start)
			f.Intercept(nil)
			for seed := range uint64(3) {
				all := frames(t, f.PowerCut(seed*1000+uint64(n)))
				for _, i := range durable {
					require.Contains(t, all, event(i), "operation %d %s", n, effect)
				}
			}
			require.NoError(t, s.Close())
		}
	}
	require.Greater(t, total, 20)
}

func retry(t *testing.T, f func() error) {
	t.Helper()
	if f() != nil {
		require.NoError(t, f())
	}
}

func TestRequests(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	r := s.NewRequest("alice", "op", "asked for")
	name, err := withhold.PutRequest(f, keysDir, r)
	require.NoError(t, err)
	require.NoError(t, f.Durable(keysDir+"/requests/"+name+".request", 10))
	_, ok, err := withhold.TakeAnswer(f, keysDir, name)
	require.NoError(t, err)
	require.False(t, ok)
	write(t, f, keysDir+"/requests/00.request", []byte("nonsense"))
	all, err := withhold.Requests(f, keysDir)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Error(t, all[0].Check())
	r.Name = name
	require.Equal(t, r, all[1])
	a := withhold.Answer{Seq: 7, Keys: []string{"00"}}
	require.NoError(t, withhold.Reply(f, keysDir, r, a))
	all, err = withhold.Requests(f, keysDir)
	require.NoError(t, err)
	require.Len(t, all, 1)
	got, ok, err := withhold.TakeAnswer(f, keysDir, name)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, a, got)
	_, ok, err = withhold.TakeAnswer(f, keysDir, name)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, s.Close())

	for _, bad := range []withhold.Request{
		{Tag: r.Tag},
		{Subject: r.Subject},
		{Tag: r.Tag, Subject: r.Subject, By: "a\x1b"},
		{Tag: r.Tag, Subject: r.Subject, Reason: string(bytes.Repeat([]byte{'x'}, 201))},
	} {
		require.Error(t, bad.Check())
	}
}

var errStop = errors.New("stop")

func TestFramesStop(t *testing.T) {
	f := machine(t)
	s := open(t, f)
	w := writer(t, f)
	require.NoError(t, w.Append([][]byte{s.Key("a").Seal(nil, event(1), nil), s.Key("a").Seal(nil, event(2), nil)}))
	files, err := withhold.List(f, logDir+"/withheld")
	require.NoError(t, err)
	n := 0
	_, err = files[0].Frames(func(withhold.Frame) error { n++; return errStop })
	require.ErrorIs(t, err, errStop)
	require.Equal(t, 1, n)
	require.NoError(t, w.Close())
	require.NoError(t, s.Close())
}
