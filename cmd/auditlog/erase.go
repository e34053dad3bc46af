package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

// eraseOptions are the flags of erase.
type eraseOptions struct {
	store     keyStoreFlags
	subject   string
	noSubject bool
	reason    string
	copies    []string
	archives  []string
	wait      time.Duration
	dryRun    bool
}

func newEraseCommand() *cobra.Command {
	var o eraseOptions
	c := &cobra.Command{
		Use:   "erase --subject ID --key-store FOLDER [--reason TEXT] [--key-store-copy FOLDER] [--archive PATH] DIRECTORY",
		Short: "Destroy the keys of what a log withholds about a person, and record it",
		Long: `erase destroys the keys that open what the log in DIRECTORY withholds about a subject, wherever copies
of that lie. An entry says so before it happens. A collector that writes the log does both for the command;
without one the command does, as the owner of the directory. What can't be reached is listed: entries that
name the subject in clear, and copies of the key store that can't be written. docs/erasure.md says what else.

Exit codes: 0 done, 2 usage or forbidden by retention.worm, 3 asked for and not done yet, or not everywhere,
4 could not be read or written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.subject == "") != o.noSubject {
				return errors.New("give either --subject or --no-subject")
			}
			return o.run(cmd, args[0])
		},
	}
	o.store.add(c)
	flags := c.Flags()
	flags.StringVar(&o.subject, "subject", "", "whom to erase: the value of the first of retention.withhold.subject that their records have")
	flags.BoolVar(&o.noSubject, "no-subject", false, "erase what is withheld in records that name no subject")
	flags.StringVar(&o.reason, "reason", "", "why; stands in the log, up to 200 ASCII characters, and should not name the subject")
	flags.StringArrayVar(&o.copies, "key-store-copy", nil, "a copy of the key store, where the keys are destroyed, too; may be repeated")
	flags.StringArrayVar(&o.archives, "archive", nil, "a copy of logs that is looked through for the subject in clear; may be repeated")
	flags.DurationVar(&o.wait, "wait", 30*time.Second, "how long to wait for the collector")
	flags.BoolVar(&o.dryRun, "dry-run", false, "erase nothing, and tell what there is")
	return c
}

func (o *eraseOptions) run(cmd *cobra.Command, path string) error {
	directory, isLog, err := resolve(path)
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	if isLog {
		return errors.New("name the exporter's directory, not one log's folder")
	}
	keys, err := o.store.open()
	if err != nil {
		return err
	}
	request := keys.NewRequest(o.subject, "auditlog erase, "+reader().name, o.reason)
	ids, err := keys.Of(request.TagOf())
	worm := keys.Worm()
	if err := errors.Join(err, keys.Close()); err != nil {
		return &exitError{exitUnreadable, err}
	}
	if err := request.Check(); err != nil {
		return err
	}
	p := newPrinter(cmd.OutOrStdout())
	p.printf("%s of the subject in the key store", count(uint64(len(ids)), "key", "keys"))
	switch {
	case worm:
		return withhold.ErrWorm
	case o.dryRun:
	default:
		if err := o.erase(cmd.Context(), p, directory, request); err != nil {
			return err
		}
	}
	return o.reach(p, directory, request, ids)
}

// erase has the log's writer erase, or does it in its place.
func (o *eraseOptions) erase(ctx context.Context, p *printer, directory string, r withhold.Request) error {
	if err := ownedByUs(directory, o.store.folder); err != nil {
		return err
	}
	key, err := o.store.key()
	if err != nil {
		return err
	}
	// Without a collector, too: whatever ends this process, a start finishes what it began.
	if r.Name, err = withhold.PutRequest(durable.OS(), o.store.folder, r); err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't leave a request: %w", err)}
	}
	store, err := withhold.OpenStore(durable.OS(), o.store.folder, key, nil)
	if errors.Is(err, durable.ErrLocked) {
		return o.await(ctx, p, r.Name)
	}
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	a, err := eraseAlone(ctx, directory, store, r)
	if err == nil {
		err = withhold.Reply(durable.OS(), o.store.folder, r, a)
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't erase; request %s stands, and a collector's start carries it out: %w", r.Name, err)}
	}
	return o.await(ctx, p, r.Name)
}

// await waits for the answer to a request.
func (o *eraseOptions) await(ctx context.Context, p *printer, name string) error {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		a, ok, err := withhold.TakeAnswer(durable.OS(), o.store.folder, name)
		if err != nil {
			return &exitError{exitUnreadable, err}
		}
		if ok {
			return tellAnswer(p, a)
		}
		select {
		case <-ctx.Done():
			return &exitError{exitUnanchored, fmt.Errorf("the collector has not answered yet; request %s stands, and it or its next start carries it out", name)}
		case <-tick.C:
		}
	}
}

func tellAnswer(p *printer, a withhold.Answer) error {
	switch {
	case a.Error != "":
		return errors.New(a.Error)
	case a.Seq == 0:
		p.printf("nothing was left to destroy")
	default:
		p.printf("%s destroyed, as entry %d says", count(uint64(len(a.Keys)), "key", "keys"), a.Seq)
	}
	return nil
}

// eraseAlone is what a collector does with a request: the entry first, then the keys. Both
// locks are held meanwhile.
func eraseAlone(ctx context.Context, directory string, store *withhold.Store, r withhold.Request) (a withhold.Answer, err error) {
	ids, err := store.OfTag(r.TagOf())
	if err != nil || len(ids) == 0 {
		return a, err
	}
	if _, err := chain.FindLog(durable.OS(), directory); err != nil {
		return a, err // none is made here
	}
	w, err := chain.Open(ctx, chain.Options{Directory: directory, Software: "auditlog"})
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, w.Abandon()) }()
	entry := chain.Erased{
		SystemEvent: chain.SystemEvent{V: chain.SystemVersion, Type: chain.TypeErased, Time: time.Now().UTC()},
		Keys:        withhold.Names(ids), By: r.By, Reason: r.Reason,
	}
	if err := entry.Subject.UnmarshalText([]byte(r.Subject)); err != nil {
		return a, err
	}
	body, err := json.Marshal(entry)
	if err != nil {
		return a, err
	}
	b := new(chain.Batch)
	b.EndSystem(append(b.Buffer(), body...))
	if err := w.Write([]*chain.Batch{b}); err != nil {
		return a, err
	}
	if err := w.Sync(); err != nil {
		return a, err
	}
	if err := store.Destroy(ids); err != nil {
		return a, err
	}
	return withhold.Answer{Seq: b.First(), Keys: withhold.Names(ids)}, w.Close()
}

// reach destroys the keys in copies of the key store, and lists what erasing leaves.
func (o *eraseOptions) reach(p *printer, directory string, r withhold.Request, ids []withhold.ID) error {
	left := 0
	remains := func(format string, args ...any) {
		left++
		p.printf("NOT REACHED "+format, args...)
	}
	if !o.dryRun {
		for _, folder := range o.copies {
			if err := o.destroyCopy(folder, r, ids); err != nil {
				remains("key store %s: %v", folder, err)
			} else {
				p.printf("destroyed in the copy %s", folder)
			}
		}
	}
	for _, path := range append([]string{directory}, o.archives...) {
		found, err := findClear(path, o.subject)
		if err != nil {
			remains("%s: couldn't be looked through: %v", path, err)
		}
		for _, f := range found {
			remains("%s: %s in clear, the first at offset %d", filepath.ToSlash(f.path), count(uint64(f.lines), "line has the subject", "lines have the subject"), f.offset)
		}
	}
	if left > 0 {
		return &exitError{code: exitUnanchored}
	}
	return nil
}

// destroyCopy destroys the keys in a copy of the key store, and those that only it has.
func (o *eraseOptions) destroyCopy(folder string, r withhold.Request, ids []withhold.ID) (err error) {
	key, err := o.store.key()
	if err != nil {
		return err
	}
	if _, err := durable.OS().Stat(folder); err != nil {
		return err
	}
	store, err := withhold.OpenStore(durable.OS(), folder, key, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	own, err := store.OfTag(r.TagOf())
	if err != nil {
		return err
	}
	return store.Destroy(append(own, ids...))
}
