package exporter

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/event"
	"github.com/otelaudit/auditexporter/withhold"
)

// recover declares the openings that a crash took: entries that were written and not
// synced may be on the disk without them. It is repeated until the next file of openings
// begins, which says that all before are accounted for; so what is there is made durable,
// as the process that wrote it may have died before its sync.
//
// An opening whose key a crash took opens nothing. One whose key was erased is not lost.
func (l *withheldLog) recover(keys *withhold.Keys) error {
	folder := l.Info().Folder
	files, err := withhold.List(l.fsys, filepath.Join(folder, chain.OpeningsFolder))
	if err != nil || len(files) == 0 {
		return err
	}
	newest := files[len(files)-1]
	header, err := newest.Frames(func(withhold.Frame) error { return nil })
	if err != nil {
		return err
	}
	missing, erased, err := l.withheldAfter(folder, header.After)
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(files) {
		if len(missing) == 0 {
			break
		}
		before := len(missing)
		if _, err := f.Frames(func(frame withhold.Frame) error {
			if _, ok := missing[frame.Event]; !ok {
				return nil
			}
			key, err := keys.Key(frame.Key)
			if key != nil || erased[hex.EncodeToString(frame.Key[:])] {
				delete(missing, frame.Event)
			}
			return err
		}); err != nil {
			return err
		}
		if len(missing) == before {
			continue
		}
		if err := f.Harden(); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var lost []chain.SeqRange
	for _, seq := range slices.Sorted(values(missing)) {
		if n := len(lost); n > 0 && lost[n-1].Last+1 == seq {
			lost[n-1].Last = seq
		} else {
			lost = append(lost, chain.SeqRange{First: seq, Last: seq})
		}
	}
	l.logger.Warn("A crash took what opens some withheld values. Their events stay, and an entry of the log says so.", zap.Int("events", len(missing)))
	return l.tell(chain.OpeningsLost{
		SystemEvent: chain.SystemEvent{V: chain.SystemVersion, Type: chain.TypeOpeningsLost, Time: time.Now().UTC()}, Entries: lost,
	})
}

func values(m map[withhold.ID]uint64) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// withheldAfter returns the events after an entry that withhold something, with their
// sequence numbers, and the ids of the keys that were erased there.
func (l *withheldLog) withheldAfter(folder string, after uint64) (found map[withhold.ID]uint64, erased map[string]bool, err error) {
	r, err := chain.OpenReader(l.fsys, folder, chain.ReadOptions{From: after + 1, Lock: chain.LockFree})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	found, erased = make(map[withhold.ID]uint64), make(map[string]bool)
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found, erased, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if line.Kind == chain.System {
			if e, err := chain.ParseErased(line.Body); err == nil && e.Type == chain.TypeErased {
				for _, id := range e.Keys {
					erased[id] = true
				}
			}
			continue
		}
		if !bytes.Contains(line.Body, []byte(`"withheld":{`)) {
			continue
		}
		e, err := event.Parse(line.Body)
		if err != nil {
			return nil, nil, fmt.Errorf("couldn't parse entry %d: %w", line.Seq, err)
		}
		if e.Withheld != nil {
			found[e.Withheld.ID] = line.Seq
		}
	}
}

// tell writes and syncs a system entry, while nobody else writes.
func (l *withheldLog) tell(entry any) error {
	body, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	b := new(chain.Batch)
	b.EndSystem(append(b.Buffer(), body...))
	if err := l.auditLog.Write([]*chain.Batch{b}); err != nil {
		return err
	}
	return l.auditLog.Sync()
}
