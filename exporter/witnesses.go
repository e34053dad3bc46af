package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/witness"
)

// Witness is one that cosigns checkpoints.
type Witness struct {
	Name       string // in the policy; "": that of the key
	Key        string // verifier key, type 0x04
	URL        string // prefix of add-checkpoint
	Monitoring string // prefix of what it tells; "": URL
}

// Witnesses are who cosigns checkpoints.
type Witnesses struct {
	List    []Witness
	Policy  string        // lines of a tlog-policy; "": all must have cosigned
	Timeout time.Duration // of one question
	Require bool          // a sync lasts until the quorum has cosigned what it covers
	HTTP    *http.Client  // by which they are asked; nil: one of its own
}

// policy returns who must have cosigned: the lines of the policy after one for each witness. An error
// names the YAML key.
func (w *Witnesses) policy() (*policy.Policy, error) {
	if len(w.List) == 0 {
		switch {
		case w.Policy != "":
			return nil, errors.New("checkpoint.policy: there are no witnesses that it could be about")
		case w.Require:
			return nil, errors.New("checkpoint.require_witness: there are no witnesses to be required")
		}
		return nil, nil
	}
	var text strings.Builder
	var names []string
	for i, one := range w.List {
		if err := one.check(); err != nil {
			return nil, fmt.Errorf("checkpoint.witnesses[%d].%w", i, err)
		}
		names = append(names, one.name())
		fmt.Fprintf(&text, "witness %s %s\n", one.name(), one.Key)
	}
	if _, err := policy.Parse([]byte(text.String() + "quorum none\n")); err != nil {
		return nil, fmt.Errorf("checkpoint.witnesses: %w", err)
	}
	if w.Policy == "" {
		const all = "all-witnesses"
		fmt.Fprintf(&text, "group %s all %s\nquorum %s\n", all, strings.Join(names, " "), all)
	}
	p, err := policy.Parse([]byte(text.String() + w.Policy))
	if err != nil {
		// Line numbers are those of the policy as it stands in the configuration.
		return nil, fmt.Errorf("checkpoint.policy: after a line for each of the witnesses: %w", err)
	}
	if w.Require && !p.Demands() {
		return nil, errors.New("checkpoint.require_witness: checkpoint.policy demands none")
	}
	return p, nil
}

// check names what is wrong by its key below the witness's.
func (w Witness) check() error {
	if _, err := policy.ParseWitness(w.name(), w.Key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if strings.ContainsAny(w.name(), " \t\r\n#") {
		return fmt.Errorf("name: %q must be without space and #", w.name())
	}
	if err := policy.CheckURL(w.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if w.Monitoring != "" {
		if err := policy.CheckURL(w.Monitoring); err != nil {
			return fmt.Errorf("monitoring_url: %w", err)
		}
	}
	return nil
}

func (w Witness) name() string {
	if w.Name != "" {
		return w.Name
	}
	name, _, _ := strings.Cut(w.Key, "+")
	return name
}

// panel returns those who cosign the log that is about to be opened, nil if there are none.
func (a *audit) panel(key *checkpoint.Key) (*witness.Panel, error) {
	w := &a.o.Checkpoint.Witnesses
	p, err := w.policy()
	if p == nil || err != nil {
		return nil, err
	}
	o := witness.PanelOptions{
		FS: a.chain.FS, Directory: a.chain.Directory, FileMode: a.o.FileMode, Key: key.Public(), Policy: p, Notice: a.health.notice,
	}
	for _, one := range w.List {
		m, err := policy.ParseWitness(one.name(), one.Key)
		if err != nil {
			return nil, err
		}
		o.Members = append(o.Members, witness.Member{Verifier: m.Verifier, Client: witness.NewClient(witness.ClientOptions{
			URL: one.URL, Monitoring: one.Monitoring, Verifier: m.Verifier, Timeout: w.Timeout, HTTP: w.HTTP,
		})})
	}
	return witness.NewPanel(o), nil
}

// letWitnessesGo ends what is asked of them; no file of the log is touched after it.
func (a *audit) letWitnessesGo(p *witness.Panel) {
	if p == nil {
		return
	}
	if err := p.Close(); err != nil {
		a.logger.Warn("The file of proofs beside the audit log could not be closed.", zap.Error(err))
	}
}

// witnessed is a log of which nothing counts as synced before the quorum of its witnesses has cosigned
// it. While that can't be had, Sync does not return, which is a stall.
type witnessed struct {
	auditLog
	notary *checkpoint.Notary
	panel  *witness.Panel
	ctx    context.Context // of all waits
	cancel context.CancelFunc
	// patience is how long a Sync goes on waiting when the log is about to be closed.
	patience time.Duration
}

func newWitnessed(l auditLog, n *checkpoint.Notary, p *witness.Panel, patience time.Duration) *witnessed {
	w := &witnessed{auditLog: l, notary: n, panel: p, patience: patience}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

func (w *witnessed) Sync() error {
	if err := w.auditLog.Sync(); err != nil {
		return err
	}
	return w.await()
}

func (w *witnessed) Renew(cause error, keep []*chain.Batch) error {
	if err := w.auditLog.Renew(cause, keep); err != nil {
		return err
	}
	return w.await()
}

// await waits for the quorum. Signing may have ended for ever, and then so does every wait with the
// log: it is no reason to call what is synced lost.
func (w *witnessed) await() error {
	size := w.Info().Synced.Seq
	err := w.notary.Cover(w.ctx, size)
	if err == nil {
		err = w.panel.Wait(w.ctx, size)
	}
	if err != nil {
		<-w.ctx.Done()
		return fmt.Errorf("couldn't wait until the witnesses have cosigned entry %d: %w", size, err)
	}
	return nil
}

// Closing lets waits end when nobody waits for the log's end any more.
func (w *witnessed) Closing() {
	w.auditLog.Closing()
	time.AfterFunc(w.patience, w.cancel)
}

func (w *witnessed) Close() error {
	err := w.auditLog.Close()
	if err == nil {
		w.cancel()
	}
	return err
}

func (w *witnessed) Abandon() error {
	w.cancel()
	return w.auditLog.Abandon()
}
