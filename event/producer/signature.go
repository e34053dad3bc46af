package producer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/canonical"
)

// The attributes of a signature. The value stands on the record, the others, by the
// draft, on the resource; a record's own are taken where the resource has none.
const (
	attrValue            = canonical.Excluded + "value"
	attrAlgorithm        = canonical.Excluded + "algorithm"
	attrCertificate      = canonical.Excluded + "certificate"
	attrCanonicalization = canonical.Excluded + "canonicalization"
)

// Reason says in a word why a signature is not verified: one below, or that of a
// [canonical.Error]. Reasons are a bounded set and hold nothing of the record.
type Reason string

const (
	ReasonMissingValue   Reason = "missing_value"
	ReasonInvalidValue   Reason = "invalid_value" // no string of standard base64
	ReasonNoAlgorithm    Reason = "missing_algorithm"
	ReasonAlgorithm      Reason = "unsupported_algorithm"
	ReasonCanonical      Reason = "unsupported_canonicalization"
	ReasonUnknownKey     Reason = "unknown_key" // no trusted key of that algorithm and certificate
	ReasonMismatch       Reason = "mismatch"
	maxValue                    = 4 << 10 // bytes: the longest value that is decoded
	canonicalizationName        = "jcs"   // the draft's default
)

// MaxKeys is how many keys may be trusted at once, which bounds what a record can cost.
const MaxKeys = 64

// Result is what is known of a record's signature.
type Result struct {
	Verified bool
	Reason   Reason         // why not
	Key      string         // the id of the key that verified it
	Form     canonical.Form // of what was signed
	// Uncovered names fields of the record that hold something and that the signature
	// does not cover. Resource and scope never are.
	Uncovered []string
}

// Keys are the trusted keys. They are immutable and safe for concurrent use.
type Keys struct{ keys []*key }

// NewKeys returns an error that names a key by its place in the list, and no secret.
func NewKeys(list []Key) (*Keys, error) {
	if len(list) > MaxKeys {
		return nil, fmt.Errorf("%d keys: at most %d are allowed", len(list), MaxKeys)
	}
	out := new(Keys)
	for i, k := range list {
		one, err := newKey(k)
		if err != nil {
			return nil, fmt.Errorf("trusted_keys[%d]: %w", i, err)
		}
		out.keys = append(out.keys, one)
	}
	return out, nil
}

// Names are the keys as an operator may see them: id, algorithm and, of a public key, the
// SHA-256 of its SubjectPublicKeyInfo.
func (k *Keys) Names() (names []string) {
	for _, one := range k.keys {
		name := one.id + " " + one.algorithm
		if one.spki != nil {
			h := sha256.Sum256(one.spki)
			name += " sha256:" + hex.EncodeToString(h[:])
		}
		names = append(names, name)
	}
	return names
}

// Reasons lists all reasons.
var Reasons = []Reason{
	ReasonMissingValue, ReasonInvalidValue, ReasonNoAlgorithm, ReasonAlgorithm, ReasonCanonical, ReasonUnknownKey, ReasonMismatch,
	Reason(canonical.ErrDepth), Reason(canonical.ErrSize), Reason(canonical.ErrUTF8), Reason(canonical.ErrNumber), Reason(canonical.ErrDuplicate),
}

// Claimed tells whether a record says that it is signed: by a value, or by its resource's
// algorithm, which stands there only if the records are signed. A record whose value was
// taken off so still claims one.
func Claimed(resource pcommon.Map, lr plog.LogRecord) bool {
	if _, ok := last(lr.Attributes(), attrValue); ok {
		return true
	}
	_, ok := last(resource, attrAlgorithm)
	return ok
}

// Verify judges the signature of a record as it was received.
func (k *Keys) Verify(resource pcommon.Map, r *Record) Result {
	f := &r.forms
	candidates, signature, reason := k.claim(resource, f.lr)
	if reason != "" {
		return Result{Reason: reason}
	}
	reason = ReasonMismatch
	for _, c := range candidates {
		for i, form := range c.forms {
			if i > 0 && f.same() {
				continue
			}
			payload, err := f.json(form)
			if err != nil {
				reason = Reason(err.(canonical.Error))
				continue
			}
			if c.verify(payload, signature) {
				return Result{Verified: true, Key: c.id, Form: form, Uncovered: uncovered(f.lr, form)}
			}
		}
	}
	return Result{Reason: reason}
}

