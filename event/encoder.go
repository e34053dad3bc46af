package event

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// Options configure an Encoder. The zero value has the default limits, the
// built-in redaction, the profile auto, and no rule that makes an event critical
// but that it is invalid.
type Options struct {
	Profile   Profile
	Critical  Critical
	Limits    Limits
	Redaction Redaction
	Withhold  Withholding
}

// Encoder turns records into events. It is immutable and safe for concurrent
// use.
type Encoder struct {
	rules      rules
	conditions Predicate
}

// rules are what an Encoder's options come to; read only.
type rules struct {
	index     *index
	profile   Profile
	limits    Limits
	secrets   *secretKeys
	digestKey []byte
	withhold  Withholding
	random    func([]byte)
}

// minDigestKey is the shortest digest key, in bytes: a shorter one can be guessed,
// and with it what was redacted.
const minDigestKey = 16

// NewEncoder returns an Encoder, or an error that names the option that is
// invalid as the configuration has it, and no secret.
func NewEncoder(o Options) (*Encoder, error) {
	e := &Encoder{conditions: o.Critical.Conditions}
	r := &e.rules
	var err error
	if r.profile, err = o.Profile.complete(); err != nil {
		return nil, err
	}
	if r.limits, err = o.Limits.complete(); err != nil {
		return nil, err
	}
	if r.secrets, err = newSecretKeys(o.Redaction); err != nil {
		return nil, err
	}
	if r.secrets.held, err = o.Withhold.withheld(r.secrets); err != nil {
		return nil, err
	}
	r.secrets.body = o.Withhold.Body
	r.secrets.whole = &secretKeys{held: r.secrets.held, body: r.secrets.body}
	r.withhold, r.random = o.Withhold, o.Withhold.Random
	if r.random == nil {
		r.random = random
	}
	if r.index, err = newIndex(o.Critical, r.secrets); err != nil {
		return nil, err
	}
	if r.digestKey = slices.Clone(o.Redaction.DigestKey); len(r.digestKey) > 0 && len(r.digestKey) < minDigestKey {
		return nil, fmt.Errorf("redaction.digest_key: shorter than %d bytes", minDigestKey)
	}
	return e, nil
}

// Source is one resource and one scope, encoded once for all their records, and
// the scratch memory of whoever encodes them. The zero value is ready for
// [Encoder.Resource]. It serves one goroutine and may be pooled after Reset.
type Source struct {
	// Producer is what is known of the producer of the records that follow; nil: nothing.
	Producer *Producer

	rl              plog.ResourceLogs
	sl              plog.ScopeLogs
	resource, scope []byte // members with their leading comma, or empty
	byResource      verdict
	byScope         verdict
	ofResource      notes
	ofScope         notes
	writer          writer
	finding         finding
	clock           clock
	print           *Print // of the record that is encoded, nil if it is to tell none
}

// Reset lets go of all pdata and keeps the memory.
func (s *Source) Reset() {
	s.rl, s.sl, s.Producer = plog.ResourceLogs{}, plog.ScopeLogs{}, nil
	s.finding.id, s.finding.offered, s.finding.body = "", [numFields]bodyValue{}, facts{}
	s.resource, s.scope = s.resource[:0], s.scope[:0]
}

// Resource makes rl's resource the one of all records that follow, with no
// scope yet.
func (e *Encoder) Resource(s *Source, rl plog.ResourceLogs) {
	s.rl, s.sl = rl, plog.ScopeLogs{}
	s.scope = s.scope[:0]
	s.byResource, s.byScope = verdict{order: orderNone}, verdict{order: orderNone}
	e.rules.index.seeShared(rl.Resource().Attributes(), &s.byResource)
	s.ofScope.reset()
	s.encodeResource(e)
}

func (s *Source) encodeResource(e *Encoder) {
	rl := s.rl
	r := rl.Resource()
	s.writer.rules = &e.rules
	s.resource = s.resource[:0]
	from := s.writer.held.size()
	for careful, done := false, false; !done; careful = true {
		s.writer.held.cut(from)
		const name = `,"resource":`
		o := s.writer.begin(s.resource, name, "/resource", e.rules.limits.RecordBytes/4, careful)
		o.attributes(r.Attributes(), nil)
		o.uint(`,"dropped_attributes_count":`, r.DroppedAttributesCount())
		o.entities(entity.ResourceEntityRefs(r))
		o.string(`,"schema_url":`, rl.SchemaUrl())
		s.resource, done = o.end(s.resource, name)
	}
	s.ofResource, s.writer.notes = s.writer.notes, s.ofResource
}

