// Package collector runs a built collector as a process of its own, on free loopback ports.
package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ready is what the collector logs when every component has started.
const ready = "Everything is ready"

// Options say what to start. Config files may read the ports and folders from the environment, by
// the names that Env gives them.
type Options struct {
	Binary string   // otelcol-audit
	Config string   // a configuration file
	Dir    string   // a scratch folder: the audit log, the collector's own log and its storage
	Env    []string // NAME=value, over what this package sets
	Wrap   []string // a command that runs the collector in its place, with the same process id
}

// Collector is a running collector.
type Collector struct {
	GRPC, HTTP string // host:port of the two OTLP endpoints
	Metrics    string // host:port of the collector's own metrics
	Audit      string // the audit exporter's directory

	cmd    *exec.Cmd
	stderr *os.File
	done   chan struct{} // closed when the process has ended; err is set before
	err    error
}

// Start starts a collector and returns when it serves. It is killed when ctx ends.
func Start(ctx context.Context, o Options) (*Collector, error) {
	c, err := Launch(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.AwaitReady(ctx, 1); err != nil {
		return nil, fmt.Errorf("couldn't start the collector: %w\n%s", err, c.Log())
	}
	return c, nil
}

// AwaitReady waits until the collector has said for the nth time that it serves, as it does once more
// after each reload, and can take a signal: it says so a moment before it catches any.
func (c *Collector) AwaitReady(ctx context.Context, nth int) error {
	idle := 0
	return c.Await(ctx, func() bool {
		if strings.Count(c.Log(), ready) < nth {
			return false
		}
		if idle++; !c.idle() {
			idle = 0
		}
		return idle > 1
	})
}

// idle reports whether every thread of the process sleeps. Where there is no /proc it is true.
func (c *Collector) idle() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.Pid()))
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		// 4711 (otelcol-audit) S ...
		if _, state, found := strings.Cut(string(stat), ") "); err == nil && found && state[0] != 'S' {
			return false
		}
	}
	return true
}

// Launch starts a collector and does not wait until it serves.
func Launch(ctx context.Context, o Options) (*Collector, error) {
	ports, err := FreePorts(3)
	if err != nil {
		return nil, err
	}
	c := &Collector{
		GRPC:    address(ports[0]),
		HTTP:    address(ports[1]),
		Metrics: address(ports[2]),
		Audit:   filepath.Join(o.Dir, "audit"),
		done:    make(chan struct{}),
	}
	if c.stderr, err = os.CreateTemp(o.Dir, "collector-*.log"); err != nil {
		return nil, err
	}
	args := append(append([]string{}, o.Wrap...), o.Binary, "--config", o.Config)
	c.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	c.cmd.Stdout, c.cmd.Stderr = c.stderr, c.stderr
	c.cmd.Env = append(os.Environ(),
		fmt.Sprintf("OTLP_GRPC_PORT=%d", ports[0]),
		fmt.Sprintf("OTLP_HTTP_PORT=%d", ports[1]),
		fmt.Sprintf("METRICS_PORT=%d", ports[2]),
		"AUDIT_DIRECTORY="+c.Audit,
		"STORAGE_DIRECTORY="+filepath.Join(o.Dir, "storage"),
	)
	c.cmd.Env = append(c.cmd.Env, o.Env...)
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't start %s: %w", args[0], err), c.stderr.Close())
	}
	go func() {
		c.err = c.cmd.Wait()
		c.err = errors.Join(c.err, c.stderr.Close())
		close(c.done)
	}()
	return c, nil
}

// Log is what the collector has written to its output so far.
func (c *Collector) Log() string {
	b, err := os.ReadFile(c.stderr.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Pid is the id of the process.
func (c *Collector) Pid() int { return c.cmd.Process.Pid }

// Signal sends the process a signal.
func (c *Collector) Signal(s syscall.Signal) error { return c.cmd.Process.Signal(s) }

// Stop sends s and waits until the process has ended. The error is that of the process: nil if it
// exited with 0.
func (c *Collector) Stop(ctx context.Context, s syscall.Signal) error {
	if err := c.Signal(s); err != nil {
		return fmt.Errorf("couldn't send %v: %w", s, err)
	}
	return c.Wait(ctx)
}

// Wait waits until the process has ended.
func (c *Collector) Wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("collector still runs: %w\n%s", ctx.Err(), c.Log())
	}
}

// Ended reports whether the process has ended.
func (c *Collector) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Await polls until ok. It fails when ctx ends or the process does.
func (c *Collector) Await(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return errors.Join(errors.New("collector has ended"), c.err)
		case <-tick.C:
		}
	}
	return nil
}

// FreePorts returns n loopback ports that nothing used a moment ago.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all are chosen, so that they differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
