package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newShowCommand() *cobra.Command {
	var rec accessFlags
	c := &cobra.Command{
		Use:   "show SEQ PATH",
		Short: "Print one entry, with where it lies and why it is critical",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(2)(cmd, args); err != nil {
				return err
			}
			if seq, err := strconv.ParseUint(args[0], 10, 64); err != nil || seq == 0 {
				return fmt.Errorf("SEQ is %q, want a number from 1 on", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, _ := strconv.ParseUint(args[0], 10, 64) // Args has looked at it
			folder, err := findLog(args[1])
			if err != nil {
				return err
			}
			r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{From: seq, Missing: tellMissing(cmd)})
			if err != nil {
				return readError(err)
			}
			defer r.Close()
			l, err := r.Next()
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("no entry %d is to be shown", seq)
				if head, headErr := chain.ReadHead(durable.OS(), folder, chain.ReadOptions{}); headErr == nil {
					err = fmt.Errorf("%w: what is to be shown ends with entry %d", err, head.Seq)
				}
			}
			if err == nil && l.Seq != seq {
				err = fmt.Errorf("entry %d is missing: the next that is there is %d", seq, l.Seq)
			}
			if err := rec.record(cmd, access{folder: folder, action: "READ", first: seq, last: seq, err: readError(err)}); err != nil {
				return err
			}
			return show(cmd, l)
		},
	}
	rec.add(c)
	return c
}

func show(cmd *cobra.Command, l chain.Line) error {
	p := newPrinter(cmd.OutOrStdout())
	p.printf("seq        %d", l.Seq)
	p.printf("kind       %s", l.Kind)
	if l.Kind == chain.Event {
		showEvent(p, l.Body)
	}
	p.printf("prev_hash  %s", l.Prev)
	p.printf("hash       %s", l.Hash)
	p.printf("lies in    %s, line %d, offset %d", l.Segment, l.Number, l.Offset)
	var body bytes.Buffer
	if err := json.Indent(&body, l.Body, "", "  "); err != nil {
		body.Reset()
		body.Write(l.Body)
	}
	p.printf("%s", body.String())
	if err := l.Check(chain.Head{Seq: l.Seq - 1, Hash: l.Prev}); err != nil {
		return &exitError{exitBroken, fmt.Errorf("entry %d is broken: %w", l.Seq, err)}
	}
	return nil
}

func showEvent(p *printer, body []byte) {
	e, err := event.Parse(body)
	switch {
	case err != nil:
		p.printf("%s", unreadable(err))
		return
	case e.Critical:
		p.printf("critical   yes, by %s", short(e.Rule))
	default:
		p.printf("critical   no")
	}
	p.printf("time       %s (%s)", timeText(e.EventTime()), short(e.TimeSource))
	for _, remark := range remarks(e) {
		p.printf("%s", remark)
	}
}
