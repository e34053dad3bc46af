// Package collector runs the collector that ocb has built from builder.yaml, with
// one exporter, and sends it OTLP/gRPC.
package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otelaudit/auditexporter/bench/peer"
	"github.com/otelaudit/auditexporter/bench/trial"
)

// Setup is a collector with one exporter. In its YAML $DIR is a folder of its own
// and $SINK the address of a second pipeline, which ends in nop.
type Setup struct {
	Name       string
	Exporter   string // its name in the configuration
	YAML       string // of the exporter, two spaces deep
	Extensions string // YAML, likewise
	Names      string // of the extensions, with commas
	Profile    string // file that takes a CPU profile of the load; "": none is taken
}

const config = `
receivers:
  otlp: {protocols: {grpc: {endpoint: $ADDRESS}}}
  otlp/sink: {protocols: {grpc: {endpoint: $SINK}}}
exporters:
  nop/sink:
$EXPORTER
extensions: {$BRACES}
service:
  telemetry: {metrics: {level: normal, readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: $METRICS}}}}]}}
  extensions: [$NAMES]
  pipelines:
    logs: {receivers: [otlp], exporters: [$NAME]}
    logs/sink: {receivers: [otlp/sink], exporters: [nop/sink]}
`

// Case has so many clients send requests of 512 records to the collector at
// binary, each on a connection of its own, each when the last was acknowledged.
// The requests are marshalled once: what a client costs is not compared.
func (s Setup) Case(binary string, clients int) trial.Case {
	name := fmt.Sprintf("collector: %s, %d clients", s.Name, clients)
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		p, err := s.start(ctx, binary, dir)
		if err != nil {
			return trial.Sample{}, err
		}
		profiled := p.profile(ctx, s.Profile, d)
		sample, err := p.load(ctx, clients, d)
		err = errors.Join(err, <-profiled)
		if failed := p.stop(); err != nil || failed != nil {
			return sample, errors.Join(err, failed, errors.New(p.log.String()))
		}
		return sample, nil
	}}
}

type process struct {
	cmd      *exec.Cmd
	address  string
	profiler string        // address of pprof; "": there is none
	log      *bytes.Buffer // read after stop only
}

func (s Setup) start(ctx context.Context, binary, dir string) (*process, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	p := &process{address: ports[0], log: new(bytes.Buffer)}
	if s.Profile != "" {
		p.profiler = ports[3]
		s.Extensions, s.Names = fmt.Sprintf("pprof: {endpoint: %q}", p.profiler), "pprof"
	}
	text := strings.NewReplacer("$EXPORTER", s.YAML, "$BRACES", s.Extensions, "$NAMES", s.Names, "$NAME", s.Exporter).Replace(config)
	_, metrics, _ := strings.Cut(ports[2], ":")
	text = strings.NewReplacer("$ADDRESS", ports[0], "$SINK", ports[1], "$METRICS", metrics, "$DIR", dir).Replace(text)
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, binary, "--config", path)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	return p, p.cmd.Start()
}

// freePorts returns addresses on which nobody listens, for now.
func freePorts(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[i] = l.Addr().String()
	}
	return ports, nil
}

// stop asks the collector to drain and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// raw sends bytes that are a marshalled message and drops the answer's.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (raw) Unmarshal([]byte, any) error { return nil }

func (p *process) load(ctx context.Context, clients int, d time.Duration) (trial.Sample, error) {
	const records = 512
	request, err := plogotlp.NewExportRequestFromLogs(peer.Request(peer.Kind{Records: records})).MarshalProto()
	if err != nil {
		return trial.Sample{}, err
	}
	connections := make([]*grpc.ClientConn, clients)
	for i := range connections {
		c, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return trial.Sample{}, err
		}
		defer c.Close()
		connections[i] = c
	}
	if err := p.await(ctx); err != nil {
		return trial.Sample{}, err
	}
	return trial.Load{Callers: clients, Events: records, Timed: true, CPU: p.cpu, Do: func(c int) error {
		return connections[c].Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", request, nil, grpc.ForceCodec(raw{}))
	}}.Run(ctx, d)
}

// profile takes a CPU profile of about the next d, once the collector answers.
func (p *process) profile(ctx context.Context, file string, d time.Duration) <-chan error {
	done := make(chan error, 1)
	if p.profiler == "" {
		done <- nil
		return done
	}
	go func() {
		if err := p.await(ctx); err != nil {
			done <- err
			return
		}
		done <- p.fetchProfile(ctx, file, d)
	}()
	return done
}

func (p *process) fetchProfile(ctx context.Context, file string, d time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.profiler, max(1, int(d.Seconds())))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("couldn't take a profile: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("couldn't take a profile: %s", answer.Status)
	}
	taken, err := profile.Parse(answer.Body)
	if err != nil {
		return fmt.Errorf("couldn't read the profile: %w", err)
	}
	for _, m := range taken.Mapping {
		m.File = filepath.Base(m.File) // not where it was built
	}
	var text bytes.Buffer
	if err := taken.Write(&text); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// await waits until the collector acknowledges a request without records.
func (p *process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second}))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = plogotlp.NewGRPCClient(c).Export(ctx, plogotlp.NewExportRequestFromLogs(plog.NewLogs()), grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("couldn't reach the collector: %w", err)
	}
	return nil
}

// cpu is the processor time of the collector so far, in ticks of 10 ms; 0 if it
// can't be read.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// proc(5): utime and stime are the 14th and 15th field; the 2nd ends in ")".
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	utime, err1 := strconv.Atoi(f[11])
	stime, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(utime+stime) * 10 * time.Millisecond
}
