package exporter_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/chain"
	format "github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/exporter"
	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/withhold"
)

const keyStore = "/keys"

// withholding is an exporter on f that withholds user.email.
func withholding(t *testing.T, f *faultfs.FS, change func(*exporter.Options)) *rig {
	t.Helper()
	o := defaults()
	o.Directory = "/audit"
	o.MaxSegmentSize = 4000
	o.Withhold = &exporter.Withhold{Fields: []string{"user.email"}, Subject: []string{"user.id"}, KeyStore: keyStore}
	if change != nil {
		change(&o)
	}
	return newRigNamed(t, "", func(set collector.Settings) (collector.Logs, error) {
		return exporter.NewOn(t.Context(), set, o, f, f.BootID(), 0)
	})
}

func email(n int) string { return fmt.Sprintf("user-%d@example.com", n) }

// about is a request of two records about a subject, the n-th of a test.
func about(subject string, n int, critical bool) plog.Logs {
	logs := records(2, critical)
	mutable := plog.NewLogs()
	logs.CopyTo(mutable)
	for i, lr := range mutable.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		lr.Attributes().PutStr("user.id", subject)
		lr.Attributes().PutStr("user.email", email(2*n+i))
	}
	return mutable
}

// opened is what can be read of what the log on f withholds, after a start.
type opened struct {
	values  map[string]uint64 // of user.email, and the entry's sequence number
	sealed  int               // events whose key is gone, as an erased entry says
	lost    int               // events without openings, as an openings_lost entry says
	erased  []chain.Erased
	entries int
}

// look reads the whole log. What is withheld and neither opens nor is explained fails
// the test, as does a commitment that its opening does not match.
func look(t *testing.T, f *faultfs.FS) opened {
	t.Helper()
	folder, err := chain.FindLog(f, "/audit")
	require.NoError(t, err)
	frames := map[withhold.ID]withhold.Frame{}
	files, err := withhold.List(f, folder+"/"+chain.OpeningsFolder)
	require.NoError(t, err)
	for _, file := range files {
		_, err := file.Frames(func(fr withhold.Frame) error {
			fr.Sealed = append([]byte(nil), fr.Sealed...)
			frames[fr.Event] = fr
			return nil
		})
		require.NoError(t, err)
	}
	keys, err := withhold.OpenKeys(f, keyStore, nil)
	require.NoError(t, err)
	defer keys.Close()
	r, err := chain.OpenReader(f, folder, chain.ReadOptions{Lock: chain.LockFree, Check: true})
	require.NoError(t, err)
	defer r.Close()

	o := opened{values: map[string]uint64{}}
	unexplained := map[uint64]*format.WithheldValues{}
	for {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		o.entries++
		if l.Kind == chain.System {
			e, err := chain.ParseSystem(l.Body)
			require.NoError(t, err)
			switch e.Type {
			case chain.TypeErased:
				erased, err := chain.ParseErased(l.Body)
				require.NoError(t, err)
				o.erased = append(o.erased, erased)
			case chain.TypeOpeningsLost:
				lost, err := chain.ParseOpeningsLost(l.Body)
				require.NoError(t, err)
				for seq := range unexplained {
					for _, span := range lost.Entries {
						if span.First <= seq && seq <= span.Last {
							delete(unexplained, seq)
							o.lost++
						}
					}
				}
			}
			continue
		}
		require.NotContains(t, string(l.Body), "example.com")
		e, err := format.Parse(l.Body)
		require.NoError(t, err)
		if e.Withheld == nil {
			continue
		}
		frame, ok := frames[e.Withheld.ID]
		key, err := keys.Key(e.Withheld.Key)
		require.NoError(t, err)
		if !ok || key == nil {
			unexplained[l.Seq] = e.Withheld
			continue
		}
		require.EqualValues(t, e.Withheld.Key, frame.Key)
		plain, err := key.Open(frame)
		require.NoError(t, err)
		openings, err := format.ParseOpenings(plain)
		require.NoError(t, err)
		require.Len(t, openings, len(e.Withheld.Values))
		for i, opening := range openings {
			require.Equal(t, e.Withheld.Values[i].HMAC, opening.Commitment(e.Withheld.ID))
			v, err := opening.Decode()
			require.NoError(t, err)
			if opening.Pointer == "/attributes/user.email" {
				o.values[v.Str()] = l.Seq
			}
		}
	}
	for seq, w := range unexplained {
		for _, e := range o.erased {
			if strings.Contains(strings.Join(e.Keys, " "), hex.EncodeToString(w.Key[:])) {
				delete(unexplained, seq)
				o.sealed++
				break
			}
		}
	}
	require.Empty(t, unexplained)
	return o
}

