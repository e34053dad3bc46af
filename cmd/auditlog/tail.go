package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// followEvery is how often a followed log is looked at.
const followEvery = 250 * time.Millisecond

func newTailCommand() *cobra.Command {
	var follow, unsynced bool
	var n uint64
	var rec accessFlags
	c := &cobra.Command{
		Use:   "tail [-f] [-n N] [--unsynced] PATH",
		Short: "Print the last entries, one readable line each",
		Long: `tail prints the last entries that count, one readable line each.

While a collector writes the log, tail ends at the last entry that is synced,
which no power cut can take; with --unsynced it goes on to what is only written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := findLog(args[0])
			if err != nil {
				return err
			}
			o := chain.ReadOptions{Unsynced: unsynced, Missing: tellMissing(cmd)}
			head, err := chain.ReadHead(durable.OS(), folder, o)
			if err != nil {
				return readError(err)
			}
			o.From = head.Seq + 1 - min(n, head.Seq)
			last := head.Seq
			if follow {
				last = 0
			}
			if err := rec.record(cmd, access{folder: folder, action: "READ", first: o.From, last: last}); err != nil {
				return err
			}
			if !follow {
				return readError(tail(cmd, folder, o))
			}
			return readError(tailFollow(cmd, folder, o, &rec))
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on as the log grows, across rotations, restarts, and into a log that succeeds it")
	c.Flags().Uint64VarP(&n, "lines", "n", 10, "how many entries")
	c.Flags().BoolVar(&unsynced, "unsynced", false, "show what is written but not synced: a power cut can take it")
	rec.add(c)
	return c
}

// tellMissing says what a reader goes over.
func tellMissing(cmd *cobra.Command) func(chain.Range) {
	return func(m chain.Range) {
		complain(cmd.ErrOrStderr(), "missing: %d bytes of %s from offset %d on, removed while the writer was at work, as it records; verify calls the log broken", m.Length, oneLine(m.Segment), m.Offset)
	}
}

// tailFollow ends when it is interrupted.
func tailFollow(cmd *cobra.Command, folder string, o chain.ReadOptions, rec *accessFlags) error {
	r, err := chain.OpenReader(durable.OS(), folder, o)
	if err != nil {
		return err
	}
	f := follower{reader: r, folder: folder, options: o, every: followEvery}
	f.successor = func(folder string) error {
		tellSuccessor(cmd, folder)
		return rec.record(cmd, access{folder: folder, action: "READ", first: 1})
	}
	defer f.Close()
	p := newPrinter(cmd.OutOrStdout())
	for l, err := range f.entries(cmd.Context()) {
		if err != nil {
			return err
		}
		p.printf("%s", summary(l.Entry))
	}
	return nil
}

func tail(cmd *cobra.Command, folder string, o chain.ReadOptions) error {
	r, err := chain.OpenReader(durable.OS(), folder, o)
	if err != nil {
		return err
	}
	defer r.Close()
	p := newPrinter(cmd.OutOrStdout())
	for cmd.Context().Err() == nil {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.printf("%s", summary(l.Entry))
	}
	return context.Cause(cmd.Context())
}
