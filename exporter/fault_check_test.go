package exporter_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing/fstest"
	"time"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/faultfs"
	"github.com/otelaudit/auditexporter/internal/independent"
)

// crash is how a process ends.
type crash string

const (
	powerCut crash = "power cut"
	death    crash = "death"
)

// image is what a crash left, and what was promised by then.
type image struct {
	*world
	fs     *faultfs.FS
	how    crash
	seed   uint64
	at     time.Duration
	ledger ledger
	story  int // how much of the world's had been told
}

// snap crashes, on another machine: the world goes on.
func (w *world) snap(how crash, seed uint64) *image {
	im := &image{world: w, how: how, seed: seed}
	w.mu.Lock()
	defer w.mu.Unlock()
	im.at, im.ledger = w.now(), w.ledger.clone()
	w.storyMu.Lock()
	im.story = len(w.story)
	w.storyMu.Unlock()
	if how == powerCut {
		im.fs = w.fs.PowerCut(seed)
	} else {
		im.fs = w.fs.ProcessDeath()
	}
	return im
}

// wrong reports a broken promise of the crash.
func (im *image) wrong(format string, args ...any) {
	im.t.Helper()
	im.world.wrong("after the %s at %s of seed %d, when %d lines were told: %s", im.how, im.at, im.seed, im.story, fmt.Sprintf(format, args...))
}

// standing is a log read by the simplest rules.
type standing struct {
	folder string
	events []string
	torn   bool
}

// read reads the one log in the image.
func (im *image) read() (s standing) {
	files := im.fs.Files(faultDir)
	var segments []string
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(p, ".jsonl") {
			segments = append(segments, p)
		}
	}
	seq := uint64(0)
	for i, p := range segments {
		if s.folder = filepath.Dir(p); s.folder != filepath.Dir(segments[0]) {
			im.wrong("there are two logs: %v", segments)
		}
		until := ^uint64(0)
		if i+1 < len(segments) {
			until, _ = strconv.ParseUint(strings.TrimSuffix(filepath.Base(segments[i+1])[11:], ".jsonl"), 10, 64)
		}
		for rest := files[p]; len(rest) > 0 && seq+1 < until; {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			e, err := chain.ParseLine(line)
			if !whole || err != nil || e.Seq != seq+1 {
				if s.torn = true; until != ^uint64(0) {
					im.wrong("%s is broken after entry %d", p, seq)
				}
				break
			}
			if e.Kind == chain.Event {
				s.events = append(s.events, im.text(e.Body))
			}
			rest, seq = after, e.Seq
		}
	}
	return s
}

// text is what names an event.
func (im *image) text(body []byte) string {
	var e struct{ E string }
	if err := json.Unmarshal(body, &e); err != nil {
		im.wrong("event that nobody sent: %v", err)
	}
	return e.E
}

// checkStanding checks what the log holds against what was promised.
func (im *image) checkStanding() standing {
	s := im.read()
	first, copies := map[string]int{}, map[string]int{}
	for i, e := range s.events {
		if copies[e]++; copies[e] == 1 {
			first[e] = i
		}
	}
	lost := 0
	for id, r := range im.ledger.requests {
		here := 0
		for k := range r.n {
			at, ok := first[event(id, k)]
			if !ok {
				break
			}
			if here++; k > 0 && at != first[event(id, k-1)]+1 {
				im.wrong("events %d and %d of request %d do not stand together", k-1, k, id)
			}
			if copies[event(id, k)] > r.sent {
				im.wrong("event %d.%d stands %d times, sent %d times", id, k, copies[event(id, k)], r.sent)
			}
			delete(copies, event(id, k))
		}
		if r.acked > 0 && here < r.n {
			lost += r.n - here
			im.checkLoss(id, r)
		}
	}
	if len(copies) > 0 {
		im.wrong("the log holds what nobody sent, or parts of requests: %v", copies)
	}
	if lost > batchSize {
		im.wrong("%d acknowledged events are lost", lost)
	}
	im.checkOrder(first)
	return s
}

// checkLoss checks that an acknowledged request may be lost, in whole or part.
func (im *image) checkLoss(id int, r request) {
	switch {
	case r.must:
		im.wrong("request %d had to be synced, and is lost", id)
	case r.synced:
		im.wrong("request %d was synced, and is lost", id)
	case im.how == death:
		im.wrong("request %d was acknowledged, and the death of the process took it", id)
	}
	if err := im.ledger.tardy(batchInterval, im.at); err != nil {
		im.wrong("lost %d: %v", id, err)
	}
}

