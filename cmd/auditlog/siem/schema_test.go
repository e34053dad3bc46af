package siem_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What OCSF 1.9 requires of the classes that we make, and of their objects, as its
// schema has it: members that must be there, and groups of which one must be.
var (
	requiredOCSF = map[string]string{
		"event": "activity_id category_uid class_uid metadata severity_id time type_uid",
		"3001":  "user", "3002": "user", "3005": "user", "3006": "group", "6002": "app", "6003": "actor api src_endpoint",
		"metadata": "product version", "api": "operation", "fingerprint": "algorithm_id value", "prev_event": "uid",
		"raw_data_hash": "algorithm_id value", "signatures": "algorithm_id",
	}
	oneOfOCSF = map[string]string{
		"3002": "service dst_endpoint",
		"user": "account name uid", "group": "name uid", "product": "name uid", "app": "name uid", "service": "name uid",
		"actor":            "process user iam_role invoked_by session app_name app_uid",
		"src_endpoint":     "ip uid name hostname svc_name instance_uid interface_uid interface_name domain",
		"dst_endpoint":     "ip uid name hostname svc_name instance_uid interface_uid interface_name domain",
		"attestation_list": "fingerprint signatures",
	}
	enumsOCSF = map[string]string{
		"0 activity_id": "0 99", "3001 activity_id": "0 1 2 3 4 5 6 7 8 9 10 11 12 99", "3002 activity_id": "0 1 2 3 4 5 6 7 99",
		"3005 activity_id": "0 1 2 3 4 99", "3006 activity_id": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 99",
		"6002 activity_id": "0 1 2 3 4 5 6 7 8 99", "6003 activity_id": "0 1 2 3 4 99",
		"status_id": "0 1 2 99", "severity_id": "0 1 2 3 4 5 6 99", "type_id": "0 1 2 3 4 99",
		"encoding_id": "0 1 2 3 99", "serialization_id": "0 1 2 3 4 5 6 7 8 99",
	}
	textsOCSF = "status severity activity_name message raw_data uid name email_addr hostname ip operation version type value"
)

// requireOCSF fails unless line is an event of its class.
func requireOCSF(t testing.TB, line []byte) map[string]any {
	t.Helper()
	var o map[string]any
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	require.NoError(t, d.Decode(&o), "%s", line)
	class := fmt.Sprint(o["class_uid"])
	n := func(name string) int64 {
		v, ok := o[name].(json.Number)
		require.True(t, ok, "%s is no number: %s", name, line)
		i, err := v.Int64()
		require.NoError(t, err, name)
		return i
	}
	require.Equal(t, n("class_uid")/1000, n("category_uid"))
	require.Equal(t, n("class_uid")*100+n("activity_id"), n("type_uid"))
	require.Greater(t, n("time"), int64(1e12), "milliseconds: %s", line)
	checkOCSF(t, "event", class, o)
	checkOCSF(t, class, class, o)
	for _, name := range []string{"raw_data", "raw_data_hash", "attestation_list"} {
		require.Contains(t, o, name)
	}
	require.Contains(t, o["metadata"].(map[string]any)["profiles"], "record_integrity")
	return o
}

func checkOCSF(t testing.TB, name, class string, o map[string]any) {
	t.Helper()
	for r := range strings.FieldsSeq(requiredOCSF[name]) {
		require.Contains(t, o, r, "%s of class %s", name, class)
	}
	// An event of another class is the producer's own: its objects are as they came.
	ours := class == "0" || requiredOCSF[class] != ""
	if names := strings.Fields(oneOfOCSF[name]); ours && len(names) > 0 {
		there := 0
		for _, n := range names {
			if o[n] != nil {
				there++
			}
		}
		require.NotZero(t, there, "%s of class %s: none of %v", name, class, names)
	}
	for key, v := range o {
		if key == "unmapped" {
			continue
		}
		enum := enumsOCSF[key]
		if key == "activity_id" {
			enum = enumsOCSF[class+" activity_id"]
		}
		if enum != "" {
			require.Contains(t, strings.Fields(enum), fmt.Sprint(v), "%s of %s, class %s", key, name, class)
		}
		if strings.Contains(" "+textsOCSF+" ", " "+key+" ") {
			require.IsType(t, "", v, "%s of %s, class %s", key, name, class)
			require.NotEmpty(t, v)
		}
		switch v := v.(type) {
		case map[string]any:
			checkOCSF(t, key, class, v)
		case []any:
			for _, e := range v {
				if e, ok := e.(map[string]any); ok {
					checkOCSF(t, key, class, e)
				}
			}
		}
	}
}

// The values that ECS allows in its categorisation fields.
var enumsECS = map[string]string{
	"kind":     "alert asset enrichment event metric state pipeline_error signal",
	"category": "api authentication configuration database driver email file host iam intrusion_detection library malware network package process registry session threat vulnerability web",
	"type":     "access admin allowed change connection creation deletion denied device end error group indicator info installation protocol start user",
	"outcome":  "failure success unknown",
}

// requireECS fails unless line is an event of ECS.
func requireECS(t testing.TB, line []byte) map[string]any {
	t.Helper()
	var o map[string]any
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	require.NoError(t, d.Decode(&o), "%s", line)
	at, ok := o["@timestamp"].(string)
	require.True(t, ok, "%s", line)
	_, err := time.Parse(time.RFC3339Nano, at)
	require.NoError(t, err)
	require.NotEmpty(t, o["ecs"].(map[string]any)["version"])
	e := o["event"].(map[string]any)
	for _, name := range []string{"kind", "id", "original", "hash", "sequence", "dataset", "module", "provider"} {
		require.Contains(t, e, name, "%s", line)
	}
	for name, enum := range enumsECS {
		switch v := e[name].(type) {
		case nil:
		case []any:
			for _, s := range v {
				require.Contains(t, strings.Fields(enum), s, "event.%s", name)
			}
		default:
			require.Contains(t, []string{"kind", "outcome"}, name, "event.%s is no array", name)
			require.Contains(t, strings.Fields(enum), v, "event.%s", name)
		}
	}
	if labels, ok := o["labels"].(map[string]any); ok {
		for name, v := range labels {
			require.NotContains(t, name, ".")
			if _, list := v.([]any); !list {
				require.IsType(t, "", v, "labels.%s", name)
			}
		}
	}
	return o
}
