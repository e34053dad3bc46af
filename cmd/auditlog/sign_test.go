package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"filippo.io/torchwood"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Keys of the scripts.
const (
	scriptName = "example.com/audit"
	scriptKey  = "PRIVATE+KEY+example.com/audit+29b87bfc+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
)

// sign [-witness] SIZE FILE signs the log of mklog up to an entry: the checkpoint
// goes to FILE and to the log's own file. $KEY is then the log's verifier key,
// $ORIGINKEY that under
// the origin, $OTHERKEY another's of the name, $WITNESS the witness's.
func cmdSign(ts *testscript.TestScript, _ bool, args []string) {
	cosign := args[0] == "-witness"
	if cosign {
		args = args[1:]
	}
	size, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	folder := ts.Getenv("LOG")
	k, err := checkpoint.ParseKey(scriptKey)
	ts.Check(err)
	origin := scriptName + "/" + filepath.Base(folder)
	v, err := k.Public().For(origin)
	ts.Check(err)
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(i)
	}
	private := ed25519.NewKeyFromSeed(seed)
	own, err := torchwood.NewCosignatureSigner(origin, private)
	ts.Check(err)
	w, err := torchwood.NewCosignatureSigner("witness.example", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)))
	ts.Check(err)
	ts.Setenv("KEY", k.Public().VKey())
	ts.Setenv("ORIGINKEY", v.VKey())
	other, err := note.NewEd25519VerifierKey(scriptName, ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))
	ts.Check(err)
	ts.Setenv("OTHERKEY", other)
	ts.Setenv("WITNESS", w.Verifier().String())

	head, frontier, root := treeOf(ts, folder, size)
	signers := []note.Signer{edSigner{v.Note, private}, own}
	if cosign {
		signers = append(signers, w)
	}
	text := torchwood.Checkpoint{Origin: origin, Tree: tlog.Tree{N: size, Hash: root}}.String()
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), signed, 0o600))

	line, err := json.Marshal(struct {
		V        int          `json:"v"`
		Note     string       `json:"note"`
		Head     chain.Hash   `json:"head"`
		Frontier []chain.Hash `json:"frontier"`
	}{1, string(signed), head, frontier})
	ts.Check(err)
	line = bytes.TrimSuffix(line, []byte("}"))
	line = fmt.Appendf(line, ",\"crc\":\"%08x\"}\n", crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := checkpoint.ParseRecord(line); err != nil {
		ts.Fatalf("the line is no record: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(folder, checkpoint.FileName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.Write(line)
	ts.Check(errors.Join(err, f.Close()))
}

// treeOf computes, by tlog, what a checkpoint of the first size entries holds.
func treeOf(ts *testscript.TestScript, folder string, size int64) (head chain.Hash, frontier []chain.Hash, root tlog.Hash) {
	r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{})
	ts.Check(err)
	defer r.Close()
	var hashes []tlog.Hash
	stored := tlog.HashReaderFunc(func(is []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(is))
		for i, x := range is {
			out[i] = hashes[x]
		}
		return out, nil
	})
	for n := range size {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			ts.Fatalf("the log has %d entries", n)
		}
		ts.Check(err)
		more, err := tlog.StoredHashesForRecordHash(n, checkpoint.LeafHash(l.Seq, l.Hash), stored)
		ts.Check(err)
		hashes, head = append(hashes, more...), l.Hash
	}
	for _, x := range torchwood.RightEdge(size - 1) {
		frontier = append(frontier, chain.Hash(hashes[x]))
	}
	if frontier == nil {
		frontier = []chain.Hash{}
	}
	root, err = tlog.TreeHash(size, stored)
	ts.Check(err)
	return head, frontier, root
}

type edSigner struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s edSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }
