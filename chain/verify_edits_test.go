package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/internal/independent"
)

// flips are changes of a byte that between them make other letters, other
// digits, other cases, control characters and bytes that are not ASCII.
var flips = []byte{0x01, 0x20, 0x80}

// Every byte of a closed log, changed: found at its segment and line, by Verify
// and by a verifier that shares no code with it. Of a failover's cut a change is
// told, and no fault.
func TestVerifyFindsEveryByteEdit(t *testing.T) {
	l := sampleLog(t)
	folder := l.save(t.TempDir())
	require.NoError(t, independent.Check(folder))
	changed := 0
	for i, s := range l.segments {
		path := filepath.Join(folder, s.name.String())
		edited := slices.Clone(s.data)
		for at := range s.data {
			changed++
			flip := flips[at%len(flips)]
			edited[at] ^= flip
			require.NoError(t, os.WriteFile(path, edited, 0o600))
			edited[at] ^= flip
			r := verifyLogAt(t, folder, VerifyOptions{Workers: 1, Lock: LockFree})
			other := independent.Check(folder)
			if at >= s.valid && i == 2 {
				require.False(t, r.Broken(), "%s offset %d", s.name, at)
				require.False(t, r.Cuts[1].Same)
				require.NoError(t, other)
				continue
			}
			line := bytes.Count(s.data[:min(at, s.valid)], []byte("\n")) + 1
			require.NotEmpty(t, r.Faults, "%s offset %d", s.name, at)
			require.Nil(t, r.Tail)
			require.Equal(t, fmt.Sprint(s.name, ":", line), fmt.Sprint(r.Faults[0].Segment, ":", r.Faults[0].Line), "offset %d: %v", at, r.Faults)
			require.EqualValues(t, bytes.LastIndexByte(s.data[:min(at, s.valid)], '\n')+1, r.Faults[0].Offset)
			require.Equal(t, s.name.FirstSeq+uint64(line)-1, r.Faults[0].Seq)
			var fault *independent.Error
			require.ErrorAs(t, other, &fault, "%s offset %d", s.name, at)
			require.Equal(t, fmt.Sprint(fault.Segment, ":", fault.Line), fmt.Sprint(r.Faults[0].Segment, ":", r.Faults[0].Line), "offset %d", at)
		}
		require.NoError(t, os.WriteFile(path, s.data, 0o600))
	}
	t.Log("bytes changed:", changed)
}

// edit is a change of a log's folder that has a name.
type edit struct {
	name  string
	apply func(folder string)
}

// lineEdits changes the order and number of the lines of l, in every place.
func lineEdits(l *testLog) []edit {
	var edits []edit
	for _, s := range l.segments {
		lines := bytes.SplitAfter(s.data[:s.valid], []byte("\n"))
		lines = lines[:len(lines)-1]
		rest := s.data[s.valid:]
		add := func(name string, at int, changed [][]byte) {
			data := append(bytes.Join(changed, nil), rest...)
			edits = append(edits, edit{
				name:  fmt.Sprintf("%s: line %d %s", s.name, at+1, name),
				apply: func(folder string) { mustWrite(filepath.Join(folder, s.name.String()), data) },
			})
		}
		for i := range lines {
			add("removed", i, slices.Delete(slices.Clone(lines), i, i+1))
			add("doubled", i, slices.Insert(slices.Clone(lines), i, lines[i]))
			add("empty inserted", i, slices.Insert(slices.Clone(lines), i, []byte("\n")))
			foreign := l.segments[0].data[:bytes.IndexByte(l.segments[0].data, '\n')+1]
			add("foreign inserted", i, slices.Insert(slices.Clone(lines), i, foreign))
			if i > 0 {
				swapped := slices.Clone(lines)
				swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
				add("swapped", i, swapped)
			}
		}
		for n := range lines {
			add("and all after it removed", n, lines[:n])
		}
	}
	return edits
}

// segmentEdits changes the files.
func segmentEdits(l *testLog) []edit {
	var edits []edit
	add := func(name string, apply func(folder string)) { edits = append(edits, edit{name, apply}) }
	for i, s := range l.segments {
		name := s.name.String()
		add(name+" removed", func(f string) { mustDo(os.Remove(filepath.Join(f, name))) })
		add(name+" emptied", func(f string) { mustWrite(filepath.Join(f, name), nil) })
		add(name+" under the next ordinal", func(f string) {
			mustDo(os.Rename(filepath.Join(f, name), filepath.Join(f, SegmentName{s.name.Ordinal + 10, s.name.FirstSeq}.String())))
		})
		add(name+" under another seq", func(f string) {
			mustDo(os.Rename(filepath.Join(f, name), filepath.Join(f, SegmentName{s.name.Ordinal, s.name.FirstSeq + 1}.String())))
		})
		add(name+" doubled at the end", func(f string) { mustWrite(filepath.Join(f, SegmentName{5, 99}.String()), s.data) })
		for _, o := range l.segments[:i] {
			add(name+" swapped with "+o.name.String(), func(f string) {
				mustWrite(filepath.Join(f, name), o.data)
				mustWrite(filepath.Join(f, o.name.String()), s.data)
			})
		}
	}
	return edits
}

