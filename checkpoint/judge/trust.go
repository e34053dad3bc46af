package judge

import (
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/checkpoint"
)

// Trust is whom an auditor believes.
type Trust struct {
	Keys []*checkpoint.PublicKey // of logs; any of them may have signed
	// Witnesses are those whose cosignatures are told; Quorum, if set, returns an
	// error unless the signatures of a checkpoint are those that the policy demands.
	Witnesses []note.Verifier
	Quorum    func(sigs []note.Signature) error
}

// verifiers are those of an origin.
type verifiers struct {
	all []note.Verifier // witnesses, too
	log []*checkpoint.Verifier
}

func (t *Trust) verifiers(origin string) verifiers {
	vs := verifiers{all: t.Witnesses[:len(t.Witnesses):len(t.Witnesses)]}
	seen := map[uint32]bool{}
	for _, k := range t.Keys {
		v, err := k.For(origin)
		if err != nil || seen[v.Note.KeyHash()] {
			continue // of another log, or given twice
		}
		seen[v.Note.KeyHash()] = true
		vs.all, vs.log = append(vs.all, v.Note, v.Cosignature), append(vs.log, v)
	}
	return vs
}

// signer returns whose signature it is, nil if not a log's; timed tells whether it
// is the one that states a time.
func (vs *verifiers) signer(sig note.Signature) (by *checkpoint.Verifier, timed bool) {
	for _, v := range vs.log {
		switch {
		case sig.Name != v.Origin:
		case sig.Hash == v.Note.KeyHash():
			return v, false
		case sig.Hash == v.Cosignature.KeyHash():
			return v, true
		}
	}
	return nil, false
}
