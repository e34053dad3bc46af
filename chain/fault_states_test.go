package chain_test

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
)

// scenario brings a log before a state and through it. Where before returns a
// rig, that goes on.
type scenario struct {
	before func(r *rig) *rig
	during func(r *rig)
}

func steady(r *rig) *rig {
	r.open()
	r.write(2, true)
	r.sync(0)
	return r
}

// untidied has a segment to seal and none prepared.
func untidied(r *rig) *rig {
	steady(r)
	r.rotate()
	return r
}

func exposed(r *rig) *rig {
	steady(r)
	r.write(9, true)
	return r
}

// scenarios are the states of docs/states.md.
var scenarios = map[string]scenario{
	"creating": {func(r *rig) *rig { return r }, (*rig).open},
	"active":   {steady, func(r *rig) { r.write(9, true) }},
	"syncing":  {exposed, func(r *rig) { r.sync(0) }},
	"rotating": {steady, (*rig).rotate},
	"rotating into what was prepared": {func(r *rig) *rig {
		steady(r)
		r.w.Tidy()
		return r
	}, (*rig).rotate},
	"preparing":    {untidied, func(r *rig) { r.w.Tidy() }},
	"sealed":       {untidied, func(r *rig) { r.w.Tidy() }},
	"given up":     {exposed, func(r *rig) { r.sync(0) }},
	"failing over": {exposed, func(r *rig) { r.sync(0) }},
	"full":         {steady, func(r *rig) { r.write(9, true) }},
	"restoring": {func(r *rig) *rig {
		steady(r)
		info := r.w.Info()
		require.NoError(r.t, r.fs.RemoveOutside(filepath.Join(info.Folder, info.Segment)))
		require.NoError(r.t, r.fs.SyncDir(info.Folder))
		return r
	}, func(r *rig) { r.sync(0) }},
	"closing": {steady, (*rig).close},
	"closed": {func(r *rig) *rig {
		steady(r)
		r.close()
		return r
	}, (*rig).open},
	"recovering": {func(r *rig) *rig {
		r.sameBoot = true
		exposed(r)
		for seed := uint64(0); ; seed++ {
			if c := r.crashed(powerCut, seed); c.find().torn {
				return c
			}
		}
	}, (*rig).open},
	"tampered with": {func(r *rig) *rig {
		steady(r)
		r.rotate() // with the folder's sync the mark's name is durable
		info := r.w.Info()
		r.close()
		require.NoError(r.t, r.fs.WriteOutside(filepath.Join(info.Folder, info.Segment), []byte("X"), r.find().ends[1].end-20))
		return r.crashed(death, 0)
	}, func(r *rig) { _, _ = r.tryOpen() }},
}

// faulty are the states that a failed operation begins.
var faulty = map[string]struct {
	kind faultfs.Kind
	err  error
}{
	"given up":     {faultfs.Sync, syscall.EIO},
	"failing over": {faultfs.Sync, syscall.EIO},
	"full":         {faultfs.Write, syscall.ENOSPC},
}

func (r *rig) tryOpen() (*chain.Writer, error) {
	return chain.Open(r.t.Context(), chain.Options{Directory: faultDir, FS: r.fs, BootID: r.bootID()})
}

// place is what an operation is of, in the words of docs/states.md. A segment's
// open file has the name it was made by.
func (r *rig) place(op faultfs.Op) string {
	base := filepath.Base(op.Path)
	_, unborn := r.fs.Files(filepath.Dir(op.Path))[base]
	unborn = unborn || op.Kind == faultfs.Create
	switch {
	case op.Path == faultDir:
		return "the directory"
	case filepath.Dir(op.Path) == faultDir:
		return "the log's folder"
	case base == "mark":
		return "the mark"
	case strings.HasSuffix(base, ".tmp") && unborn:
		return "the unborn segment"
	case strings.HasSuffix(strings.TrimSuffix(base, ".tmp"), ".jsonl"):
		return "the segment"
	}
	return op.Path
}

// shape describes what is on the disk, in the words of docs/states.md.
func (r *rig) shape() string {
	entries, err := r.fs.ReadDir("/var")
	if err != nil || len(entries) == 0 {
		return "nothing"
	}
	entries, err = r.fs.ReadDir(faultDir)
	require.NoError(r.t, err)
	if len(entries) == 0 {
		return "nothing"
	}
	unborn := ""
	for p := range r.fs.Files(faultDir) {
		if strings.HasSuffix(p, ".tmp") {
			unborn = ", one unborn"
		}
	}
	l := r.find()
	count := []string{"no segment", "one segment", "two segments", "three segments"}[len(l.ends)]
	switch {
	case len(l.ends) == 0:
		return count + unborn
	case l.torn && r.belowMark(l):
		return count + ", broken" + unborn
	case l.torn:
		return count + ", torn" + unborn
	case r.endsClosed(l):
		return count + ", closed" + unborn
	}
	return count + ", whole" + unborn
}