func mustWrite(path string, data []byte) { mustDo(os.WriteFile(path, data, 0o600)) }

func mustDo(err error) {
	if err != nil {
		panic(err)
	}
}

// forEachEdit applies each edit to a fresh copy of l.
func forEachEdit(t *testing.T, l *testLog, edits []edit, check func(e edit, folder string)) {
	t.Helper()
	dir := t.TempDir()
	for _, e := range edits {
		folder := l.save(dir)
		e.apply(folder)
		check(e, folder)
		require.NoError(t, os.RemoveAll(folder))
	}
}

func TestVerifyFindsEveryLineAndFileEdit(t *testing.T) {
	l := sampleLog(t)
	edits := append(lineEdits(l), segmentEdits(l)...)
	t.Log("edits:", len(edits))
	forEachEdit(t, l, edits, func(e edit, folder string) {
		r := verifyLogAt(t, folder, VerifyOptions{Workers: 1, Lock: LockFree})
		if inCut := l.segments[2].name.String() + ": line 2 doubled"; e.name == inCut {
			// What a failover cut may hold anything since.
			require.False(t, r.Broken() || r.Cuts[1].Same)
			return
		}
		require.NotEmpty(t, r.Faults, e.name)
		require.Error(t, independent.Check(folder), e.name)
	})
}

// A log cut at any byte is never taken for whole while its mark is there. With
// no mark nothing shows that its end was cut off, if that is at an entry.
func TestVerifyFindsEveryTruncation(t *testing.T) {
	l := sampleLog(t)
	folder := l.save(t.TempDir())
	s := l.last()
	path := filepath.Join(folder, s.name.String())
	for n := range s.data {
		require.NoError(t, os.WriteFile(path, s.data[:n], 0o600))
		require.NotEmpty(t, verifyLogAt(t, folder, VerifyOptions{Workers: 1, Lock: LockFree}).Faults, "cut to %d bytes", n)
	}
	require.NoError(t, os.Remove(filepath.Join(folder, markName)))
	for n := range s.data {
		require.NoError(t, os.WriteFile(path, s.data[:n], 0o600))
		r := verifyLogAt(t, folder, VerifyOptions{Workers: 1, Lock: LockFree})
		whole := n > 0 && s.data[n-1] == '\n'
		require.Equal(t, !whole, r.Broken(), "cut to %d bytes", n)
		require.Nil(t, r.Tail)
	}
	t.Log("cut at each of so many bytes, with a mark and without:", len(s.data))
}

// The chain check alone, of Verify and of the independent verifier, with and
// without a torn end and with forged entries whose hashes are right.
func TestChainChecksAgree(t *testing.T) {
	bodies := []string{
		`{}`, `{ }`, `{"a":1,"a":2}`, `[]`, `{"a":NaN}`, `{"a":01}`, `{"a":"` + "\x01" + `"}`, `{"a":"\ud800"}`, "{\"a\":\"\xed\xa0\x80\"}",
		`{"a":1}x`, `{"a":1} `, `{"a":1,}`, "{\"a\":\t1}", "{\"a\":\r1}", `{"a":1e400}`, `{"a":9007199254740993}`, `{"type":"closed"}`, `{"a":`, ``, `{`, `}`,
	}
	for _, kind := range []Kind{Event, System} {
		for _, body := range bodies {
			l := newTestLog(t)
			l.open(CauseCreated)
			l.entry(kind, []byte(body))
			l.event(`{"last":true}`)
			folder := l.save(t.TempDir())
			requireChainChecksAgree(t, folder, fmt.Sprintf("%s %q", kind, body))
		}
	}
	l := sampleLog(t)
	edits := append(lineEdits(l), segmentEdits(l)...)
	last := l.last()
	for n := 0; n < len(last.data); n += 7 {
		edits = append(edits, edit{fmt.Sprintf("cut to %d bytes", n), func(f string) {
			mustWrite(filepath.Join(f, last.name.String()), last.data[:n])
		}})
	}
	forEachEdit(t, l, edits, func(e edit, folder string) { requireChainChecksAgree(t, folder, e.name) })
}

func requireChainChecksAgree(t *testing.T, folder, name string) {
	t.Helper()
	got, err := chainCheckHolds(folder)
	require.NoError(t, err, name)
	err = independent.CheckChain(folder)
	var fault *independent.Error
	if err != nil && !errors.As(err, &fault) {
		require.NoError(t, err, name)
	}
	require.Equal(t, err == nil, got, "%s: the independent check says %v", name, err)
}

// chainCheckHolds makes the chain check only: neither cuts nor mark.
func chainCheckHolds(folder string) (bool, error) {
	id, _ := ParseLogID(filepath.Base(folder))
	v := &verification{o: VerifyOptions{Workers: 2, MaxFaults: 10, Lock: LockFree}, fsys: durable.OS(), folder: folder, id: id}
	list, err := listFolder(v.fsys, folder)
	if err != nil {
		return false, err
	}
	if err := v.plan(list); err != nil {
		return false, err
	}
	if err := v.checkChain(context.Background()); err != nil {
		return false, err
	}
	holds := len(v.report.Faults) == 0
	for _, s := range v.segments {
		holds = holds && s.check.Fault == nil && s.check.unread == nil
	}
	return holds, nil
}
