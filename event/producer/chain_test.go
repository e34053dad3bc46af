package producer_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/auditexporter/event/canonical"
	"github.com/otelaudit/auditexporter/event/producer"
)

// tell is a record with these attributes and an id of its own.
func tell(id string, attributes map[string]any) plog.LogRecord {
	lr := plog.NewLogRecord()
	lr.Attributes().PutStr("audit.record.id", id)
	for k, v := range attributes {
		if err := lr.Attributes().PutEmpty(k).FromRaw(v); err != nil {
			panic(err)
		}
	}
	return lr
}

func hashOf(t testing.TB, lr plog.LogRecord, f canonical.Form) string {
	t.Helper()
	sum, err := canonical.Hash(lr, f)
	require.NoError(t, err)
	return hex.EncodeToString(sum[:])
}

// stream is a producer's chain as it is made.
type stream struct {
	t       testing.TB
	id      string // stream_id; "": none
	pointer string // name of the pointer; "": none
	form    canonical.Form
	n       int64
	last    plog.LogRecord
}

// next is the next record, changed before its successor points to it.
func (s *stream) next(change ...func(pcommon.Map)) plog.LogRecord {
	s.n++
	a := map[string]any{"audit.sequence.number": s.n}
	if s.id != "" {
		a["audit.sequence.stream_id"] = s.id
	}
	if s.pointer != "" && s.n > 1 {
		a[s.pointer] = hashOf(s.t, s.last, s.form)
	}
	s.last = tell(s.id+string(rune('a'+s.n)), a)
	for _, c := range change {
		c(s.last.Attributes())
	}
	return s.last
}

// judge judges records as one request of one resource.
func judge(t testing.TB, streams *producer.Streams, written bool, lrs ...plog.LogRecord) (out []string) {
	t.Helper()
	c, links := claim(t, streams, lrs...)
	for i := range links {
		if !links[i].Says() {
			out = append(out, "")
			continue
		}
		v := c.Judge(&links[i])
		out = append(out, strings.TrimSpace(string(v.State)+" "+string(v.Break)))
	}
	c.Settle(written)
	return out
}

func links(lrs ...plog.LogRecord) (out []producer.Link) {
	resource := pcommon.NewMap()
	resource.PutStr("service.name", "portal")
	for _, lr := range lrs {
		out = append(out, producer.ReadLink(producer.Of(lr), func() producer.Stream { return producer.StreamOf(resource) }))
	}
	return out
}

func claim(t testing.TB, streams *producer.Streams, lrs ...plog.LogRecord) (*producer.Claim, []producer.Link) {
	t.Helper()
	l := links(lrs...)
	c, err := streams.Claim(t.Context(), l, 0)
	require.NoError(t, err)
	return c, l
}

// A chain of each generation of names, in both forms, by stream_id and by resource, is whole.
func TestChainGenerations(t *testing.T) {
	for _, pointer := range []string{"", "audit.sequence.previous_hash", "audit.sequence.prev_hash", "audit.prev.hash"} {
		for _, id := range []string{"", "s"} {
			for _, form := range []canonical.Form{canonical.TaggedBody, canonical.StringBody} {
				s := &stream{t: t, id: id, pointer: pointer, form: form}
				body := func(pcommon.Map) { s.last.Body().SetStr("with a body the forms differ") }
				streams := producer.NewStreams(10)
				require.Equal(t, []string{"first", "next", "next"}, judge(t, streams, true, s.next(body), s.next(body), s.next(body)))
				require.Equal(t, []string{"next", "next"}, judge(t, streams, true, s.next(body), s.next(body)))
			}
		}
	}
}

