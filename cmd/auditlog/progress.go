package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells on a terminal how far a verification is. On anything else it
// is silent.
type progress struct {
	w     io.Writer // nil: not a terminal
	start time.Time
	last  time.Time
	done  int64
	shown bool
}

func newProgress(stderr io.Writer) *progress {
	p := &progress{start: time.Now()}
	if isTerminal(stderr) {
		p.w = stderr
	}
	return p
}

// show is called with the bytes read and the bytes to read, of each log in turn.
func (p *progress) show(done, total int64) {
	now := time.Now()
	if done < p.done { // the next log
		p.start = now
	}
	p.done = done
	if p.w == nil || now.Sub(p.last) < 200*time.Millisecond {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.w, "\r\x1b[K%s", progressText(done, total, now.Sub(p.start)))
}

// progressText is the share done, the rate, and the time left at that rate.
func progressText(done, total int64, elapsed time.Duration) string {
	text := fmt.Sprintf("verified %s of %s", size(done), size(total))
	if total > 0 {
		text += fmt.Sprintf(" (%d %%)", int64(float64(done)/float64(total)*100))
	}
	if done > 0 && elapsed > 0 {
		rate := float64(done) / elapsed.Seconds()
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		text += fmt.Sprintf(", %s/s, %s left", size(int64(rate)), left.Round(time.Second))
	}
	return text
}

// end takes the progress off the terminal.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
