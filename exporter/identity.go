package exporter

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/idindex"
)

// Idempotency is how a record that comes again is recognised.
type Idempotency struct {
	Horizon    time.Duration // how long a record id is known
	MaxRecords int64         // that are known at least, within the horizon
	Keys       []string      // attributes that hold the id; the first that is a string, and not empty
}

// CheckIdempotency names what is wrong by its YAML key. The hash of an id stands in the log, so an id
// must not be redacted.
func CheckIdempotency(i *Idempotency, r Redaction) error {
	e, err := event.NewEncoder(event.Options{Redaction: r.event()})
	if err != nil {
		return nil //nolint:nilerr // CheckRedaction tells it
	}
	var errs []error
	if len(i.Keys) == 0 {
		errs = append(errs, errors.New("idempotency.keys: must name an attribute"))
	}
	for n, key := range i.Keys {
		switch {
		case key == "":
			errs = append(errs, fmt.Errorf("idempotency.keys[%d]: must be the name of an attribute, not empty", n))
		case e.Redacts(key):
			errs = append(errs, fmt.Errorf("idempotency.keys[%d]: %s is redacted: name another attribute, or list it in redaction.except", n, key))
		}
	}
	return errors.Join(errs...)
}

// Kinds of digests in the index.
const (
	digestWhole   idindex.Kind = iota // of the record as it came
	digestKeyed                       // HMAC of that, as the record has redacted values
	digestPartial                     // without redacted values: the HMAC in the log is by a lost key
)

// verdict is what becomes of a record that has an id.
type verdict uint8

const (
	verdictNew       verdict = iota // it is written
	verdictDuplicate                // it stands in the log, or before in the request
	verdictConflict                 // another record has its id; it is written as such
)

// identity is what a record of a request is recognised by.
type identity struct {
	at    int // of the record in its request
	print event.Print
	whole [sha256.Size]byte // Digests' whole, which must not leave the process
	verdict
	// key is what the record is, or would be, found by: its id, or of a conflict also what it says.
	key idindex.Key
	// of is the request of another record by which this one is judged and that may not be in the log
	// yet, and which of its identities; nil: there is none.
	of   *idClaim
	ofAt int
}

// identifier makes identities.
type identifier struct {
	encoder *encoder
	keys    []string
	secret  [sha256.Size]byte
	name    [4]byte // of secret
}

func newIdentifier(e *encoder, keys []string, secret [sha256.Size]byte) *identifier {
	return &identifier{encoder: e, keys: keys, secret: secret, name: secretName(secret)}
}

// secretName is the public name of an index's key.
func secretName(secret [sha256.Size]byte) (name [4]byte) {
	sum := sha256.Sum256(append([]byte("auditlog/ids-key/v1\n"), secret[:]...))
	copy(name[:], sum[:])
	return name
}

// identify gives the identities of those records of logs that have an id, in order.
func (f *identifier) identify(logs plog.Logs, n int) []identity {
	var ids []identity
	src := f.encoder.sources.Get().(*event.Source)
	defer f.encoder.sources.Put(src)
	at := -1
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				at++
				id, key := f.id(lr.Attributes())
				if id == "" {
					continue
				}
				if ids == nil {
					ids = make([]identity, 0, n)
				}
				ids = append(ids, identity{at: at})
				i := &ids[len(ids)-1]
				i.print.ID, i.print.Field = event.HashID(id), key
				i.print.SHA256, i.whole = f.encoder.event.Digests(src, rl, sl, lr)
				if i.print.Keyed = i.print.SHA256 != i.whole; i.print.Keyed {
					i.print.HMAC, i.print.Key = f.hmac(i.whole), f.name
				}
				i.key = idindex.Key(i.print.ID)
			}
		}
	}
	return ids
}

// id is the record's id and the attribute that holds it. Of a key that stands twice the last counts, as
// in the event.
func (f *identifier) id(attributes pcommon.Map) (id, key string) {
	best := len(f.keys)
	for k, v := range attributes.All() {
		for n, name := range f.keys[:min(best+1, len(f.keys))] {
			if k == name && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
				best, id, key = n, v.Str(), name
			}
		}
	}
	return id, key
}

// digest is the one that the index has of a record with this print.
func digest(p *event.Print) (d idindex.Digest, k idindex.Kind) {
	sum := &p.SHA256
	if p.Keyed {
		sum, k = &p.HMAC, digestKeyed
	}
	copy(d[:], sum[:])
	return d, k
}

// hmac is what of the digest of a whole record may stand in the log.
func (f *identifier) hmac(whole [sha256.Size]byte) (sum [sha256.Size]byte) {
	m := hmac.New(sha256.New, f.secret[:])
	m.Write(whole[:])
	m.Sum(sum[:0])
	return sum
}

// same tells whether r is of the record that i is of, whatever is redacted today.
func (f *identifier) same(i *identity, r *idindex.Record) bool {
	sum := i.whole
	switch {
	case r.Kind == digestKeyed && i.print.Keyed:
		sum = i.print.HMAC
	case r.Kind == digestKeyed:
		sum = f.hmac(i.whole)
	case r.Kind == digestPartial:
		sum = i.print.SHA256
	}
	return r.Digest == idindex.Digest(sum[:len(r.Digest)])
}

// conflictKey is what a record is found by that conflicts with another: its id and its digest, so that
// it, too, is recognised when it comes again.
func conflictKey(id event.IDHash, d idindex.Digest, k idindex.Kind) (key idindex.Key) {
	var buf [96]byte
	b := append(append(buf[:0], "auditlog/conflict/v1\n"...), id[:]...)
	sum := sha256.Sum256(append(append(b, byte(k)), d[:]...))
	copy(key[:], sum[:])
	return key
}

// conflictKeys are those under which the record may stand in the index, the first the one it is written
// under.
func (i *identity) conflictKeys() []idindex.Key {
	d, k := digest(&i.print)
	keys := []idindex.Key{conflictKey(i.print.ID, d, k)}
	if i.print.Keyed {
		keys = append(keys, conflictKey(i.print.ID, idindex.Digest(i.print.SHA256[:len(d)]), digestPartial))
	}
	return keys
}

// record is what the index has of an event, by what the event says.
func record(p *event.Print, recorded time.Time, seq uint64, hash [sha256.Size]byte, name [4]byte) idindex.Record {
	d, k := digest(p)
	if p.Keyed && p.Key != name {
		d, k = idindex.Digest(p.SHA256[:len(d)]), digestPartial
	}
	r := idindex.Record{Key: idindex.Key(p.ID), Digest: d, Kind: k, Seq: seq, Link: idindex.Link(hash[:8]), Time: recorded}
	if p.Conflict {
		r.Key = conflictKey(p.ID, d, k)
	}
	return r
}

// identityOf is the identity of the record at some place, nil if it has none. It takes off ids what
// stands before: places are asked for in order.
func identityOf(ids *[]identity, at int) *identity {
	for len(*ids) > 0 && (*ids)[0].at < at {
		*ids = (*ids)[1:]
	}
	if len(*ids) > 0 && (*ids)[0].at == at {
		return &(*ids)[0]
	}
	return nil
}
