package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newAcceptLossCommand() *cobra.Command {
	var reason, file string
	c := &cobra.Command{
		Use:   "accept-loss --reason TEXT [--checkpoint FILE] DIRECTORY",
		Short: "Begin a new log for one that lost entries",
		Long: `accept-loss begins a new log in the exporter's DIRECTORY, which must not run, for a log
that is shorter than a checkpoint of it, or another, and so is never signed again. The old log
stays. The new one's first entry names it, the reason, the last entry that is left and its last
checkpoint: the newest in the log's folder, or the one in FILE.

Run it as the collector's user: the new log is that user's.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			directory, isLog, err := resolve(args[0])
			if err != nil {
				return readError(err)
			}
			if isLog {
				return &exitError{exitUsage, fmt.Errorf("%s is one log: name the exporter's directory", args[0])}
			}
			if reason == "" {
				return &exitError{exitUsage, errors.New("--reason must say why the loss is accepted")}
			}
			note, err := lastCheckpoint(directory, file)
			if err != nil {
				return readError(err)
			}
			info, err := chain.Succeed(cmd.Context(), chain.Options{Directory: directory, Software: "auditlog"},
				chain.Succession{Reason: reason, Checkpoint: string(note)})
			if err != nil {
				return readError(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), info.LogID)
			return err
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the new log's first entry")
	c.Flags().StringVar(&file, "checkpoint", "", "a file that holds the last known checkpoint")
	return c
}

// lastCheckpoint reads a file, or finds the checkpoint of the largest size in the
// folder of the log that went on until now; nil: there is none.
func lastCheckpoint(directory, file string) ([]byte, error) {
	if file != "" {
		note, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("couldn't read checkpoint: %w", err)
		}
		if _, err := checkpoint.Parse(note); err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", file, err)}
		}
		return note, nil
	}
	folder, err := chain.FindLog(durable.OS(), directory)
	var several *chain.TamperError
	if errors.As(err, &several) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := checkpoint.ReadFile(durable.OS(), folder)
	if err != nil {
		return nil, err
	}
	var last checkpoint.Checkpoint
	for _, r := range f.Records {
		if last.Note == nil || r.Size >= last.Size {
			last = r.Checkpoint
		}
	}
	return last.Note, nil
}
