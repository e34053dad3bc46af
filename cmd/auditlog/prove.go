package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/proof"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// proofExt is the extension that C2SP tlog-proof gives its files.
const proofExt = ".tlog-proof"

func newProveCommand() *cobra.Command {
	var (
		rec  accessFlags
		by   signerFlags
		kept string
		out  string
	)
	c := &cobra.Command{
		Use:   "prove SEQ|RECORD_ID PATH",
		Short: "Write a proof that an entry is in the log",
		Long: `prove writes a C2SP tlog-proof that holds the entry and shows that it is in the
log, to <log id>-<seq>.tlog-proof here or to -o. auditlog check-proof needs nothing
but that file and the log's key.

The proof is by the newest checkpoint that covers the entry: with --key or
--policy of those they trust, without of those with the most signatures.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			trust, err := by.load()
			if err != nil {
				return err
			}
			folder, err := findLog(args[1])
			if err != nil {
				return err
			}
			l, err := findEntry(cmd, folder, args[0])
			var file []byte
			if err == nil {
				var c checkpoint.Checkpoint
				if c, err = pickCheckpoint(folder, kept, trust, l.Seq); err == nil {
					file, err = prove(cmd.Context(), folder, l, c)
				}
			}
			a := access{folder: folder, action: "EXPORT", first: l.Seq, last: l.Seq, asked: args[0], format: "tlog-proof", err: err}
			if err := rec.record(cmd, a); err != nil {
				return err
			}
			if out == "" {
				out = fmt.Sprintf("%s-%d%s", filepath.Base(folder), l.Seq, proofExt)
			}
			return writeProof(cmd, out, file, l)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write; - is the standard output")
	c.Flags().StringVar(&kept, "checkpoint", "", "file of the checkpoint to prove by, instead of one of the log's own")
	by.add(c)
	rec.add(c)
	return c
}

func writeProof(cmd *cobra.Command, name string, file []byte, l chain.Line) error {
	if name == "-" {
		_, err := cmd.OutOrStdout().Write(file)
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't write proof: %w", err)}
	}
	_, err = f.Write(file)
	if err = errors.Join(err, f.Close()); err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't write proof: %w", err)}
	}
	newPrinter(cmd.OutOrStdout()).printf("%s: a proof of entry %d, hash %s", oneLine(name), l.Seq, l.Hash)
	return nil
}

// prove makes the proof of an entry by a checkpoint of its log.
func prove(ctx context.Context, folder string, l chain.Line, c checkpoint.Checkpoint) ([]byte, error) {
	if err := l.Check(chain.Head{Seq: l.Seq - 1, Hash: l.Prev}); err != nil {
		return nil, &exitError{exitBroken, fmt.Errorf("entry %d is broken: %w", l.Seq, err)}
	}
	t, err := proof.Open(proof.Options{FS: durable.OS(), Folder: folder, Stop: func() bool { return ctx.Err() != nil }})
	if err != nil {
		return nil, readError(err)
	}
	defer t.Close()
	p, err := t.Inclusion(tlog.Tree{N: int64(c.Size), Hash: c.Root}, l.Seq, l.Hash)
	if errors.Is(err, proof.ErrRoot) {
		return nil, &exitError{exitBroken, fmt.Errorf("the log is not the one of its checkpoint: %w", err)}
	}
	if errors.Is(err, proof.ErrStopped) {
		err = context.Canceled
	}
	if err != nil {
		return nil, readError(err)
	}
	return proof.Format(l.Text, l.Seq, p, c.Note), nil
}

// findEntry finds an entry by its sequence number or the id of its record.
func findEntry(cmd *cobra.Command, folder, arg string) (chain.Line, error) {
	seq, err := strconv.ParseUint(arg, 10, 64)
	isSeq := err == nil && seq > 0
	o := chain.ReadOptions{From: seq, Missing: tellMissing(cmd)}
	r, err := chain.OpenReader(durable.OS(), folder, o)
	if err != nil {
		return chain.Line{}, readError(err)
	}
	defer r.Close()
	if !isSeq {
		return findRecord(cmd.Context(), r, arg)
	}
	l, err := r.Next()
	if errors.Is(err, io.EOF) || err == nil && l.Seq != seq {
		return chain.Line{}, &exitError{exitUnreadable, fmt.Errorf("no entry %d is there", seq)}
	}
	return l, readError(err)
}

// findRecord finds the one entry whose record has this id.
func findRecord(ctx context.Context, r *chain.Reader, id string) (found chain.Line, err error) {
	// A plain id stands in the line as it is, so most lines need not be parsed.
	plain := true
	for _, b := range []byte(id) {
		plain = plain && b > ' ' && b < 0x7f && !bytes.ContainsRune([]byte(`"\/<>&`), rune(b))
	}
	var more []uint64
	for ctx.Err() == nil {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return chain.Line{}, readError(err)
		}
		if l.Kind != chain.Event || plain && !bytes.Contains(l.Body, []byte(id)) {
			continue
		}
		if e, err := event.Parse(l.Body); err != nil || e.ID != id {
			continue
		}
		if found.Seq == 0 {
			// The line is the reader's until its next.
			found = l
			found.Text = bytes.Clone(l.Text)
			if found.Entry, err = chain.ParseLine(found.Text); err != nil {
				return chain.Line{}, &exitError{exitBroken, err}
			}
			continue
		}
		more = append(more, l.Seq)
	}
	switch {
	case ctx.Err() != nil:
		return chain.Line{}, readError(ctx.Err())
	case found.Seq == 0:
		return chain.Line{}, &exitError{exitUnreadable, fmt.Errorf("no record with the id %q is there", id)}
	case len(more) > 0:
		return chain.Line{}, &exitError{exitUsage, fmt.Errorf("the record id %q stands in entries %d and %d: give the SEQ of one", id, found.Seq, more)}
	}
	return found, nil
}
