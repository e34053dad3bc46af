package proof

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
)

// Format returns a C2SP tlog-proof of an entry, whose line stands in it.
// checkpoint is the signed note.
func Format(line []byte, seq uint64, p tlog.RecordProof, checkpoint []byte) []byte {
	return torchwood.FormatProofWithExtraData(int64(seq)-1, line, p, checkpoint)
}

// Proven is an entry that a proof shows, and the checkpoint that it is in.
type Proven struct {
	Entry      chain.Entry
	Line       []byte
	Checkpoint torchwood.Checkpoint
	Note       []byte
}

// Check checks a file that [Format] made: that the entry's hash is that of its
// body, that the proof leads from it to the root of the checkpoint, and that the
// policy trusts those who signed it. On an error nothing is told of the entry.
func Check(file []byte, p *policy.Policy) (Proven, error) {
	line, err := torchwood.ProofExtraData(file)
	if err != nil {
		return Proven{}, err
	}
	e, err := chain.ParseLine(line)
	if err != nil {
		return Proven{}, fmt.Errorf("the entry is malformed: %w", err)
	}
	if err := e.Check(chain.Head{Seq: e.Seq - 1, Hash: e.Prev}); err != nil {
		return Proven{}, fmt.Errorf("the entry's hash does not hold: %w", err)
	}
	note, index, err := split(file)
	if err != nil {
		return Proven{}, err
	}
	if index != e.Seq-1 {
		return Proven{}, fmt.Errorf("the proof is of index %d, which is not that of entry %d", index, e.Seq)
	}
	c, _, err := p.Verify(note)
	if err != nil {
		return Proven{}, fmt.Errorf("the checkpoint does not hold: %w", err)
	}
	trusted, err := p.For(c.Origin)
	if err != nil {
		return Proven{}, err
	}
	if err := torchwood.VerifyProof(trusted, LeafHash(e.Seq, e.Hash), file); err != nil {
		return Proven{}, err
	}
	return Proven{Entry: e, Line: line, Checkpoint: c, Note: note}, nil
}

var errForm = errors.New("malformed tlog proof")

// split finds the index and the checkpoint in a file.
func split(file []byte) (note []byte, index uint64, err error) {
	head, note, ok := bytes.Cut(file, []byte("\n\n"))
	if !ok {
		return nil, 0, errForm
	}
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if s, ok := bytes.CutPrefix(line, []byte("index ")); ok {
			index, err := strconv.ParseUint(string(s), 10, 63)
			if err != nil || strconv.FormatUint(index, 10) != string(s) {
				return nil, 0, errForm
			}
			return note, index, nil
		}
	}
	return nil, 0, errForm
}
