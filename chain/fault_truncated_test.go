package chain_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// cutsOff are the sizes to which TestTruncated cuts the first segment, by the
// ends of its entries: an opening entry, two synced events and an exposed one.
var cutsOff = map[string]func(ends []int64) int64{
	"to nothing":              func([]int64) int64 { return 0 },
	"in the opening entry":    func(e []int64) int64 { return e[0] - 5 },
	"after the opening entry": func(e []int64) int64 { return e[0] },
	"in a synced event":       func(e []int64) int64 { return e[1] + 7 },
	"after a synced event":    func(e []int64) int64 { return e[1] },
	"in the last synced LF":   func(e []int64) int64 { return e[2] - 1 },
	"after what is synced":    func(e []int64) int64 { return e[2] },
	"in what is exposed":      func(e []int64) int64 { return e[2] + 9 },
}

// ends returns the offsets after each line of a segment.
func (r *rig) ends(segment string) (ends []int64) {
	for i, c := range r.fs.Files("/")[segment[1:]] {
		if c == '\n' {
			ends = append(ends, int64(i)+1)
		}
	}
	return ends
}

// TestTruncated cuts the end off the newest segment, and fails every operation
// from then on in both ways: what was synced and can't be copied back is
// recorded, and nothing else is missing. The next start, be it after a crash,
// accepts just that, and verify calls it broken and says where it is recorded.
func TestTruncated(t *testing.T) {
	for name, size := range cutsOff {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 14, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(7, 2))
				lives, crashes := 0, 0
				for n, last := 0, 1; n <= last; n++ {
					for _, effect := range []faultfs.Effect{faultfs.Nothing, faultfs.All} {
						out := faultfs.Outcome{Err: errs[n%len(errs)], Effect: effect}
						r := newRig(t)
						var left []*rig
						ops, cut := r.truncatedLife(size, n, out, func() { left = append(left, r.crashed(crash(rng.IntN(2)), rng.Uint64())) })
						last = max(last, ops)
						for _, c := range append(left, r) {
							c.checkMissing(cut)
						}
						lives++
						crashes += len(left)
					}
				}
				t.Logf("lives: %d, crashes: %d", lives, crashes)
			})
		})
	}
}

// cutOff is what TestTruncated has done to the first segment.
type cutOff struct {
	left    int64 // bytes of whole entries
	synced  int64 // bytes, before
	missing []string
}

// truncatedLife is a life in which the first segment is truncated, and the n-th
// operation after it fails. crash is called now and then after that was put right.
func (r *rig) truncatedLife(size func([]int64) int64, n int, out faultfs.Outcome, crash func()) (ops int, c cutOff) {
	r.open()
	r.write(2, true)
	r.sync(0)
	r.write(1, true)
	info := r.w.Info()
	segment := filepath.Join(info.Folder, info.Segment)
	ends := r.ends(segment)
	c.synced = ends[2]
	for i, end := range ends[:3] {
		if end <= size(ends) {
			c.left = end
		} else if i > 0 {
			c.missing = append(c.missing, r.model.synced[i-1])
		}
	}
	require.NoError(r.t, r.fs.TruncateOutside(segment, size(ends)))
	r.gapped = true
	first := r.fs.Ops()
	r.intercept(failing(first+n, 1, out))
	r.write(1, true)
	r.sync(0)
	ops = r.fs.Ops() - first
	r.intercept(nil)
	crash()
	r.write(1, true)
	crash()
	r.sync(0)
	r.rotate()
	crash()
	r.close()
	return ops, c
}

// checkMissing opens what is left after truncatedLife, and checks that just what
// was cut off of the synced entries is missing, and recorded.
func (r *rig) checkMissing(c cutOff) {
	w, err := chain.Open(r.t.Context(), chain.Options{Directory: faultDir, FS: r.fs, Software: "test", BootID: r.bootID()})
	if err != nil {
		r.fatal("opening: %v", err)
	}
	info := w.Info()
	require.NoError(r.t, w.Close())
	if err := r.model.allows(slices.Insert(r.standing(info.Folder), len(r.model.synced[:2])-len(c.missing), c.missing...)); err != nil {
		r.fatal("besides %v: %v", c.missing, err)
	}
	report, err := chain.Verify(r.t.Context(), r.fs, info.Folder, chain.VerifyOptions{Lock: chain.LockOwn, Workers: 1})
	require.NoError(r.t, err)
	if c.left == c.synced {
		require.Empty(r.t, info.Missing, r.story)
		require.Empty(r.t, report.Faults, r.story)
		return
	}
	segment := chain.SegmentName{Ordinal: 1, FirstSeq: 1}.String()
	require.Equal(r.t, []chain.Range{{Segment: segment, Offset: c.left, Length: c.synced - c.left}}, info.Missing, r.story)
	require.True(r.t, report.Broken())
	for _, f := range report.Faults {
		if f.Recorded == "" {
			r.fatal("fault that is recorded nowhere: %v", f)
		}
	}
}

// standing returns the events in all segments: of the first, up to where it is
// cut off, of the others, up to where the next takes over.
func (r *rig) standing(folder string) (events []string) {
	files := r.fs.Files(folder)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(s string) bool { return !strings.HasSuffix(s, ".jsonl") })
	for i, base := range names {
		until := ^uint64(0)
		if i+1 < len(names) {
			next, _ := chain.ParseSegmentName(names[i+1])
			until = next.FirstSeq
		}
		for line := range bytes.Lines(files[base]) {
			e, err := chain.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
			if err != nil || e.Seq >= until || !bytes.HasSuffix(line, []byte("\n")) {
				break
			}
			if e.Kind == chain.Event {
				events = append(events, describe(r.t, e))
			}
		}
	}
	return events
}
