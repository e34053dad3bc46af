// Package producer judges what the producer of a log record says of it: its signature
// (audit.integrity.*) and its place in the producer's own chain (audit.sequence.*), as
// the OTel Audit Logging draft defines them. Both are looked at as received and never
// rewritten; the log's own chain is another layer.
//
// The package does no I/O. docs/integrity.md says what is verified and what is not.
package producer
