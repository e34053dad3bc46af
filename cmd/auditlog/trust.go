package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/judge"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
)

// trustFlags are whom an auditor trusts, and what he has kept from before.
type trustFlags struct {
	keys      []string // vkeys or files of them
	policy    string
	kept      []string
	since     string
	logID     string
	chainOnly bool
}

func (f *trustFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.keys, "key", nil, "verifier key of the log, or a file of such; may be repeated")
	flags.StringVar(&f.policy, "policy", "", "file of a tlog-policy: the log's keys, witnesses, and the quorum that must have cosigned")
	flags.StringArrayVar(&f.kept, "checkpoint", nil, "file of a checkpoint that was kept off the machine; may be repeated")
	flags.StringVar(&f.since, "since", "", "file of a checkpoint that an earlier verification relied on: as --checkpoint, and what was added since is told")
	flags.StringVar(&f.logID, "log-id", "", "the log that must be there, 32 hex digits")
	flags.BoolVar(&f.chainOnly, "chain-only", false, "don't ask whether the log is anchored: truncation is then not excluded")
}

// trusted is what the flags name. Without keys nothing is asked of checkpoints.
type trusted struct {
	judge.Trust
	kept  []judge.Statement
	since *judge.Statement
	id    chain.LogID
	hasID bool
}

func (t *trusted) asked() bool { return len(t.Keys) > 0 }

// load reads what the flags name. What they can't mean is an error of usage,
// what can't be read has its exit code.
func (f *trustFlags) load() (*trusted, error) {
	t := new(trusted)
	if f.logID != "" {
		if t.id, t.hasID = chain.ParseLogID(f.logID); !t.hasID {
			return nil, fmt.Errorf("--log-id: %q is no log id, which is 32 lower-case hex digits", f.logID)
		}
	}
	for _, k := range f.keys {
		if err := t.addKey(k); err != nil {
			return nil, err
		}
	}
	if err := t.addPolicy(f.policy); err != nil {
		return nil, err
	}
	kept := f.kept
	if f.since != "" {
		kept = append(kept[:len(kept):len(kept)], f.since)
	}
	switch {
	case len(kept) > 0 && !t.asked():
		return nil, errors.New("a checkpoint is worth nothing without the key that must have signed it: add --key or --policy")
	case f.chainOnly && t.asked():
		return nil, errors.New("--chain-only asks for no checkpoint, --key and --policy do: leave one of them out")
	}
	for _, file := range kept {
		s, err := t.open(file)
		if err != nil {
			return nil, err
		}
		t.kept = append(t.kept, s)
		if f.since != "" {
			t.since = &t.kept[len(t.kept)-1]
		}
	}
	return t, nil
}

// addKey adds a vkey, or all that a file holds, one on a line.
func (t *trusted) addKey(arg string) error {
	if key, err := checkpoint.ParsePublicKey(arg); err == nil {
		t.Keys = append(t.Keys, key)
		return nil
	}
	text, err := os.ReadFile(arg)
	if err != nil {
		return fmt.Errorf("--key: %q is neither a verifier key nor a file that can be read", arg)
	}
	found := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "PRIVATE+KEY+") {
			return fmt.Errorf("--key: %s holds a private key, which no auditor should have: ask for the verifier key", arg)
		}
		key, err := checkpoint.ParsePublicKey(line)
		if err != nil {
			return fmt.Errorf("--key: %s: %w", arg, err)
		}
		t.Keys, found = append(t.Keys, key), true
	}
	if !found {
		return fmt.Errorf("--key: %s holds no key", arg)
	}
	return nil
}

func (t *trusted) addPolicy(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't read policy: %w", err)}
	}
	p, err := policy.Parse(text)
	if err != nil {
		return fmt.Errorf("--policy: %s: %w", file, err)
	}
	for _, l := range p.Logs {
		key, err := checkpoint.ParsePublicKey(l.VKey)
		if err != nil {
			return fmt.Errorf("--policy: %s: %w", file, err)
		}
		t.Keys = append(t.Keys, key)
	}
	for _, w := range p.Witnesses {
		t.Witnesses = append(t.Witnesses, w.Verifier)
	}
	t.Quorum = p.Quorum
	if !t.asked() {
		return fmt.Errorf("--policy: %s names no log: add a log line or --key", file)
	}
	return nil
}

// open opens a checkpoint that was kept. One that the keys did not sign does not
// belong to them.
func (t *trusted) open(file string) (judge.Statement, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return judge.Statement{}, &exitError{exitUnreadable, fmt.Errorf("couldn't read checkpoint: %w", err)}
	}
	s, err := t.Open(judge.Place{File: file}, text)
	if err != nil {
		return s, &exitError{exitUnreadable, fmt.Errorf("%s: %w", file, err)}
	}
	if s.By == nil {
		return s, fmt.Errorf("%s: the checkpoint is not signed by the key that was given, but by %s", file, strings.Join(s.Unknown, ", "))
	}
	if t.hasID && s.LogID != t.id {
		return s, fmt.Errorf("%s: the checkpoint is of log %s, not of the one that --log-id names", file, s.LogID)
	}
	return s, nil
}

// keptOf returns the kept checkpoints of a log.
func (t *trusted) keptOf(id chain.LogID) (of []judge.Statement) {
	for _, s := range t.kept {
		if s.LogID == id {
			of = append(of, s)
		}
	}
	return of
}

// absent says which logs should be among those that were verified and are not.
func (t *trusted) absent(logs []chain.LogReport) (faults []chain.Fault) {
	here := map[chain.LogID]bool{}
	for _, l := range logs {
		here[l.LogID] = true
	}
	if t.hasID && !here[t.id] {
		faults = append(faults, chain.Fault{Reason: fmt.Sprintf("log %s is not here", t.id)})
		here[t.id] = true
	}
	for _, s := range t.kept {
		if !here[s.LogID] {
			here[s.LogID] = true
			faults = append(faults, chain.Fault{Reason: fmt.Sprintf("log %s, of which %s covers %d entries, is not here", s.LogID, s.Place.File, s.Size)})
		}
	}
	return faults
}
