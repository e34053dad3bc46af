package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newCatCommand() *cobra.Command {
	var from, to uint64
	var rec accessFlags
	c := &cobra.Command{
		Use:   "cat [--from SEQ] [--to SEQ] PATH",
		Short: "Print the entries that count, as they stand in the log",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := findLog(args[0])
			if err != nil {
				return err
			}
			o := chain.ReadOptions{From: from, Missing: tellMissing(cmd)}
			last := rec.upTo(folder, to, o)
			r, err := chain.OpenReader(durable.OS(), folder, o)
			if err := rec.record(cmd, access{folder: folder, action: "READ", first: max(from, 1), last: last, err: readError(err)}); err != nil {
				return err
			}
			defer r.Close()
			out := cmd.OutOrStdout()
			return readError(cat(cmd.Context(), out, r, last, isTerminal(out)))
		},
	}
	c.Flags().Uint64Var(&from, "from", 1, "first sequence number")
	c.Flags().Uint64Var(&to, "to", 0, "last sequence number; 0: to the end")
	rec.add(c)
	return c
}

// cat writes the lines as they are or, if safe, so that a terminal can take them.
func cat(ctx context.Context, w io.Writer, r *chain.Reader, to uint64, safe bool) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var buf []byte
	for ctx.Err() == nil {
		l, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && to > 0 && l.Seq > to {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		text := l.Text
		if safe {
			buf = appendSafe(buf[:0], text)
			text = buf
		}
		out.Write(text)
		if err := out.WriteByte('\n'); err != nil {
			return fmt.Errorf("couldn't write: %w", err)
		}
	}
	return errors.Join(context.Cause(ctx), out.Flush())
}
