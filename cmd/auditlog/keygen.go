package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/checkpoint"
)

func newKeygenCommand() *cobra.Command {
	var public bool
	c := &cobra.Command{
		Use:   "keygen NAME FILE | keygen --public FILE",
		Short: "Make a key for checkpoints",
		Long: `keygen makes a key that signs the checkpoints of logs of a name, as in example.com/audit,
which is checkpoint.origin in the exporter's configuration. It writes the key to FILE, which
must not be there yet, for its owner only (mode 0600), and prints the public half: a verifier key
(C2SP signed-note). Keep that where the log's machine can't change it.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if public {
				return cobra.ExactArgs(1)(cmd, args)
			}
			return cobra.ExactArgs(2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := keygen(public, args)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), k.Public().VKey())
			return err
		},
	}
	c.Flags().BoolVar(&public, "public", false, "print the public half of the key in FILE")
	return c
}

func keygen(public bool, args []string) (*checkpoint.Key, error) {
	if public {
		return checkpoint.ReadKeyFile(args[0])
	}
	k, err := checkpoint.GenerateKey(args[0])
	if err != nil {
		return nil, fmt.Errorf("couldn't make a key for %q: %w", args[0], err)
	}
	return k, checkpoint.WriteKeyFile(args[1], k)
}
