package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// said is what an event says of who did what, by field, and why it is critical.
func said(t *testing.T, e *event) (fields map[string]string, critical string) {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(e.raw), &members))
	if m := members["event"]; m != nil {
		members = nil
		require.NoError(t, json.Unmarshal(m, &members))
	}
	fields = make(map[string]string)
	var from map[string]string
	if members["from"] != nil {
		require.NoError(t, json.Unmarshal(members["from"], &from))
	}
	for field, name := range from {
		if own := members[field]; own != nil {
			var value string
			require.NoError(t, json.Unmarshal(own, &value))
			fields[field] = value
		} else {
			value, ok := e.Attributes[name].(string)
			require.True(t, ok, "%s from %s", field, name)
			fields[field] = value
		}
	}
	if members["critical"] != nil {
		require.NoError(t, json.Unmarshal(members["critical"], &critical))
	}
	return fields, critical
}

// sampled are the fields of each record of a golden file in testdata/formats.
func sampled(t *testing.T, name string) (fields []map[string]string, critical []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "testdata", "formats", name+".jsonl"))
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var row struct {
			Critical string               `json:"critical"`
			Fields   map[string][2]string `json:"fields"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		values := make(map[string]string)
		for field, is := range row.Fields {
			values[field] = is[1]
		}
		fields, critical = append(fields, values), append(critical, row.Critical)
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, fields)
	return fields, critical
}

// lines are the bodies of a sample's records.
func lines(t *testing.T, name string) (bodies []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "testdata", "formats", name+".json"))
	require.NoError(t, err)
	var request struct {
		ResourceLogs []struct {
			ScopeLogs []struct {
				LogRecords []struct {
					Body struct {
						StringValue string `json:"stringValue"`
					} `json:"body"`
				} `json:"logRecords"`
			} `json:"scopeLogs"`
		} `json:"resourceLogs"`
	}
	require.NoError(t, json.Unmarshal(b, &request))
	for _, r := range request.ResourceLogs[0].ScopeLogs[0].LogRecords {
		bodies = append(bodies, r.Body.StringValue)
	}
	return bodies
}

// The lines of each sample, read from files by an example's receivers, give the
// fields that the golden file of the sample has.
func TestFileExamplesGiveFields(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		example string
		files   map[string][]string // by the variable that names the file
		samples []string
	}{
		{"nginx-sshd", map[string][]string{
			"NGINX_LOG": lines(t, "nginx-sshd")[:3], "AUTH_LOG": lines(t, "nginx-sshd")[3:],
		}, []string{"nginx-sshd"}},
		{"audit-files", map[string][]string{
			"AUDITD_LOG": lines(t, "auditd"), "KUBERNETES_AUDIT_LOG": lines(t, "kubernetes-text"),
		}, []string{"auditd", "kubernetes-text"}},
	} {
		t.Run(tt.example, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			o.Config = filepath.Join(root, "testdata", "examples", tt.example+".yaml")
			for variable, text := range tt.files {
				file := filepath.Join(o.Dir, variable)
				write(t, file, strings.Join(text, "\n")+"\n")
				o.Env = append(o.Env, variable+"="+file)
			}
			var want []map[string]string
			var wantCritical []string
			for _, s := range tt.samples {
				fields, critical := sampled(t, s)
				want, wantCritical = append(want, fields...), append(wantCritical, critical...)
			}
			c := start(t, o)
			awaitEvents(t, c, len(want))
			stop(t, c)
			requireIntact(t, c.Audit)
			var got []map[string]string
			var gotCritical []string
			for _, e := range events(t, c.Audit) {
				fields, critical := said(t, e)
				got, gotCritical = append(got, fields), append(gotCritical, critical)
			}
			require.ElementsMatch(t, want, got)
			require.ElementsMatch(t, wantCritical, gotCritical)
		})
	}
}