// Both genesis forms, and pointers however they are written.
func TestChainGenesisAndEncodings(t *testing.T) {
	empty := sha256.Sum256(nil)
	for _, genesis := range []any{nil, "", hex.EncodeToString(empty[:]), strings.ToUpper(hex.EncodeToString(empty[:])), base64.StdEncoding.EncodeToString(empty[:])} {
		first := tell("a", map[string]any{"audit.sequence.stream_id": "s", "audit.sequence.number": 1})
		if genesis != nil {
			first.Attributes().PutStr("audit.sequence.prev_hash", genesis.(string))
		}
		sum, err := canonical.Hash(first, canonical.TaggedBody)
		require.NoError(t, err)
		for _, pointer := range []string{hex.EncodeToString(sum[:]), "sha256:" + hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])} {
			streams := producer.NewStreams(10)
			second := tell("b", map[string]any{"audit.sequence.stream_id": "s", "audit.sequence.number": 2, "audit.sequence.prev_hash": pointer})
			require.Equal(t, []string{"first", "next"}, judge(t, streams, true, first, second), "%v %s", genesis, pointer)
		}
	}
}

// The newest generation of the pointer's name counts.
func TestChainNewestPointerCounts(t *testing.T) {
	s := &stream{t: t, id: "s", pointer: "audit.sequence.previous_hash"}
	older := func(m pcommon.Map) {
		m.PutStr("audit.prev.hash", strings.Repeat("00", 32))
		m.PutStr("audit.sequence.prev_hash", strings.Repeat("11", 32))
	}
	require.Equal(t, []string{"first", "next", "next"}, judge(t, producer.NewStreams(1), true, s.next(), s.next(older), s.next(older)))
}

