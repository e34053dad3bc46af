package exporter

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/event"
)

// condition is a user's condition. Both forms of paths are accepted, log.attributes["x"] and
// attributes["x"]: a parser without context names takes the former as a path that begins with log.
type condition struct {
	key string // critical.conditions[i]
	*ottl.Condition[*ottllog.TransformContext]
}

// CheckConditions compiles conditions and names each that is wrong by its YAML key.
func CheckConditions(conditions []string) error {
	_, err := compile(conditions)
	return err
}

func compile(conditions []string) ([]condition, error) {
	if len(conditions) == 0 {
		return nil, nil
	}
	// No logger: at level debug OTTL logs the whole record.
	parser, err := ottllog.NewParser(ottlfuncs.StandardConverters[*ottllog.TransformContext](), component.TelemetrySettings{
		Logger: zap.NewNop(), MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider(),
	})
	if err != nil {
		return nil, fmt.Errorf("couldn't create OTTL parser: %w", err)
	}
	var (
		out  []condition
		errs []error
	)
	for i, text := range conditions {
		key := fmt.Sprintf("critical.conditions[%d]", i)
		c, err := parser.ParseCondition(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no OTTL condition on a log record: %w", key, text, err))
			continue
		}
		out = append(out, condition{key: key, Condition: c})
	}
	return out, errors.Join(errs...)
}

// predicate asks conditions in order, nil if there are none. One that can't be evaluated counts as
// true: a record must not escape by what it holds. Its error may quote the record, so it is counted
// and not logged.
func predicate(texts []string, t *telemetry, logger *zap.Logger) (event.Predicate, error) {
	conditions, err := compile(texts)
	if err != nil || len(conditions) == 0 {
		return nil, err
	}
	logger = atMost(logger, conditionLogs, conditionTick)
	return func(rl plog.ResourceLogs, sl plog.ScopeLogs, lr plog.LogRecord) (string, bool) {
		tc := ottllog.NewTransformContextPtr(rl, sl, lr)
		defer tc.Close()
		for i := range conditions {
			c := &conditions[i]
			switch ok, err := c.Eval(context.Background(), tc); {
			case err != nil:
				t.conditionFailed(c.key)
				logger.Warn(c.key+" could not be evaluated for a record, whose event is critical therefore",
					zap.Stringer("condition", c))
				return c.key + ":error", true
			case ok:
				return c.key, true
			}
		}
		return "", false
	}, nil
}