// restart starts and stops an exporter on f.
func restart(t *testing.T, f *faultfs.FS) {
	t.Helper()
	r := withholding(t, f, nil)
	r.start(t)
	time.Sleep(2 * time.Second)
	require.NoError(t, r.Shutdown(t.Context()))
}

func TestWithheld(t *testing.T) {
	inBubble(t, 1, func(t *testing.T) {
		f := faultfs.New(t, "/audit")
		r := withholding(t, f, nil)
		r.start(t)
		for n := range 10 {
			require.NoError(t, r.ConsumeLogs(t.Context(), about(fmt.Sprint(n%3), n, n%2 == 0)))
		}
		require.NoError(t, r.Shutdown(t.Context()))
		restart(t, f)
		o := look(t, f)
		require.Len(t, o.values, 20)
		require.Zero(t, o.lost)
		for n := range 20 {
			require.Contains(t, o.values, email(n))
		}
	})
}

// Each operation fails once, and the power is cut at once or at the end: the openings of
// what was acknowledged and must be synced are there, and of all other events that stand
// in the log either they are or the log says that they were lost.
func TestWithheldFaults(t *testing.T) {
	tried, lost, failed := 0, 0, 0
	for n, total := 1, 1; n <= total; n++ {
		inBubble(t, uint64(n), func(t *testing.T) {
			f := faultfs.New(t, "/audit")
			var mu sync.Mutex
			acked := map[string]bool{} // guarded by mu
			var image *faultfs.FS
			var before map[string]bool
			effects := []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All}
			f.Intercept(func(op faultfs.Op) faultfs.Outcome {
				switch op.N {
				case n:
					return faultfs.Outcome{Err: syscall.EIO, Effect: effects[n%3]}
				case n + 3:
					mu.Lock()
					before = maps.Clone(acked)
					mu.Unlock()
					image = f.PowerCut(uint64(n))
				}
				return faultfs.Outcome{}
			})
			r := withholding(t, f, nil)
			if r.Start(t.Context(), r.host) != nil {
				return
			}
			for i := range 6 {
				critical := i%3 > 0
				err := r.ConsumeLogs(t.Context(), about(fmt.Sprint(i), i, critical))
				if err == nil && critical {
					mu.Lock()
					acked[email(2*i)], acked[email(2*i+1)] = true, true
					mu.Unlock()
				}
				if err != nil {
					failed++
					time.Sleep(6 * time.Second)
				}
			}
			_ = r.Shutdown(t.Context())
			total = max(total, f.Ops())
			f.Intercept(nil)
			tried++
			if image == nil {
				image, before = f, acked
			}
			for disk, acked := range map[*faultfs.FS]map[string]bool{image: before, f.PowerCut(uint64(n) + 1): acked} {
				restart(t, disk)
				o := look(t, disk)
				lost += o.lost
				for v := range acked {
					require.Contains(t, o.values, v, "operation %d", n)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	require.Greater(t, tried, 100)
	require.Positive(t, failed)
	t.Logf("lives: %d, requests refused: %d, events whose openings were lost and declared: %d", tried, failed, lost)
}

// A file of openings that ends early, as a power cut leaves it while later bytes of the
// segment are on the disk, is declared by the next start, once.
func TestLostOpeningsAreDeclared(t *testing.T) {
	inBubble(t, 3, func(t *testing.T) {
		f := faultfs.New(t, "/audit")
		r := withholding(t, f, nil)
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), about("a", 0, false)))
		require.NoError(t, r.ConsumeLogs(t.Context(), about("a", 1, false)))
		dead := f.ProcessDeath()
		require.NoError(t, r.Shutdown(t.Context()))
		folder, err := chain.FindLog(dead, "/audit")
		require.NoError(t, err)
		path := folder + "/" + chain.OpeningsFolder + "/0000000001.openings"
		info, err := dead.Stat(path)
		require.NoError(t, err)
		require.NoError(t, dead.TruncateOutside(path, info.Size-1))
		restart(t, dead)
		restart(t, dead)
		o := look(t, dead)
		require.Equal(t, 1, o.lost)
		require.Len(t, o.values, 3)
	})
}

// ask leaves a request to erase.
func ask(t *testing.T, f *faultfs.FS, subject string) string {
	t.Helper()
	keys, err := withhold.OpenKeys(f, keyStore, nil)
	require.NoError(t, err)
	defer keys.Close()
	name, err := withhold.PutRequest(f, keyStore, keys.NewRequest(subject, "operator", "article 17"))
	require.NoError(t, err)
	return name
}

func TestErase(t *testing.T) {
	for _, mode := range []string{"hybrid", "immediate", "batched"} {
		inBubble(t, 4, func(t *testing.T) {
			f := faultfs.New(t, "/audit")
			r := withholding(t, f, func(o *exporter.Options) { o.Mode = mode })
			r.start(t)
			require.NoError(t, r.ConsumeLogs(t.Context(), about("alice", 0, true)))
			require.NoError(t, r.ConsumeLogs(t.Context(), about("bob", 1, true)))
			time.Sleep(2 * time.Second)
			name, nobody := ask(t, f, "alice"), ask(t, f, "nobody")
			time.Sleep(5 * time.Second)
			synctest.Wait()
			a, ok, err := withhold.TakeAnswer(f, keyStore, name)
			require.NoError(t, err)
			require.True(t, ok)
			require.Len(t, a.Keys, 1)
			require.NotZero(t, a.Seq)
			n, ok, err := withhold.TakeAnswer(f, keyStore, nobody)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, withhold.Answer{}, n)
			disk := f.PowerCut(7)

			require.NoError(t, r.ConsumeLogs(t.Context(), about("alice", 2, true)))
			require.NoError(t, r.Shutdown(t.Context()))
			o := look(t, f)
			require.Equal(t, 2, o.sealed)
			require.Len(t, o.values, 4)
			require.NotContains(t, o.values, email(0))
			require.Contains(t, o.values, email(4))
			require.Len(t, o.erased, 1)
			require.Equal(t, a.Keys, o.erased[0].Keys)
			require.Equal(t, "article 17", o.erased[0].Reason)

			restart(t, disk)
			require.Equal(t, 2, look(t, disk).sealed)
		})
	}
}

