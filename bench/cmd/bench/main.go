// Command bench compares the audit exporter with its peers and with the limits of
// the machine, and writes the ratios as Markdown. What each run gave goes to
// stderr. See docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/otelaudit/auditexporter/bench/collector"
	"github.com/otelaudit/auditexporter/bench/peer"
	"github.com/otelaudit/auditexporter/bench/trial"
)

type options struct {
	sets, run, dir, out, cpuprofile string
	pgo                             string
	otelcol, auditlog               string
	rounds                          int
	time                            time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.sets, "sets", "required,built", "what to run: required, built, peers, growth, latency, matrix")
	flag.StringVar(&o.run, "run", "", "only rows whose group and work match this regular expression")
	flag.StringVar(&o.dir, "dir", "", "folder to write below, on the disk to be measured (default the temporary one)")
	flag.StringVar(&o.out, "o", "", "write the tables to this file, too")
	flag.StringVar(&o.cpuprofile, "cpuprofile", "", "write a CPU profile of all that ran in this process")
	flag.StringVar(&o.pgo, "pgo", "", "write a CPU profile of the collector under the default configuration to this file")
	flag.StringVar(&o.otelcol, "otelcol", "", "the collector built from collector/builder.yaml")
	flag.StringVar(&o.auditlog, "auditlog", "", "the auditlog command")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds")
	flag.DurationVar(&o.time, "time", time.Second, "how long a case runs in a round, about")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options) error {
	klog.SetOutput(io.Discard) // Tessera's
	klog.LogToStderr(false)
	dir, err := os.MkdirTemp(o.dir, "auditbench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rows, err := chosen(o, dir)
	if err != nil {
		return err
	}
	if o.cpuprofile != "" {
		f, err := os.Create(o.cpuprofile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	got, err := trial.Run(ctx, dir, trial.Cases(rows), o.rounds, o.time, os.Stderr)
	if err != nil {
		return err
	}
	var out io.Writer = os.Stdout
	if o.out != "" {
		f, err := os.Create(o.out)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(os.Stdout, f)
	}
	fmt.Fprintf(out, "%s, %s/%s, %d cores, %d rounds of %s, sets %s. Ratios are medians of the rounds' own.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), o.rounds, o.time, o.sets)
	return trial.Write(out, rows, got)
}

// chosen returns the rows that were asked for.
func chosen(o options, dir string) ([]trial.Row, error) {
	only, err := regexp.Compile(o.run)
	if err != nil {
		return nil, err
	}
	var rows []trial.Row
	for _, set := range strings.Split(o.sets, ",") {
		switch set {
		case "required":
			rows = append(rows, required()...)
		case "built":
			if o.otelcol == "" || o.auditlog == "" {
				return nil, fmt.Errorf("set built needs -otelcol and -auditlog")
			}
			collector.Audit.Profile = o.pgo
			rows = append(rows, built(o.otelcol, o.auditlog, peer.Logs{Dir: filepath.Join(dir, "logs")})...)
		case "peers":
			rows = append(rows, peers()...)
		case "growth":
			rows = append(rows, growth(peer.Logs{Dir: filepath.Join(dir, "grown")})...)
		case "latency":
			rows = append(rows, latency()...)
		case "matrix":
			rows = append(rows, matrix()...)
		default:
			return nil, fmt.Errorf("set %q is none of required, built, peers, growth, latency, matrix", set)
		}
	}
	rows = slices.DeleteFunc(rows, func(r trial.Row) bool { return !only.MatchString(r.Group + ": " + r.Work) })
	if len(rows) == 0 {
		return nil, fmt.Errorf("no row of %s matches %q", o.sets, o.run)
	}
	return rows, nil
}
