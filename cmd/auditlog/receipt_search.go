package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/idindex"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// search finds the entry of a record by its id: by the index of record ids if
// that can be read, else in the log from its beginning.
type search struct {
	folder  string
	id      string
	hash    event.IDHash
	missing func(chain.Range)
}

func logOf(folder string) (chain.LogID, error) {
	id, ok := chain.ParseLogID(filepath.Base(folder))
	if !ok {
		return id, fmt.Errorf("folder %s is not named by a log id", folder)
	}
	return id, nil
}

// run returns the newest entry that is no conflict.
func (s *search) run(ctx context.Context) (chain.Line, error) {
	id, err := logOf(s.folder)
	if err != nil {
		return chain.Line{}, err
	}
	found, covered, err := idindex.Search(durable.OS(), filepath.Join(s.folder, "ids"), id, idindex.Key(s.hash))
	if err != nil || covered == 0 { // gone, being written, or empty
		return s.scan(ctx, 1)
	}
	// What the index does not cover yet is newer.
	l, err := s.scan(ctx, covered+1)
	if err == nil || !errors.Is(err, errNoRecord) {
		return l, err
	}
	for _, r := range found {
		l, err := s.at(r.Seq)
		if err == nil && l.Seq == r.Seq && idindex.Link(l.Hash[:8]) == r.Link && s.matches(l) {
			return l, nil
		}
	}
	return s.scan(ctx, 1) // an id that the index has forgotten, or of a time without one
}

var errNoRecord = errors.New("no entry of a record with this id is to be shown")

// scan looks at all entries from one on.
func (s *search) scan(ctx context.Context, from uint64) (chain.Line, error) {
	r, err := chain.OpenReader(durable.OS(), s.folder, chain.ReadOptions{From: from, Missing: s.missing})
	if err != nil {
		return chain.Line{}, err
	}
	defer r.Close()
	var last chain.Line
	for ctx.Err() == nil {
		l, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && last.Seq > 0:
			return last, nil
		case errors.Is(err, io.EOF):
			return last, errNoRecord
		case err != nil:
			return last, err
		case l.Seq >= from && l.Kind == chain.Event && s.matches(l):
			last = l
			last.Body = bytes.Clone(l.Body)
		}
	}
	return last, ctx.Err()
}

// matches tells whether an event is of a record with the id, and no conflict.
func (s *search) matches(l chain.Line) bool {
	if p, _, ok := event.ReadPrint(l.Body); ok {
		return p.ID == s.hash && !p.Conflict
	}
	// Most events are of other records, which their bytes show.
	if text, err := json.Marshal(s.id); err == nil && plain(s.id) && !bytes.Contains(l.Body, text) {
		return false
	}
	e, err := event.Parse(l.Body)
	return err == nil && e.ID == s.id
}

// plain tells whether an id is written in one way only.
func plain(id string) bool {
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
