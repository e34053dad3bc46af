// Package event turns OpenTelemetry log records into audit events and back.
//
// An event is one JSON object, specified in FORMAT.md. It holds the whole
// record with its resource and scope, names which of its attributes say who did
// what to what, and says why it is critical if it is:
//
//	{"v":1,"type":"user.login","time":"2026-01-02T03:04:05.000000006Z", ...
//	 "attributes":{"user.id":"alice"},"from":{"actor.id":"user.id"},
//	 "critical":"name:login","resource":{...},"scope":{...}}
//
// An [Encoder] appends events to a caller's buffer in one pass over a record,
// without an allocation once its buffers have grown. [Decode] gives back the
// record, equal to what came in; [Parse] gives the normalised fields for
// people.
//
// The package does no I/O and keeps nothing of a record but in the caller's
// buffer.
package event

// Version is the value of an event's member "v". It is part of the format on
// disk and must not change without a new FORMAT.md.
const Version = 1
