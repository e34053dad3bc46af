package event_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/event"
)

// docs/fields.md has for each format the members that feed each field.
func TestFieldsDocument(t *testing.T) {
	doc := document(t, "../docs/fields.md")
	for _, f := range event.BodyFormats() {
		fields, concluded := make(map[string][]string), make(map[string]bool)
		for _, row := range rows(section(t, doc, f.Name)) {
			require.Len(t, row, 2)
			name := strings.Trim(row[0], "`")
			members, why, ok := strings.Cut(row[1], "concluded: ")
			if ok {
				require.NotEmpty(t, why)
				concluded[name] = true
			}
			if m := strings.FieldsFunc(members, func(r rune) bool { return strings.ContainsRune("`,; ", r) }); len(m) > 0 {
				fields[name] = m
			}
		}
		require.Equal(t, f.Fields, fields, f.Name)
		require.Equal(t, f.Concluded, concluded, f.Name)
	}
}

// CRITICAL.md has the lists of the rules about bodies.
func TestCriticalBodyLists(t *testing.T) {
	text := section(t, document(t, "CRITICAL.md"), "Bodies")
	var lists [][]string
	for _, block := range blocks(text, "text") {
		lists = append(lists, strings.Fields(block))
	}
	require.Equal(t, event.BodyWords(), lists)
	var messages [][]string
	for _, row := range rows(text) {
		row[1] = strings.Trim(row[1], "`")
		messages = append(messages, row)
	}
	require.Equal(t, event.Messages(), messages)
}
