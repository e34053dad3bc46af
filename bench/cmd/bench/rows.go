package main

import (
	"fmt"

	"github.com/otelaudit/auditexporter/bench/collector"
	"github.com/otelaudit/auditexporter/bench/peer"
	"github.com/otelaudit/auditexporter/bench/trial"
)

// The audit exporter as it is compared. Mapping, validation, default
// classification and hashing are always on, redaction by default.
var (
	byDefault = peer.Audit("audit, default", map[string]any{})
	ten       = peer.Audit("audit, batch_size 10000", map[string]any{"batch_size": 10_000})
	immediate = peer.Audit("audit, immediate", map[string]any{"mode": "immediate"})
	batched   = peer.Audit("audit, batched", map[string]any{"mode": "batched", "batch_size": 10_000})
	fileJSON  = peer.File("json")
	fileProto = peer.File("proto")
)

func usual(records int) peer.Kind { return peer.Kind{Records: records} }

// again is a case under another name, to see how much two runs of one differ.
func again(c trial.Case) trial.Case {
	c.Name += " (again)"
	return c
}

// required are the rows of the requirements that need nothing built.
func required() []trial.Row {
	rows := noise(fileJSON.Case(usual(512), 1, false), ten.Case(usual(512), 1, false))
	const group = "In process, hybrid, routine: events/s against fileexporter JSON"
	for _, r := range []struct {
		of      peer.Exporter
		records int
		callers int
		atLeast float64
		aim     float64
	}{
		{ten, 512, 1, 0.8, 1.3},
		{ten, 512, 2, 0.7, 1.2},
		{byDefault, 512, 1, 0.55, 0.9},
		{byDefault, 512, 2, 0.42, 0.9},
		{byDefault, 512, 4, 0.5, 1.0},
		{ten, 1, 1, 0.8, 1.2},
	} {
		c := r.of.Case(usual(r.records), r.callers, false)
		rows = append(rows, trial.Row{
			Group: group, Work: c.Name, Measure: trial.Rate, AtLeast: r.atLeast, Aim: r.aim,
			Case: c, Reference: fileJSON.Case(usual(r.records), r.callers, false),
		})
	}
	return append(rows, durable()...)
}

func noise(cases ...trial.Case) []trial.Row {
	var rows []trial.Row
	for _, c := range cases {
		rows = append(rows, trial.Row{Group: "Control: the same case twice", Work: c.Name, Measure: trial.Rate, Case: again(c), Reference: c})
	}
	return rows
}

// durable are the rows about syncs.
func durable() []trial.Row {
	const rates, times = "Synced before the answer: events/s", "Time of a critical event"
	one, alone := peer.AppendSync(1), byDefault.Beside(0)
	return []trial.Row{
		{
			Group: rates, Work: "immediate, batch 1, 64 callers", Measure: trial.Rate, AtLeast: 0.75, Aim: 0.95,
			Case: immediate.Case(usual(1), 64, false), Reference: peer.GroupCommit(64),
		},
		{
			Group: rates, Work: "immediate, batch 512, 4 callers", Measure: trial.Rate, AtLeast: 0.55, Aim: 0.9,
			Case: immediate.Case(usual(512), 4, false), Reference: peer.AppendSync(512),
		},
		{
			Group: rates, Work: "default hybrid, batch 512", Measure: trial.Rate, AtLeast: 7, Aim: 12,
			Case: byDefault.Case(usual(512), 1, false), Reference: peer.Naive(100, usual(512), 1),
		},
		{
			Group: rates, Work: "default hybrid, batch 512", Measure: trial.Rate, AtLeast: 80, Aim: 150,
			Case: byDefault.Case(usual(512), 1, false), Reference: peer.Naive(1, usual(512), 1),
		},
		{
			Group: rates, Work: "immediate, batch 1, 256 callers", Measure: trial.Rate, AtLeast: 2, Aim: 6,
			Case: immediate.Case(usual(1), 256, false), Reference: peer.Tessera(256),
		},
		{
			Group: times, Work: "alone", Measure: trial.P50, AtLeast: 1.2, Aim: 1.02, Cost: true,
			Case: alone, Reference: one,
		},
		{
			Group: times, Work: "beside 200,000 routine events/s", Measure: trial.P99, AtLeast: 4, Aim: 1.5, Cost: true,
			Case: byDefault.Beside(200_000), Reference: alone,
		},
		{
			Group: times, Work: "beside 200,000 routine events/s, batch_size 10000", Measure: trial.P99,
			Case: ten.Beside(200_000), Reference: alone,
		},
	}
}

