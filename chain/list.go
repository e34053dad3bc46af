package chain

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// OpeningsFolder is the folder, beside a log's segments, of what opens the values that
// its events withhold: withhold/FORMAT.md. Nothing in this package looks into it.
const OpeningsFolder = "withheld"

// listing is the names in a log's folder.
type listing struct {
	segments []SegmentName // by ordinal
	planted  []SegmentName // of them, those that are no regular file
	misnamed []string      // of a segment's form with an ordinal or seq that none has
	temps    []string      // segments that were never born
	others   []string      // none of these and not named below
	mark     bool
	// signed: there is a file of checkpoints.
	signed bool
}

// listFolder lists a log's folder. It judges nothing: [listing.fault] does.
func listFolder(fsys durable.FS, folder string) (listing, error) {
	names, err := fsys.ReadDir(folder)
	if err != nil {
		return listing{}, fmt.Errorf("couldn't list log folder: %w", err)
	}
	var l listing
	for _, n := range names {
		name, ok := ParseSegmentName(n.Name())
		temp, isTemp := strings.CutSuffix(n.Name(), tempExt)
		if isTemp {
			_, isTemp = ParseSegmentName(temp)
		}
		switch {
		case ok:
			l.segments = append(l.segments, name)
			if !n.Type().IsRegular() {
				l.planted = append(l.planted, name)
			}
		case segmentForm.MatchString(n.Name()):
			l.misnamed = append(l.misnamed, n.Name())
		case isTemp:
			l.temps = append(l.temps, n.Name())
		case n.Name() == OpeningsFolder && n.IsDir():
		case n.Name() == markName:
			l.mark = true
		case n.Name() == indexName, n.Name() == TreeName: // derived, and none of ours
		case n.Name() == CheckpointsName:
			l.signed = true
		default:
			l.others = append(l.others, n.Name())
		}
	}
	return l, nil
}

// indexName is the folder of the index of record ids.
const indexName = "ids"

var segmentForm = regexp.MustCompile(`^[0-9]{10}-[0-9]{20}\.jsonl$`)

const (
	errMisnamed = "its name has an ordinal or a seq that no segment can have"
	errPlanted  = "not a regular file"
)

// imposter finds a name of a segment's form that is none, and what has a
// segment's name and is no file: no crash leaves either.
func (l listing) imposter() *Fault {
	for _, n := range l.misnamed {
		return &Fault{Segment: n, Reason: errMisnamed}
	}
	for _, n := range l.planted {
		return n.planted()
	}
	return nil
}

func (n SegmentName) planted() *Fault {
	return &Fault{Segment: n.String(), Line: 1, Seq: n.FirstSeq, Reason: errPlanted}
}

// openSegment opens a segment for reading. What has its name and is no regular
// file is a Fault.
func openSegment(fsys durable.FS, folder string, name SegmentName) (durable.File, *Fault, error) {
	path := filepath.Join(folder, name.String())
	f, err := fsys.Open(path)
	if err == nil {
		return f, nil, nil
	}
	if info, statErr := fsys.Stat(path); statErr == nil && !info.Mode.IsRegular() {
		return nil, name.planted(), nil
	}
	return nil, nil, fmt.Errorf("couldn't open segment: %w", err)
}

// fault finds what is wrong with the segments' names, from the first on. Those
// that are recorded as missing need not be there.
func (l listing) fault(missing []Range) *Fault {
	all := slices.Clone(l.segments)
	for _, m := range missing {
		if name, ok := ParseSegmentName(m.Segment); ok && m.Offset == 0 && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.SortFunc(all, func(a, b SegmentName) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for i, s := range all {
		switch {
		case s.Ordinal != uint64(i)+1:
			return &Fault{Segment: s.String(), Reason: fmt.Sprintf("a segment with ordinal %d should stand here", i+1)}
		case i == 0 && s.FirstSeq != 1:
			return &Fault{Segment: s.String(), Reason: "the first segment must begin with seq 1"}
		case i > 0 && s.FirstSeq <= all[i-1].FirstSeq:
			return &Fault{Segment: s.String(), Reason: "it must begin with a higher seq than the segment before"}
		}
	}
	return nil
}

// listLogs returns the ids of the logs in a directory, sorted.
func listLogs(fsys durable.FS, dir string) ([]LogID, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("couldn't list directory: %w", err)
	}
	var ids []LogID
	for _, n := range names {
		if id, ok := ParseLogID(n.Name()); ok && n.IsDir() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// readOpening returns the opening entry of a segment after checking it against
// the segment's name. What is wrong with it is a Fault.
func readOpening(fsys durable.FS, folder string, id LogID, name SegmentName) (Opened, *Fault, error) {
	f, fault, err := openSegment(fsys, folder, name)
	if f == nil {
		return Opened{}, fault, err
	}
	defer f.Close()
	line, _, err := newLineReader(readerOf(f)).next()
	if err != nil && !isForm(err) {
		return Opened{}, nil, fmt.Errorf("couldn't read segment %s: %w", name, err)
	}
	var o Opened
	if err == nil {
		o, err = parseOpening(line, name, id)
	}
	var unread *FormatError
	if errors.As(err, &unread) {
		return Opened{}, nil, err
	}
	if err != nil {
		return Opened{}, &Fault{Segment: name.String(), Line: 1, Seq: name.FirstSeq, Reason: err.Error()}, nil
	}
	return o, nil, nil
}

// parseOpening checks a segment's first line but for the entry that it follows.
func parseOpening(line []byte, name SegmentName, id LogID) (Opened, error) {
	e, err := ParseLine(line)
	if err != nil {
		return Opened{}, err
	}
	if err := e.Check(Head{Seq: name.FirstSeq - 1, Hash: e.Prev}); err != nil {
		return Opened{}, err
	}
	return checkOpening(&e, name, id)
}