// The power is cut at each operation of an erase: the subject is erased or is not, the
// log explains what it is, and the next start finishes what was asked for.
func TestEraseIsCutAnywhere(t *testing.T) {
	for cut, total := 1, 1; cut <= total; cut++ {
		inBubble(t, uint64(cut), func(t *testing.T) {
			f := faultfs.New(t, "/audit")
			r := withholding(t, f, nil)
			r.start(t)
			require.NoError(t, r.ConsumeLogs(t.Context(), about("alice", 0, true)))
			time.Sleep(2 * time.Second)
			ask(t, f, "alice")
			start := f.Ops()
			var disk *faultfs.FS
			f.Intercept(func(op faultfs.Op) faultfs.Outcome {
				if op.N == start+cut {
					disk = f.PowerCut(uint64(cut))
				}
				return faultfs.Outcome{}
			})
			time.Sleep(3 * time.Second)
			synctest.Wait()
			total = f.Ops() - start
			f.Intercept(nil)
			require.NoError(t, r.Shutdown(t.Context()))
			if disk == nil {
				return // there were fewer operations than the last time
			}

			again := withholding(t, disk, nil)
			again.start(t)
			synctest.Wait()
			time.Sleep(3 * time.Second)
			require.NoError(t, again.Shutdown(t.Context()))
			o := look(t, disk)
			require.Equal(t, 2, o.sealed)
			require.Empty(t, o.values)
			require.NotEmpty(t, o.erased)
			left, err := withhold.Requests(disk, keyStore)
			require.NoError(t, err)
			require.Empty(t, left)
		})
		if t.Failed() {
			return
		}
	}
}

// What was encrypted with a key is readable until the entry that says it is destroyed is
// synced: no image between has neither.
func TestErasedEntryComesFirst(t *testing.T) {
	inBubble(t, 5, func(t *testing.T) {
		f := faultfs.New(t, "/audit")
		r := withholding(t, f, nil)
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), about("alice", 0, true)))
		ask(t, f, "alice")
		var images []*faultfs.FS
		f.Intercept(func(op faultfs.Op) faultfs.Outcome {
			images = append(images, f.PowerCut(uint64(op.N)), f.PowerCut(uint64(op.N)+1000))
			return faultfs.Outcome{}
		})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		f.Intercept(nil)
		require.NoError(t, r.Shutdown(t.Context()))
		require.Greater(t, len(images), 20)
		erased := 0
		for _, disk := range images {
			lock, err := disk.Lock(keyStore)
			require.NoError(t, err)
			require.NoError(t, lock.Unlock())
			if o := look(t, disk); o.sealed == 2 {
				erased++
			} else {
				require.Len(t, o.values, 2)
			}
		}
		require.Positive(t, erased)
		require.Less(t, erased, len(images))
	})
}

