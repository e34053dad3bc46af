// Package trial runs cases beside each other and compares them.
//
// A clock says little on a machine that others share, so a case is never quoted
// alone: in each round every case runs once, one after the other, rounds go
// through the cases in alternating direction, what a case left dirty is written
// back before the next begins, and what is compared are the ratios of the same
// round.
package trial

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"
)

// Case is one way of doing a piece of work.
type Case struct {
	Name string
	// Run works for about d in the empty folder dir and leaves nothing running.
	Run func(ctx context.Context, dir string, d time.Duration) (Sample, error)
}

// Sample is what one run of a case did.
type Sample struct {
	Events int // done in Took; for a verifier bytes
	Took   time.Duration
	Times  []time.Duration // of single requests, where the case takes them
	CPU    time.Duration   // used meanwhile, of all cores
	Heap   uint64          // bytes of this process's heap at its highest, garbage included
	Note   string          // what else there is to know
}

// Measure makes a figure of a sample.
type Measure struct {
	Name string
	Of   func(Sample) float64
	Unit string
}

// Rate is work per second. The others are seconds; CPU is of one event, and what a
// busy machine disturbs least.
var (
	Rate = Measure{"rate", func(s Sample) float64 { return float64(s.Events) / s.Took.Seconds() }, "/s"}
	CPU  = Measure{"CPU", func(s Sample) float64 { return s.CPU.Seconds() / float64(max(1, s.Events)) }, "s"}
	Took = Measure{"time", func(s Sample) float64 { return s.Took.Seconds() }, "s"}
	Heap = Measure{"heap", func(s Sample) float64 { return float64(s.Heap) }, "B"}
	P50  = percentile("p50", 0.50)
	P90  = percentile("p90", 0.90)
	P99  = percentile("p99", 0.99)
	P999 = percentile("p99.9", 0.999)
)

func percentile(name string, p float64) Measure {
	return Measure{name, func(s Sample) float64 {
		if len(s.Times) == 0 {
			return 0
		}
		t := slices.Sorted(slices.Values(s.Times))
		return t[min(len(t)-1, int(p*float64(len(t))))].Seconds()
	}, "s"}
}

// Rounds holds the samples of each case by its name, one a round.
type Rounds map[string][]Sample

// Run runs all cases so many rounds, each for about d, in folders below dir, and
// tells of each on progress.
func Run(ctx context.Context, dir string, cases []Case, rounds int, d time.Duration, progress io.Writer) (Rounds, error) {
	got := Rounds{}
	for round := range rounds {
		order := slices.Clone(cases)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for i, c := range order {
			s, err := one(ctx, dir, c, d)
			if err != nil {
				return got, fmt.Errorf("couldn't run %s: %w", c.Name, err)
			}
			got[c.Name] = append(got[c.Name], s)
			fmt.Fprintf(progress, "round %d/%d  %3d/%d  %-58s %s\n", round+1, rounds, i+1, len(order), c.Name, s)
		}
	}
	return got, nil
}

// one runs a case on a quiet file system, as far as that is ours to say.
func one(ctx context.Context, dir string, c Case, d time.Duration) (Sample, error) {
	folder, err := os.MkdirTemp(dir, "case-")
	if err != nil {
		return Sample{}, err
	}
	defer os.RemoveAll(folder)
	if err := syncFS(dir); err != nil {
		return Sample{}, fmt.Errorf("couldn't sync the file system: %w", err)
	}
	runtime.GC()
	highest := watchHeap()
	s, err := c.Run(ctx, folder, d)
	s.Heap = highest()
	return s, err
}

func (s Sample) String() string {
	text := fmt.Sprintf("%d in %s, %s", s.Events, s.Took.Round(time.Microsecond), Figure(Rate, Rate.Of(s)))
	if CPU.Of(s) >= 1e-9 {
		text += ", " + Figure(CPU, CPU.Of(s)) + " each"
	}
	if len(s.Times) > 0 {
		text += fmt.Sprintf(", p50 %s, p99 %s, p99.9 %s", seconds(P50.Of(s)), seconds(P99.Of(s)), seconds(P999.Of(s)))
	}
	if s.Note != "" {
		text += ", " + s.Note
	}
	return text
}
