package chain

import (
	"errors"
	"fmt"
	"io"
)

// anchor asks for the newest head that is known to have been synced, from
// elsewhere than the log itself. Its sequence number is 0 if there is none.
func (w *Writer) anchor() (Head, error) {
	if w.o.Anchor == nil {
		return Head{}, nil
	}
	h, err := w.o.Anchor(w.folder, w.id)
	if err != nil {
		return Head{}, fmt.Errorf("couldn't read what vouches for the log: %w", err)
	}
	return h, nil
}

// examineAnchor checks that the log holds the entry that a checkpoint vouches
// for. A fault at or below it is tampering, which no crash leaves: it was synced.
func (w *Writer) examineAnchor(n *newest, anchor Head) error {
	if anchor.Seq > n.Head.Seq {
		if n.Fault != nil {
			n.Fault.Reason += fmt.Sprintf(", and a checkpoint vouches for all entries up to %d", anchor.Seq)
			return w.tampered(*n.Fault)
		}
		return w.tampered(Fault{Segment: n.Name.String(), Offset: n.Valid, Seq: n.Head.Seq + 1, Reason: fmt.Sprintf(
			"the log ends before entry %d, for which a checkpoint vouches", anchor.Seq)})
	}
	if anchor.Seq == 0 || anchor.Hash == (Hash{}) {
		return nil
	}
	found, ok := n.anchored, true
	switch {
	case anchor.Seq >= n.Name.FirstSeq:
	case anchor.Seq+1 == n.Name.FirstSeq:
		found = n.Opened.Previous.Hash
	default:
		var err error
		if found, ok, err = w.hashOf(anchor.Seq); err != nil {
			return err
		}
	}
	if ok && found != anchor.Hash {
		return w.tampered(Fault{Segment: n.Name.String(), Seq: anchor.Seq, Reason: fmt.Sprintf(
			"entry %d is another than the one for which a checkpoint vouches", anchor.Seq)})
	}
	return nil
}

// hashOf reads the hash of an entry in a sealed segment; ok is false if it is
// recorded as missing.
func (w *Writer) hashOf(seq uint64) (h Hash, ok bool, err error) {
	r, err := OpenReader(w.o.FS, w.folder, ReadOptions{From: seq, Lock: LockFree})
	if err != nil {
		return Hash{}, false, err
	}
	defer r.Close()
	l, err := r.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return Hash{}, false, err
	}
	return l.Hash, err == nil && l.Seq == seq, nil
}