func TestChain(t *testing.T) {
	const (
		number = "audit.sequence.number"
		hash   = "audit.sequence.previous_hash"
	)
	// Each case: the records of a stream, of which some are lost, changed or sent again.
	for name, c := range map[string]struct {
		by   string // stream_id
		make func(s *stream) []plog.LogRecord
		want []string
	}{
		"gap": {"s", func(s *stream) []plog.LogRecord {
			a, _, c, d := s.next(), s.next(), s.next(), s.next()
			return []plog.LogRecord{a, c, d}
		}, []string{"first", "broken gap", "next"}},
		"late": {"s", func(s *stream) []plog.LogRecord {
			a, b, c, d := s.next(), s.next(), s.next(), s.next()
			return []plog.LogRecord{a, c, b, d}
		}, []string{"first", "broken gap", "broken order", "next"}},
		"again": {"s", func(s *stream) []plog.LogRecord {
			a, b := s.next(), s.next()
			return []plog.LogRecord{a, b, a, b, b, s.next()}
		}, []string{"first", "next", "again", "again", "again", "next"}},
		"changed": {"s", func(s *stream) []plog.LogRecord {
			a, b := s.next(), s.next()
			c := s.next()
			b.Attributes().PutStr("audit.actor.id", "mallory")
			return []plog.LogRecord{a, b, c, s.next()}
		}, []string{"first", "next", "broken hash", "next"}},
		"one number twice": {"s", func(s *stream) []plog.LogRecord {
			a, b := s.next(), s.next()
			return []plog.LogRecord{a, b, tell("x", map[string]any{number: 2, "audit.sequence.stream_id": "s"}), s.next()}
		}, []string{"first", "next", "broken fork", "next"}},
		"one predecessor twice": {"s", func(s *stream) []plog.LogRecord {
			a := s.next()
			to := hashOf(t, a, canonical.TaggedBody)
			b := s.next()
			return []plog.LogRecord{a, b, tell("x", map[string]any{number: 3, hash: to, "audit.sequence.stream_id": "s"}), s.next()}
		}, []string{"first", "next", "broken fork", "next"}},
		"two roots": {"s", func(s *stream) []plog.LogRecord {
			return []plog.LogRecord{s.next(), s.next(), tell("x", map[string]any{number: 1, "audit.sequence.stream_id": "s"}), s.next()}
		}, []string{"first", "next", "broken fork", "next"}},
		"process began again": {"", func(s *stream) []plog.LogRecord {
			other := &stream{t: t, pointer: hash}
			return []plog.LogRecord{s.next(), s.next(), other.next(func(m pcommon.Map) { m.PutStr("audit.record.id", "new") }), other.next()}
		}, []string{"first", "next", "first", "next"}},
		"after the end": {"s", func(s *stream) []plog.LogRecord {
			end := func(m pcommon.Map) { m.PutBool("audit.sequence.end", true) }
			a, b := s.next(), s.next(end)
			return []plog.LogRecord{a, b, b, s.next(), s.next()}
		}, []string{"first", "next", "again", "broken after_end", "broken after_end"}},
		"an end that is none": {"s", func(s *stream) []plog.LogRecord {
			return []plog.LogRecord{s.next(func(m pcommon.Map) { m.PutBool("audit.sequence.end", false) }), s.next()}
		}, []string{"first", "next"}},
		"pointer left out": {"s", func(s *stream) []plog.LogRecord {
			return []plog.LogRecord{s.next(), s.next(), s.next(func(m pcommon.Map) { m.Remove(hash) }), s.next()}
		}, []string{"first", "next", "broken unlinked", "next"}},
		"genesis in the midst": {"s", func(s *stream) []plog.LogRecord {
			empty := sha256.Sum256(nil)
			return []plog.LogRecord{s.next(), s.next(func(m pcommon.Map) { m.PutStr(hash, hex.EncodeToString(empty[:])) })}
		}, []string{"first", "broken hash"}},
		"record id": {"s", func(s *stream) []plog.LogRecord {
			id := func(v string) func(pcommon.Map) {
				return func(m pcommon.Map) { m.PutStr("audit.sequence.previous_record_id", v) }
			}
			return []plog.LogRecord{s.next(), s.next(id("sb")), s.next(id("sb")), s.next(id("nobody"))}
		}, []string{"first", "next", "broken fork", "broken gap"}},
		"record id of nobody": {"s", func(s *stream) []plog.LogRecord {
			return []plog.LogRecord{s.next(), s.next(func(m pcommon.Map) { m.PutStr("audit.sequence.previous_record_id", "nobody") })}
		}, []string{"first", "broken record"}},
		"seen from the midst": {"s", func(s *stream) []plog.LogRecord {
			a, b, c, d := s.next(), s.next(), s.next(), s.next()
			return []plog.LogRecord{c, d, b, a, s.next()}
		}, []string{"unknown", "next", "unknown", "unknown", "next"}},
		"no canonical form": {"s", func(s *stream) []plog.LogRecord {
			a, b := s.next(), s.next()
			b.Attributes().PutStr("x", "\xff")
			c := tell("c", map[string]any{number: 3, hash: strings.Repeat("ab", 32), "audit.sequence.stream_id": "s"})
			return []plog.LogRecord{a, b, b, c}
		}, []string{"first", "next", "again", "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			lrs := c.make(&stream{t: t, id: c.by, pointer: hash})
			require.Equal(t, c.want, judge(t, producer.NewStreams(10), true, lrs...))
			// One request or many: it is the same.
			streams := producer.NewStreams(10)
			var got []string
			for _, lr := range lrs {
				got = append(got, judge(t, streams, true, lr)...)
			}
			require.Equal(t, c.want, got)
		})
	}
}

// Without numbers the pointers decide.
func TestChainWithoutNumbers(t *testing.T) {
	link := func(id string, to plog.LogRecord) plog.LogRecord {
		a := map[string]any{"audit.sequence.stream_id": "s"}
		if to != (plog.LogRecord{}) {
			a["audit.sequence.previous_hash"] = hashOf(t, to, canonical.TaggedBody)
		}
		return tell(id, a)
	}
	a := link("a", plog.LogRecord{})
	b := link("b", a)
	c := link("c", b)
	d := link("d", c)
	require.Equal(t, []string{"first", "next", "next", "next", "again"}, judge(t, producer.NewStreams(1), true, a, b, c, d, a))
	require.Equal(t, []string{"first", "next", "broken hash", "again"}, judge(t, producer.NewStreams(1), true, a, b, d, b))
	require.Equal(t, []string{"first", "next", "broken fork", "next"}, judge(t, producer.NewStreams(1), true, a, b, link("x", a), c))
	require.Equal(t, []string{"first", "next", "broken fork"}, judge(t, producer.NewStreams(1), true, a, b, link("x", plog.LogRecord{})))
	require.Equal(t, []string{"first", "unknown", "unknown"}, judge(t, producer.NewStreams(1), true, a, link("x", plog.LogRecord{}), link("y", plog.LogRecord{})),
		"a stream that has shown no pointer is none that can break")
}

