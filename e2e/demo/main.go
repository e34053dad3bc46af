// Command demo shows the audit log at work, in a folder and on ports of its own: a sample
// application signs people in and takes orders, the collector keeps what it logs, auditlog shows and
// verifies it, and then one digit of a copy is changed.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/otelaudit/auditexporter/e2e/collector"
	"github.com/otelaudit/auditexporter/e2e/shop"
)

func main() {
	bin := flag.String("bin", "../bin", "folder of otelcol-audit and auditlog")
	config := flag.String("config", "../testdata/collector.yaml", "the collector's configuration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := run(ctx, *bin, *config); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, config string) error {
	dir, err := os.MkdirTemp("", "audit-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := demo{dir: dir, auditlog: filepath.Join(bin, "auditlog")}

	d.say("A collector starts in %s.", dir)
	c, err := collector.Start(ctx, collector.Options{
		Binary: filepath.Join(bin, "otelcol-audit"),
		Config: config,
		Dir:    dir,
	})
	if err != nil {
		return err
	}
	d.say("A shop with slog and zap sends its sign-ins and orders to %s.", c.GRPC)
	if err := trade(ctx, c.GRPC); err != nil {
		return err
	}
	d.say("SIGTERM: the collector drains and closes the log.")
	if err := c.Stop(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("collector did not end well: %w\n%s", err, c.Log())
	}
	if err := d.auditlogSays(ctx, 0, "tail", c.Audit); err != nil {
		return err
	}
	if err := d.auditlogSays(ctx, 0, "verify", "--chain-only", c.Audit); err != nil {
		return err
	}

	d.say("Someone makes a copy in which order 1001 was order 1007.")
	tampered := filepath.Join(dir, "tampered")
	if err := os.CopyFS(tampered, os.DirFS(c.Audit)); err != nil {
		return err
	}
	if err := tamper(tampered, `"order.number":1001`, `"order.number":1007`); err != nil {
		return err
	}
	return d.auditlogSays(ctx, 1, "verify", "--chain-only", tampered)
}

func trade(ctx context.Context, endpoint string) error {
	s, err := shop.Open(ctx, endpoint, false)
	if err != nil {
		return err
	}
	s.OneDay(ctx, "ada", "grace", "edsger")
	if err := s.Close(ctx); err != nil {
		return fmt.Errorf("some records were not acknowledged: %w", err)
	}
	return nil
}

// tamper replaces was with is, which is as long, in the first entry that has it.
func tamper(dir, was, is string) error {
	segments, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	if err != nil {
		return err
	}
	for _, segment := range segments {
		b, err := os.ReadFile(segment)
		if err != nil {
			return err
		}
		if at := bytes.Index(b, []byte(was)); at >= 0 {
			copy(b[at:], is)
			return errors.Join(os.Chmod(segment, 0o600), os.WriteFile(segment, b, 0o600))
		}
	}
	return fmt.Errorf("no entry with %s in %s", was, dir)
}

type demo struct{ dir, auditlog string }

func (d demo) say(format string, args ...any) {
	fmt.Printf("\n# "+format+"\n", args...)
}

// auditlogSays runs auditlog, shows the command and what it prints, and fails unless it exits with
// code.
func (d demo) auditlogSays(ctx context.Context, code int, args ...string) error {
	shown := strings.ReplaceAll(strings.Join(args, " "), d.dir+"/", "")
	fmt.Printf("\n$ auditlog %s\n", shown)
	cmd := exec.CommandContext(ctx, d.auditlog, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return fmt.Errorf("couldn't run auditlog %s: %w", shown, err)
	}
	fmt.Printf("(exit %d)\n", cmd.ProcessState.ExitCode())
	if got := cmd.ProcessState.ExitCode(); got != code {
		return fmt.Errorf("auditlog %s exited with %d, not %d", shown, got, code)
	}
	return nil
}
