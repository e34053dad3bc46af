package event

import "strconv"

// members decodes the members of one object. Absent ones write nothing.
type members struct {
	d     *decoder
	n     *node
	exact map[string]*node // its exact tree; what is used leaves it
}

// use takes the exact node of a member.
func (m *members) use(name string) *node {
	e := m.exact[name]
	delete(m.exact, name)
	return e
}

// done fails if the exact tree speaks of a member that is not there.
func (m *members) done() error {
	if len(m.exact) > 0 {
		return m.d.at("exact", -1, func() error { return m.d.fail("speaks of a value that is not there") })
	}
	return nil
}

// of calls f for a member that is there, with its exact node.
func (m *members) of(name string, f func(n, exact *node) error) error {
	n := m.n.get(name)
	if n == nil {
		return nil
	}
	return m.d.at(name, -1, func() error { return f(n, m.use(name)) })
}

func (m *members) string(field uint64, name string) error {
	return m.of(name, func(n, exact *node) error {
		s, err := m.d.text(n, exact)
		if err != nil {
			return err
		}
		if s == "" && !m.d.cut {
			return m.d.fail("empty string where absence says it")
		}
		m.d.out.string(field, s)
		return nil
	})
}

// number reads a member that is a number of that many bits, not zero.
func (m *members) number(name string, bits int, f func(uint64)) error {
	return m.of(name, func(n, exact *node) error {
		u, err := strconv.ParseUint(n.text, 10, bits)
		if n.kind != jsonNumber || exact != nil || err != nil || u == 0 {
			return m.d.fail("not a positive integer of " + strconv.Itoa(bits) + " bits")
		}
		f(u)
		return nil
	})
}

func (m *members) uint(field uint64, name string) error {
	return m.number(name, 32, func(u uint64) { m.d.out.uint(field, u) })
}

func (m *members) flags(field uint64) error {
	return m.number("flags", 32, func(u uint64) { m.d.out.fixed32(field, uint32(u)) })
}

func (m *members) severity(field uint64) error {
	return m.of("severity_number", func(n, exact *node) error {
		i, ok := int32Of(n)
		if !ok || exact != nil {
			return m.d.fail("not an integer of 32 bits, or zero")
		}
		m.d.out.uint(field, uint64(int64(i)))
		return nil
	})
}

func int32Of(n *node) (int32, bool) {
	i, err := strconv.ParseInt(n.text, 10, 32)
	return int32(i), n.kind == jsonNumber && err == nil && i != 0
}

func (m *members) time(field uint64, name string) error {
	return m.of(name, func(n, exact *node) error {
		ns, err := parseTime(n.text)
		if n.kind != jsonString || exact != nil || err != nil {
			return m.d.fail(errTime.Error())
		}
		m.d.out.fixed64(field, ns)
		return nil
	})
}

func (m *members) id(field uint64, name string, size int) error {
	return m.of(name, func(n, exact *node) error {
		id, ok := decodeID(n.text, size)
		if n.kind != jsonString || exact != nil || !ok {
			return m.d.fail("not " + strconv.Itoa(size) + " bytes in lower-case hex, or zero")
		}
		m.d.out.string(field, string(id))
		return nil
	})
}

func (m *members) body(field uint64) error {
	return m.of("body", func(n, exact *node) error {
		if n.kind == jsonNull {
			return m.d.fail("null where absence says it")
		}
		return m.d.message(field, func() error { return m.d.value(n, exact) })
	})
}

func (m *members) attributes(field uint64) error {
	return m.of("attributes", func(n, exact *node) error {
		if n.kind != jsonObject {
			return m.d.fail("not an object")
		}
		if len(n.items) == 0 && exact == nil && !m.d.cut {
			return m.d.fail("empty object where absence says it")
		}
		return m.d.entries(field, n, exact)
	})
}

// entities decodes entity_refs, the last first.
func (m *members) entities(field uint64) error {
	return m.of("entity_refs", func(n, exact *node) error {
		if n.kind != jsonArray || exact != nil && exact.kind != jsonObject {
			return m.d.fail("not an array")
		}
		list := members{d: m.d, exact: childrenOf(exact)}
		for i := len(n.items) - 1; i >= 0; i-- {
			err := m.d.at("", i, func() error {
				return m.d.message(field, func() error {
					return m.d.entity(&n.items[i], list.use(strconv.Itoa(i)))
				})
			})
			if err != nil {
				return err
			}
		}
		return list.done()
	})
}

func (d *decoder) entity(n, exact *node) error {
	if n.kind != jsonObject || exact != nil && exact.kind != jsonObject {
		return d.fail("not an object")
	}
	if err := d.known(n, "schema_url", "type", "id_keys", "description_keys"); err != nil {
		return err
	}
	e := members{d: d, n: n, exact: childrenOf(exact)}
	return all(
		func() error { return e.strings(4, "description_keys") },
		func() error { return e.strings(3, "id_keys") },
		func() error { return e.string(2, "type") },
		func() error { return e.string(1, "schema_url") },
		e.done,
	)
}

// strings decodes an array of strings, the last first.
func (m *members) strings(field uint64, name string) error {
	return m.of(name, func(n, exact *node) error {
		if n.kind != jsonArray || len(n.items) == 0 && !m.d.cut || exact != nil && exact.kind != jsonObject {
			return m.d.fail("not an array of strings")
		}
		list := members{d: m.d, exact: childrenOf(exact)}
		for i := len(n.items) - 1; i >= 0; i-- {
			err := m.d.at("", i, func() error {
				s, err := m.d.text(&n.items[i], list.use(strconv.Itoa(i)))
				if err == nil {
					m.d.out.string(field, s)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return list.done()
	})
}

func childrenOf(exact *node) map[string]*node {
	if exact == nil {
		return nil
	}
	return children(exact)
}