// built are the rows that need the collector and auditlog.
func built(otelcol, auditlog string, logs peer.Logs) []trial.Row {
	const over, tool = "Through a collector, OTLP/gRPC, batch 512, 4 clients: acknowledged/s", "auditlog and opening"
	audit, ten := collector.Audit.Case(otelcol, 4), collector.Audit10k.Case(otelcol, 4)
	file, nop := collector.File.Case(otelcol, 4), collector.Nop.Case(otelcol, 4)
	return []trial.Row{
		{Group: over, Work: "default", Measure: trial.Rate, AtLeast: 0.85, Aim: 1.2, Case: audit, Reference: file},
		{Group: over, Work: "batch_size 10000", Measure: trial.Rate, AtLeast: 0.95, Aim: 1.3, Case: ten, Reference: file},
		{Group: over, Work: "batch_size 10000", Measure: trial.Rate, AtLeast: 0.55, Aim: 0.85, Case: ten, Reference: nop},
		{Group: over, Work: "default", Measure: trial.Rate, Case: audit, Reference: collector.FileStorage.Case(otelcol, 4)},
		{Group: over, Work: "the same twice", Measure: trial.Rate, Case: again(file), Reference: file},
		{
			Group: tool, Work: "verify, one core", Measure: trial.Rate, AtLeast: 0.55, Aim: 0.9,
			Case: logs.Verify(auditlog, 1), Reference: logs.OpenSSL(),
		},
		{
			Group: tool, Work: "verify, two cores", Measure: trial.Rate, AtLeast: 1, Aim: 1.7,
			Case: logs.Verify(auditlog, 2), Reference: logs.OpenSSL(),
		},
		{
			Group: tool, Work: "opening 1,000 segments", Measure: trial.P50, AtLeast: 3, Aim: 1.2, Cost: true,
			Case: logs.Open(1000), Reference: logs.Open(1),
		},
	}
}

// peers are the rows that promise nothing: what others do of the same.
func peers() []trial.Row {
	const logs, limits = "Other logs: events/s of audit, immediate, against theirs", "Limits: events/s of audit, batch_size 10000, batch 512, 1 caller, against each"
	var rows []trial.Row
	for _, n := range []int{1, 512} {
		us := immediate.Case(usual(n), 1, false)
		for _, c := range []trial.Case{peer.TidwallWAL(n, 1), peer.RaftWAL(n, 1), peer.EtcdWAL(n, 1)} {
			rows = append(rows, trial.Row{Group: logs, Work: us.Name, Measure: trial.Rate, Case: us, Reference: c})
		}
	}
	us := immediate.Case(usual(1), 64, false)
	rows = append(rows, trial.Row{Group: logs, Work: us.Name, Measure: trial.Rate, Case: us, Reference: peer.EtcdWAL(1, 64)})
	us = ten.Case(usual(512), 1, false)
	for _, c := range []trial.Case{
		fileProto.Case(usual(512), 1, false), peer.MarshalJSON(), peer.WritePieces(),
		peer.HashEntry(), peer.HashLink(), peer.AppendSync(512),
	} {
		rows = append(rows, trial.Row{Group: limits, Work: us.Name, Measure: trial.Rate, Case: us, Reference: c})
	}
	return rows
}

// growth are the rows about size: of a log, of a record, and of its attributes.
func growth(logs peer.Logs) []trial.Row {
	var rows, memory []trial.Row
	grow := func(group string, m trial.Measure, c, reference trial.Case, cost bool) {
		rows = append(rows, trial.Row{Group: group, Work: c.Name, Measure: m, Case: c, Reference: reference, Cost: cost})
		memory = append(memory, trial.Row{Group: "The heap at its highest", Work: c.Name, Measure: trial.Heap, Case: c, Reference: reference, Cost: true})
	}
	for _, n := range []int{10, 100, 1000} {
		const group = "Segments of a log, against 1"
		grow(group, trial.Rate, logs.Append(n), logs.Append(1), false)
		grow(group, trial.P50, logs.Open(n), logs.Open(1), true)
		// The same entries in each.
		grow(group, trial.Rate, logs.Examine(n, 64_000/n), logs.Examine(1, 64_000), false)
	}
	add := func(group string, k peer.Kind) {
		grow(group, trial.Rate, ten.Case(k, 1, false), fileJSON.Case(k, 1, false), false)
	}
	for _, size := range []int{200, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		add("Size of a record, against fileexporter JSON", peer.Kind{Records: 64, Size: size})
	}
	for _, n := range []int{20, 50, 100} {
		add("Attributes of a record, against fileexporter JSON", peer.Kind{Records: 64, Attributes: n})
	}
	for _, n := range []int{1, 4, 16, 64, 256} {
		grow("Callers, against fileexporter JSON", trial.Rate, byDefault.Case(usual(64), n, false), fileJSON.Case(usual(64), n, false), false)
	}
	return append(rows, memory...)
}

// matrix is each mode with each load, against fileexporter JSON.
func matrix() []trial.Row {
	var rows []trial.Row
	for _, e := range []peer.Exporter{byDefault, ten, immediate, batched} {
		for _, n := range []int{1, 64, 512} {
			for _, callers := range []int{1, 2, 4, 16, 64, 256} {
				for _, critical := range []int{0, 1, 100} {
					if critical == 1 && n == 1 {
						continue // a request of one is critical or is not
					}
					k := peer.Kind{Records: n, Critical: critical}
					c := e.Case(k, callers, true)
					rows = append(rows, trial.Row{
						Group: fmt.Sprintf("%s, batch %d", e.Name, n), Work: c.Name, Measure: trial.Rate,
						Case: c, Reference: fileJSON.Case(usual(n), callers, false),
					})
				}
			}
		}
	}
	return rows
}
