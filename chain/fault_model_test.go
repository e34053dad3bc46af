package chain_test

import (
	"fmt"
	"slices"

	"github.com/otelaudit/auditexporter/chain"
)

// model is what a log may hold after whatever faults and crashes: everything
// synced, in order, and after it either the beginning of what was handed over
// since, or all that a Renew which did not get its answer put in its place.
type model struct {
	synced []string   // texts of events promised to stand
	head   chain.Head // of the last synced entry, promised, too
	tail   []handed   // handed over after them, in order
	whole  int        // so many of tail are of Writes that returned nil
	keeps  [][]string // what Renews tried to go on with
}

// handed is an event that is not synced.
type handed struct {
	text    string
	exposed bool // acknowledged all the same
}

func (m model) clone() model {
	m.synced, m.tail, m.keeps = slices.Clone(m.synced), slices.Clone(m.tail), slices.Clone(m.keeps)
	return m
}

// hand notes events about to be written.
func (m *model) hand(texts []string) {
	for _, s := range texts {
		m.tail = append(m.tail, handed{text: s})
	}
}

// wrote notes that the Write of the last events handed over returned nil;
// routine ones are acknowledged.
func (m *model) wrote(routine bool) {
	for i := m.whole; i < len(m.tail); i++ {
		m.tail[i].exposed = routine
	}
	m.whole = len(m.tail)
}

// sync notes that a Sync covered the first n of tail.
func (m *model) sync(n int, head chain.Head) {
	m.synced = append(m.synced, texts(m.tail[:n])...)
	m.tail, m.whole, m.head = slices.Clone(m.tail[n:]), m.whole-n, head
}

// keep returns what a Renew must go on with: what is acknowledged and, until it
// is refused, what waits.
func (m *model) keep(refused bool) []string {
	var keep []string
	for _, h := range m.tail[:m.whole] {
		if h.exposed || !refused {
			keep = append(keep, h.text)
		}
	}
	m.keeps = append(m.keeps, keep)
	return keep
}

// renew notes that a Renew has put keep in the place of tail.
func (m *model) renew(keep []string, head chain.Head) {
	m.synced = append(m.synced, keep...)
	m.tail, m.whole, m.keeps, m.head = nil, 0, nil, head
}

// open notes that an opening found got, which is synced from now on.
func (m *model) open(got []string, head chain.Head) {
	*m = model{synced: got, head: head}
}

// cutPower notes that what was not synced may be lost, as against the death of
// the process.
func (m *model) cutPower() { m.whole = 0 }

// allows returns why the log must not hold the events got.
func (m *model) allows(got []string) error {
	n := len(m.synced)
	if len(got) < n || !slices.Equal(got[:n], m.synced) {
		return fmt.Errorf("log holds %v, but %v are synced", got, m.synced)
	}
	rest, tail := got[n:], texts(m.tail)
	if m.whole <= len(rest) && len(rest) <= len(tail) && slices.Equal(rest, tail[:len(rest)]) {
		return nil
	}
	for _, keep := range m.keeps {
		if slices.Equal(rest, keep) {
			return nil
		}
	}
	return fmt.Errorf("after what is synced the log holds %v: neither the beginning of %v, at least %d, nor one of %v", rest, tail, m.whole, m.keeps)
}

func texts(events []handed) []string {
	out := make([]string, len(events))
	for i, h := range events {
		out[i] = h.text
	}
	return out
}
