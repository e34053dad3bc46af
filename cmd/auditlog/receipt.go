package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/gowebpki/jcs"
	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// receipt says that a record stands in a log, synced: docs/idempotency.md.
type receipt struct {
	V        int    `json:"v"`
	RecordID string `json:"record_id"`
	// RecordSHA256 is the record's digest as received (event/FORMAT.md); nil if the
	// event has none and does not hold the record whole. Redacted says that values
	// are left out of it.
	RecordSHA256 *chain.Hash `json:"record_sha256,omitempty"`
	Redacted     bool        `json:"redacted,omitempty"`
	BodyHash     chain.Hash  `json:"body_hash"`      // SHA-256 of the event as it stands
	Integrity    chain.Hash  `json:"integrity_hash"` // SHA-256 of the event's JCS form
	// Timestamp is when the sink took the record, in nanoseconds since 1970, by its own clock.
	Timestamp string      `json:"sink_timestamp"`
	LogID     chain.LogID `json:"log_id"`
	Seq       uint64      `json:"seq"`
	Hash      chain.Hash  `json:"hash"` // of the entry, and so of all before it
}

const receiptVersion = 1

func newReceiptCommand() *cobra.Command {
	var check string
	var rec accessFlags
	c := &cobra.Command{
		Use:   "receipt RECORD_ID PATH | receipt --check FILE PATH",
		Short: "Print the receipt of a record, or check one against the log",
		Long: `receipt prints, as JSON, that the record with this id stands in the log, where, and with
what hashes. Only synced entries have receipts. Of several records with the id it is the newest that
is no conflict.

With --check it compares the receipt in FILE (-: standard input) with the log: 0 if the log holds that
entry, 1 if not. It looks at that entry alone; auditlog verify judges the log.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return cobra.ExactArgs(1)(cmd, args)
			}
			if err := cobra.ExactArgs(2)(cmd, args); err != nil {
				return err
			}
			if args[0] == "" {
				return errors.New("RECORD_ID is empty")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := findLog(args[len(args)-1])
			if err != nil {
				return err
			}
			if check != "" {
				return checkReceipt(cmd, &rec, folder, check)
			}
			return printReceipt(cmd, &rec, folder, args[0])
		},
	}
	c.Flags().StringVar(&check, "check", "", "file of a receipt that is checked; -: standard input")
	rec.add(c)
	return c
}

func printReceipt(cmd *cobra.Command, rec *accessFlags, folder, id string) error {
	s := search{folder: folder, id: id, hash: event.HashID(id), missing: tellMissing(cmd)}
	l, err := s.run(cmd.Context())
	var r receipt
	if err == nil {
		r, err = receiptOf(folder, id, l)
	}
	if err := rec.record(cmd, access{folder: folder, action: "READ", first: l.Seq, last: l.Seq, asked: id, err: readError(err)}); err != nil {
		return err
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// receiptOf makes the receipt of an entry after checking its hashes.
func receiptOf(folder, id string, l chain.Line) (receipt, error) {
	if err := l.Check(chain.Head{Seq: l.Seq - 1, Hash: l.Prev}); err != nil {
		return receipt{}, &exitError{exitBroken, fmt.Errorf("entry %d is broken: %w", l.Seq, err)}
	}
	logID, err := logOf(folder)
	if err != nil {
		return receipt{}, err
	}
	e, err := event.Parse(l.Body)
	if err != nil {
		return receipt{}, fmt.Errorf("couldn't read event %d: %w", l.Seq, err)
	}
	canonical, err := jcs.Transform(l.Body)
	if err != nil {
		return receipt{}, fmt.Errorf("couldn't bring event %d into its JCS form: %w", l.Seq, err)
	}
	r := receipt{
		V: receiptVersion, RecordID: id, LogID: logID, Seq: l.Seq, Hash: l.Hash,
		BodyHash: sha256.Sum256(l.Body), Integrity: sha256.Sum256(canonical),
		Timestamp: strconv.FormatInt(e.RecordedTime.UnixNano(), 10), Redacted: len(e.Redacted) > 0 || e.Withheld != nil,
	}
	if e.RecordedTime.IsZero() {
		r.Timestamp = "0"
	}
	r.RecordSHA256, err = recordDigest(l.Body, e)
	return r, err
}

// recordDigest is the digest that the event states, or that of the record if the event holds it whole.
func recordDigest(body []byte, e event.Event) (*chain.Hash, error) {
	if p, _, ok := event.ReadPrint(body); ok {
		return (*chain.Hash)(&p.SHA256), nil
	}
	if len(e.Redacted)+len(e.Truncated) > 0 || e.Withheld != nil {
		return nil, nil
	}
	logs, err := event.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("couldn't decode event: %w", err)
	}
	encoder, err := event.NewEncoder(event.Options{})
	if err != nil {
		return nil, err
	}
	rl := logs.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	_, whole := encoder.Digests(new(event.Source), rl, sl, sl.LogRecords().At(0))
	return (*chain.Hash)(&whole), nil
}

func checkReceipt(cmd *cobra.Command, rec *accessFlags, folder, file string) error {
	want, err := readReceipt(cmd, file)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s is no receipt: %w", file, err)}
	}
	differs, err := compareReceipt(cmd, folder, want)
	if err := rec.record(cmd, access{folder: folder, action: "READ", first: want.Seq, last: want.Seq, asked: want.RecordID, err: readError(err)}); err != nil {
		return err
	}
	p := newPrinter(cmd.OutOrStdout())
	if differs != "" {
		p.printf("broken: %s", differs)
		return &exitError{exitBroken, nil}
	}
	p.printf("intact: entry %d of log %s is the one of the receipt", want.Seq, want.LogID)
	return nil
}

// readReceipt accepts exactly what printReceipt prints, whatever its spaces.
func readReceipt(cmd *cobra.Command, file string) (r receipt, err error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return r, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("something follows it")
	}
	switch {
	case r.V != receiptVersion:
		return r, fmt.Errorf("its version is %d; this program reads %d", r.V, receiptVersion)
	case r.RecordID == "" || r.Seq == 0:
		return r, errors.New("record_id or seq is missing")
	}
	return r, nil
}

// compareReceipt says how the log differs from a receipt, "" if it does not.
func compareReceipt(cmd *cobra.Command, folder string, want receipt) (differs string, err error) {
	id, err := logOf(folder)
	if err != nil {
		return "", err
	}
	if id != want.LogID {
		return fmt.Sprintf("the receipt is of log %s, and this is log %s", want.LogID, id), nil
	}
	s := search{folder: folder, id: want.RecordID, hash: event.HashID(want.RecordID), missing: tellMissing(cmd)}
	l, err := s.at(want.Seq)
	if errors.Is(err, io.EOF) {
		return fmt.Sprintf("the log ends before entry %d", want.Seq), nil
	}
	if err != nil {
		return "", err
	}
	if l.Seq != want.Seq {
		return fmt.Sprintf("entry %d is missing", want.Seq), nil
	}
	if l.Kind != chain.Event || !s.matches(l) {
		return fmt.Sprintf("entry %d is not of a record with the receipt's id", want.Seq), nil
	}
	got, err := receiptOf(folder, want.RecordID, l)
	if err != nil {
		return "", err
	}
	for _, c := range []struct {
		name string
		same bool
	}{
		{"hash", got.Hash == want.Hash},
		{"body_hash", got.BodyHash == want.BodyHash},
		{"integrity_hash", got.Integrity == want.Integrity},
		{"record_sha256", (got.RecordSHA256 == nil) == (want.RecordSHA256 == nil) && (got.RecordSHA256 == nil || *got.RecordSHA256 == *want.RecordSHA256)},
		{"redacted", got.Redacted == want.Redacted},
		{"sink_timestamp", got.Timestamp == want.Timestamp},
	} {
		if !c.same {
			return fmt.Sprintf("%s of entry %d is not the receipt's", c.name, want.Seq), nil
		}
	}
	return "", nil
}

// at gives the entry with a sequence number, or the next that is there; io.EOF if there is none.
func (s *search) at(seq uint64) (chain.Line, error) {
	r, err := chain.OpenReader(durable.OS(), s.folder, chain.ReadOptions{From: seq, Missing: s.missing})
	if err != nil {
		return chain.Line{}, err
	}
	defer r.Close()
	l, err := r.Next()
	l.Body = bytes.Clone(l.Body)
	return l, err
}
