package event

// Sources gives the table of normalised fields as FORMAT.md shows it.
func Sources() [][]string {
	rows := [][]string{{"time_source", timeNames[0].key(), timeNames[1].key(), timeNames[2].key()}}
	for _, f := range fields {
		row := []string{f.name}
		for _, s := range f.sources {
			row = append(row, s.name)
		}
		rows = append(rows, row)
	}
	return rows
}

// Kinds gives the taxonomy as CRITICAL.md shows it.
func Kinds() (rows [][3]string) {
	for _, k := range taxonomy {
		criticality := "routine"
		if k.critical {
			criticality = "critical"
		}
		rows = append(rows, [3]string{k.name, k.dotted, criticality})
	}
	return rows
}

// Words and Pairs give the name rules as CRITICAL.md shows them.
func Words() string      { return words }
func Pairs() [][2]string { return pairs }

// Mandatory gives the table of mandatory fields as FORMAT.md shows it.
func Mandatory() (rows [][]string) {
	for _, m := range mandatory {
		rows = append(rows, append([]string{m.field}, m.words...))
	}
	return rows
}

// SecretNames gives the names of redacted keys as FORMAT.md shows them.
func SecretNames() string { return secretNames }
