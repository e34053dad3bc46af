package exporter

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// exporterhelper logs each refused request at level error, and a client that retries is refused
// often: one line in refusalTick tells enough, the metric counts the rest. Changes of state are
// each worth a line, unless the storage flaps.
const (
	refusalLogs, refusalTick     = 1, 10 * time.Second
	stateLogs, stateTick         = 10, 10 * time.Second
	conditionLogs, conditionTick = 1, time.Minute
)

// atMost returns a logger that logs the same message n times in a tick at most.
func atMost(l *zap.Logger, n int, tick time.Duration) *zap.Logger {
	return l.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, tick, n, 0)
	}))
}
