package siem_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelaudit/auditexporter/cmd/auditlog/siem"
)

// keys are names that mean something to a schema, whole and by their segments.
var keys = strings.Fields(`class_uid activity_id category_uid type_uid severity_id status_id status time metadata metadata.uid metadata.product
 metadata.product.name metadata.profiles metadata.version actor actor.user actor.user.uid actor.session.uid user user.id user.name user.uid
 user.target.id src_endpoint src_endpoint.ip dst_endpoint api api.operation api.service service service.name session group group.id resources unmapped
 unmapped.attributes attestation_list raw_data message event event.id event.kind event.category event.type event.outcome event.sequence
 event.original ecs ecs.version source source.ip source.address labels labels.a auditlog auditlog.seq tags trace trace.id span log log.level host.name http
 http.request.method url.path file.path error.type audit.action audit.outcome audit.actor.id audit.target.id audit.record.id app app.name
 audit.integrity.value audit.sequence.stream_id audit.sequence.previous_record_id @timestamp a.b a_b`)

var words = strings.Fields(`LOGIN success failure 3002 3001 6003 0 -1 1e9 192.0.2.1 ::1 alice user iam alert unknown [redacted] é`)

func fill(g *rand.Rand, v pcommon.Value, depth int) {
	switch g.IntN(6 + 2*min(depth, 1)) {
	case 0, 1, 2:
		v.SetStr(words[g.IntN(len(words))])
	case 3:
		v.SetInt([]int64{0, 1, 2, 3, 99, 3001, 3002, 3005, 3006, 6003, -5, 1 << 60}[g.IntN(12)])
	case 4:
		v.SetDouble(1.5)
	case 5:
	case 6:
		m := v.SetEmptyMap()
		for range g.IntN(5) {
			fill(g, m.PutEmpty(keys[g.IntN(len(keys))]), depth-1)
		}
	case 7:
		s := v.SetEmptySlice()
		for range g.IntN(3) {
			fill(g, s.AppendEmpty(), depth-1)
		}
	}
}

// Whatever an event says by the schemas' own names, in whatever type, the line is made, has the marks
// of its schema where a producer's own members can't take their place, and holds the event whole.
func TestRandomEvents(t *testing.T) {
	for seed := range uint64(1500) {
		g := rand.New(rand.NewPCG(seed, 1))
		ld := record(words[g.IntN(len(words))])
		for range g.IntN(10) {
			fill(g, attributes(ld).PutEmpty(keys[g.IntN(len(keys))]), 3)
		}
		rl := ld.ResourceLogs().At(0)
		if g.IntN(2) == 0 {
			fill(g, rl.ScopeLogs().At(0).LogRecords().At(0).Body(), 4)
		}
		fill(g, rl.Resource().Attributes().PutEmpty(keys[g.IntN(len(keys))]), 1)
		for _, e := range entries(t, bodies(t, ld)...)[1:2] {
			var o, c map[string]any
			line, err := siem.NewOCSF(logID).Map(e)
			require.NoError(t, err, "%s", e.Body)
			require.NoError(t, json.Unmarshal(line, &o))
			require.Equal(t, string(e.Body), o["raw_data"])
			require.NotNil(t, o["metadata"].(map[string]any)["uid"])
			require.IsType(t, 0.0, o["class_uid"])
			require.IsType(t, 0.0, o["time"])
			list := o["attestation_list"].([]any)
			require.Equal(t, logID, list[len(list)-1].(map[string]any)["chain_uid"])
			line, err = siem.NewECS(logID).Map(e)
			require.NoError(t, err, "%s", e.Body)
			require.NoError(t, json.Unmarshal(line, &c))
			require.Equal(t, string(e.Body), c["event"].(map[string]any)["original"])
			require.Equal(t, 2.0, c["auditlog"].(map[string]any)["seq"])
			require.IsType(t, "", c["@timestamp"])
		}
	}
}
