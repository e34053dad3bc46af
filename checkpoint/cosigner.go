package checkpoint

import (
	"context"
	"errors"
	"time"

	"github.com/otelaudit/auditexporter/chain"
)

// cosigner has the newest checkpoint cosigned, on a goroutine of its own: witnesses
// are never in the way of a signature. A nil cosigner does nothing.
type cosigner struct {
	o      Options
	in     chan Record
	out    chan Record // with more signatures; nil channel: never
	broken chan error  // a witness has another history
	cancel context.CancelFunc
	done   chan struct{}
}

func startCosigner(o Options) *cosigner {
	c := &cosigner{o: o}
	if o.Witnesses == nil {
		return c
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.in, c.out, c.broken = make(chan Record, 1), make(chan Record, 1), make(chan error, 1)
	c.cancel, c.done = cancel, make(chan struct{})
	go c.run(ctx)
	return c
}

func (c *cosigner) put(r Record) {
	if c.in != nil {
		post(c.in, r)
	}
}

func (c *cosigner) end() {
	if c.in == nil {
		return
	}
	c.cancel()
	<-c.done
}

func (c *cosigner) run(ctx context.Context) {
	defer close(c.done)
	failed := ""
	for delay := firstDelay; ; {
		var r Record
		select {
		case <-ctx.Done():
			return
		case r = <-c.in:
		}
		for {
			note, err := c.o.Witnesses.Cosign(ctx, r)
			c.give(r, note)
			if err == nil {
				failed, delay = "", firstDelay
				break
			}
			if ctx.Err() != nil {
				return
			}
			if other := (*InconsistentError)(nil); errors.As(err, &other) {
				c.broken <- refuseForEver("%w", err)
				return
			}
			if text := err.Error(); text != failed {
				failed = text
				c.o.Notice(chain.Notice{Text: "couldn't have a checkpoint cosigned", Attrs: map[string]any{"size": r.Size, "error": text}})
			}
			t := time.NewTimer(delay)
			delay = min(2*delay, longestDelay)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case r = <-c.in: // the newest wins
				t.Stop()
			case <-t.C:
			}
		}
	}
}

// cosignPatience is how long the end waits for the last checkpoint to be cosigned.
const cosignPatience = time.Second

// awaitCosigned gives the witnesses a moment for the last checkpoint, so that the
// end of a log that was closed in order is vouched for, too.
func (n *Notary) awaitCosigned() {
	if n.cosigner.in == nil || n.last == nil {
		return
	}
	t := time.NewTimer(cosignPatience)
	defer t.Stop()
	for {
		select {
		case r := <-n.cosigner.out:
			n.keep(r)
			if r.Size >= n.last.Size {
				return
			}
		case err := <-n.cosigner.broken:
			n.report(err)
			return
		case <-t.C:
			n.notice("the last checkpoint is not cosigned yet", map[string]any{"size": n.last.Size})
			return
		}
	}
}

// give hands on a checkpoint that has more signatures than before.
func (c *cosigner) give(r Record, note []byte) {
	if len(note) <= len(r.Note) {
		return
	}
	with, err := Parse(note)
	if err != nil || with.Size != r.Size || with.Root != r.Root || with.Origin != r.Origin {
		c.o.Notice(chain.Notice{Text: "what came back from the witnesses is not the checkpoint they got", Attrs: map[string]any{"size": r.Size}})
		return
	}
	r.Checkpoint = with
	post(c.out, r)
}
