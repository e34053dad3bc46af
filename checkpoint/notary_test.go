package checkpoint_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// A checkpoint is signed at opening, at each interval with entries, and at closing,
// and is that of the entries.
func TestCheckpointsOfALog(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.open()
		synctest.Wait()
		require.Equal(t, uint64(1), r.last().Size, "the opening entry")
		r.append(5)
		synctest.Wait()
		require.Len(t, r.file().Records, 1, "the interval is not over")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, uint64(6), r.last().Size)
		r.append(3)
		r.close()
		require.Equal(t, uint64(10), r.last().Size, "the closed entry, too")
		r.check()
		for _, c := range r.file().Records {
			require.Equal(t, r.root(c.Size), c.Root)
		}
	})
}

// "Nothing happened until t" is signed, too, but not at each interval.
func TestHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.open()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Len(t, r.file().Records, 1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		f := r.file()
		require.Len(t, f.Records, 2)
		require.Equal(t, f.Records[0].Root, f.Records[1].Root)
		_, first, err := r.verifier().Open(f.Records[0].Note)
		require.NoError(t, err)
		_, second, err := r.verifier().Open(f.Records[1].Note)
		require.NoError(t, err)
		require.Equal(t, time.Minute, second.Sub(first))
	})
}

// Of what is asked for within 10 ms, the newest wins.
func TestSignaturesKeepTheirPace(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.o.Interval = time.Hour
		r.open()
		synctest.Wait()
		for range 50 {
			r.append(1)
			r.n.Sign()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, uint64(51), r.last().Size)
		require.InDelta(t, 6, len(r.file().Records), 1)
		r.check()
	})
}

// What is exposed is in no tree, and after a failover the tree goes on.
func TestCheckpointNeverLeads(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.open()
		r.append(3)
		b := new(chain.Batch)
		b.EndEvent([]byte(`{"exposed":true}`))
		require.NoError(t, r.w.Write([]*chain.Batch{b}))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, uint64(4), r.last().Size)

		failed := errors.New("input/output error")
		r.fs.Intercept(func(op faultfs.Op) (o faultfs.Outcome) {
			if op.Kind == faultfs.Sync && strings.Contains(op.Path, ".jsonl") {
				o.Err = failed
				r.fs.Intercept(nil)
			}
			return o
		})
		err := r.w.Sync()
		require.ErrorIs(t, err, failed)
		require.NoError(t, r.w.Renew(err, []*chain.Batch{b}))
		r.append(2)
		r.sign()
		require.Equal(t, r.w.Info().Synced, r.last().Head)
		r.close()
		r.check()
		require.Equal(t, r.root(r.last().Size), r.last().Root)
	})
}

// Opening goes on from the newest checkpoint, across segments, and without a file
// from the segments alone.
func TestTreeIsBroughtForward(t *testing.T) {
	for name, lost := range map[string]bool{"file there": false, "file lost": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.open()
				r.append(7)
				r.sign()
				r.append(2)
				require.NoError(t, r.w.Rotate())
				r.append(4)
				require.NoError(t, r.w.Abandon())
				synctest.Wait()
				if lost {
					require.NoError(t, r.fs.RemoveOutside(filepath.Join(r.folder(), checkpoint.FileName)))
					r.known = nil
				}
				r.open()
				r.append(1)
				r.close()
				r.check()
				require.Equal(t, r.root(r.last().Size), r.last().Root)
				require.Equal(t, r.last().Root, r.root(18))
			})
		})
	}
}

// More entries than there is room for are read from the segments.
func TestQueueOverflows(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		stop := make(chan struct{})
		r.o.Witnesses = unanswering(stop)
		r.open()
		for range 3 {
			r.append(30_000)
		}
		close(stop)
		r.sign()
		require.Equal(t, uint64(90_001), r.last().Size)
		r.close()
		r.check()
	})
}

