package trial

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Row compares a case with its reference. Without AtLeast it promises nothing.
type Row struct {
	Group, Work     string
	Case, Reference Case
	Measure         Measure
	Of              Measure // of the reference; zero: Measure
	AtLeast, Aim    float64 // of the ratio case / reference; at most if Cost
	Cost            bool    // less is better
}

// Cases returns the cases of rows, each once, in order, a case behind its
// reference.
func Cases(rows []Row) []Case {
	var all []Case
	seen := map[string]bool{}
	for _, r := range rows {
		for _, c := range []Case{r.Reference, r.Case} {
			if c.Run != nil && !seen[c.Name] {
				seen[c.Name] = true
				all = append(all, c)
			}
		}
	}
	return all
}

// Spread is what several rounds gave.
type Spread struct{ Low, Median, High float64 }

// Of returns the spread of xs, zero if there are none.
func Of(xs []float64) Spread {
	if len(xs) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(xs))
	m := s[len(s)/2]
	if len(s)%2 == 0 {
		m = (m + s[len(s)/2-1]) / 2
	}
	return Spread{s[0], m, s[len(s)-1]}
}

func (r Row) of() Measure {
	if r.Of.Of == nil {
		return r.Measure
	}
	return r.Of
}

// Ratio returns the spread of case / reference, each of one round.
func (r Row) Ratio(got Rounds) Spread {
	return ratio(got[r.Case.Name], got[r.Reference.Name], r.Measure, r.of())
}

func ratio(a, b []Sample, ofA, ofB Measure) Spread {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if x := ofB.Of(b[i]); x > 0 {
			ratios = append(ratios, ofA.Of(a[i])/x)
		}
	}
	return Of(ratios)
}

// cpu is how much more processor time an event of the case takes.
func (r Row) cpu(got Rounds) string {
	s := ratio(got[r.Case.Name], got[r.Reference.Name], CPU, CPU)
	if s.Median == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", s.Median)
}

// verdict says what the median ratio is worth.
func (r Row) verdict(ratio float64) string {
	reached := func(limit float64) bool {
		if r.Cost {
			return ratio <= limit
		}
		return ratio >= limit
	}
	switch {
	case r.AtLeast == 0:
		return ""
	case math.IsNaN(ratio) || ratio == 0:
		return "not measured"
	case reached(r.Aim):
		return "aim"
	case reached(r.AtLeast):
		return "met"
	}
	return "not met"
}

// Write writes rows as Markdown tables, one a group.
func Write(w io.Writer, rows []Row, got Rounds) error {
	var b strings.Builder
	group := ""
	for _, r := range rows {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n### %s\n\n| work | reference | case | reference | ratio | min-max | CPU ratio | at least | aim | |\n|---|---|--:|--:|--:|--:|--:|--:|--:|---|\n", group)
		}
		ratio := r.Ratio(got)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f | %.2f-%.2f | %s | %s | %s | %s |\n", r.Work, r.Reference.Name,
			median(got[r.Case.Name], r.Measure), median(got[r.Reference.Name], r.of()),
			ratio.Median, ratio.Low, ratio.High, r.cpu(got), limit(r.AtLeast, r.Cost), limit(r.Aim, r.Cost), r.verdict(ratio.Median))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func median(samples []Sample, m Measure) string {
	var xs []float64
	for _, s := range samples {
		xs = append(xs, m.Of(s))
	}
	if len(xs) == 0 {
		return "-"
	}
	return Figure(m, Of(xs).Median)
}

func limit(x float64, cost bool) string {
	switch {
	case x == 0:
		return ""
	case cost:
		return fmt.Sprintf("≤ %g", x)
	}
	return fmt.Sprintf("%g", x)
}

// Figure is x with its unit, in three digits.
func Figure(m Measure, x float64) string {
	if m.Unit == "s" {
		return m.Name + " " + seconds(x)
	}
	for _, s := range []struct {
		of   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if x >= s.of {
			return fmt.Sprintf("%.3g %s%s", x/s.of, s.name, m.Unit)
		}
	}
	return fmt.Sprintf("%.3g %s", x, m.Unit)
}

func seconds(x float64) string {
	d := time.Duration(x * 1e9)
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d >= time.Microsecond:
		return d.Round(100 * time.Nanosecond).String()
	}
	return d.String()
}
