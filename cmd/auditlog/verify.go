package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newVerifyCommand() *cobra.Command {
	var chainOnly, asJSON bool
	c := &cobra.Command{
		Use:   "verify [--chain-only] [--json] PATH",
		Short: "Check that nothing in a log was changed, removed, moved or added",
		Long: `verify checks every log in PATH, or the one log that PATH is: each entry's form
and hashes, the order of segments, that every cut is declared, and the mark.

No chain can show that its end was cut off or that all of it was made anew. Without
a checkpoint from a trusted key an intact log therefore gets exit code 3; with
--chain-only that question is not asked, and it gets 0.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := verify(cmd, args[0])
			a := judge(report, err, chainOnly)
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
	c.Flags().BoolVar(&chainOnly, "chain-only", false, "don't ask whether the log is anchored: truncation is then not excluded")
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdict and all that was found as JSON")
	return c
}

// verify verifies the one log that path is, or every log in it.
func verify(cmd *cobra.Command, path string) (chain.DirectoryReport, error) {
	folder, isLog, err := resolve(path)
	if err != nil {
		return chain.DirectoryReport{Directory: path}, err
	}
	meter := newProgress(cmd.ErrOrStderr())
	defer meter.end()
	o := chain.VerifyOptions{Progress: meter.show}
	if !isLog {
		return chain.VerifyDirectory(cmd.Context(), durable.OS(), folder, o)
	}
	r, err := chain.Verify(cmd.Context(), durable.OS(), folder, o)
	l := chain.LogReport{Report: r}
	if err != nil {
		l.Error = err.Error()
	}
	return chain.DirectoryReport{Directory: folder, Logs: []chain.LogReport{l}}, err
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
