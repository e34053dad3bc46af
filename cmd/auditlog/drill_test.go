package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
)

// drillLog is a closed log of a few segments in memory, with its checkpoints.
type drillLog struct {
	id       chain.LogID
	segments []drillSegment
	signed   []signedCheckpoint // by size, the last of all entries
	vkey     string
	key      *testKey
}

type drillSegment struct {
	name  chain.SegmentName
	lines [][]byte // with their LF
}

// entries returns how many the log has.
func (l *drillLog) entries() (n int) {
	for _, s := range l.segments {
		n += len(s.lines)
	}
	return n
}

// newDrillLog writes a log with the real writer and signs checkpoints of it at
// every sync, as the exporter does.
func newDrillLog(t *testing.T) *drillLog {
	dir := filepath.Join(t.TempDir(), "audit")
	var heads []uint64
	var hashes []chain.Hash
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir, Synced: func(_ uint64, synced []chain.Hash) {
		hashes = append(hashes, synced...)
		heads = append(heads, uint64(len(hashes)))
	}})
	require.NoError(t, err)
	for n := range 11 {
		b := new(chain.Batch)
		b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, n))
		require.NoError(t, w.Write([]*chain.Batch{b}))
		if n%2 == 1 {
			require.NoError(t, w.Sync())
		}
		if n%3 == 2 {
			require.NoError(t, w.Rotate())
		}
	}
	require.NoError(t, w.Close())
	l := &drillLog{id: w.Info().LogID}
	key := newTestKey(t, l.id)
	l.key, l.vkey = key, key.vkey
	for _, size := range slices.Compact(heads) {
		l.signed = append(l.signed, key.sign(hashes[:size]))
	}
	l.segments = readSegments(t, w.Info().Folder)
	return l
}

func readSegments(t *testing.T, folder string) (segments []drillSegment) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	require.NoError(t, err)
	for _, p := range paths {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		name, _ := chain.ParseSegmentName(filepath.Base(p))
		lines := bytes.SplitAfter(data, []byte("\n"))
		segments = append(segments, drillSegment{name, lines[:len(lines)-1]})
	}
	return segments
}

// first returns the log's first n entries.
func (l *drillLog) first(n int) *drillLog {
	c := &drillLog{id: l.id, signed: l.signed, key: l.key, vkey: l.vkey}
	for _, s := range l.segments {
		if n <= 0 {
			break
		}
		s.lines = s.lines[:min(n, len(s.lines))]
		n -= len(s.lines)
		c.segments = append(c.segments, s)
	}
	return c
}

// rebuilt returns the log with entry k changed and everything from there on made
// anew, so that the chain holds.
func (l *drillLog) rebuilt(t *testing.T, k int) *drillLog {
	c := &drillLog{id: l.id, signed: l.signed, key: l.key, vkey: l.vkey}
	head := chain.Genesis(l.id)
	var before *chain.Previous
	for _, s := range l.segments {
		made := drillSegment{name: s.name}
		for i, line := range s.lines {
			e, err := chain.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
			require.NoError(t, err)
			body := bytes.Clone(e.Body)
			if i == 0 {
				o, err := chain.ParseOpened(body)
				require.NoError(t, err)
				o.Previous = before
				if e.Seq == uint64(k) {
					o.Software = "other"
				}
				body, err = json.Marshal(o)
				require.NoError(t, err)
			} else if e.Seq == uint64(k) {
				body = append([]byte(`{"forged":1,`), body[1:]...)
			}
			kind, tag := "event", "auditlog/entry/v1\n"
			if e.Kind == chain.System {
				kind, tag = "system", "auditlog/system/v1\n"
			}
			digest := sha256.Sum256(body)
			hash := sha256.Sum256(slices.Concat([]byte(tag), head.Hash[:], binary.BigEndian.AppendUint64(nil, e.Seq), digest[:]))
			made.lines = append(made.lines, fmt.Appendf(nil, `{"seq":%d,"prev_hash":"%s","hash":"%x","%s":%s}`+"\n", e.Seq, head.Hash, hash, kind, body))
			head = chain.Head{Seq: e.Seq, Hash: hash}
		}
		before = &chain.Previous{Segment: s.name.String(), Length: int64(len(bytes.Join(made.lines, nil))), Head: head}
		c.segments = append(c.segments, made)
	}
	return c
}

