package siem

import (
	"strings"

	"github.com/otelaudit/auditexporter/chain"
)

// attestations are the producer's, if the record has one, and the log's. They are
// layers of their own: the log's is about the body, which stands in raw_data, and
// not about the OCSF event made of it.
func attestations(r *record) (list []any) {
	if p := producerAttestation(r); p != nil {
		list = append(list, p)
	}
	serialization := "auditlog/entry/v1"
	if r.Kind == chain.System {
		serialization = "auditlog/system/v1"
	}
	a := object{
		"uid":         entryID(r.logID, r.Seq),
		"chain_uid":   r.logID,
		"fingerprint": sha256Of(serialization, r.Hash.String()),
	}
	if r.prevID != "" {
		a["prev_event"] = object{"uid": r.prevID, "fingerprint": sha256Of("auditlog/entry", r.Prev.String())}
	}
	return append(list, a)
}

// sha256Of is a fingerprint object. The log's own way to serialise, which
// chain/FORMAT.md specifies, is no scheme of OCSF's; "" is for bytes as they stand.
func sha256Of(serialization, value string) object {
	f := object{"algorithm": "SHA-256", "algorithm_id": 3, "encoding": "Hex", "encoding_id": 1, "value": value}
	if serialization == "" {
		f["serialization"], f["serialization_id"] = "Flat", 1
	} else {
		f["serialization"], f["serialization_id"] = serialization, 99
	}
	return f
}

// signatureNames are OCSF's for the algorithms that contrib's signingprocessor
// names in the manner of JWA.
var signatureNames = map[string]struct {
	id   int
	name string
}{
	"RS256": {2, "RSA-PKCS1v15-SHA256"},
	"RS512": {2, "RSA-PKCS1v15-SHA512"},
	"ES256": {3, "ECDSA-P256-SHA256"},
	"EdDSA": {99, "Ed25519"},
}

// producerAttestation is the producer's own signature and its place in the
// producer's chain, by the crosswalk of the OTel Audit Logging draft to OCSF; nil
// if the record has no signature. Whether it holds is not said here. All of it
// stays among the unmapped attributes too, as OCSF 1.9 has no member for the
// value of a signature.
func producerAttestation(r *record) object {
	algorithm := r.resourceText("audit.integrity.algorithm")
	if algorithm == "" {
		algorithm = r.text("audit.integrity.algorithm")
	}
	value := r.text("audit.integrity.value")
	if value == "" || algorithm == "" {
		return nil
	}
	a := object{}
	a.set(r.text("audit.sequence.stream_id"), "chain_uid")
	if uid := r.text("audit.sequence.previous_record_id"); uid != "" {
		prev := object{"uid": uid}
		for _, name := range []string{"audit.sequence.previous_hash", "audit.sequence.prev_hash", "audit.prev.hash"} {
			if h := r.text(name); h != "" {
				prev["fingerprint"] = object{"algorithm": "SHA-256", "algorithm_id": 3, "serialization": "JCS", "serialization_id": 2, "value": h}
				break
			}
		}
		a["prev_event"] = prev
	}
	if strings.HasPrefix(algorithm, "HMAC-") {
		a["fingerprint"] = object{
			"algorithm": algorithm, "algorithm_id": 99, "encoding": "Base64", "encoding_id": 2,
			"serialization": "JCS", "serialization_id": 2, "value": value,
		}
		return a
	}
	s := object{"algorithm": algorithm, "algorithm_id": 99, "serialization": "JCS", "serialization_id": 2}
	if known, ok := signatureNames[algorithm]; ok {
		s["algorithm"], s["algorithm_id"] = known.name, known.id
	}
	a["signatures"] = []any{s}
	return a
}
