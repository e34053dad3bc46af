package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newVerifyCommand() *cobra.Command {
	var asJSON bool
	var flags trustFlags
	var open openingsFlags
	c := &cobra.Command{
		Use:   "verify [--key VKEY|FILE] [--policy FILE] [--checkpoint FILE] [--json] PATH",
		Short: "Check that nothing in a log was changed, removed, moved or added",
		Long: `verify checks every log in PATH, or the one log that PATH is: each entry's form
and hashes, the order of segments, that every cut is declared, and the mark.

No chain can show that its end was cut off or that all of it was made anew. With the
log's verifier key, verify holds the log to the checkpoints that the key signed: those
that lie beside the log, and any that was kept off the machine. Exit code 0 then says
that a checkpoint vouches for every entry, 3 that for some at the end none does, 1 that
one contradicts the log. Without a key an intact log gets 3; with --chain-only that
question is not asked, and it gets 0.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			trust, err := flags.load()
			if err == nil {
				err = open.validate()
			}
			if err != nil {
				return err
			}
			report, anchors, err := verify(cmd, args[0], trust)
			opened, openErr := open.check(cmd.Context(), &report, err)
			err = errors.Join(err, openErr)
			a := decide(report, err, trust, anchors, flags.chainOnly)
			a.withheld(opened)
			if asJSON {
				if err := printJSON(cmd, a); err != nil {
					return &exitError{exitUnreadable, err}
				}
			} else if len(report.Logs) > 0 || report.Broken() {
				a.print(newPrinter(cmd.OutOrStdout()))
			}
			if err != nil {
				err = fmt.Errorf("couldn't verify: %w", err)
			}
			if err != nil || a.Exit != exitOK {
				return &exitError{a.Exit, err}
			}
			return nil
		},
	}
	flags.add(c)
	open.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdict and all that was found as JSON")
	return c
}

// verify verifies the one log that path is, or every log in it, and tells how far
// each is anchored.
func verify(cmd *cobra.Command, path string, trust *trusted) (chain.DirectoryReport, anchors, error) {
	found := anchors{}
	folder, isLog, err := resolve(path)
	if err != nil {
		return chain.DirectoryReport{Directory: path}, found, err
	}
	meter := newProgress(cmd.ErrOrStderr())
	defer meter.end()
	o := chain.VerifyOptions{Progress: meter.show}
	one := func(folder string, o chain.VerifyOptions) (chain.Report, error) {
		return trust.verify(cmd.Context(), folder, o, found)
	}
	report := chain.DirectoryReport{Directory: folder}
	if isLog {
		l := chain.LogReport{}
		if l.Report, err = one(folder, o); err != nil {
			l.Error = err.Error()
		}
		report.Logs = []chain.LogReport{l}
	} else {
		report, err = chain.VerifyLogs(durable.OS(), folder, o, one)
	}
	report.Faults = append(report.Faults, trust.absent(report.Logs)...)
	return report, found, err
}

func printJSON(cmd *cobra.Command, a answer) error {
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if isTerminal(out) {
		newPrinter(out).printf("%s", b)
		return nil
	}
	_, err = fmt.Fprintf(out, "%s\n", b)
	return err
}
