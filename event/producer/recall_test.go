package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/producer"
)

func recalled(whole bool, lrs ...plog.LogRecord) *producer.Streams {
	s := producer.NewStreams(10)
	for _, l := range links(lrs...) {
		s.Recall(l, whole)
	}
	return s
}

// What was read back tells a gap and a repeated delivery, and never calls broken what it can't know.
func TestStreamsRecalled(t *testing.T) {
	all := chained(t, "s", 7)
	changed := func(i int) plog.LogRecord {
		lr := plog.NewLogRecord()
		all[i].CopyTo(lr)
		lr.Attributes().PutStr("user.password", "[redacted]")
		return lr
	}
	for name, c := range map[string]struct {
		streams *producer.Streams
		then    []plog.LogRecord
		want    []string
	}{
		"whole":              {recalled(true, all[2:5]...), all[5:], []string{"next", "next"}},
		"gap":                {recalled(true, all[2:5]...), all[6:], []string{"broken gap"}},
		"again":              {recalled(true, all[2:5]...), all[3:6], []string{"again", "again", "next"}},
		"longer ago":         {recalled(true, all[2:5]...), all[:2], []string{"unknown", "unknown"}},
		"redacted":           {recalled(false, changed(3), changed(4)), all[5:], []string{"unknown", "next"}},
		"redacted, again":    {recalled(false, changed(3), changed(4)), all[3:6], []string{"again", "again", "unknown"}},
		"redacted, gap":      {recalled(false, changed(3), changed(4)), all[6:], []string{"broken gap"}},
		"hash does not fit":  {recalled(true, all[3], changed(4)), all[5:], []string{"unknown", "next"}},
		"another has its id": {recalled(true, all[2:5]...), []plog.LogRecord{tell("x", map[string]any{"audit.sequence.number": 5, "audit.sequence.stream_id": "s"})}, []string{"broken fork"}},
		"nothing":            {recalled(true, tell("a", nil)), all[3:5], []string{"unknown", "next"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, judge(t, c.streams, true, c.then...))
		})
	}
	s := recalled(true, all[2:5]...)
	s.Forget()
	require.Equal(t, []string{"unknown"}, judge(t, s, true, all[6]))
}
