package event

import "strings"

// BodyFormat is a format as docs/fields.md shows it.
type BodyFormat struct {
	Name string
	// Fields are the members that feed each field, in order, and Concluded
	// whether it can also be concluded.
	Fields    map[string][]string
	Concluded map[string]bool
}

func BodyFormats() (all []BodyFormat) {
	for _, b := range []*bodyFormat{kubernetes, cloudTrail, ocsf, ecs, auditd, journald} {
		f := BodyFormat{Name: b.name, Fields: make(map[string][]string), Concluded: make(map[string]bool)}
		for id := range fields {
			name := fields[id].name
			for _, m := range b.sources[id] {
				if b.line {
					m = strings.TrimPrefix(m, "/")
				}
				f.Fields[name] = append(f.Fields[name], m)
			}
			if b.concluded[id] != nil {
				f.Concluded[name] = true
			}
		}
		all = append(all, f)
	}
	return all
}

// BodyWords are the lists of the rules about bodies, in CRITICAL.md's order.
func BodyWords() [][]string {
	w := &bodyWords
	var all [][]string
	for _, l := range []wordList{
		w.kubernetesReads, w.kubernetesResources, w.kubernetesSubresources,
		w.cloudTrailErrors, w.cloudTrailSources, w.cloudTrailNames, w.auditdTypes,
	} {
		all = append(all, strings.Fields(l.text))
	}
	return all
}

// Messages are the journald messages as CRITICAL.md shows them.
func Messages() (rows [][]string) {
	for _, m := range messages {
		rows = append(rows, []string{m.identifier, m.form, m.action, m.outcome})
	}
	return rows
}