// belowMark tells whether the newest segment's fault stands before the mark.
func (r *rig) belowMark(l found) bool {
	id, _ := chain.ParseLogID(filepath.Base(l.folder))
	mark, ok := chain.ParseMark(r.fs.Files(l.folder)["mark"], id)
	return ok && mark.Ordinal == uint64(len(l.ends)) && l.ends[len(l.ends)-1].end < mark.Offset
}

func (r *rig) endsClosed(l found) bool {
	newest := l.ends[len(l.ends)-1].path
	data := r.fs.Files(filepath.Dir(newest))[filepath.Base(newest)]
	return strings.Contains(string(data[strings.LastIndexByte(string(data[:len(data)-1]), '\n')+1:]), `"type":"closed"`)
}

// opening says what opening does with what is on the disk, which it does on a
// copy.
func (r *rig) opening() string {
	c := r.on(r.fs.ProcessDeath())
	c.intercept(nil)
	before := len(c.find().ends)
	w, err := c.tryOpen()
	var tampered *chain.TamperError
	if errors.As(err, &tampered) {
		return "refuses"
	}
	require.NoError(r.t, err)
	require.NoError(r.t, w.Close())
	segment := c.fs.Files(w.Info().Folder)[w.Info().Segment]
	line, _, _ := strings.Cut(string(segment), "\n")
	e, err := chain.ParseLine([]byte(line))
	require.NoError(r.t, err)
	o, err := chain.ParseOpened(e.Body)
	require.NoError(r.t, err)
	switch {
	case before == 0:
		require.Equal(r.t, chain.CauseCreated, o.Cause)
		return "creates the log"
	case len(o.Cuts) > 0:
		return "goes on, the end cut"
	}
	return "goes on"
}

var atForm = regexp.MustCompile("^`([a-z]+)` of (.+)$")

// TestStates brings a log into each state of docs/states.md, crashes at the
// stated operation in every way, and finds exactly what the rows say.
func TestStates(t *testing.T) {
	inBubble(t, 11, func(t *testing.T) {
		type point struct{ state, at string }
		var points []point
		want := map[point]map[string]bool{}
		seen := map[string]bool{}
		for _, row := range chain.TableRows(t, "../docs/states.md", "state | crash before the") {
			require.Len(t, row, 4)
			p := point{row[0], row[1]}
			if want[p] == nil {
				want[p] = map[string]bool{}
				points = append(points, p)
			}
			want[p][row[2]+" | "+row[3]] = true
			seen[row[0]] = true
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(scenarios)), slices.Collect(maps.Keys(seen)))
		crashes := 0
		for _, p := range points {
			at := atForm.FindStringSubmatch(p.at)
			require.NotNil(t, at, p.at)
			got := map[string]bool{}
			for _, c := range crashesIn(t, p.state, faultfs.Kind(at[1]), at[2]) {
				crashes++
				what := c.shape() + " | " + c.opening()
				got[what] = true
				if !strings.HasSuffix(what, "refuses") {
					c.settle()
				}
			}
			require.Equal(t, want[p], got, "%s, crash before the %s", p.state, p.at)
		}
		t.Log("states:", len(seen), "points:", len(want), "crashes:", crashes)
	})
}

// crashesIn returns what crashes before the first such operation in a state
// leave: the death of the process, and power cuts.
func crashesIn(t *testing.T, state string, kind faultfs.Kind, of string) (crashes []*rig) {
	s := scenarios[state]
	r := newRig(t)
	r.untidy = true // no unborn segment stands beside what the rows are about
	r = s.before(r)
	failed := false
	fault, faulted := faulty[state]
	draw := func(op faultfs.Op) {
		if len(crashes) > 0 || op.Kind != kind || faulted && !failed || r.place(op) != of {
			return
		}
		crashes = append(crashes, r.crashed(death, 0))
		for seed := range uint64(60) {
			crashes = append(crashes, r.crashed(powerCut, seed))
		}
		for _, c := range crashes {
			c.tell("%s, crash before %v", state, op)
		}
	}
	r.intercept(func(op faultfs.Op) faultfs.Outcome {
		draw(op)
		if faulted && !failed && op.Kind == fault.kind && r.place(op) == "the segment" {
			failed = true
			return faultfs.Outcome{Err: fault.err, Effect: faultfs.Half}
		}
		return faultfs.Outcome{}
	})
	s.during(r)
	require.NotEmpty(t, crashes, fmt.Sprintf("in the state %s there is no %s of %s", state, kind, of))
	return crashes
}