// Scope makes sl's scope the one of all records that follow.
func (e *Encoder) Scope(s *Source, sl plog.ScopeLogs) {
	s.sl = sl
	s.byScope = s.byResource
	e.rules.index.seeShared(sl.Scope().Attributes(), &s.byScope)
	s.encodeScope(e)
}

func (s *Source) encodeScope(e *Encoder) {
	sl := s.sl
	sc := sl.Scope()
	s.writer.rules = &e.rules
	s.scope = s.scope[:0]
	from := s.writer.held.size()
	for careful, done := false, false; !done; careful = true {
		s.writer.held.cut(from)
		const name = `,"scope":`
		o := s.writer.begin(s.scope, name, "/scope", e.rules.limits.RecordBytes/8, careful)
		o.string(`,"name":`, sc.Name())
		o.string(`,"version":`, sc.Version())
		o.attributes(sc.Attributes(), nil)
		o.uint(`,"dropped_attributes_count":`, sc.DroppedAttributesCount())
		o.string(`,"schema_url":`, sl.SchemaUrl())
		s.scope, done = o.end(s.scope, name)
	}
	s.ofScope, s.writer.notes = s.writer.notes, s.ofScope
}

// Info is what there is to know of an event beside its bytes.
type Info struct {
	Critical bool
	// Rule is why it is critical: a class, and in most classes ':' and a detail.
	// It comes from a bounded set and holds nothing of the record.
	Rule string
	// ID is the record id, "" if the record has none that is a string, or it is
	// redacted. It points into the record, may hold any bytes, and is cut at the
	// limit of identity fields.
	ID string
	// Structural is what makes the record structurally invalid.
	Structural Structural
	// Identity counts identity fields with forbidden characters, Content other
	// places with such, which are recorded and change nothing.
	Identity, Content int
	// Redacted and Truncated count what the event does not hold as it came.
	Redacted, Truncated int
}

// Invalid tells whether the event lists violations. It is critical then.
func (i Info) Invalid() bool { return i.Structural != 0 || i.Identity > 0 }

// Append appends the event of lr, a record of s, to dst: one JSON object without
// a line feed, of at most Limits.RecordBytes. recorded is the writer's clock. The
// same record, recorded time and options give the same bytes. It allocates nothing
// but to grow dst and s, records apart whose maps have too many entries, a key
// twice, or one that is too long or not valid UTF-8.
func (e *Encoder) Append(dst []byte, s *Source, lr plog.LogRecord, recorded time.Time) ([]byte, Info) {
	start := len(dst)
	s.writer.rules = &e.rules
	s.renew(e)
	from := s.writer.held.size()
	dst, info := s.append(dst, e, lr, recorded, false)
	if s.writer.irregular {
		s.writer.held.cut(from)
		dst, info = s.append(dst[:start], e, lr, recorded, true)
	}
	return dst, info
}

// Of an event's size a part is kept for the lists invalid and escaped, whose
// length is bounded, and one for the fields that come from the body.
const (
	sizeOfLists  = 40 << 10
	sizeOfFields = 48 << 10
)

func (s *Source) append(dst []byte, e *Encoder, lr plog.LogRecord, recorded time.Time, careful bool) ([]byte, Info) {
	w, f := &s.writer, &s.finding
	w.reset(careful)
	f.reset(&e.rules)
	f.verdict.offer(s.byScope.order, s.byScope.rule)
	end := len(dst) + e.rules.limits.RecordBytes - len(s.resource) - len(s.scope) - s.ofResource.size() - s.ofScope.size() - sizeOfLists
	w.limit = end - sizeOfFields

	o := object{writer: w, buf: append(dst, `{"v":1`...)}
	if s.print != nil {
		o.buf = s.print.append(o.buf)
	}
	if name := lr.EventName(); name != "" {
		o.identity(`,"type":`, name, eventName)
		f.mapping.set(fieldType, 0)
	}
	s.times(&o, lr, recorded)
	if n := lr.SeverityNumber(); n != 0 {
		o.name(`,"severity_number":`)
		o.buf = strconv.AppendInt(o.buf, int64(n), 10)
	}
	o.string(`,"severity_text":`, lr.SeverityText())
	// A quarter of what is left is the attributes', whatever the body takes.
	w.limit -= max(0, w.limit-len(o.buf)) / 4
	f.bodyStands = o.body(lr.Body())
	w.limit = end - sizeOfFields
	o.attributes(lr.Attributes(), f)
	o.uint(`,"dropped_attributes_count":`, lr.DroppedAttributesCount())
	if id := lr.TraceID(); !id.IsEmpty() {
		o.hex(`,"trace_id":`, id[:])
	}
	if id := lr.SpanID(); !id.IsEmpty() {
		o.hex(`,"span_id":`, id[:])
	}
	o.uint(`,"flags":`, uint32(lr.Flags()))
	w.limit = end
	if !w.irregular && !e.rules.secrets.body {
		f.seeBody(lr.Body())
	}
	o.mapping(f)
	info := s.judge(e, lr)
	if info.Critical {
		o.string(`,"critical":`, info.Rule)
	}
	o.producer(s.Producer)
	s.lists(&o, &e.rules, lr)
	o.finish()
	o.buf = append(o.buf, s.resource...)
	o.buf = append(o.buf, s.scope...)
	return append(o.buf, '}'), info
}