// claim reads what a record says of its signature: the keys it may be of, and its bytes.
func (k *Keys) claim(resource pcommon.Map, lr plog.LogRecord) ([]*key, []byte, Reason) {
	value, ok := last(lr.Attributes(), attrValue)
	if !ok {
		return nil, nil, ReasonMissingValue
	}
	if value.Type() != pcommon.ValueTypeStr || len(value.Str()) > maxValue || strings.ContainsAny(value.Str(), "\r\n") {
		return nil, nil, ReasonInvalidValue
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(value.Str())
	if err != nil || len(signature) == 0 {
		return nil, nil, ReasonInvalidValue
	}
	if c := said(resource, lr, attrCanonicalization); c != "" && !strings.EqualFold(c, canonicalizationName) {
		return nil, nil, ReasonCanonical
	}
	algorithm := said(resource, lr, attrAlgorithm)
	switch {
	case algorithm == "":
		return nil, nil, ReasonNoAlgorithm
	case !slices.Contains(Algorithms, algorithm):
		return nil, nil, ReasonAlgorithm
	}
	candidates := k.candidates(algorithm, said(resource, lr, attrCertificate))
	if len(candidates) == 0 {
		return nil, nil, ReasonUnknownKey
	}
	return candidates, signature, ""
}

// candidates are the trusted keys of that algorithm: those that ref names, else those of
// which it can't be told.
func (k *Keys) candidates(algorithm, ref string) (out []*key) {
	var maybe []*key
	for _, c := range k.keys {
		if c.algorithm != algorithm {
			continue
		}
		switch c.called(ref) {
		case named:
			out = append(out, c)
		case perhaps:
			maybe = append(maybe, c)
		}
	}
	if len(out) > 0 {
		return out
	}
	return maybe
}

// uncovered are the record's own fields that hold something and are not signed.
func uncovered(lr plog.LogRecord, f canonical.Form) (names []string) {
	for _, u := range []struct {
		name string
		is   bool
	}{
		{"body", !canonical.BodyCovered(lr, f)},
		{"severity_number", lr.SeverityNumber() != 0},
		{"severity_text", lr.SeverityText() != ""},
		{"dropped_attributes_count", lr.DroppedAttributesCount() != 0},
		{"flags", lr.Flags() != 0},
	} {
		if u.is {
			names = append(names, u.name)
		}
	}
	return names
}

// last returns the last value of a key, as the draft lets the last win.
func last(m pcommon.Map, key string) (v pcommon.Value, ok bool) {
	if m == (pcommon.Map{}) {
		return v, false
	}
	for k, one := range m.All() {
		if k == key {
			v, ok = one, true
		}
	}
	return v, ok
}

// said is a string attribute of the resource, else of the record, "" if there is none.
func said(resource pcommon.Map, lr plog.LogRecord, name string) string {
	for _, m := range []pcommon.Map{resource, lr.Attributes()} {
		if v, ok := last(m, name); ok && v.Type() == pcommon.ValueTypeStr {
			return v.Str()
		}
	}
	return ""
}

// Record is a record to be looked at. It makes each of its canonical forms once.
type Record struct{ forms }

// Of returns the record lr.
func Of(lr plog.LogRecord) *Record { return &Record{forms{lr: lr}} }

// forms are a record's canonical forms, each made once.
type forms struct {
	lr   plog.LogRecord
	done [2]bool
	text [2][]byte
	err  [2]error
}

// same tells whether both forms have the same bytes.
func (f *forms) same() bool { return f.lr.Body().Type() == pcommon.ValueTypeEmpty }

func (f *forms) json(form canonical.Form) ([]byte, error) {
	if f.same() {
		form = canonical.TaggedBody
	}
	if !f.done[form] {
		f.done[form] = true
		f.text[form], f.err[form] = canonical.JSON(f.lr, form)
	}
	return f.text[form], f.err[form]
}
