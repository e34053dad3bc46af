package chain_test

import (
	"bytes"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/independent"
)

// found is a log read by the simplest rules.
type found struct {
	folder string // "" if there is no log
	events []string
	heads  []chain.Head // of all entries that count
	ends   []extent     // of the segments' entries that count
	torn   bool         // the newest segment ends in something else
}

// extent is how far a segment counts.
type extent struct {
	path string
	end  int64
	last uint64 // seq of the last entry
}

// find reads the log in the rig's file system up to the first fault of the
// newest segment.
func (r *rig) find() (l found) {
	files := r.fs.Files(faultDir)
	var paths []string
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(p, ".jsonl") {
			paths = append(paths, p)
		}
	}
	for i, p := range paths {
		if l.folder == "" {
			l.folder = filepath.Join(faultDir, filepath.Dir(p))
			id, ok := chain.ParseLogID(filepath.Dir(p))
			require.True(r.t, ok)
			l.heads = []chain.Head{chain.Genesis(id)}
		}
		if filepath.Join(faultDir, filepath.Dir(p)) != l.folder {
			r.fatal("there are two logs: %v", paths)
		}
		until := ^uint64(0)
		if i+1 < len(paths) {
			next, _ := chain.ParseSegmentName(filepath.Base(paths[i+1]))
			until = next.FirstSeq
		}
		l.read(r, p, files[p], until)
	}
	return l
}

func (l *found) read(r *rig, path string, data []byte, until uint64) {
	x := extent{path: filepath.Join(faultDir, path)}
	for int(x.end) < len(data) {
		head := l.heads[len(l.heads)-1]
		if head.Seq+1 == until {
			break
		}
		line, _, ok := bytes.Cut(data[x.end:], []byte("\n"))
		e, err := chain.ParseLine(line)
		if err == nil {
			err = e.Check(head)
		}
		if !ok || err != nil {
			if l.torn = true; until != ^uint64(0) {
				r.fatal("%s: sealed segment is broken at offset %d", path, x.end)
			}
			break
		}
		if e.Kind == chain.Event {
			l.events = append(l.events, describe(r.t, e))
		}
		l.heads = append(l.heads, e.Head())
		x.end += int64(len(line)) + 1
		x.last = e.Seq
	}
	l.ends = append(l.ends, x)
}

// checkLog checks what the log holds against the model, and the log by both
// verifiers: what a crash tore and no opening has declared may stand at its end.
func (r *rig) checkLog() (events []string) {
	l := r.find()
	if err := r.model.allows(l.events); err != nil {
		r.fatal("%v", err)
	}
	if seq := r.model.head.Seq; seq > 0 && (seq >= uint64(len(l.heads)) || l.heads[seq] != r.model.head) {
		r.fatal("synced entry %d is gone, or another", seq)
	}
	for _, told := range r.told {
		if !r.gapped && (told.Seq >= uint64(len(l.heads)) || l.heads[told.Seq] != told) {
			r.fatal("entry %d, told as synced, is gone, or another", told.Seq)
		}
	}
	if l.folder == "" {
		return nil
	}
	report, err := chain.Verify(r.t.Context(), r.fs.ProcessDeath(), l.folder, chain.VerifyOptions{Lock: chain.LockOwn, Workers: 1})
	if err != nil || report.Broken() {
		r.fatal("verify: %v %v", err, report.Faults)
	}
	if l.torn != (report.Tail != nil) {
		r.fatal("verify finds the tail %v, the test %t", report.Tail, l.torn)
	}
	if n := uint64(len(l.heads)) - 1; report.Head != l.heads[n] || report.Entries() != n {
		r.fatal("verify finds the head %d and %d entries, the test %d", report.Head.Seq, report.Entries(), n)
	}
	r.checkIndependently(l, report.Mark != nil)
	for _, c := range report.Cuts {
		if c.Failover && c.Found > c.Length && !r.appended {
			r.fatal("%s declares %d bytes cut of %s, but %d follow", c.Opening, c.Length, c.Segment, c.Found)
		}
	}
	return l.events
}

// checkLeftovers checks that what was begun and never born is removed.
func (r *rig) checkLeftovers() {
	entries, err := r.fs.ProcessDeath().ReadDir(faultDir)
	require.NoError(r.t, err)
	if len(entries) != 1 {
		r.fatal("the directory holds %v", entries)
	}
	for p := range r.fs.Files(faultDir) {
		if strings.HasSuffix(p, ".tmp") {
			r.fatal("%s is left over", p)
		}
	}
}

// checkIndependently has the other verifier check the log.
func (r *rig) checkIndependently(l found, marked bool) {
	files := fstest.MapFS{}
	for p, data := range r.fs.Files(l.folder) {
		files[p] = &fstest.MapFile{Data: data, Mode: 0o600}
	}
	err := independent.CheckFS(files, filepath.Base(l.folder))
	var fault *independent.Error
	switch {
	case err == nil && !l.torn:
	case l.torn && errors.As(err, &fault) && fault.Crash == marked:
	default:
		r.fatal("the other verifier finds %v; torn: %t, mark: %t", err, l.torn, marked)
	}
}

// checkSynced checks that no power cut can take what the writer calls synced,
// nor lead the mark beyond what is.
func (r *rig) checkSynced() {
	if r.gapped {
		return
	}
	info, l := r.w.Info(), r.find()
	if last := r.told[len(r.told)-1]; last != info.Synced {
		r.fatal("entry %d is synced, and %d is the last told", info.Synced.Seq, last.Seq)
	}
	if info.Synced.Seq >= uint64(len(l.heads)) || l.heads[info.Synced.Seq] != info.Synced {
		r.fatal("entry %d, called synced, does not stand", info.Synced.Seq)
	}
	for _, x := range l.ends {
		if err := r.fs.Durable(x.path, 0); err != nil {
			r.fatal("called synced: %v", err)
		}
		if x.last > info.Synced.Seq {
			break
		}
		if err := r.fs.Durable(x.path, x.end); err != nil {
			r.fatal("called synced: %v", err)
		}
	}
	r.checkMark(l)
}

// checkMark checks that the mark, as readers see it now, states what is durable.
func (r *rig) checkMark(l found) {
	id, _ := chain.ParseLogID(filepath.Base(l.folder))
	mark, ok := chain.ParseMark(r.fs.Files(l.folder)["mark"], id)
	if !ok {
		return
	}
	if err := r.fs.Durable(l.ends[mark.Ordinal-1].path, mark.Offset); err != nil {
		r.fatal("the mark leads what is durable: %v", err)
	}
}
