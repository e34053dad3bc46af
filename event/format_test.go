package event_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/event"
)

func document(t *testing.T, name string) string {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// section is the text of a document under a heading.
func section(t *testing.T, doc, heading string) string {
	_, text, ok := strings.Cut(doc, "\n## "+heading+"\n")
	require.True(t, ok, heading)
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// rows are the rows of the last table of a text, without its head.
func rows(text string) (cells [][]string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|---") {
			cells = nil
		} else if strings.HasPrefix(line, "|") {
			row := strings.Split(strings.Trim(line, "|"), "|")
			for i := range row {
				row[i] = strings.TrimSpace(row[i])
			}
			cells = append(cells, row)
		}
	}
	return cells
}

// blocks are the fenced blocks of a kind.
func blocks(text, kind string) (found []string) {
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)\n```").FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestFormatSourceTable(t *testing.T) {
	var got [][]string
	for _, row := range rows(section(t, document(t, "FORMAT.md"), "Normalised fields")) {
		got = append(got, append([]string{strings.Trim(row[0], "`")}, strings.Split(strings.ReplaceAll(row[1], "`", ""), ", ")...))
	}
	require.Equal(t, event.Sources(), got)
}

func TestCriticalTables(t *testing.T) {
	doc := document(t, "CRITICAL.md")
	require.Equal(t, strings.Fields(event.Words()), strings.Fields(blocks(section(t, doc, "Words"), "text")[0]))
	var pairs [][2]string
	for _, row := range rows(section(t, doc, "Words")) {
		pairs = append(pairs, [2]string{row[0], strings.ReplaceAll(row[1], ", ", " ")})
	}
	require.Equal(t, event.Pairs(), pairs)
	var kinds [][3]string
	for _, row := range rows(section(t, doc, "The 35 kinds")) {
		kinds = append(kinds, [3]string(row[1:]))
	}
	require.Equal(t, event.Kinds(), kinds)
	require.Len(t, kinds, 35)
}

// Every member an event can have is in FORMAT.md's table, and nothing else.
func TestFormatMembers(t *testing.T) {
	documented := make(map[string]bool)
	for _, row := range rows(section(t, document(t, "FORMAT.md"), "Members")) {
		for _, name := range strings.Split(row[0], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	seen := make(map[string]bool)
	files, err := os.ReadDir("../testdata/events")
	require.NoError(t, err)
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".json") {
			var members map[string]json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(document(t, "../testdata/events/"+f.Name())), &members))
			for name := range members {
				seen[name] = true
			}
		}
	}
	printed, _ := printed(t, defaults(t), ordinary(), new(event.Print))
	withheld, _ := opened(t, withholding(t, event.Options{Withhold: event.Withholding{Body: true}}, nil), ordinary())
	for _, body := range [][]byte{printed, withheld} {
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &members))
		for name := range members {
			seen[name] = true
		}
	}
	require.Equal(t, documented, seen)
}

// The samples are what the software writes, and the answers that stand under
// the jq commands are what it reads in them.
func TestFormatSamples(t *testing.T) {
	doc := document(t, "FORMAT.md")
	samples := strings.Split(blocks(section(t, doc, "Samples"), "json")[0], "\n")
	require.Len(t, samples, 3)
	when := make([]string, 0, 3)
	byRule := make(map[string]int)
	alice := make([]string, 0, 2)
	enc := defaults(t)
	for _, sample := range samples {
		e, err := event.Parse([]byte(sample))
		require.NoError(t, err)
		ld, err := event.Decode([]byte(sample))
		require.NoError(t, err)
		var s event.Source
		rl := ld.ResourceLogs().At(0)
		enc.Resource(&s, rl)
		enc.Scope(&s, rl.ScopeLogs().At(0))
		again, _ := enc.Append(nil, &s, first(ld), e.RecordedTime)
		require.Equal(t, sample, string(again))

		when = append(when, array(e.EventTime().Format("2006-01-02T15:04:05.000000000Z"), e.Actor.ID, e.Action, e.Outcome))
		if e.Critical {
			byRule[e.Rule]++
		}
		if e.Actor.ID == "alice" {
			alice = append(alice, array(e.Type, e.Target.ID, e.Rule))
		}
	}
	rules, err := json.Marshal(byRule)
	require.NoError(t, err)
	jq := section(t, doc, "With jq")
	require.Len(t, blocks(jq, "sh"), 3)
	require.Equal(t, []string{strings.Join(when, "\n"), string(rules), strings.Join(alice, "\n")}, blocks(jq, "text"))
}

// array is a JSON array of strings, null for an empty one.
func array(items ...string) string {
	for i, s := range items {
		if items[i] = "null"; s != "" {
			items[i] = fmt.Sprintf("%q", s)
		}
	}
	return "[" + strings.Join(items, ",") + "]"
}

// FORMAT.md lists what never stands raw; each is escaped without loss.
func TestFormatEscapes(t *testing.T) {
	_, text, ok := strings.Cut(document(t, "FORMAT.md"), "**Escaping.**")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "**Invalid UTF-8.**")
	var ranges [][2]rune
	for _, m := range regexp.MustCompile(`U\+([0-9A-F]+)(?:\s+to\s+U\+([0-9A-F]+))?`).FindAllStringSubmatch(text, -1) {
		var lo, hi rune
		_, err := fmt.Sscanf(m[1], "%X", &lo)
		require.NoError(t, err)
		if hi = lo; m[2] != "" {
			_, err = fmt.Sscanf(m[2], "%X", &hi)
			require.NoError(t, err)
		}
		ranges = append(ranges, [2]rune{lo, hi})
	}
	enc := defaults(t)
	var wrong []string
	for r := rune(0); r <= 0x10ffff; r++ {
		if r >= 0xd800 && r < 0xe000 || r >= 0x3000 && r < 0xfe00 || r >= 0x20000 && r < 0xe0000 || r >= 0xe1000 {
			continue // surrogates are no characters; the large planes are alike
		}
		hidden := slices.ContainsFunc(ranges, func(x [2]rune) bool { return x[0] <= r && r <= x[1] })
		ld := bare()
		first(ld).Body().SetStr(string(r))
		body, _ := encode(enc, ld)
		if raw := strings.Contains(string(body), `"body":"`+string(r)+`"`); raw == hidden && r != '"' && r != '\\' {
			wrong = append(wrong, fmt.Sprintf("%U", r))
		}
	}
	require.Empty(t, wrong)
}

func TestRecordedTimeIsAllThatDiffers(t *testing.T) {
	enc := defaults(t)
	ld := audit()
	var s event.Source
	rl := ld.ResourceLogs().At(0)
	enc.Resource(&s, rl)
	enc.Scope(&s, rl.ScopeLogs().At(0))
	a, _ := enc.Append(nil, &s, first(ld), recordedAt)
	b, _ := enc.Append(nil, &s, first(ld), recordedAt.Add(36*time.Hour))
	require.NotEqual(t, string(a), string(b))
	require.Equal(t, string(a), strings.Replace(string(b), "2026-03-05T17:06:07.123456789Z", "2026-03-04T05:06:07.123456789Z", 1))
}
