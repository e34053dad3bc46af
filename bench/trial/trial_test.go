package trial_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/bench/trial"
)

func fixed(name string, samples ...trial.Sample) trial.Case {
	i := 0
	return trial.Case{Name: name, Run: func(_ context.Context, dir string, _ time.Duration) (trial.Sample, error) {
		if err := os.WriteFile(dir+"/only", nil, 0o600); err != nil {
			return trial.Sample{}, err
		}
		s := samples[i]
		i++
		return s, nil
	}}
}

func rate(n int) trial.Sample { return trial.Sample{Events: n, Took: time.Second} }

// Each round has a ratio of its own, so what slows a whole round changes none.
func TestRatiosAreOfOneRound(t *testing.T) {
	row := trial.Row{
		Group: "g", Work: "w", Measure: trial.Rate, AtLeast: 1.5, Aim: 3,
		Case: fixed("a", rate(200), rate(40), rate(1000)), Reference: fixed("b", rate(100), rate(20), rate(1000)),
	}
	var progress strings.Builder
	got, err := trial.Run(t.Context(), t.TempDir(), trial.Cases([]trial.Row{row}), 3, time.Second, &progress)
	require.NoError(t, err)
	require.Equal(t, trial.Spread{Low: 1, Median: 2, High: 2}, row.Ratio(got))
	// Every other round goes backwards.
	var order []string
	for line := range strings.Lines(progress.String()) {
		order = append(order, strings.Fields(line)[3])
	}
	require.Equal(t, []string{"b", "a", "a", "b", "b", "a"}, order)
}

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		ratio int // of 100
		cost  bool
		want  string
	}{{130, false, "aim"}, {100, false, "met"}, {79, false, "not met"}, {79, true, "aim"}, {100, true, "met"}, {130, true, "not met"}} {
		atLeast, aim := 0.9, 1.2
		if test.cost {
			atLeast, aim = 1.2, 0.9
		}
		row := trial.Row{Group: "g", Work: "w", Measure: trial.Rate, AtLeast: atLeast, Aim: aim, Cost: test.cost, Case: fixed("a"), Reference: fixed("b")}
		var b strings.Builder
		require.NoError(t, trial.Write(&b, []trial.Row{row}, trial.Rounds{"a": {rate(test.ratio)}, "b": {rate(100)}}))
		require.True(t, strings.HasSuffix(b.String(), "| "+test.want+" |\n"), b.String())
	}
}

func TestPercentiles(t *testing.T) {
	var s trial.Sample
	for i := range 1000 {
		s.Times = append(s.Times, time.Duration(1000-i)*time.Millisecond)
	}
	require.InDelta(t, 0.501, trial.P50.Of(s), 1e-9)
	require.InDelta(t, 0.991, trial.P99.Of(s), 1e-9)
	require.InDelta(t, 1.0, trial.P999.Of(s), 1e-9)
}

func TestLoad(t *testing.T) {
	calls := make([]int, 3)
	s, err := trial.Load{Callers: 3, Events: 7, Timed: true, Do: func(c int) error { calls[c]++; return nil }}.Run(t.Context(), time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, len(s.Times)*7, s.Events)
	for c, n := range calls {
		require.GreaterOrEqual(t, n, 2, "caller %d: once to warm up, once to count", c)
	}
	_, err = trial.Load{Callers: 2, Events: 1, Do: func(c int) error {
		if c == 1 {
			return io.ErrUnexpectedEOF
		}
		return nil
	}}.Run(t.Context(), time.Millisecond)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestFailureNamesTheCase(t *testing.T) {
	bad := trial.Case{Name: "bad one", Run: func(context.Context, string, time.Duration) (trial.Sample, error) {
		return trial.Sample{}, errors.New("no")
	}}
	_, err := trial.Run(t.Context(), t.TempDir(), []trial.Case{bad}, 1, time.Second, io.Discard)
	require.EqualError(t, err, "couldn't run bad one: no")
}

// What a run has in memory at its end counts, too.
func TestHeap(t *testing.T) {
	const size = 64 << 20
	var kept []byte
	c := trial.Case{Name: "a", Run: func(context.Context, string, time.Duration) (trial.Sample, error) {
		kept = make([]byte, size)
		return rate(1), nil
	}}
	got, err := trial.Run(t.Context(), t.TempDir(), []trial.Case{c}, 1, time.Second, io.Discard)
	require.NoError(t, err)
	require.GreaterOrEqual(t, got["a"][0].Heap, uint64(len(kept)))
}