// checkOrder checks that a request acknowledged before another was sent stands
// before it.
func (im *image) checkOrder(first map[string]int) {
	type placed struct{ id, at int }
	var order []placed
	for id := range im.ledger.requests {
		if at, ok := first[event(id, 0)]; ok {
			order = append(order, placed{id, at})
		}
	}
	slices.SortFunc(order, func(a, b placed) int { return a.at - b.at })
	latest, began := -1, time.Duration(0)
	for _, p := range order {
		r := im.ledger.requests[p.id]
		if r.acked > 0 && r.acked < began {
			im.wrong("request %d, acknowledged before %d was sent, stands after it", p.id, latest)
		}
		if r.began > began {
			latest, began = p.id, r.began
		}
	}
}

// verify has the verifier check the log, and its second. What a crash tore and no
// opening has declared may stand at its end.
func (im *image) verify(s standing) {
	if s.folder == "" {
		return
	}
	report := im.verifyOnce(s)
	files := fstest.MapFS{}
	for p, data := range im.fs.Files(filepath.Join(faultDir, s.folder)) {
		files[p] = &fstest.MapFile{Data: data, Mode: 0o600}
	}
	err := independent.CheckFS(files, s.folder)
	var fault *independent.Error
	if torn := errors.As(err, &fault) && fault.Crash == (report.Mark != nil); err != nil != s.torn || err != nil && !torn {
		im.wrong("the other verifier finds %v; torn: %t", err, s.torn)
	}
}

func (im *image) verifyOnce(s standing) chain.Report {
	if s.folder == "" {
		return chain.Report{}
	}
	folder := filepath.Join(faultDir, s.folder)
	report, err := chain.Verify(im.t.Context(), im.fs, folder, chain.VerifyOptions{Lock: chain.LockOwn, Workers: 1})
	if err != nil || report.Broken() {
		im.wrong("verify: %v, %v", err, report.Faults)
		return report
	}
	if report.Events != uint64(len(s.events)) || s.torn != (report.Tail != nil) {
		im.wrong("verify counts %d events and finds the tail %v; there are %d, and it is torn: %t", report.Events, report.Tail, len(s.events), s.torn)
	}
	return report
}

// check checks the image, opens its log, goes on in it and checks it again. So
// many crashes of the opening are tried in turn.
func (im *image) check(rng *rand.Rand, deep int) {
	im.add(&im.counts.images)
	s := im.checkStanding()
	if rng.IntN(4) == 0 {
		im.verify(s)
	} else {
		im.verifyOnce(s)
	}
	var next []*image
	im.fs.Intercept(func(op faultfs.Op) faultfs.Outcome {
		if deep > 0 && rng.IntN(100) == 0 { // there are about 60 operations
			next = append(next, im.again(powerCut, rng.Uint64()), im.again(death, 0))
		}
		return faultfs.Outcome{}
	})
	l, err := chain.Open(im.t.Context(), chain.Options{Directory: faultDir, FS: im.fs, Software: "test", BootID: im.fs.BootID()})
	if err != nil {
		im.wrong("opening: %v", err)
		return
	}
	im.fs.Intercept(nil)
	im.checkOpened(s, rng.Uint64())
	if err := l.Close(); err != nil {
		im.wrong("closing: %v", err)
	}
	if s = im.read(); s.torn {
		im.wrong("a log closed in order has a torn end")
	}
	im.verify(s)
	if im.world.broken {
		return
	}
	for _, c := range next {
		c.check(rng, deep-1)
	}
}

// checkOpened checks that opening took nothing of what stood, and that no power
// cut takes any of it now.
func (im *image) checkOpened(stood standing, seed uint64) {
	for _, c := range []*image{im.again(death, 0), im.again(powerCut, seed)} {
		if got := c.read(); !slices.Equal(got.events, stood.events) {
			im.wrong("after opening and %s the log holds %v, before it held %v", c.how, got.events, stood.events)
		}
	}
}

// again is another crash, of what was made of the image.
func (im *image) again(how crash, seed uint64) *image {
	c := *im
	c.seed = seed
	if how == powerCut {
		c.how = powerCut
		c.fs = im.fs.PowerCut(seed)
	} else {
		c.fs = im.fs.ProcessDeath()
	}
	return &c
}
