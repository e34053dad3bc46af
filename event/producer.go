package event

// Producer is what was found out about what a record's producer says of the record. The
// event carries it beside the record, and a failure makes it critical.
type Producer struct {
	Integrity *Integrity // nil: nothing was looked at
	Sequence  *Sequence  // nil: the record says nothing of a chain, or it was not looked at
}

// Integrity is what a record's audit.integrity.value is worth. Words are of a bounded set,
// docs/integrity.md has them.
type Integrity struct {
	Verified bool
	Reason   string // why not
	Key      string // the configured id of the key that verified it
	// Uncovered are fields of the record that hold something and are not signed.
	Uncovered []string
}

// Sequence is a record's place in its producer's chain.
type Sequence struct {
	State string // "first", "next", "again", "unknown", "broken"
	Break string // why it is broken
}

const stateBroken = "broken"

// Rules of critical events, whatever else is configured.
const (
	ruleIntegrity = "integrity:signature"
	ruleSequence  = "integrity:sequence"
)

func (p *Producer) judge(v *verdict) {
	if p == nil {
		return
	}
	if p.Integrity != nil && !p.Integrity.Verified {
		v.offer(orderProducer, ruleIntegrity)
	}
	if p.Sequence != nil && p.Sequence.State == stateBroken {
		v.offer(orderProducer, ruleSequence)
	}
}

// producer appends the members integrity and sequence.
func (o *object) producer(p *Producer) {
	if p == nil {
		return
	}
	if i := p.Integrity; i != nil {
		o.name(`,"integrity":`)
		if i.Verified {
			o.buf = append(o.buf, `{"verified":true`...)
		} else {
			o.buf = append(o.buf, `{"verified":false`...)
		}
		o.word(`,"reason":`, i.Reason)
		o.word(`,"key":`, i.Key)
		for n, u := range i.Uncovered {
			if n == 0 {
				o.name(`,"uncovered":`)
			}
			o.buf = append(o.buf, "[,"[min(n, 1)])
			o.buf, _ = appendString(o.buf, u)
		}
		if len(i.Uncovered) > 0 {
			o.buf = append(o.buf, ']')
		}
		o.buf = append(o.buf, '}')
	}
	if q := p.Sequence; q != nil {
		o.name(`,"sequence":`)
		o.buf, _ = appendString(append(o.buf, `{"state":`...), q.State)
		o.word(`,"break":`, q.Break)
		o.buf = append(o.buf, '}')
	}
}

// word appends a text of the configuration or of a bounded set, if there is one.
func (o *object) word(name member, s string) {
	if s != "" {
		o.name(name)
		o.buf, _ = appendString(o.buf, s)
	}
}

// producer reads the members integrity and sequence.
func (p *parser) producer(e *Event) {
	p.section("integrity", func(l *element) {
		v := l.n.get("verified")
		if v == nil || v.kind != jsonBool {
			l.fail("verified is not a boolean")
			return
		}
		i := &Integrity{Verified: v.text == "true", Reason: l.optional("reason"), Key: l.optional("key")}
		if l.n.get("uncovered") != nil {
			i.Uncovered = l.wordsOf("uncovered")
		}
		if i.Verified == (i.Reason != "") {
			l.fail("has a reason if it is not verified, and only then")
		}
		e.Integrity = i
	})
	p.section("sequence", func(l *element) {
		q := &Sequence{State: l.text("state"), Break: l.optional("break")}
		if (q.State == stateBroken) != (q.Break != "") {
			l.fail("has a break if it is broken, and only then")
		}
		e.Sequence = q
	})
}

// section reads a member that is an object; its members that it does not know are passed
// over.
func (p *parser) section(name string, read func(*element)) {
	n := p.root.get(name)
	if n == nil {
		return
	}
	l := element{p: p, list: name, n: n}
	if n.kind != jsonObject {
		l.fail("not an object")
		return
	}
	read(&l)
}

func (l *element) optional(name string) string {
	if l.n.get(name) == nil {
		return ""
	}
	return l.text(name)
}