func TestChainMalformed(t *testing.T) {
	for name, a := range map[string]map[string]any{
		"number of another kind": {"audit.sequence.number": "1"}, "number 0": {"audit.sequence.number": 0}, "negative": {"audit.sequence.number": -1},
		"double": {"audit.sequence.number": 1.0}, "end": {"audit.sequence.end": "true"}, "stream": {"audit.sequence.stream_id": 1},
		"pointer": {"audit.prev.hash": []any{"x"}}, "short pointer": {"audit.sequence.prev_hash": "abcd"},
		"no hex": {"audit.sequence.previous_hash": strings.Repeat("zz", 32)}, "long": {"audit.sequence.previous_hash": strings.Repeat("00", 3200)},
		"previous id": {"audit.sequence.previous_record_id": true},
	} {
		require.Equal(t, []string{"broken malformed"}, judge(t, producer.NewStreams(1), true, tell("a", a)), name)
	}
	require.Equal(t, []string{""}, judge(t, producer.NewStreams(1), true, tell("a", nil)), "a record that says nothing")
}

// What is longer ago than is remembered is not called a break, and one of the latest is.
func TestChainWindow(t *testing.T) {
	s := &stream{t: t, id: "s", pointer: "audit.sequence.previous_hash"}
	streams := producer.NewStreams(1)
	var all []plog.LogRecord
	for range 2*producer.Window + 7 {
		all = append(all, s.next())
	}
	judge(t, streams, true, all[:producer.Window-3]...)
	got := judge(t, streams, false, append(slices.Clip(all[producer.Window-3:producer.Window+3]), all[5])...)
	require.Equal(t, "again", got[len(got)-1])
	got = judge(t, streams, false, append(slices.Clip(all[producer.Window-3:producer.Window+9]), all[5])...)
	require.Equal(t, "unknown", got[len(got)-1], "too long ago, in the same request")
	judge(t, streams, true, all[producer.Window-3:]...)
	require.Equal(t, []string{"again"}, judge(t, streams, true, all[0]), "the first is never forgotten")
	require.Equal(t, []string{"unknown"}, judge(t, streams, true, all[producer.Window]), "too long ago")
	require.Equal(t, []string{"again", "again"}, judge(t, streams, true, all[producer.Window+10], all[len(all)-1]))
	forged := tell("x", map[string]any{"audit.sequence.number": int64(producer.Window + 11), "audit.sequence.stream_id": "s"})
	require.Equal(t, []string{"broken fork"}, judge(t, streams, true, forged))
	require.Equal(t, []string{"next"}, judge(t, streams, true, s.next()))
}

// Streams of resources are told apart by their attributes, in any order; a new key is no new stream.
func TestStreamOf(t *testing.T) {
	of := func(pairs ...string) producer.Stream {
		m := pcommon.NewMap()
		for i := 0; i < len(pairs); i += 2 {
			m.PutStr(pairs[i], pairs[i+1])
		}
		return producer.StreamOf(m)
	}
	require.Equal(t, of("a", "1", "b", "2"), of("b", "2", "a", "1", "audit.integrity.certificate", "x"))
	require.NotEqual(t, of("a", "1"), of("a", "2"))
	require.NotEqual(t, of("a", "1:2", "b", ""), of("a", "1", "2b", ""))
	require.NotEqual(t, of(), of("", ""))
	number := pcommon.NewMap()
	number.PutInt("a", 1)
	require.NotEqual(t, of("a", "1"), producer.StreamOf(number))
}
