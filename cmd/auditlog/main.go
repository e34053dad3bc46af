// Command auditlog verifies and reads audit logs.
//
// Rules of its output: the result goes to stdout, everything else to stderr as
// `auditlog: …`, lower case, without a final period. Nothing from a log drives
// the terminal: what people read is escaped ([appendSafe]), and what programs
// read is escaped when a terminal reads it instead. Exit codes are the verdict:
//
//	0  intact (verify: and anchored as far as asked), or done
//	1  broken
//	2  usage
//	3  intact, but the log or its end is not anchored, or a crash is not yet recovered
//	4  could not be read
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/otelaudit/auditexporter/chain"
)

const (
	exitOK         = 0
	exitBroken     = 1
	exitUsage      = 2
	exitUnanchored = 3
	exitUnreadable = 4
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitError ends a command with a code. Its message, if any, goes to stderr.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "auditlog",
		Short: "Verify and read audit logs",
		Long: `auditlog verifies and reads the logs that the audit exporter writes.

PATH is the exporter's directory, or one log's folder in it. Exit codes: 0 intact,
1 broken, 2 usage, 3 intact but not anchored or not yet recovered, 4 could not be read.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(newVerifyCommand(), newTailCommand(), newShowCommand(), newCatCommand(), newReceiptCommand(), newExportCommand(), newClassifyCommand(),
		newProveCommand(), newCheckProofCommand(), newExportTilesCommand(), newWitnessCommand(), newKeygenCommand(), newAcceptLossCommand(),
		newEraseCommand(), newRevealCommand())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		complain(stderr, "%v\n(auditlog --help tells how to use it)", err)
		return exitUsage
	}
	if exit.err != nil {
		complain(stderr, "%v", exit.err)
	}
	return exit.code
}

// complain tells an error, or what else is no result.
func complain(stderr io.Writer, format string, args ...any) {
	newPrinter(stderr).printf("auditlog: "+format, args...)
}

// readError gives an error of reading its exit code.
func readError(err error) error {
	var tampered *chain.TamperError
	var exit *exitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return err
	case errors.As(err, &tampered):
		return &exitError{exitBroken, err}
	case errors.Is(err, context.Canceled):
		return &exitError{exitUnreadable, errors.New("interrupted")}
	}
	return &exitError{exitUnreadable, err}
}

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
