package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/cmd/auditlog/otlpjson"
	"github.com/otelaudit/auditexporter/cmd/auditlog/siem"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newExportCommand() *cobra.Command {
	var x exportation
	c := &cobra.Command{
		Use:   "export --format otlp|ocsf|ecs [--from SEQ] [--to SEQ] [-f] [--unsynced] PATH",
		Short: "Print the entries that count for other tools, as JSON lines",
		Long: `export prints the entries that count as JSON lines.

  otlp  requests of OTLP/JSON with the records as they came, for any collector to
        replay. What is redacted or cut is marked by attributes audit.export.*.
        Entries of the log itself are no records and are left out.
  ocsf  events of OCSF 1.9 with the profile record_integrity, a line each
  ecs   events of the Elastic Common Schema, a line each

docs/export.md tells which field becomes what. While a collector writes the log,
export ends at the last entry that is synced; with --unsynced it goes on to what
is only written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !x.known() {
				return fmt.Errorf("--format is %q, want otlp, ocsf or ecs", x.format)
			}
			if x.follow && x.to > 0 {
				return errors.New("--follow has no end, and --to is one")
			}
			return x.run(cmd, args[0])
		},
	}
	c.Flags().StringVar(&x.format, "format", "", "otlp, ocsf or ecs")
	c.Flags().Uint64Var(&x.from, "from", 1, "first sequence number")
	c.Flags().Uint64Var(&x.to, "to", 0, "last sequence number; 0: to the end")
	c.Flags().BoolVarP(&x.follow, "follow", "f", false, "go on as the log grows, across rotations, restarts, and into a log that succeeds it")
	c.Flags().BoolVar(&x.unsynced, "unsynced", false, "go on to what is written but not synced: a power cut can take it")
	x.rec.add(c)
	return c
}

// exportation is one run of export.
type exportation struct {
	format           string
	from, to         uint64
	follow, unsynced bool
	rec              accessFlags

	out    *lineWriter
	folder string           // of the log that is read
	otlp   *otlpjson.Writer // one of these
	siem   *siem.Mapper
}

func (x *exportation) known() bool {
	return x.format == "otlp" || x.format == "ocsf" || x.format == "ecs"
}

func (x *exportation) run(cmd *cobra.Command, path string) error {
	folder, err := findLog(path)
	if err != nil {
		return err
	}
	x.from = max(x.from, 1)
	o := chain.ReadOptions{From: x.from, Unsynced: x.unsynced, Missing: tellMissing(cmd)}
	if x.format != "otlp" && x.from > 1 {
		o.From-- // each event names the one before it
	}
	if !x.follow {
		x.to = x.rec.upTo(folder, x.to, o)
	}
	r, err := chain.OpenReader(durable.OS(), folder, o)
	a := access{folder: folder, action: "EXPORT", first: x.from, last: x.to, format: x.format, err: readError(err)}
	if err := x.rec.record(cmd, a); err != nil {
		return err
	}
	x.out = &lineWriter{w: cmd.OutOrStdout()}
	f := follower{reader: r, folder: folder, options: o, every: followEvery, successor: x.succeeded(cmd), idle: x.flush}
	defer f.Close()
	if x.follow {
		for l, err := range f.entries(cmd.Context()) {
			if err == nil {
				err = x.add(f.folder, l)
			}
			if err != nil {
				return readError(err)
			}
		}
		return readError(x.flush()) // interrupted, which is how following ends
	}
	return readError(x.all(cmd, folder, r))
}

// succeeded is told of the log that a follower goes on with.
func (x *exportation) succeeded(cmd *cobra.Command) func(string) error {
	return func(folder string) error {
		x.from = 1
		tellSuccessor(cmd, folder)
		return x.rec.record(cmd, access{folder: folder, action: "EXPORT", first: 1, format: x.format})
	}
}

func (x *exportation) all(cmd *cobra.Command, folder string, r *chain.Reader) error {
	for cmd.Context().Err() == nil {
		l, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && x.to > 0 && l.Seq > x.to {
			return x.flush()
		}
		if err == nil {
			err = x.add(folder, l)
		}
		if err != nil {
			return errors.Join(err, x.flush())
		}
	}
	return errors.Join(cmd.Context().Err(), x.flush())
}

// add exports an entry of the log in folder.
func (x *exportation) add(folder string, l chain.Line) error {
	if folder != x.folder {
		x.begin(folder)
	}
	if x.siem != nil && l.Seq < x.from {
		return x.siem.Pass(l.Entry)
	}
	var err error
	switch {
	case x.siem != nil:
		var line []byte
		if line, err = x.siem.Map(l.Entry); err == nil {
			_, err = x.out.Write(append(line, '\n'))
		}
	case l.Kind == chain.Event:
		err = x.otlp.Add(l.Body)
	}
	if err != nil {
		return fmt.Errorf("couldn't export entry %d: %w", l.Seq, err)
	}
	return nil
}

// begin begins with a log.
func (x *exportation) begin(folder string) {
	x.folder = folder
	id := filepath.Base(folder)
	switch x.format {
	case "ocsf":
		x.siem = siem.NewOCSF(id)
	case "ecs":
		x.siem = siem.NewECS(id)
	case "otlp":
		if x.otlp == nil {
			x.otlp = otlpjson.NewWriter(x.out)
		}
	}
}

// flush writes what was added and not yet written.
func (x *exportation) flush() error {
	if x.otlp == nil {
		return nil
	}
	return x.otlp.Flush()
}

// lineWriter escapes what could drive a terminal, wherever the lines end up; in
// JSON that changes no value.
type lineWriter struct {
	w   io.Writer
	buf []byte
}

func (w *lineWriter) Write(line []byte) (int, error) {
	body := line[:len(line)-1]
	w.buf = append(appendSafe(w.buf[:0], body), '\n')
	if _, err := w.w.Write(w.buf); err != nil {
		return 0, fmt.Errorf("couldn't write: %w", err)
	}
	return len(line), nil
}
