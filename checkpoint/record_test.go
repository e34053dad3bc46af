package checkpoint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// records are of trees of sizes 1 to n.
func records(t *testing.T, n int) (rs []checkpoint.Record) {
	tree := new(checkpoint.Tree)
	for i, h := range randomHashes(n) {
		tree.Append(uint64(i)+1, randomHashes(n)[i:i+1])
		rs = append(rs, checkpoint.Sign(key(t), logID(t), tree, 0))
		require.Equal(t, h, rs[i].Head.Hash)
	}
	return rs
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range records(t, 40) {
		got, err := checkpoint.ParseRecord(r.Line())
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
}

// A byte changed anywhere makes a line no record.
func TestRecordFlippedByte(t *testing.T) {
	r := records(t, 7)[6]
	line := r.Line()
	for i := range line {
		bad := bytes.Clone(line)
		bad[i] ^= 1
		_, err := checkpoint.ParseRecord(bad)
		require.Error(t, err, "byte %d: %s", i, bad)
	}
	for i := range line {
		_, err := checkpoint.ParseRecord(line[:i])
		require.Error(t, err)
	}
}

// Another head or frontier under a whole checksum does not make the root.
func TestRecordOfAnotherTree(t *testing.T) {
	rs := records(t, 7)
	for name, change := range map[string]func(*checkpoint.Record){
		"head":           func(r *checkpoint.Record) { r.Head.Hash[0] ^= 1 },
		"frontier":       func(r *checkpoint.Record) { r.Frontier[1][0] ^= 1 },
		"frontier's end": func(r *checkpoint.Record) { r.Frontier = r.Frontier[:1] },
		"another note":   func(r *checkpoint.Record) { r.Note = rs[5].Note },
	} {
		r := records(t, 7)[6]
		change(&r)
		_, err := checkpoint.ParseRecord(r.Line())
		require.Error(t, err, name)
	}
}

// What is no record is told of and does not hide the others.
func TestReadFile(t *testing.T) {
	rs := records(t, 5)
	dir := t.TempDir()
	f, err := checkpoint.ReadFile(durable.OS(), dir)
	require.NoError(t, err)
	require.Empty(t, f)

	torn := rs[1].Line()[:100]
	text := string(rs[0].Line()) + string(torn) + "\n" + string(rs[2].Line()) + strings.Repeat("x", 3<<20) + "\n" +
		string(rs[3].Line()) + string(make([]byte, 5000)) + "\n" + string(rs[4].Line()) + string(torn)
	require.NoError(t, os.WriteFile(filepath.Join(dir, checkpoint.FileName), []byte(text), 0o600))
	f, err = checkpoint.ReadFile(durable.OS(), dir)
	require.NoError(t, err)
	want := []checkpoint.Record{rs[0], rs[2], rs[3], rs[4]}
	for i := range want {
		want[i].Offset = int64(strings.Index(text, string(want[i].Line())))
	}
	require.Equal(t, want, f.Records)
	require.Equal(t, int64(len(rs[0].Line())), f.Damaged[0].Offset)
	var damaged int64
	for _, d := range f.Damaged {
		damaged += d.Length
	}
	require.Equal(t, int64(2*len(torn)+5000+3<<20+3), damaged)

	var back []checkpoint.Record
	for r, err := range checkpoint.Backwards(strings.NewReader(text), int64(len(text))) {
		require.NoError(t, err)
		back = append([]checkpoint.Record{r}, back...)
	}
	require.Equal(t, want, back)
}

// More records than one block holds.
func TestBackwardsOverBlocks(t *testing.T) {
	var text []byte
	rs := records(t, 150)
	for i := range rs {
		rs[i].Offset = int64(len(text))
		text = append(text, rs[i].Line()...)
	}
	require.Greater(t, len(text), 64<<10)
	i := len(rs)
	for r, err := range checkpoint.Backwards(bytes.NewReader(text), int64(len(text))) {
		require.NoError(t, err)
		i--
		require.Equal(t, rs[i], r)
	}
	require.Zero(t, i)
}
