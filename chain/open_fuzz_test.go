package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/internal/independent"
)

// pack makes one text of a folder's files: the length of a name, the name, the
// length of what it holds, and that.
func pack(files map[string][]byte, order []string) (packed []byte) {
	for _, name := range order {
		packed = append(append(packed, byte(len(name))), name...)
		packed = binary.BigEndian.AppendUint16(packed, uint16(len(files[name])))
		packed = append(packed, files[name]...)
	}
	return packed
}

func unpack(packed []byte) map[string][]byte {
	files := map[string][]byte{}
	for len(packed) > 0 && len(files) < 8 {
		n := min(int(packed[0]), len(packed)-1)
		name := string(packed[1 : 1+n])
		if packed = packed[1+n:]; len(packed) < 2 {
			break
		}
		size := min(int(binary.BigEndian.Uint16(packed)), len(packed)-2)
		if name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00") {
			files[name] = packed[2 : 2+size]
		}
		packed = packed[2+size:]
	}
	return files
}

// relink makes the hashes of each line of a segment right, so that what opening
// looks at after them is reached.
func relink(segment []byte, head Head) (linked []byte, after Head) {
	for line := range bytes.Lines(segment) {
		p, err := splitLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			linked = append(linked, line...)
			continue
		}
		prev := head
		head = (&linker{}).next(prev, p.kind, sha256.Sum256(p.body))
		linked = appendLine(linked, prev.Hash, head, p.kind, p.body)
	}
	return linked, head
}

// quietable reports breaches but while a test itself makes the files.
type quietable struct {
	testing.TB
	quiet bool
}

func (q *quietable) Errorf(format string, args ...any) {
	if !q.quiet {
		q.TB.Errorf(format, args...)
	}
}

const fuzzDir = "/log"

// diskWith is a machine on whose disk a log's folder holds these files.
func diskWith(t testing.TB, id LogID, files map[string][]byte) *faultfs.FS {
	q := &quietable{TB: t, quiet: true}
	f := faultfs.New(q, fuzzDir)
	folder := filepath.Join(fuzzDir, id.String())
	for _, dir := range []string{fuzzDir, folder} {
		require.NoError(t, f.Mkdir(dir, 0o700))
		require.NoError(t, f.SyncDir(filepath.Dir(dir)))
	}
	for name, data := range files {
		h, err := f.Create(filepath.Join(folder, name), 0o600)
		require.NoError(t, err)
		_, err = h.WriteAt(data, 0)
		require.NoError(t, errors.Join(err, h.Sync(), h.Close()))
	}
	require.NoError(t, f.SyncDir(folder))
	f = f.PowerCut(0)
	q.quiet = false
	return f
}

// Opening a folder that holds anything never panics; it refuses without changing
// a byte, or goes on so that both verifiers hold and no entry that counted, or
// that the mark covers, is lost.
func FuzzOpen(f *testing.F) {
	id := newTestLog(nil).id
	folders, err := filepath.Glob(filepath.Join(vectorsDir, "*", id.String()))
	require.NoError(f, err)
	for _, folder := range folders {
		names, err := os.ReadDir(folder)
		require.NoError(f, err)
		files, order := map[string][]byte{}, []string(nil)
		for _, n := range names {
			if n.IsDir() {
				continue // only files are packed
			}
			files[n.Name()], err = os.ReadFile(filepath.Join(folder, n.Name()))
			require.NoError(f, err)
			order = append(order, n.Name())
		}
		for flags := range byte(4) {
			f.Add(pack(files, order), flags)
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte, flags byte) {
		files := unpack(packed)
		if head := Genesis(id); flags&1 != 0 {
			for ordinal := uint64(1); ordinal < 8; ordinal++ {
				for name := range files {
					if s, ok := ParseSegmentName(name); ok && s.Ordinal == ordinal {
						files[name], head = relink(files[name], head)
					}
				}
			}
		}
		o := Options{Directory: fuzzDir, BootID: "another"}
		if flags&2 != 0 {
			o.VerifyOnStart = VerifyFull
		}
		openAnything(t, id, diskWith(t, id, files), o)
	})
}

func openAnything(t *testing.T, id LogID, disk *faultfs.FS, o Options) {
	folder := filepath.Join(fuzzDir, id.String())
	before := disk.Files(folder)
	mark, marked := ReadMark(disk, folder, id)
	found, verifyErr := Verify(t.Context(), disk, folder, VerifyOptions{Lock: LockOwn, Workers: 1})
	o.FS = disk
	w, err := Open(t.Context(), o)
	if err != nil {
		refusedRightly(t, err, verifyErr, found, o)
		require.Equal(t, before, disk.Files(folder), "refused, and changed")
		return
	}
	require.NoError(t, w.Close())
	if w.Info().LogID != id { // nothing of a log was there, or only what a crash leaves before its birth
		require.False(t, marked)
		require.Zero(t, found.Entries())
		return
	}
	after := disk.Files(folder)
	for name, data := range before {
		if _, ok := ParseSegmentName(name); ok {
			require.Equal(t, data, after[name], name)
		}
	}
	name, _ := ParseSegmentName(w.Info().Segment)
	opened, fault, err := readOpening(disk, folder, id, name)
	require.NoError(t, err)
	require.Nil(t, fault)
	if marked {
		require.GreaterOrEqual(t, opened.Previous.Seq, mark.Seq, "entries that the mark covers are lost")
	}
	r, err := Verify(t.Context(), disk, folder, VerifyOptions{Lock: LockFree, Workers: 1})
	require.NoError(t, err)
	if o.VerifyOnStart != VerifyFull {
		// What lies before the segment before the newest is not looked at.
		require.Equal(t, unrecorded(found), unrecorded(r), "%v %v", found.Faults, r.Faults)
		return
	}
	require.NoError(t, verifyErr)
	require.Zero(t, unrecorded(r), "%v", r.Faults)
	require.Zero(t, unrecorded(found), "%v", found.Faults)
	require.Equal(t, found.Events, r.Events)
	if !found.Broken() {
		require.Equal(t, found.Head, opened.Previous.Head)
		files := fstest.MapFS{}
		for p, data := range after {
			files[p] = &fstest.MapFile{Data: data, Mode: 0o600}
		}
		require.NoError(t, independent.CheckFS(files, id.String()))
	}
}

func unrecorded(r Report) (n int) {
	for _, f := range r.Faults {
		if f.Recorded == "" {
			n++
		}
	}
	return n
}

// refusedRightly checks that what was refused is broken, or of a later format.
func refusedRightly(t *testing.T, err, verifyErr error, found Report, o Options) {
	var tampered *TamperError
	var format *FormatError
	switch {
	case errors.As(err, &format):
	case !errors.As(err, &tampered):
		require.NoError(t, err)
	case verifyErr == nil && !found.Broken():
		require.Fail(t, "a log that verifies is refused", "%s", fmt.Sprint(tampered))
	}
}
