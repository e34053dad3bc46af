package chain_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func fenced(t *testing.T, doc, language string) []string {
	t.Helper()
	_, doc, ok := strings.Cut(doc, "\n## Example\n")
	require.True(t, ok, "FORMAT.md has no example")
	_, rest, ok := strings.Cut(doc, "\n```"+language+"\n")
	require.True(t, ok, "the example has no %s", language)
	text, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	return strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
}

// The example of FORMAT.md is a log of which all that the text states is true.
func TestFormatExample(t *testing.T) {
	data, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	doc := string(data)
	stated := regexp.MustCompile("A log with the id `([0-9a-f]{32})`").FindStringSubmatch(doc)
	require.NotNil(t, stated)
	id, ok := chain.ParseLogID(stated[1])
	require.True(t, ok)

	lines := fenced(t, doc, "jsonl")
	preimages := fenced(t, doc, "text")
	require.Len(t, preimages, len(lines)+1)

	head := chain.Genesis(id)
	hashed := func(line string) (number string, sum chain.Hash) {
		number, parts, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok)
		b, err := hex.DecodeString(strings.ReplaceAll(parts, " ", ""))
		require.NoError(t, err)
		return number, sha256.Sum256(b)
	}
	number, sum := hashed(preimages[0])
	require.Equal(t, "0", number)
	require.Equal(t, head.Hash, sum)
	for i, line := range lines {
		e, err := chain.ParseLine([]byte(strings.TrimSuffix(line, "\n")))
		require.NoError(t, err)
		require.NoError(t, e.Check(head))
		head = e.Head()
		require.EqualValues(t, i+1, head.Seq)
		fields := strings.Fields(preimages[i+1])
		require.Len(t, fields, 5)
		body := sha256.Sum256(e.Body)
		require.Equal(t, hex.EncodeToString(body[:]), fields[4])
		_, sum := hashed(preimages[i+1])
		require.Equal(t, head.Hash, sum, "entry %d", i+1)
	}

	folder := t.TempDir() + "/" + id.String()
	require.NoError(t, os.Mkdir(folder, 0o700))
	segment := folder + "/" + chain.SegmentName{Ordinal: 1, FirstSeq: 1}.String()
	require.NoError(t, os.WriteFile(segment, []byte(strings.Join(lines, "")+"\n"), 0o600))
	r, err := chain.Verify(t.Context(), durable.OS(), folder, chain.VerifyOptions{})
	require.NoError(t, err)
	require.Empty(t, r.Faults)
	require.Equal(t, head, r.Head)
}
