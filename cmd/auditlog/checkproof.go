package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/checkpoint/proof"
)

// maxProof is the longest proof in bytes that is read: the longest line that a
// log can have as base64, and the rest.
const maxProof = 512 << 20

func newCheckProofCommand() *cobra.Command {
	var by signerFlags
	c := &cobra.Command{
		Use:   "check-proof FILE",
		Short: "Check a proof and print the entry that it proves",
		Long: `check-proof checks a file that auditlog prove wrote, without the log: that the
hash of the entry in it is that of its content, that it stands in the tree of the
checkpoint in it, and that the checkpoint is signed by --key, or as --policy asks.
FILE may be -, the standard input.

It prints who vouches for the entry, and on the last line the entry. Exit code 1:
nothing is proven, and nothing of the entry is shown.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			trust, err := by.load()
			if err != nil {
				return err
			}
			if trust == nil {
				return errors.New("a proof is worth nothing without the key that must have signed it: add --key or --policy")
			}
			file, err := readProof(cmd, args[0])
			if err != nil {
				return &exitError{exitUnreadable, fmt.Errorf("couldn't read proof: %w", err)}
			}
			got, err := proof.Check(file, trust)
			if err != nil {
				return &exitError{exitBroken, fmt.Errorf("not proven: %w", err)}
			}
			p := newPrinter(cmd.OutOrStdout())
			p.printf("proven: entry %d is in the log, and so are the %d before it that its hash is made of", got.Entry.Seq, got.Entry.Seq-1)
			_, n, err := trust.Verify(got.Note)
			if err != nil {
				return &exitError{exitBroken, err}
			}
			signed(p, trust, got.Checkpoint, n, got.Note)
			out := cmd.OutOrStdout()
			line := got.Line
			if isTerminal(out) {
				line = appendSafe(nil, line)
			}
			_, err = fmt.Fprintf(out, "%s\n", line)
			return err
		},
	}
	by.add(c)
	return c
}

func readProof(cmd *cobra.Command, name string) ([]byte, error) {
	var in io.Reader = cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxProof+1))
	if err == nil && len(b) > maxProof {
		err = fmt.Errorf("it is longer than %d bytes", maxProof)
	}
	return b, err
}
