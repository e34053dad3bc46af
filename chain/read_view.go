package chain

import (
	"math"
	"path/filepath"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// view is what of a log is to be shown, as one look found it.
type view struct {
	segments []SegmentName // by ordinal
	known    []SegmentName // and those recorded as missing
	missing  []Range       // as the newest opening entry records
	shown    int           // as many of segments are shown
	mark     Mark
	marked   bool
	ends     bool // the mark ends what is shown
}

// look reads the mark and then lists the folder, so that all the segments up to
// the mark are found.
func look(fsys durable.FS, folder string, id LogID, o ReadOptions) (view, error) {
	held, err := o.held(folder)
	for {
		if err != nil {
			return view{}, err
		}
		var v view
		v.mark, v.marked = ReadMark(fsys, folder, id)
		list, listErr := listFolder(fsys, folder)
		if listErr != nil {
			return view{}, listErr
		}
		v.segments, v.known = list.segments, list.segments
		if err := v.readMissing(fsys, folder, id); err != nil {
			return view{}, err
		}
		if len(list.segments) == 0 && v.marked {
			return view{}, &TamperError{Folder: folder, Fault: Fault{Reason: "folder holds a mark and no segment"}}
		}
		if held {
			v.end(o)
			return v, nil
		}
		// What was listed may be of a writer that came after the look.
		if held, err = o.held(folder); err == nil && !held {
			v.shown = len(v.segments)
			return v, nil
		}
	}
}

func (o ReadOptions) held(folder string) (bool, error) {
	if o.Lock == LockLook {
		return lockHeld(filepath.Dir(folder))
	}
	return o.Lock == LockHeld, nil
}

// end leaves out what is not synced: what lies beyond the mark, or without one
// the newest segment, as all before it was synced when it got its name.
func (v *view) end(o ReadOptions) {
	v.shown = len(v.segments)
	switch {
	case o.Unsynced:
	case v.marked:
		v.ends = true
		for v.shown > 0 && v.segments[v.shown-1].Ordinal > v.mark.Ordinal {
			v.shown--
		}
	case v.shown > 0:
		v.shown--
	}
}

// later returns the segment after s in the folder, whether it is to be shown or
// not; ok is false if s is the newest.
func (v *view) later(s SegmentName) (next SegmentName, ok bool) {
	for _, n := range v.segments {
		if n.Ordinal > s.Ordinal {
			return n, true
		}
	}
	return SegmentName{}, false
}

// until returns the first seq of the segment that takes s's place from there
// on, 0 if that is not known or there is none.
func (v *view) until(s SegmentName) uint64 {
	for _, n := range v.known {
		if n.Ordinal == s.Ordinal+1 {
			return n.FirstSeq
		}
	}
	return 0
}

// limit returns where what is to be shown of s ends.
func (v *view) limit(s SegmentName) int64 {
	switch {
	case v.shown == 0 || s.Ordinal > v.segments[v.shown-1].Ordinal:
		return 0
	case v.ends && s.Ordinal == v.mark.Ordinal:
		return v.mark.Offset
	}
	return math.MaxInt64
}

// vouched tells whether the mark or a later segment vouches for the entry at
// offset off of s.
func (v *view) vouched(s SegmentName, off int64) bool {
	_, later := v.later(s)
	return later || v.marked && (s.Ordinal < v.mark.Ordinal || s.Ordinal == v.mark.Ordinal && off < v.mark.Offset)
}
