package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/proof"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func newExportTilesCommand() *cobra.Command {
	var (
		by   signerFlags
		kept string
	)
	c := &cobra.Command{
		Use:   "export-tiles PATH DIR",
		Short: "Write the log's tree as tlog-tiles, for stock tools",
		Long: `export-tiles writes the tree of the log's newest checkpoint into DIR, which must
be new or empty, as C2SP tlog-tiles: checkpoint, tile/<level>/<n>, tile/entries/<n>.
An entry of it is 40 bytes: sequence number, big-endian, and hash. No event is in it.

The checkpoint is written last, and only if the entries give its root.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			trust, err := by.load()
			if err != nil {
				return err
			}
			folder, err := findLog(args[0])
			if err != nil {
				return err
			}
			if names, err := os.ReadDir(args[1]); err == nil && len(names) > 0 {
				return fmt.Errorf("%s is not empty", args[1])
			}
			c, err := pickCheckpoint(folder, kept, trust, 0)
			if err != nil {
				return err
			}
			if err := exportTiles(cmd.Context(), folder, args[1], c); err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout())
			p.printf("%s: the tree of %s, size %d, root %s", oneLine(args[1]), oneLine(c.Origin), c.Size, c.Root)
			tellKeys(p, trust, c.Origin)
			return nil
		},
	}
	c.Flags().StringVar(&kept, "checkpoint", "", "file of the checkpoint to export, instead of the newest of the log's own")
	by.add(c)
	return c
}

// tellKeys prints the log's key under its origin: stock tools want key and origin
// to have one name.
func tellKeys(p *printer, trust *policy.Policy, origin string) {
	if trust == nil {
		return
	}
	for _, l := range trust.Logs {
		key, err := checkpoint.ParsePublicKey(l.VKey)
		if err != nil {
			continue
		}
		if v, err := key.For(origin); err == nil {
			p.printf("key of this origin: %s", v.VKey())
		}
	}
}

// exportTiles writes the first c.Size entries as a tree, and c.
func exportTiles(ctx context.Context, folder, dir string, c checkpoint.Checkpoint) error {
	r, err := chain.OpenReader(durable.OS(), folder, chain.ReadOptions{})
	if err != nil {
		return readError(err)
	}
	defer r.Close()
	tiles := proof.NewTiles(dir)
	for n := uint64(0); n < c.Size; n++ {
		if err := ctx.Err(); err != nil {
			return readError(err)
		}
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return &exitError{exitBroken, fmt.Errorf("the log ends with entry %d, but a checkpoint covers %d", n, c.Size)}
		}
		if err != nil {
			return readError(err)
		}
		if err := tiles.Add(l.Seq, l.Hash); err != nil {
			return &exitError{exitUnreadable, fmt.Errorf("couldn't write tiles: %w", err)}
		}
	}
	tree, err := tiles.Finish()
	if err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't write tiles: %w", err)}
	}
	if tree != (tlog.Tree{N: int64(c.Size), Hash: c.Root}) {
		return &exitError{exitBroken, fmt.Errorf("the log is not the one of its checkpoint: the root of %d entries is %s, not %s", c.Size, tree.Hash, c.Root)}
	}
	if err := proof.WriteNew(filepath.Join(dir, "checkpoint"), c.Note); err != nil {
		return &exitError{exitUnreadable, fmt.Errorf("couldn't write checkpoint: %w", err)}
	}
	return nil
}
