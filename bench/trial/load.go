package trial

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a closed loop: each of Callers calls Do again as soon as it returns.
type Load struct {
	Callers int
	Events  int                    // of one call
	Do      func(caller int) error // never two at once of one caller
	Timed   bool                   // take the time of each call
	CPU     func() time.Duration   // used so far by what is measured; nil: by this process
}

// warmup is the part of a run that does not count.
const warmup = 5

// Run runs the load for about d after a warm-up. Calls under way at its end are
// waited for and count, as does the wait.
func (l Load) Run(ctx context.Context, d time.Duration) (Sample, error) {
	if _, err := l.run(ctx, d/warmup, false); err != nil {
		return Sample{}, err
	}
	return l.run(ctx, d, l.Timed)
}

func (l Load) run(ctx context.Context, d time.Duration, timed bool) (Sample, error) {
	var over atomic.Bool
	calls, times, errs := make([]int, l.Callers), make([][]time.Duration, l.Callers), make([]error, l.Callers)
	cpu := l.CPU
	if cpu == nil {
		cpu = ownCPU
	}
	start, used := time.Now(), cpu()
	timer := time.AfterFunc(d, func() { over.Store(true) })
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { over.Store(true) })()
	var wg sync.WaitGroup
	for c := range l.Callers {
		wg.Go(func() {
			n := 0
			for n == 0 || !over.Load() && errs[c] == nil {
				n++
				if !timed {
					errs[c] = l.Do(c)
					continue
				}
				begin := time.Now()
				errs[c] = l.Do(c)
				times[c] = append(times[c], time.Since(begin))
			}
			calls[c] = n
		})
	}
	wg.Wait()
	s := Sample{Took: time.Since(start), CPU: cpu() - used}
	for c := range l.Callers {
		s.Events += calls[c] * l.Events
		s.Times = append(s.Times, times[c]...)
	}
	return s, errors.Join(append(errs, ctx.Err())...)
}

// Count is a closed loop of so many calls, shared by the callers.
type Count struct {
	Callers, Calls int
	Events         int
	Do             func(caller int) error
}

// Run makes the calls.
func (l Count) Run() (Sample, error) {
	var next atomic.Int64
	errs := make([]error, l.Callers)
	start, used := time.Now(), ownCPU()
	var wg sync.WaitGroup
	for c := range l.Callers {
		wg.Go(func() {
			for next.Add(1) <= int64(l.Calls) && errs[c] == nil {
				errs[c] = l.Do(c)
			}
		})
	}
	wg.Wait()
	return Sample{Events: l.Calls * l.Events, Took: time.Since(start), CPU: ownCPU() - used}, errors.Join(errs...)
}

// Paced is an open loop: each of Callers calls Do every Every, or as soon after
// as it can.
type Paced struct {
	Callers int
	Every   time.Duration
	Do      func(caller int) error
}

// Start begins the load. The function that it returns ends it and returns the
// number of calls.
func (p Paced) Start() (stop func() (calls int, err error)) {
	over := make(chan struct{})
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, p.Callers)
	for c := range p.Callers {
		wg.Go(func() {
			start := time.Now().Add(p.Every * time.Duration(c) / time.Duration(p.Callers))
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				case <-time.After(time.Until(start.Add(time.Duration(i) * p.Every))):
				}
				if errs[c] = p.Do(c); errs[c] != nil {
					return
				}
				n.Add(1)
			}
		})
	}
	return func() (int, error) {
		close(over)
		wg.Wait()
		return int(n.Load()), errors.Join(errs...)
	}
}
