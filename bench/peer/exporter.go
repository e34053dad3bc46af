package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter"
	"github.com/otelaudit/auditexporter/bench/trial"
)

// Exporter is an exporter of the collector, run in this process.
type Exporter struct {
	Name    string
	Factory exporter.Factory
	Config  func(dir string) map[string]any
}

// Audit is this exporter. flush is its section of the configuration. Its memory
// budget lets in 256 callers with requests of 512.
func Audit(name string, flush map[string]any) Exporter {
	return Exporter{name, auditexporter.NewFactory(), func(dir string) map[string]any {
		return map[string]any{"directory": dir + "/audit", "flush": flush, "max_in_flight_mib": 512}
	}}
}

// File is contrib's fileexporter. It never syncs, and answers before its buffer
// is written.
func File(format string) Exporter {
	return Exporter{"fileexporter " + format, fileexporter.NewFactory(), func(dir string) map[string]any {
		return map[string]any{"path": dir + "/logs", "format": format}
	}}
}

// Start starts the exporter; stop shuts it down.
func (e Exporter) Start(ctx context.Context, dir string) (logs exporter.Logs, stop func() error, err error) {
	config := e.Factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(e.Config(dir)).Unmarshal(&config); err != nil {
		return nil, nil, fmt.Errorf("couldn't read configuration of %s: %w", e.Name, err)
	}
	logs, err = e.Factory.CreateLogs(ctx, exportertest.NewNopSettings(e.Factory.Type()), config)
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't create %s: %w", e.Name, err)
	}
	if err := logs.Start(ctx, componenttest.NewNopHost()); err != nil {
		return nil, nil, fmt.Errorf("couldn't start %s: %w", e.Name, err)
	}
	return logs, func() error { return logs.Shutdown(context.WithoutCancel(ctx)) }, nil
}

// Case has callers send requests of kind k, each as soon as the last is
// acknowledged.
func (e Exporter) Case(k Kind, callers int, timed bool) trial.Case {
	name := fmt.Sprintf("%s, batch %d, %s", e.Name, k.Records, plural(callers, "caller"))
	if k.Critical > 0 {
		name += fmt.Sprintf(", %d %% critical", k.Critical)
	}
	if k.Size > 0 {
		name += fmt.Sprintf(", %d B", k.Size)
	}
	if k.Attributes > 0 {
		name += fmt.Sprintf(", %d attributes", k.Attributes)
	}
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		logs, stop, err := e.Start(ctx, dir)
		if err != nil {
			return trial.Sample{}, err
		}
		requests := Requests(callers, k)
		s, err := trial.Load{Callers: callers, Events: k.Records, Timed: timed, Do: func(c int) error {
			return logs.ConsumeLogs(ctx, requests[c])
		}}.Run(ctx, d)
		return s, errors.Join(err, stop())
	}}
}

// Requests makes a request for each caller.
func Requests(callers int, k Kind) []plog.Logs {
	r := make([]plog.Logs, callers)
	for c := range r {
		r[c] = Request(k)
	}
	return r
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		what = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Beside takes the times of one caller's critical events while two others send
// events routine events a second, in requests of 512.
func (e Exporter) Beside(events int) trial.Case {
	const records, callers = 512, 2
	name := fmt.Sprintf("%s, critical alone", e.Name)
	if events > 0 {
		name = fmt.Sprintf("%s, critical beside %d routine/s", e.Name, events)
	}
	return trial.Case{Name: name, Run: func(ctx context.Context, dir string, d time.Duration) (trial.Sample, error) {
		logs, stop, err := e.Start(ctx, dir)
		if err != nil {
			return trial.Sample{}, err
		}
		end := func() (int, error) { return 0, nil }
		if events > 0 {
			routine := Requests(callers, Kind{Records: records})
			end = trial.Paced{Callers: callers, Every: time.Second * records * callers / time.Duration(events), Do: func(c int) error {
				return logs.ConsumeLogs(ctx, routine[c])
			}}.Start()
		}
		critical := Request(Kind{Records: 1, Critical: 100})
		begin := time.Now()
		s, err := trial.Load{Callers: 1, Events: 1, Timed: true, Do: func(int) error {
			return logs.ConsumeLogs(ctx, critical)
		}}.Run(ctx, d)
		took := time.Since(begin)
		calls, failed := end()
		err = errors.Join(err, failed, stop())
		if events > 0 {
			s.Note = fmt.Sprintf("%.0f routine events/s came through", float64(calls*records)/took.Seconds())
		}
		return s, err
	}}
}
