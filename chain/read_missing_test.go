package chain

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is recorded as missing is gone over and told; all else is shown.
func TestReaderGoesOverWhatIsRecordedAsMissing(t *testing.T) {
	// Entries 1 to 3 in segment 1, 4 and 5 in 2, 6 and 7 in 3, whose opening entry
	// records what is gone.
	tests := []struct {
		name string
		from uint64
		make func(l *testLog)
		want int // entries
		gaps []string
		err  string
	}{
		{name: "first segment gone", make: missingRecorded(0), want: 4, gaps: []string{"0000000001-00000000000000000001.jsonl"}},
		{name: "first segment gone, not asked for", from: 4, make: missingRecorded(0), want: 4},
		{name: "lines gone", make: missingRecorded(2), want: 6, gaps: []string{"0000000001-00000000000000000001.jsonl"}},
		{name: "lines gone, from one of them", from: 3, make: missingRecorded(2), want: 4, gaps: []string{"0000000001-00000000000000000001.jsonl"}},
		{name: "a line torn", make: func(l *testLog) {
			l.twoEntered()
			l.recordMissing(0, len(l.lines(1)[0])+len(l.lines(1)[1])+20)
		}, want: 6, gaps: []string{"0000000001-00000000000000000001.jsonl"}},
		{name: "lines overwritten", make: func(l *testLog) {
			missingRecorded(2)(l)
			l.segments[0].data = append(l.segments[0].data, make([]byte, 900)...)
		}, want: 6, gaps: []string{"0000000001-00000000000000000001.jsonl"}},
		{name: "middle segment gone", make: func(l *testLog) {
			l.twoEntered()
			l.recordMissing(1, 0)
			l.segments = append(l.segments[:1], l.segments[2])
		}, want: 5, gaps: []string{"0000000002-00000000000000000004.jsonl"}},
		{name: "more gone than is recorded", make: func(l *testLog) {
			missingRecorded(2)(l)
			l.setLines(1, l.lines(1)[:1]...)
		}, want: 1, err: "segment ends before this entry"},
		{name: "changed before what is gone", make: func(l *testLog) {
			missingRecorded(2)(l)
			l.replace(1, 2, `{"seq":2`, `{"seq":9`)
		}, want: 1, err: "seq is 9, want 2"},
		{name: "another segment gone", make: func(l *testLog) { missingRecorded(0)(l); l.segments = l.segments[1:] }, want: 0, err: "segments with ordinals 1 to 2 are missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLog(t)
			tt.make(l)
			var gaps []string
			r := l.reader(ReadOptions{From: tt.from, Missing: func(m Range) { gaps = append(gaps, m.Segment) }})
			got, err := readAll(r)
			require.Len(t, got, tt.want)
			require.Equal(t, tt.gaps, gaps)
			if tt.err == "" {
				require.ErrorIs(t, err, io.EOF)
				require.NoError(t, r.Refresh())
				_, err = r.Next()
				require.ErrorIs(t, err, io.EOF)
				require.Equal(t, tt.gaps, gaps, "told once")
				return
			}
			var tampered *TamperError
			require.ErrorAs(t, err, &tampered)
			require.Equal(t, tt.err, tampered.Fault.Reason)
		})
	}
}
