package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
)

// recordVersion is part of the on-disk format, FORMAT.md.
const recordVersion = 1

// Record is a line of the file of checkpoints: a checkpoint, and what it takes to
// go on from there.
type Record struct {
	Checkpoint
	// Head is the last entry of the checkpoint's tree; its seq is the size.
	Head chain.Head
	// Frontier are the roots of the complete subtrees that cover the entries before
	// that, from the left. With Head they make the checkpoint's root, so a
	// signature of the checkpoint is one of Head.
	Frontier []tlog.Hash
	// Offset is where the line begins in its file, in bytes.
	Offset int64
}

// newRecord makes the record of a tree's checkpoint.
func newRecord(c Checkpoint, t *Tree) Record {
	return Record{Checkpoint: c, Head: t.Head(), Frontier: t.Frontier()}
}

// Tree returns the checkpoint's tree.
func (r *Record) Tree() (*Tree, error) { return newTree(r.Head, r.Frontier) }

// recordLine is a record's members in their order.
type recordLine struct {
	V        int          `json:"v"`
	Note     string       `json:"note"`
	Head     chain.Hash   `json:"head"`
	Frontier []chain.Hash `json:"frontier"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const crcSize = len(`,"crc":"01234567"}` + "\n")

// appendLine appends the record as a line, LF included.
func (r *Record) appendLine(dst []byte) []byte {
	line := recordLine{V: recordVersion, Note: string(r.Note), Head: r.Head.Hash, Frontier: make([]chain.Hash, len(r.Frontier))}
	for i, h := range r.Frontier {
		line.Frontier[i] = chain.Hash(h)
	}
	return appendChecked(dst, line)
}

// appendChecked appends a JSON object with a last member that is its checksum.
func appendChecked(dst []byte, line any) []byte {
	start := len(dst)
	buf := bytes.NewBuffer(dst)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		panic(err) // strings and numbers
	}
	dst = bytes.TrimSuffix(buf.Bytes(), []byte("}\n"))
	sum := crc32.Checksum(dst[start:], castagnoli)
	dst = append(dst, `,"crc":"`...)
	dst = hex.AppendEncode(dst, binary.BigEndian.AppendUint32(nil, sum))
	return append(dst, "\"}\n"...)
}

// Refusal is a line of the file of checkpoints that says why nothing is signed for
// the log any more: it is shorter than a checkpoint of it, or another.
type Refusal struct {
	V       int    `json:"v"`
	Refused string `json:"refused"`
	Offset  int64  `json:"-"` // of the line, in bytes
}

// parseRefusal parses a line, LF included.
func parseRefusal(text []byte) (r Refusal, ok bool) {
	err := json.Unmarshal(text, &r)
	return r, err == nil && r.Refused != "" && bytes.Equal(appendChecked(nil, r), text)
}

// ParseRecord parses a line, LF included. It takes exactly what a writer makes and
// checks that head and frontier make the checkpoint's root; signatures are not
// checked.
func ParseRecord(text []byte) (Record, error) {
	if len(text) < crcSize || text[len(text)-1] != '\n' {
		return Record{}, errors.New("the line is not whole")
	}
	var line recordLine
	if err := json.Unmarshal(text, &line); err != nil {
		return Record{}, fmt.Errorf("the line is no JSON object of a record: %w", err)
	}
	if line.V != recordVersion {
		return Record{}, fmt.Errorf("the record's version is %d, not %d", line.V, recordVersion)
	}
	c, err := Parse([]byte(line.Note))
	if err != nil {
		return Record{}, err
	}
	r := Record{Checkpoint: c, Head: chain.Head{Seq: c.Size, Hash: line.Head}, Frontier: make([]tlog.Hash, len(line.Frontier))}
	for i, h := range line.Frontier {
		r.Frontier[i] = tlog.Hash(h)
	}
	if !bytes.Equal(r.appendLine(nil), text) {
		return Record{}, errors.New("the line is not in canonical form, or its checksum is wrong")
	}
	t, err := r.Tree()
	if err != nil {
		return Record{}, err
	}
	if t.Root() != c.Root {
		return Record{}, errors.New("head and frontier don't make the checkpoint's root")
	}
	return r, nil
}
