// Package e2e holds the tests of the built collector: bin/otelcol-audit as a process, real clients in
// front of it, and bin/auditlog, the Python verifier and jq to judge what it leaves on disk. It is a
// module of its own, so that its needs do not raise a user's build list. `make e2e` builds what it
// runs; a tool that is missing is a failure.
package e2e
