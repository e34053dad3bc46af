package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/event/canonical"
	"github.com/otelaudit/auditexporter/event/producer"
)

// Arrays and maps that are announced and not there are empty ones.
func TestAbsentCollections(t *testing.T) {
	const odd = `[{"key":"m","value":{"kvlistValue":null}},{"key":"a","value":{"arrayValue":null}},{"key":"b","value":{"bytesValue":""}},
		{"key":"n","value":{"arrayValue":{"values":[{"kvlistValue":null},{"arrayValue":null},{}]}}},
		{"key":"audit.sequence.number","value":{"kvlistValue":null}},{"key":"audit.integrity.value","value":{"arrayValue":null}}]`
	resource, lr := record(t, []byte(`{"resourceLogs":[{"resource":{"attributes":`+odd+`},"scopeLogs":[{"logRecords":[{"attributes":`+odd+
		`,"body":{"kvlistValue":null}}]}]}]}`))
	got, err := canonical.JSON(lr, canonical.TaggedBody)
	require.NoError(t, err)
	require.JSONEq(t, `{"attributes":{"m":{},"a":[],"b":{"bytesValue":""},"n":[{},[],null],"audit.sequence.number":{}},"body":{}}`, string(got))
	v := readVectors(t)
	require.Equal(t, producer.ReasonInvalidValue, v.keys(t, "eddsa").Verify(resource, producer.Of(lr)).Reason)
	require.Equal(t, producer.StreamOf(resource), producer.StreamOf(resource))
	link := producer.ReadLink(producer.Of(lr), func() producer.Stream { return producer.StreamOf(resource) })
	require.True(t, link.Says())
}
