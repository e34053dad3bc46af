package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/internal/durable"
	"github.com/otelaudit/auditexporter/withhold"
)

func newRevealCommand() *cobra.Command {
	var rec accessFlags
	var store keyStoreFlags
	c := &cobra.Command{
		Use:   "reveal --key-store FOLDER SEQ PATH",
		Short: "Print the withheld values of one entry",
		Long: `reveal prints what an event withholds, a line for each value: where it stands in the event, a colon,
the value. Each was held against what the event commits to. A value whose key was destroyed is gone.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || seq == 0 {
				return fmt.Errorf("SEQ is %q, want a number from 1 on", args[0])
			}
			folder, err := findLog(args[1])
			if err != nil {
				return err
			}
			keys, err := store.open()
			if err != nil {
				return err
			}
			defer keys.Close()
			values, err := reveal(keys, folder, seq)
			if err := rec.record(cmd, access{folder: folder, action: "READ", first: seq, last: seq, asked: "withheld values", err: err}); err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout())
			for _, v := range values {
				value, err := v.Decode()
				if err != nil {
					return &exitError{exitBroken, err}
				}
				p.printf("%s: %s", oneLine(v.Pointer), value.AsString())
			}
			return nil
		},
	}
	rec.add(c)
	store.add(c)
	return c
}

// reveal opens what an entry withholds.
func reveal(keys *withhold.Keys, folder string, seq uint64) ([]event.Opening, error) {
	r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{From: seq})
	if err != nil {
		return nil, readError(err)
	}
	defer r.Close()
	l, err := r.Next()
	if errors.Is(err, io.EOF) || err == nil && l.Seq != seq {
		return nil, &exitError{exitUnreadable, fmt.Errorf("no entry %d is to be shown", seq)}
	}
	if err != nil {
		return nil, readError(err)
	}
	if err := l.Check(chain.Head{Seq: l.Seq - 1, Hash: l.Prev}); err != nil {
		return nil, &exitError{exitBroken, fmt.Errorf("entry %d is broken: %w", seq, err)}
	}
	if l.Kind != chain.Event {
		return nil, nil
	}
	e, err := event.Parse(l.Body)
	if err != nil {
		return nil, &exitError{exitBroken, unreadableEvent(seq, err)}
	}
	if e.Withheld == nil {
		return nil, nil
	}
	frames, err := newFrameReader(folder)
	if err != nil {
		return nil, readError(err)
	}
	defer frames.close()
	frame, ok, err := frames.find(e.Withheld.ID)
	if err != nil {
		return nil, readError(err)
	}
	key, err := keys.Key(e.Withheld.Key)
	switch {
	case err != nil:
		return nil, readError(err)
	case key == nil:
		return nil, &exitError{exitUnreadable, fmt.Errorf("key %s is not in the key store: it was destroyed, or is another store's; auditlog verify tells", withhold.ID(e.Withheld.Key))}
	case !ok || frame.Key != e.Withheld.Key:
		return nil, &exitError{exitUnreadable, fmt.Errorf("what opens the withheld values of entry %d is not there; auditlog verify tells whether that is explained", seq)}
	}
	values, reason := openEvent(key, frame, e.Withheld)
	if reason != "" {
		return nil, &exitError{exitBroken, fmt.Errorf("entry %d: %s", seq, reason)}
	}
	return values, nil
}

func unreadableEvent(seq uint64, err error) error {
	return fmt.Errorf("couldn't read event %d: %w", seq, err)
}
