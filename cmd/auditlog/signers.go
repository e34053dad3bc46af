package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"filippo.io/torchwood"
	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// signerFlags are who must have signed the checkpoint of a proof.
type signerFlags struct {
	key, policy string
}

func (f *signerFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.key, "key", "", "verifier key of the log, or a file that holds it")
	c.Flags().StringVar(&f.policy, "policy", "", "file of a tlog-policy: the log's key, witnesses, and the quorum that must have cosigned")
}

// load returns the policy that the flags name, nil if they name none.
func (f *signerFlags) load() (*policy.Policy, error) {
	switch {
	case f.key != "" && f.policy != "":
		return nil, errors.New("--key and --policy both say who is trusted: leave one of them out")
	case f.policy != "":
		text, err := os.ReadFile(f.policy)
		if err != nil {
			return nil, &exitError{exitUnreadable, fmt.Errorf("couldn't read policy: %w", err)}
		}
		p, err := policy.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("--policy: %s: %w", f.policy, err)
		}
		if len(p.Logs) == 0 {
			return nil, fmt.Errorf("--policy: %s names no log", f.policy)
		}
		return p, nil
	case f.key != "":
		p, err := policy.Single(keyText(f.key))
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		return p, nil
	}
	return nil, nil
}

// keyText is a verifier key as it was given, or as it stands in the file that was.
func keyText(arg string) string {
	text, err := os.ReadFile(arg)
	if err != nil {
		return arg
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return arg
}

// pickCheckpoint returns the checkpoint of the log in folder that a proof should be made by:
// of those with at least so many entries that the policy trusts, if there is one,
// the newest; without a policy the newest of those with the most signatures.
func pickCheckpoint(folder, kept string, p *policy.Policy, size uint64) (checkpoint.Checkpoint, error) {
	var all []checkpoint.Checkpoint
	if kept != "" {
		text, err := os.ReadFile(kept)
		if err != nil {
			return checkpoint.Checkpoint{}, &exitError{exitUnreadable, fmt.Errorf("couldn't read checkpoint: %w", err)}
		}
		c, err := checkpoint.Parse(text)
		if err != nil {
			return checkpoint.Checkpoint{}, fmt.Errorf("--checkpoint: %s: %w", kept, err)
		}
		all = append(all, c)
	} else {
		file, err := checkpoint.ReadFile(durable.OS(), folder)
		if err != nil {
			return checkpoint.Checkpoint{}, &exitError{exitUnreadable, err}
		}
		for _, r := range file.Records {
			all = append(all, r.Checkpoint)
		}
	}
	var best *checkpoint.Checkpoint
	for i, c := range all {
		if c.Size < size || p != nil && !trusts(p, c) {
			continue
		}
		if best == nil || p != nil && c.Size >= best.Size || p == nil && len(c.Sigs) >= len(best.Sigs) {
			best = &all[i]
		}
	}
	if best == nil {
		return checkpoint.Checkpoint{}, &exitError{exitUnanchored, errors.New(none(len(all), p, size))}
	}
	return *best, nil
}

func trusts(p *policy.Policy, c checkpoint.Checkpoint) bool {
	_, _, err := p.Verify(c.Note)
	return err == nil
}

func none(n int, p *policy.Policy, size uint64) string {
	what := "checkpoint"
	if p != nil {
		what = "checkpoint that the key or policy trusts"
	}
	if size > 0 && n > 0 {
		return fmt.Sprintf("no %s covers entry %d", what, size)
	}
	return "the log has no " + what
}

// signed tells who vouches for a checkpoint that the policy has verified, and by
// whose clock when.
func signed(p *printer, trust *policy.Policy, c torchwood.Checkpoint, n *note.Note, text []byte) {
	p.printf("checkpoint of %s: size %d, root %s", oneLine(c.Origin), c.N, c.Hash)
	for _, l := range trust.Logs {
		key, err := checkpoint.ParsePublicKey(l.VKey)
		if err != nil {
			continue
		}
		v, err := key.For(c.Origin)
		if err != nil {
			continue
		}
		if _, at, err := v.Open(text); err == nil && !at.IsZero() {
			p.printf("  signed by the log at %s by its own clock", at.Format(time.RFC3339))
		} else if err == nil {
			p.printf("  signed by the log")
		}
	}
	for _, w := range trust.Witnesses {
		for _, s := range n.Sigs {
			if s.Name != w.Verifier.Name() || s.Hash != w.Verifier.KeyHash() {
				continue
			}
			if at, err := torchwood.CosignatureTimestamp(s); err == nil {
				p.printf("  cosigned by %s at %s by its clock", oneLine(s.Name), time.Unix(at, 0).UTC().Format(time.RFC3339))
			}
		}
	}
}
