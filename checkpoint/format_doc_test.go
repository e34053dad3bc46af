package checkpoint_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// fenced returns the lines of the example's block of a language.
func fenced(t *testing.T, file, language string) []string {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	_, doc, ok := strings.Cut(string(data), "\n## Example\n")
	require.True(t, ok, "%s has no example", file)
	_, rest, ok := strings.Cut(doc, "\n```"+language+"\n")
	require.True(t, ok, "the example has no %s", language)
	text, _, ok := strings.Cut(rest, "\n```")
	require.True(t, ok)
	return strings.Split(text, "\n")
}

// The example of FORMAT.md is of the log in chain/FORMAT.md, and all that it
// states is true.
func TestFormatExample(t *testing.T) {
	keys := fenced(t, "FORMAT.md", "text")
	require.Equal(t, exampleKey, keys[0])
	public, err := checkpoint.ParsePublicKey(keys[1])
	require.NoError(t, err)
	require.Equal(t, key(t).Public(), public)
	v, err := public.For(checkpoint.Origin(public.Name(), logID(t)))
	require.NoError(t, err)

	record, err := checkpoint.ParseRecord([]byte(fenced(t, "FORMAT.md", "jsonl")[0] + "\n"))
	require.NoError(t, err)
	c, at, err := v.Open(record.Note)
	require.NoError(t, err)
	require.False(t, at.IsZero())

	tree := new(checkpoint.Tree)
	leaves := fenced(t, "FORMAT.md", "leaves")
	entries := fenced(t, "../chain/FORMAT.md", "jsonl")
	require.Len(t, entries, len(leaves))
	for i, text := range entries {
		e, err := chain.ParseLine([]byte(text))
		require.NoError(t, err)
		require.Equal(t, leaves[i], chain.Hash(checkpoint.LeafHash(e.Seq, e.Hash)).String())
		tree.Append(e.Seq, []chain.Hash{e.Hash})
	}
	require.Equal(t, tree.Head(), record.Head)
	require.Equal(t, tree.Frontier(), record.Frontier)
	require.Equal(t, tree.Root(), c.Root)
	left := tlog.NodeHash(tlog.Hash(hash(t, leaves[0])), tlog.Hash(hash(t, leaves[1])))
	require.Equal(t, tlog.NodeHash(left, tlog.Hash(hash(t, leaves[2]))), c.Root)
}

func hash(t *testing.T, text string) (h chain.Hash) {
	require.NoError(t, h.UnmarshalText([]byte(text)))
	return h
}