// judge decides what the event is, once all of the record has been seen.
func (s *Source) judge(e *Encoder, lr plog.LogRecord) Info {
	n := &s.writer.notes
	info := Info{Identity: n.nInvalid, Structural: s.finding.structural(e.rules.profile, s, lr)}
	n.structural(info.Structural)
	if info.Structural != 0 {
		s.finding.verdict.offer(orderInvalid, "invalid:structural")
	}
	if info.Identity > 0 {
		s.finding.verdict.offer(orderInvalid, "invalid:identity")
	}
	if s.print != nil && s.print.Conflict {
		n.conflict(s.print.Field)
		s.finding.verdict.offer(orderInvalid, "invalid:record_id_conflict")
	}
	s.Producer.judge(&s.finding.verdict)
	e.decide(s, lr)
	info.Rule = s.finding.verdict.rule
	info.Critical = info.Rule != ""
	info.ID = prefix(s.finding.id, e.rules.limits.IdentityBytes)
	info.Content = n.nEscaped + s.ofScope.nEscaped + s.ofResource.nEscaped
	info.Redacted = n.nRedacted + s.ofScope.nRedacted + s.ofResource.nRedacted
	info.Truncated = n.nTruncated + s.ofScope.nTruncated + s.ofResource.nTruncated
	return info
}

// lists appends what was redacted, cut, invalid and escaped.
func (s *Source) lists(o *object, rules *rules, lr plog.LogRecord) {
	n, sc, r := &s.writer.notes, &s.ofScope, &s.ofResource
	if !n.any() && !sc.any() && !r.any() {
		return
	}
	o.list(`,"redacted":`, n.redacted, sc.redacted, r.redacted)
	o.list(`,"truncated":`, n.truncated, sc.truncated, r.truncated)
	s.withheld(o, rules, lr)
	o.list(`,"invalid":`, n.invalid)
	more := 0
	for _, part := range []*notes{n, sc, r} {
		more += max(0, part.nEscaped-maxEscaped)
	}
	var rest []byte
	if more > 0 {
		rest = append(strconv.AppendInt([]byte(`,{"more":`), int64(more), 10), '}')
	}
	o.list(`,"escaped":`, n.escaped, sc.escaped, r.escaped, rest)
}

// timeNames are the times of an event; time_source is the first that is there.
var timeNames = [...]member{`,"time":`, `,"observed_time":`, `,"recorded_time":`}

func (s *Source) times(o *object, lr plog.LogRecord, recorded time.Time) {
	source := member("")
	for i, ns := range [len(timeNames)]uint64{
		uint64(lr.Timestamp()), uint64(lr.ObservedTimestamp()), nanoseconds(recorded),
	} {
		if ns == 0 {
			continue
		}
		if source == "" {
			source = timeNames[i]
		}
		o.name(timeNames[i])
		o.buf = s.clock.append(o.buf, ns)
	}
	if source != "" {
		o.name(`,"time_source":`)
		o.buf = append(o.buf, source[1:len(source)-1]...)
	}
}

// decide looks at the EventName, and asks the user's conditions if nothing else
// made the event critical.
func (e *Encoder) decide(s *Source, lr plog.LogRecord) {
	if e.rules.index.defaults {
		s.finding.seeEventName(lr.EventName())
	}
	if e.conditions == nil || s.finding.verdict.rule != "" || s.writer.irregular {
		return
	}
	if rule, critical := e.conditions(s.rl, s.sl, lr); critical {
		if rule == "" {
			rule = "critical.conditions"
		}
		s.finding.verdict.offer(orderUser, rule)
	}
}
