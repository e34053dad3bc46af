package idindex

import (
	"maps"
	"slices"
)

// table is the records of a range of the log that no run has yet.
type table struct {
	span
	rows   map[Key]value
	bytes  int64 // of the log that it covers
	sealed bool
}

func newTable(after uint64) *table {
	return &table{span: span{first: after + 1, last: after}, rows: make(map[Key]value)}
}

func (t *table) add(records []Record) {
	for i := range records {
		v := records[i].value()
		t.rows[records[i].Key] = v
		t.see(v.millis())
	}
}

// sorted gives the rows by key.
func (t *table) sorted() []row {
	rows := make([]row, 0, len(t.rows))
	for k, v := range maps.All(t.rows) {
		rows = append(rows, row{k, v})
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

// span is a range of the log, whose ends are entries, and of times.
type span struct {
	first, last    uint64   // sequence numbers
	hash           [32]byte // of entry last
	oldest, newest int64    // milliseconds; both 0 without records
}

func (s *span) see(millis int64) {
	if s.oldest == 0 || millis < s.oldest {
		s.oldest = millis
	}
	s.newest = max(s.newest, millis)
}