// A file whose end is torn, or that somebody wrote to, is gone on with.
func TestTornFile(t *testing.T) {
	for name, c := range map[string]struct {
		cut     int64 // bytes off the end
		add     int64 // zeros
		damaged int
	}{
		"only the LF": {cut: 1},
		"half a line": {cut: 300, damaged: 1},
		"zeros after": {add: 700, damaged: 1},
		"zeros in it": {cut: 300, add: 4096, damaged: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.open()
				r.append(3)
				r.sign()
				r.append(1)
				r.close()
				path := filepath.Join(r.folder(), checkpoint.FileName)
				info, err := r.fs.Stat(path)
				require.NoError(t, err)
				require.NoError(t, r.fs.TruncateOutside(path, info.Size-c.cut))
				if c.add > 0 {
					require.NoError(t, r.fs.WriteOutside(path, make([]byte, c.add), info.Size-c.cut))
				}
				r.known = nil
				r.open()
				r.append(1)
				r.close()
				r.check()
				require.Len(t, r.file().Damaged, c.damaged)
				require.Equal(t, r.root(9), r.last().Root)
			})
		})
	}
}

// A file that is removed, replaced or shortened while the log is open is told of,
// and holds the newest checkpoint again.
func TestFileTouchedFromOutside(t *testing.T) {
	for name, touch := range map[string]func(r *rig, path string) error{
		"removed": func(r *rig, path string) error { return r.fs.RemoveOutside(path) },
		"renamed": func(r *rig, path string) error { return r.fs.RenameOutside(path, path+".old") },
		"cut":     func(r *rig, path string) error { return r.fs.TruncateOutside(path, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.open()
				r.append(3)
				r.sign()
				before := r.last()
				require.NoError(t, touch(r, filepath.Join(r.folder(), checkpoint.FileName)))
				r.append(1)
				r.sign()
				require.Equal(t, uint64(5), r.last().Size)
				notes := map[string]bool{}
				for _, c := range r.file().Records {
					notes[string(c.Note)] = true
				}
				require.True(t, notes[string(before.Note)])
				require.Contains(t, r.notices, "the log's file of checkpoints was changed from outside")
				r.close()
			})
		})
	}
}

// A log that lacks what a checkpoint covers is not opened.
func TestCheckpointIsAFloor(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.open()
		r.append(3)
		r.append(3)
		r.sign()
		segment := filepath.Join(r.folder(), r.w.Info().Segment)
		require.NoError(t, r.w.Abandon())
		synctest.Wait()
		reader, err := chain.OpenReader(r.fs, r.folder(), chain.ReadOptions{From: 5, Lock: chain.LockFree})
		require.NoError(t, err)
		l, err := reader.Next()
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		require.NoError(t, r.fs.TruncateOutside(segment, l.Offset))
		require.NoError(t, r.fs.RemoveOutside(filepath.Join(r.folder(), "mark")))

		var tampered *chain.TamperError
		require.ErrorAs(t, r.tryOpen(), &tampered)
		require.ErrorContains(t, tampered, "before entry 7")
		r.tamper = chain.TamperNewLog
		r.known = nil
		r.open()
		r.sign()
		require.Equal(t, uint64(1), r.last().Size)
		r.close()
	})
}

// Another key signs nothing for a log that has checkpoints.
func TestWrongKey(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.open()
		r.append(3)
		r.close()
		before := r.file()
		right := r.o.Key
		r.o.Key = otherKey(t)
		r.open()
		r.append(3)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, r.state().Permanent)
		require.ErrorContains(t, r.state().Err, "another key")
		require.Equal(t, before, r.file())
		r.close()
		r.o.Key = right
		require.Equal(t, before, r.file())
		r.open()
		r.close()
		r.check()
	})
}

// A failing disk delays checkpoints and nothing else.
func TestFailingFile(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.Write, faultfs.Sync, faultfs.FileStat, faultfs.Stat} {
		for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.Half, faultfs.All} {
			bubble(t, func(t *testing.T, r *rig) {
				r.open()
				r.append(2)
				r.sign()
				r.fs.Intercept(func(op faultfs.Op) (o faultfs.Outcome) {
					if op.Kind == kind && strings.HasPrefix(filepath.Base(op.Path), checkpoint.FileName) {
						o = faultfs.Outcome{Err: errors.New("input/output error"), Effect: effect}
					}
					return o
				})
				r.append(2)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				require.ErrorContains(t, r.state().Err, "input/output error")
				require.False(t, r.state().Permanent)
				r.append(2)
				r.fs.Intercept(nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.NoError(t, r.state().Err)
				require.Equal(t, uint64(7), r.last().Size)
				r.close()
				r.check(kind, effect)
			})
		}
	}
}
