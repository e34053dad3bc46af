package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// follower gives the entries of a log as it grows and, when another log succeeds
// it, those of that one.
type follower struct {
	reader  *chain.Reader
	folder  string // of the log that is read
	options chain.ReadOptions
	every   time.Duration
	// successor is told of the folder that it goes on with, before any of its
	// entries; an error ends it.
	successor func(folder string) error
	idle      func() error // is called when there is nothing more for now

	seq   uint64 // of the entry given last
	ended bool   // another log succeeds this one: what it has is final
}

func (f *follower) Close() error { return f.reader.Close() }

// entries ends when ctx does, or after an error.
func (f *follower) entries(ctx context.Context) iter.Seq2[chain.Line, error] {
	return func(yield func(chain.Line, error) bool) {
		tick := time.NewTicker(f.every)
		defer tick.Stop()
		for ctx.Err() == nil {
			l, err := f.reader.Next()
			if err == nil {
				f.seq = l.Seq
				if !yield(l, nil) {
					return
				}
				continue
			}
			if err = f.end(ctx, tick.C, err); err != nil {
				yield(chain.Line{}, err)
				return
			}
		}
	}
}

// end is what to do when err is why there is no next entry: to wait and look
// again, or to go on with another log. A log that is broken here has ended, too, if
// another succeeds it.
func (f *follower) end(ctx context.Context, tick <-chan time.Time, err error) error {
	var broken *chain.TamperError
	if !errors.Is(err, io.EOF) && !errors.As(err, &broken) {
		return err
	}
	if f.idle != nil {
		if err := f.idle(); err != nil {
			return err
		}
	}
	next, lookErr := chain.FindSuccessor(durable.OS(), f.folder)
	switch {
	case broken != nil && next == "":
		return err
	case lookErr != nil:
		return lookErr
	case next != "" && (f.ended || broken != nil):
		return f.open(next, 1)
	case next != "":
		// The lock is that of the other log's writer, so nothing of this one is
		// under way any more.
		f.ended = true
		f.options.Lock = chain.LockFree
		return f.reopen(f.folder, f.seq+1)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-tick:
		return f.reader.Refresh()
	}
}

// open goes on with another log.
func (f *follower) open(folder string, from uint64) error {
	if err := f.successor(folder); err != nil {
		return err
	}
	f.folder, f.ended, f.seq = folder, false, 0
	f.options.Lock = chain.LockLook
	return f.reopen(folder, from)
}

func (f *follower) reopen(folder string, from uint64) error {
	if err := f.reader.Close(); err != nil {
		return err
	}
	f.options.From = from
	r, err := chain.OpenReader(durable.OS(), folder, f.options)
	if err == nil {
		f.reader = r
	}
	return err
}

// tellSuccessor says that another log is read from here on.
func tellSuccessor(cmd *cobra.Command, folder string) {
	complain(cmd.ErrOrStderr(), "log %s begins, as the one before was found broken; going on with it (verify tells where that one is broken)", oneLine(filepath.Base(folder)))
}
