package event

import (
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// Options configure an Encoder. The zero value has no rule that makes an event
// critical.
type Options struct {
	Critical Critical
}

// Encoder turns records into events. It is immutable and safe for concurrent
// use.
type Encoder struct {
	index      *index
	conditions Predicate
}

// NewEncoder returns an Encoder, or an error that names the option that is
// invalid.
func NewEncoder(o Options) (*Encoder, error) {
	x, err := newIndex(o.Critical)
	if err != nil {
		return nil, err
	}
	return &Encoder{index: x, conditions: o.Critical.Conditions}, nil
}

// Source is one resource and one scope, encoded once for all their records, and
// the scratch memory of whoever encodes them. The zero value is ready for
// [Encoder.Resource]. It serves one goroutine and may be pooled after Reset.
type Source struct {
	rl              plog.ResourceLogs
	sl              plog.ScopeLogs
	resource, scope []byte // members with their leading comma, or empty
	byResource      verdict
	byScope         verdict
	writer          writer
	finding         finding
	clock           clock
}

// Reset lets go of all pdata and keeps the memory.
func (s *Source) Reset() {
	s.rl, s.sl = plog.ResourceLogs{}, plog.ScopeLogs{}
	s.finding.id, s.finding.offered, s.finding.body = "", [numFields]bodyValue{}, facts{}
	s.resource, s.scope = s.resource[:0], s.scope[:0]
}

// Resource makes rl's resource the one of all records that follow, with no
// scope yet.
func (e *Encoder) Resource(s *Source, rl plog.ResourceLogs) {
	s.rl, s.sl = rl, plog.ScopeLogs{}
	s.scope = s.scope[:0]
	s.byResource, s.byScope = verdict{order: orderNone}, verdict{order: orderNone}
	e.index.seeShared(rl.Resource().Attributes(), &s.byResource)

	r := rl.Resource()
	s.resource = s.writer.object(s.resource[:0], `,"resource":`, func(o *object) {
		o.attributes(r.Attributes(), nil)
		o.uint(`,"dropped_attributes_count":`, r.DroppedAttributesCount())
		o.entities(entity.ResourceEntityRefs(r))
		o.string(`,"schema_url":`, rl.SchemaUrl())
	})
}

// Scope makes sl's scope the one of all records that follow.
func (e *Encoder) Scope(s *Source, sl plog.ScopeLogs) {
	s.sl = sl
	s.byScope = s.byResource
	e.index.seeShared(sl.Scope().Attributes(), &s.byScope)

	sc := sl.Scope()
	s.scope = s.writer.object(s.scope[:0], `,"scope":`, func(o *object) {
		o.string(`,"name":`, sc.Name())
		o.string(`,"version":`, sc.Version())
		o.attributes(sc.Attributes(), nil)
		o.uint(`,"dropped_attributes_count":`, sc.DroppedAttributesCount())
		o.string(`,"schema_url":`, sl.SchemaUrl())
	})
}

// Info is what there is to know of an event beside its bytes.
type Info struct {
	Critical bool
	// Rule is why it is critical: a class, and in most classes ':' and a detail.
	// It comes from a bounded set and holds nothing of the record.
	Rule string
	// ID is the record id, "" if the record has none that is a string. It points
	// into the record.
	ID string
}

// Append appends the event of lr, a record of s, to dst: one JSON object without
// a line feed. recorded is the writer's clock. The same record, recorded time
// and options give the same bytes. It allocates nothing but to grow dst and s,
// records apart whose maps have a key twice or one that is not valid UTF-8.
func (e *Encoder) Append(dst []byte, s *Source, lr plog.LogRecord, recorded time.Time) ([]byte, Info) {
	start := len(dst)
	dst = s.append(dst, e, lr, recorded, false)
	if s.writer.irregular {
		dst = s.append(dst[:start], e, lr, recorded, true)
	}
	v := s.finding.verdict
	return dst, Info{Critical: v.rule != "", Rule: v.rule, ID: s.finding.id}
}

func (s *Source) append(dst []byte, e *Encoder, lr plog.LogRecord, recorded time.Time, careful bool) []byte {
	w, f := &s.writer, &s.finding
	w.reset(careful)
	f.reset(e.index)
	f.verdict.offer(s.byScope.order, s.byScope.rule)

	o := object{writer: w, buf: append(dst, `{"v":1`...)}
	if name := lr.EventName(); name != "" {
		o.string(`,"type":`, name)
		f.mapping[fieldType] = 0
	}
	s.times(&o, lr, recorded)
	if n := lr.SeverityNumber(); n != 0 {
		o.name(`,"severity_number":`)
		o.buf = strconv.AppendInt(o.buf, int64(n), 10)
	}
	o.string(`,"severity_text":`, lr.SeverityText())
	o.body(lr.Body())
	o.attributes(lr.Attributes(), f)
	o.uint(`,"dropped_attributes_count":`, lr.DroppedAttributesCount())
	if id := lr.TraceID(); !id.IsEmpty() {
		o.hex(`,"trace_id":`, id[:])
	}
	if id := lr.SpanID(); !id.IsEmpty() {
		o.hex(`,"span_id":`, id[:])
	}
	o.uint(`,"flags":`, uint32(lr.Flags()))
	f.seeBody(lr.Body())
	o.mapping(f)
	e.decide(s, lr)
	if rule := f.verdict.rule; rule != "" {
		o.string(`,"critical":`, rule)
	}
	o.finish()
	o.buf = append(o.buf, s.resource...)
	o.buf = append(o.buf, s.scope...)
	return append(o.buf, '}')
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
	if e.index.defaults {
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
