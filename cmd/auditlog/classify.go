package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
)

func newClassifyCommand() *cobra.Command {
	var config, exporter string
	var asJSON bool
	c := &cobra.Command{
		Use:   "classify [--config COLLECTOR.yaml [--exporter ID]] FILE",
		Short: "Tell which records would be critical, invalid, redacted or cut, and why",
		Long: `classify reads log records as OTLP JSON, one document or one a line, and prints for
each the event that the exporter would write, without recorded_time. FILE may be - for stdin.

With --config the profile, critical, validation and redaction of the collector's
exporter hold. Conditions in OTTL can't be evaluated here.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rules, err := readRules(config, exporter)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			encoder, err := event.NewEncoder(rules.options)
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("%s: %w", rules.key, err)}
			}
			for _, note := range rules.notes {
				complain(cmd.ErrOrStderr(), "%s", note)
			}
			in, err := openInput(args[0], cmd.InOrStdin())
			if err != nil {
				return &exitError{exitUnreadable, err}
			}
			defer in.Close()
			cl := classifier{encoder: encoder, reject: rules.reject, out: newPrinter(cmd.OutOrStdout()), asJSON: asJSON}
			if err := cl.read(cmd, in); err != nil {
				return &exitError{exitUnreadable, err}
			}
			return nil
		},
	}
	c.Flags().StringVar(&config, "config", "", "configuration file of a collector")
	c.Flags().StringVar(&exporter, "exporter", "", "id of the exporter in it, such as audit/payments; needed if there are several")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a record")
	return c
}

func openInput(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(name)
}

// classifier prints what becomes of records.
type classifier struct {
	encoder *event.Encoder
	reject  bool // structurally invalid records
	out     *printer
	asJSON  bool

	source  event.Source
	records int
}

// read takes OTLP JSON documents one after the other, however they are spaced.
func (c *classifier) read(cmd *cobra.Command, in io.Reader) error {
	documents := json.NewDecoder(in)
	for n := 1; ; n++ {
		var document json.RawMessage
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("couldn't read document %d as JSON: %w", n, err)
		}
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(document)
		if err != nil {
			return fmt.Errorf("couldn't read document %d as OTLP JSON: %w", n, err)
		}
		if err := c.classify(cmd, logs); err != nil {
			return err
		}
	}
	if c.records == 0 {
		return errors.New("no log record found: want OTLP JSON, that is {\"resourceLogs\":[…]}")
	}
	return nil
}

func (c *classifier) classify(cmd *cobra.Command, logs plog.Logs) error {
	for _, rl := range logs.ResourceLogs().All() {
		c.encoder.Resource(&c.source, rl)
		for _, sl := range rl.ScopeLogs().All() {
			c.encoder.Scope(&c.source, sl)
			for _, lr := range sl.LogRecords().All() {
				if err := cmd.Context().Err(); err != nil {
					return errors.New("interrupted")
				}
				if err := c.one(lr); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// one prints what becomes of a record.
func (c *classifier) one(lr plog.LogRecord) error {
	c.records++
	body, info := c.encoder.Append(nil, &c.source, lr, time.Time{})
	e, err := event.Parse(body)
	if err != nil {
		return fmt.Errorf("couldn't parse the event of record %d: %w", c.records, err)
	}
	refused := c.reject && info.Structural != 0
	if c.asJSON {
		return c.printJSON(classified{Record: c.records, Critical: e.Critical, Refused: refused, Event: body})
	}
	verdict := "routine"
	if e.Critical {
		verdict = "CRITICAL [" + short(e.Rule) + "]"
	}
	c.out.printf("%s", strings.Join(append([]string{fmt.Sprint(c.records), verdict}, said(e)...), "  "))
	if refused {
		c.out.printf("  refused    with its whole request, by validation.on_invalid: reject")
	}
	for _, remark := range remarks(e) {
		c.out.printf("  %s", remark)
	}
	c.out.printf("  event      %s", body)
	return nil
}

// classified is a record in the output of --json. All else stands in its event, as event/FORMAT.md says.
type classified struct {
	Record   int             `json:"record"` // from 1
	Critical bool            `json:"critical"`
	Refused  bool            `json:"refused"` // by validation.on_invalid: reject
	Event    json.RawMessage `json:"event"`
}

func (c *classifier) printJSON(r classified) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("couldn't encode record %d: %w", r.Record, err)
	}
	c.out.printf("%s", bytes.TrimSuffix(line.Bytes(), []byte("\n")))
	return nil
}