// save writes the log below dir, without a mark, and with the checkpoints up to a
// size.
func (l *drillLog) save(t *testing.T, dir string, upTo int) {
	folder := filepath.Join(dir, l.id.String())
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.MkdirAll(folder, 0o700))
	for _, s := range l.segments {
		require.NoError(t, os.WriteFile(filepath.Join(folder, s.name.String()), bytes.Join(s.lines, nil), 0o600))
	}
	saveCheckpoints(t, folder, l.upTo(upTo))
}

func (l *drillLog) upTo(size int) (signed []signedCheckpoint) {
	for _, c := range l.signed {
		if c.size <= uint64(size) {
			signed = append(signed, c)
		}
	}
	return signed
}

// firstUntrusted is the first entry that can't be trusted if entry k is wrong or gone
// and these checkpoints are at hand.
func firstUntrusted(signed []signedCheckpoint, k int) uint64 {
	first := uint64(1)
	for _, c := range signed {
		if c.size < uint64(k) {
			first = max(first, c.size+1)
		}
	}
	return first
}

// keep writes a checkpoint to a file of its own.
func (c signedCheckpoint) keep(t *testing.T, name string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, c.note, 0o600))
	return path
}

// verdictOf runs verify as JSON.
func verdictOf(t *testing.T, dir string, flags ...string) (a struct {
	Verdict string
	Exit    int
	Says    []string
	Logs    []chain.LogReport
	Anchors map[string]anchor
},
) {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(t.Context(), append([]string{"verify", "--json", dir}, flags...), &stdout, &stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &a), stderr.String())
	require.Equal(t, code, a.Exit)
	return a
}

// drill holds verify to its promise about a log whose entries are other than
// those that were written, from k on: with the key and a checkpoint from before it
// is found, and the first entry that can't be trusted is named. Without, the
// chain holds, and all that is left is named as not proven.
func (l *drillLog) drill(t *testing.T, dir string, k int, kept string) {
	t.Helper()
	left := l.entries()
	newest := l.signed[len(l.signed)-1]
	for name, beside := range map[string]int{"all": int(newest.size), "none from there on": k - 1, "none": 0} {
		l.save(t, dir, beside)
		a := verdictOf(t, dir, "--key", l.vkey, "--checkpoint", kept)
		require.Equal(t, exitBroken, a.Exit, "entry %d, checkpoints %s: %v", k, name, a.Says)
		want := firstUntrusted(append(l.upTo(beside), newest), k)
		require.Equal(t, want, a.Anchors[l.id.String()].FirstUntrusted, "entry %d, checkpoints %s", k, name)
		require.Contains(t, a.Says[0], fmt.Sprintf("Entry %d is the first that can't be trusted", want))
	}
	l.save(t, dir, int(newest.size))
	a := verdictOf(t, dir)
	require.Equal(t, exitUnanchored, a.Exit)
	require.Contains(t, a.Says[0], fmt.Sprintf("Not proven are entries 1 to %d:", left))
	a = verdictOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitBroken, a.Exit, "the key and what lies beside the log")
}

func TestDrillEntriesCutOff(t *testing.T) {
	t.Parallel()
	l := newDrillLog(t)
	dir, kept := t.TempDir(), l.signed[len(l.signed)-1].keep(t, "kept")
	for k := 2; k <= l.entries(); k++ {
		l.first(k-1).drill(t, dir, k, kept)
	}
}

func TestDrillSegmentsCutOff(t *testing.T) {
	t.Parallel()
	l := newDrillLog(t)
	dir, kept := t.TempDir(), l.signed[len(l.signed)-1].keep(t, "kept")
	require.Len(t, l.segments, 4)
	require.Equal(t, 16, l.entries())
	for left := 1; left < len(l.segments); left++ {
		c := *l
		c.segments = l.segments[:left]
		c.drill(t, dir, int(l.segments[left].name.FirstSeq), kept)
	}
}

func TestDrillRebuilt(t *testing.T) {
	t.Parallel()
	l := newDrillLog(t)
	dir, kept := t.TempDir(), l.signed[len(l.signed)-1].keep(t, "kept")
	l.save(t, dir, l.entries())
	require.Equal(t, exitOK, verdictOf(t, dir, "--key", l.vkey, "--checkpoint", kept).Exit)
	for k := 1; k <= l.entries(); k++ {
		l.rebuilt(t, k).drill(t, dir, k, kept)
	}
}

