package exporter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// Checkpoint is how checkpoints are signed. One of KeyFile and Key is set.
type Checkpoint struct {
	Origin              string // without the log's id
	KeyFile             string // read at start
	Key                 configopaque.String
	Interval, Heartbeat time.Duration
	Copies              []string // folders
	Witnesses           Witnesses
	Epochs              *Epochs // nil: the keys are not forward secure
}

// Epochs make the keys of checkpoints forward secure.
type Epochs struct {
	Interval  time.Duration
	Directory string // of their keys; "": that of KeyFile
}

// CheckCheckpoint names what is wrong by its YAML key. It reads no file; nil is right.
func CheckCheckpoint(c *Checkpoint) error {
	if c == nil {
		return nil
	}
	var errs []error
	if err := checkpoint.CheckName(c.Origin); err != nil {
		errs = append(errs, fmt.Errorf("checkpoint.origin: %w, such as example.com/audit", err))
	}
	if _, err := c.Witnesses.policy(); err != nil {
		errs = append(errs, err)
	}
	switch {
	case (c.KeyFile == "") == (c.Key == ""):
		errs = append(errs, errors.New("checkpoint.key_file: one of key_file and key must be set; auditlog keygen makes a key"))
	case c.Key != "":
		if _, err := c.key(); err != nil && len(errs) == 0 {
			errs = append(errs, err)
		}
	}
	if c.Epochs != nil && c.epochDirectory() == "" {
		errs = append(errs, errors.New("checkpoint.epoch_directory: must be set, as there is no key_file"))
	}
	return errors.Join(errs...)
}

// epochDirectory is where the keys of epochs are kept; "" if there are none.
func (c *Checkpoint) epochDirectory() string {
	switch {
	case c.Epochs.Directory != "":
		return c.Epochs.Directory
	case c.KeyFile != "":
		return filepath.Dir(c.KeyFile)
	}
	return ""
}

// key returns the key, of which no error holds anything.
func (c *Checkpoint) key() (k *checkpoint.Key, err error) {
	name := "checkpoint.key"
	if c.Key != "" {
		k, err = checkpoint.ParseKey(string(c.Key))
	} else {
		name = "checkpoint.key_file"
		k, err = checkpoint.ReadKeyFile(c.KeyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if k.Name() != c.Origin {
		return nil, fmt.Errorf("%s: the key was made for %q, and checkpoint.origin is %q", name, k.Name(), c.Origin)
	}
	return k, nil
}

// signCheckpoints switches checkpoints on: each opening of the log has a notary of its own.
func (a *audit) signCheckpoints() error {
	c := a.o.Checkpoint
	if c == nil {
		return nil
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	a.chain.Config.Settings = maps.Clone(a.chain.Config.Settings)
	if a.chain.Config.Settings == nil {
		a.chain.Config.Settings = map[string]string{}
	}
	a.chain.Config.Settings["checkpoint.key"] = key.Public().VKey()
	a.notaryOptions = &checkpoint.Options{
		FS: a.chain.FS, FileMode: a.o.FileMode, Key: key, Interval: c.Interval, Heartbeat: c.Heartbeat, Copies: c.Copies,
		OnState: a.health.signing, Notice: a.health.notice,
	}
	if c.Epochs != nil {
		a.notaryOptions.Epochs = &checkpoint.EpochOptions{
			Folder: c.epochDirectory(), Interval: c.Epochs.Interval,
			Append: func(ctx context.Context, body []byte) (uint64, error) {
				g := a.gate.Load()
				if g.refusal != nil {
					return 0, g.refusal
				}
				return a.entries.append(ctx, g.committer, body)
			},
		}
	}
	return nil
}

// openSigned opens the log with a notary, if checkpoints are on.
func (a *audit) openSigned(ctx context.Context, o chain.Options, open func(context.Context, chain.Options) (auditLog, error)) (auditLog, error) {
	if a.notaryOptions == nil {
		return open(ctx, o)
	}
	no := *a.notaryOptions
	p, err := a.panel(no.Key)
	if err != nil {
		return nil, err
	}
	if p != nil {
		no.Witnesses = p
	}
	n := checkpoint.NewNotary(no)
	o.Anchor = n.Anchor
	o.LetGo = func(closed bool) {
		n.LetGo(closed)
		a.letWitnessesGo(p)
	}
	told := o.Synced
	o.Synced = func(first uint64, hashes []chain.Hash) {
		n.Synced(first, hashes)
		if p != nil {
			p.Append(first, hashes)
		}
		if told != nil {
			told(first, hashes)
		}
	}
	l, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	a.notary.Store(n)
	signed := &notarised{auditLog: l, notary: n}
	if p != nil && a.o.Checkpoint.Witnesses.Require {
		return newWitnessed(signed, n, p, a.o.ShutdownTimeout), nil
	}
	return signed, nil
}

// beginSigning is called when requests are let in.
func (a *audit) beginSigning(l *measured) {
	if l.notary == nil {
		return
	}
	if err := l.notary.Begin(l.Info()); err != nil {
		a.health.signing(checkpoint.State{Err: err, Permanent: true})
	}
}

// notarised is a log that has a checkpoint signed when a segment is sealed. Its notary signs the others by
// itself.
type notarised struct {
	auditLog
	notary *checkpoint.Notary
}

func (n *notarised) Rotate() error {
	err := n.auditLog.Rotate()
	if err == nil {
		n.notary.Sign()
	}
	return err
}

func (n *notarised) Renew(cause error, keep []*chain.Batch) error {
	err := n.auditLog.Renew(cause, keep)
	if err == nil {
		n.notary.Sign()
	}
	return err
}
