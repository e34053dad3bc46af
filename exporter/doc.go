// Package exporter stands between the OpenTelemetry Collector and the audit log: it takes requests,
// has their records encoded ([event]), has them written and acknowledged ([flush], [chain]) and
// answers the client.
//
//	ConsumeLogs   exporter.go    refuse early, encode, submit, answer
//	encoding      encode.go      a request's events in one pooled batch, so many at once
//	answers       answer.go      errors as gRPC statuses
//	refusals      refusals.go    what the log is told of requests refused for good
//	lifecycle     lifecycle.go   Start, Shutdown
//	opening       open.go        until the log is open
//	owners        owner.go       which exporter of this process has which directory
//	health        health.go      component status and what the operator is told
//	conditions    condition.go   the user's OTTL
//	telemetry     telemetry.go, measured.go
//
// Content of events never stands in a log line, an error, a status or a metric attribute.
package exporter
