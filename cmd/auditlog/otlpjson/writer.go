// Package otlpjson writes events as OTLP/JSON, a request a line, for any collector
// to take: the records as they came, and marks on those that an event does not
// hold whole. docs/export.md specifies the marks.
package otlpjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

// A line ends with the record that passes one of these, so that the request in it
// stays below what receivers take (4 MiB by gRPC, 20 MiB by HTTP), a record apart
// that is itself longer.
const (
	maxRecords = 512
	maxBytes   = 1 << 20 // of events
)

// Writer writes the records of events. Those that follow each other and have the
// same resource and scope share a line.
type Writer struct {
	out io.Writer

	batch           plog.Logs // one resource and one scope
	records         int       // in batch
	bytes           int
	resource, scope []byte // of batch, as they stand in its events
}

// NewWriter returns a Writer to out, each of whose writes is one whole line.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Add takes the body of an event, which is not kept. The error is a
// [*event.FormatError] if it is none.
func (w *Writer) Add(body []byte) error {
	ld, err := event.Decode(body)
	if err != nil {
		return err
	}
	var e members
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("couldn't parse event: %w", err)
	}
	lr := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	if err := e.mark(lr.At(0).Attributes(), body); err != nil {
		return err
	}
	if w.records > 0 && !(bytes.Equal(e.Resource, w.resource) && bytes.Equal(e.Scope, w.scope)) {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if w.records == 0 {
		w.batch = ld
		w.resource = append(w.resource[:0], e.Resource...)
		w.scope = append(w.scope[:0], e.Scope...)
	} else {
		lr.MoveAndAppendTo(w.batch.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords())
	}
	w.records++
	if w.bytes += len(body); w.records >= maxRecords || w.bytes >= maxBytes {
		return w.Flush()
	}
	return nil
}

// Flush writes what was added and not yet written.
func (w *Writer) Flush() error {
	if w.records == 0 {
		return nil
	}
	line, err := new(plog.JSONMarshaler).MarshalLogs(w.batch)
	if err != nil {
		return fmt.Errorf("couldn't encode records as OTLP/JSON: %w", err)
	}
	w.records, w.bytes = 0, 0
	_, err = w.out.Write(append(valid(line), '\n'))
	return err
}

// valid has U+FFFD for each byte that is no part of valid UTF-8, as the event has.
func valid(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	out := make([]byte, 0, len(line)+len(line)/8)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r == utf8.RuneError && n == 1 {
			out = append(out, "\ufffd"...)
		} else {
			out = append(out, line[:n]...)
		}
		line = line[n:]
	}
	return out
}
