package event_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otelaudit/auditexporter/event"
)

// lines make ordinary log lines, as the software that is named writes them.
var lines = []struct {
	name string
	make func(r *rand.Rand) string
}{
	{"zap JSON", func(r *rand.Rand) string {
		var buf bytes.Buffer
		core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&buf), zap.DebugLevel)
		zap.New(core).With(zap.String("component", "billing")).Info("invoice sent",
			zap.Int("invoice", r.IntN(1e6)), zap.Duration("took", time.Duration(r.IntN(1e9))), zap.Strings("to", []string{"a@example.com"}),
			zap.Error(fmt.Errorf("retry %d: %q", r.IntN(3), "C:\\tmp\\x")))
		return buf.String()
	}},
	{"slog JSON", func(r *rand.Rand) string {
		var buf bytes.Buffer
		slog.New(slog.NewJSONHandler(&buf, nil)).Warn("cache miss", "key", fmt.Sprintf("user:%d", r.IntN(1e6)), slog.Group("req", "path", "/v1/a b", "tokens", r.IntN(100)))
		return buf.String()
	}},
	{"Java stack trace", func(r *rand.Rand) string {
		var b strings.Builder
		fmt.Fprintf(&b, "java.lang.IllegalStateException: order %d: bad state\r\n", r.IntN(1e6))
		for i := range 10 + r.IntN(30) {
			fmt.Fprintf(&b, "\tat com.example.shop.Order$%d.apply(Order.java:%d)\n", i, r.IntN(900))
		}
		return b.String() + "Caused by: java.net.SocketTimeoutException: Read timed out\n\t... 12 more\n"
	}},
	{"ANSI colours", func(r *rand.Rand) string {
		return fmt.Sprintf("\x1b[90m12:00:01\x1b[0m \x1b[3%dmINF\x1b[0m request done \x1b[36mstatus=\x1b[0m%d", r.IntN(8), 200+r.IntN(5))
	}},
	{"emoji with joiners", func(r *rand.Rand) string {
		return fmt.Sprintf("deployed \U0001f469\u200d\U0001f4bb\U0001f680 v1.%d \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u2764\ufe0f \U0001f3f3\ufe0f\u200d\U0001f308", r.IntN(99))
	}},
	{"nginx access", func(r *rand.Rand) string {
		return fmt.Sprintf(`192.0.2.%d - alice [04/Mar/2026:05:06:07 +0000] "GET /orders/%d?q=a%%20b HTTP/1.1" %d 612 "-" "Mozilla/5.0 (X11; Linux x86_64)"`,
			r.IntN(256), r.IntN(1e6), []int{200, 304, 401, 403, 500}[r.IntN(5)])
	}},
	{"Kubernetes container", func(r *rand.Rand) string {
		return fmt.Sprintf("I0304 05:06:07.%06d       1 reconciler.go:%d] \"Reconciled\" pod=\"default/web-%d\" err=<nil>", r.IntN(1e6), r.IntN(900), r.IntN(9))
	}},
}

// ordinaryLog is a line as a collector's receiver hands it over.
func ordinaryLog(r *rand.Rand, line string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	res := rl.Resource().Attributes()
	res.PutStr("service.name", "shop")
	res.PutStr("k8s.namespace.name", "default")
	res.PutStr("k8s.pod.name", fmt.Sprintf("shop-%d", r.IntN(9)))
	res.PutStr("k8s.container.restart_count", "0")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetObservedTimestamp(1772600767100000000)
	lr.Body().SetStr(line)
	a := lr.Attributes()
	a.PutStr("log.file.path", "/var/log/pods/default_shop_0/app/0.log")
	a.PutStr("log.iostream", []string{"stdout", "stderr"}[r.IntN(2)])
	if r.IntN(2) == 0 { // parsed by the operator, too
		a.PutStr("http.request.method", "GET")
		a.PutStr("url.path", "/orders/caf\u00e9/\u200d")
		a.PutInt("http.response.status_code", 401)
		a.PutStr("client.address", "192.0.2.1")
		a.PutStr("user.name", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
		a.PutStr("message", line)
	}
	return ld
}

// Ordinary logs are neither critical nor invalid, whole, and as they came.
func TestOrdinaryLogs(t *testing.T) {
	e := encoder(t, event.Options{Critical: event.Critical{Defaults: true}})
	r := rand.New(rand.NewPCG(1, 2))
	records, critical, invalid, altered := 0, 0, 0, 0
	listed := make(map[string]int)
	for records < 1000 {
		for _, l := range lines {
			ld := ordinaryLog(r, l.make(r))
			checkRoundTrip(t, e, ld)
			_, info := encode(e, ld)
			records++
			if info.Critical {
				critical++
			}
			if info.Invalid() {
				invalid++
			}
			altered += info.Redacted + info.Truncated
			if info.Content > 0 {
				listed[l.name]++
			}
		}
	}
	require.Zero(t, critical)
	require.Zero(t, invalid)
	require.Zero(t, altered)
	require.Len(t, listed, 1, "only the escape sequences of colours are listed")
	require.Contains(t, listed, "ANSI colours")
}
