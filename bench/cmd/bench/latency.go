package main

import (
	"fmt"
	"time"

	"github.com/otelaudit/auditexporter/bench/peer"
	"github.com/otelaudit/auditexporter/bench/trial"
)

// latency is how long a client waits for its answer, of critical and of routine
// events, under load, across rotations, and on a slow disk.
func latency() []trial.Row {
	var rows []trial.Row
	compare := func(group, work string, c, reference trial.Case) {
		for _, m := range []trial.Measure{trial.P50, trial.P90, trial.P99, trial.P999} {
			rows = append(rows, trial.Row{Group: "Time of an answer: " + group, Work: work + ", " + m.Name, Measure: m, Case: c, Reference: reference})
		}
	}
	const load, much, slower = 50_000, 200_000, 20 * time.Millisecond
	for _, g := range []struct {
		name string
		of   func(critical bool) trial.Case
	}{
		{"across rotations", func(critical bool) trial.Case { return byDefault.Rotating(1).Among(load, critical) }},
		{fmt.Sprintf("with syncs %v slower", slower), func(critical bool) trial.Case {
			return peer.OnSlowDisk(byDefault.Among(load, critical), slower)
		}},
		{fmt.Sprintf("%d routine events/s", much), func(critical bool) trial.Case { return byDefault.Among(much, critical) }},
	} {
		compare(fmt.Sprintf("%s, against %d routine events/s", g.name, load), "critical", g.of(true), byDefault.Among(load, true))
		compare(fmt.Sprintf("%s, against %d routine events/s", g.name, load), "routine", g.of(false), byDefault.Among(load, false))
	}
	return rows
}