// setMark writes the mark after the first n entries of the i-th segment.
func (l *drillLog) setMark(t *testing.T, folder string, i, n int) {
	m := chain.Mark{LogID: l.id}
	for n == 0 {
		if i--; i < 0 {
			require.NoError(t, os.RemoveAll(filepath.Join(folder, "mark")))
			return
		}
		n = len(l.segments[i].lines)
	}
	s := l.segments[i]
	e, err := chain.ParseLine(bytes.TrimSuffix(s.lines[n-1], []byte("\n")))
	require.NoError(t, err)
	m.Ordinal, m.Offset, m.Head = s.name.Ordinal, int64(len(bytes.Join(s.lines[:n], nil))), e.Head()
	text, err := json.Marshal(m)
	require.NoError(t, err)
	slot := append(text, bytes.Repeat([]byte{' '}, 512-9-len(text))...)
	slot = fmt.Appendf(slot, "%08x\n", crc32.Checksum(slot, crc32.MakeTable(crc32.Castagnoli)))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "mark"), append(slot, slot...), 0o600))
}

// Bytes are cut off one by one. The mark is set back to the last whole entry, so
// that what is torn looks as a crash leaves it.
func TestDrillBytesCutOff(t *testing.T) {
	t.Parallel()
	l := newDrillLog(t)
	dir, kept := t.TempDir(), l.signed[len(l.signed)-1].keep(t, "kept")
	l.save(t, dir, l.entries())
	folder := filepath.Join(dir, l.id.String())
	for i := len(l.segments) - 1; i >= 0; i-- {
		s := l.segments[i]
		path := filepath.Join(folder, s.name.String())
		data := bytes.Join(s.lines, nil)
		end, n := len(data), len(s.lines) // of the last whole entry; how many are whole
		for size := len(data) - 1; size >= 0; size-- {
			require.NoError(t, os.Truncate(path, int64(size)))
			if size < end {
				n--
				end -= len(s.lines[n])
				l.setMark(t, folder, i, n)
			}
			left := int(s.name.FirstSeq) - 1 + n
			if size%17 == 0 || size == end || size == len(data)-1 {
				a := verdictOf(t, dir, "--key", l.vkey, "--checkpoint", kept)
				require.Equal(t, exitBroken, a.Exit, "%s, %d bytes", s.name, size)
				require.Equal(t, firstUntrusted(l.signed, left+1), a.Anchors[l.id.String()].FirstUntrusted, "%s, %d bytes", s.name, size)
			}
			a := verdictOf(t, dir)
			if n == 0 && size > 0 { // no crash leaves a segment without its opening entry
				require.Equal(t, exitBroken, a.Exit)
				continue
			}
			if left > 0 && n > 0 {
				require.Equal(t, exitUnanchored, a.Exit, "%s, %d bytes", s.name, size)
				require.Contains(t, a.Says[0], fmt.Sprintf("Not proven are entries 1 to %d:", left))
			}
		}
		require.NoError(t, os.Remove(path))
	}
}

// Synced entries are made to look torn and the mark is removed, so that the next
// opening cuts them, declares it, and goes on: the chain holds, the checkpoints say
// what is gone.
func TestCutEntryUnderACheckpoint(t *testing.T) {
	t.Parallel()
	l := newDrillLog(t)
	c, dir := *l, t.TempDir()
	c.segments = l.segments[:1]
	k := len(c.segments[0].lines)
	c.segments[0].lines = slices.Clone(c.segments[0].lines)
	c.segments[0].lines[k-1] = bytes.Replace(c.segments[0].lines[k-1], []byte(`"n":`), []byte(`"m":`), 1)
	c.save(t, dir, k)
	w, err := chain.Open(t.Context(), chain.Options{Directory: dir})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	v := verdictOf(t, dir, "--chain-only")
	require.Equal(t, exitOK, v.Exit)
	require.Len(t, v.Logs[0].Cuts, 1)
	exit, a, _ := c.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitBroken, exit)
	require.Equal(t, firstUntrusted(l.upTo(k), k), a.FirstUntrusted)
}