func TestWormErasesNothing(t *testing.T) {
	inBubble(t, 6, func(t *testing.T) {
		f := faultfs.New(t, "/audit")
		r := withholding(t, f, func(o *exporter.Options) { o.Withhold.Worm = true })
		r.start(t)
		require.NoError(t, r.ConsumeLogs(t.Context(), about("alice", 0, true)))
		name := ask(t, f, "alice")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		a, ok, err := withhold.TakeAnswer(f, keyStore, name)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, withhold.ErrWorm.Error(), a.Error)
		require.NoError(t, r.Shutdown(t.Context()))
		require.Len(t, look(t, f).values, 2)
	})
}

// Without the key store nothing is taken; with it back, everything is.
func TestKeyStoreIsHeld(t *testing.T) {
	inBubble(t, 7, func(t *testing.T) {
		f := faultfs.New(t, "/audit")
		require.NoError(t, f.Mkdir(keyStore, 0o700))
		lock, err := f.Lock(keyStore)
		require.NoError(t, err)
		r := withholding(t, f, nil)
		r.start(t)
		require.Error(t, r.ConsumeLogs(t.Context(), about("alice", 0, true)))
		require.NoError(t, lock.Unlock())
		time.Sleep(10 * time.Second)
		require.NoError(t, r.ConsumeLogs(t.Context(), about("alice", 0, true)))
		require.NoError(t, r.Shutdown(t.Context()))
		require.Len(t, look(t, f).values, 2)
	})
}

// Whenever a segment is synced, the openings of all that was written to it are durable,
// and their keys.
func TestOpeningsAreSyncedFirst(t *testing.T) {
	inBubble(t, 8, func(t *testing.T) {
		f := faultfs.New(t, "/audit")
		r := withholding(t, f, nil)
		r.start(t)
		checked := 0
		f.Intercept(func(op faultfs.Op) faultfs.Outcome {
			if op.Kind != faultfs.Sync || !strings.Contains(op.Path, ".jsonl") {
				return faultfs.Outcome{}
			}
			folder, _, _ := strings.Cut(op.Path, "/0")
			files, err := withhold.List(f, folder+"/"+chain.OpeningsFolder)
			require.NoError(t, err)
			for _, path := range []string{files[len(files)-1].Path, keyStore + "/keys"} {
				info, err := f.Stat(path)
				require.NoError(t, err)
				require.NoError(t, f.Durable(path, info.Size))
			}
			checked++
			return faultfs.Outcome{}
		})
		for n := range 8 {
			require.NoError(t, r.ConsumeLogs(t.Context(), about(fmt.Sprint(n), n, n%2 == 1)))
		}
		f.Intercept(nil)
		require.NoError(t, r.Shutdown(t.Context()))
		require.GreaterOrEqual(t, checked, 4)
	})
}

// What a process wrote and did not sync before it died is there at the next start, and no later power
// cut takes it: the log holds the events, and acknowledges them when they come again.
func TestOpeningsOfADeadProcessStay(t *testing.T) {
	lost := 0
	for seed := range uint64(20) {
		inBubble(t, 5, func(t *testing.T) {
			f := faultfs.New(t, "/audit")
			r := withholding(t, f, nil)
			r.start(t)
			f.Intercept(func(op faultfs.Op) (o faultfs.Outcome) {
				if seed%2 == 1 && op.Kind == faultfs.Sync && !strings.HasSuffix(op.Path, ".jsonl") {
					o.Err = syscall.EIO // leaves pages clean that are not on the disk
				}
				return o
			})
			require.NoError(t, r.ConsumeLogs(t.Context(), about("a", 0, false)))
			time.Sleep(time.Duration(seed%2) * 1100 * time.Millisecond)
			dead := f.ProcessDeath()
			f.TurnOff()
			_ = r.Shutdown(t.Context())

			r = withholding(t, dead, nil)
			r.start(t)
			synctest.Wait()
			cut := dead.PowerCut(seed)
			require.NoError(t, r.Shutdown(t.Context()))
			restart(t, cut)
			o := look(t, cut)
			lost += o.lost
			require.Len(t, o.values, 2, "seed %d", seed)
		})
	}
	require.Zero(t, lost)
}
