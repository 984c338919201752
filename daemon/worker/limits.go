// This file decides which limit a worker has passed. It has no clock and no process of its own, so that tests can play any.

package worker

import (
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// limits are a group's, 0: none.
type limits struct {
	inactivity, deadlock, request, startup time.Duration
}

// running is a request that a thread serves, or a script that it loads.
type running struct {
	what  string
	tid   int
	since time.Duration
}

// facts are what a worker is doing. Times are those of one clock that only goes forward.
type facts struct {
	now      time.Duration
	serving  bool
	used     bool          // it has loaded applications, at its start or for requests
	active   time.Duration // when a request came, read or wrote last, or it became ready
	probing  time.Duration // since when somebody waits for the GIL; 0: nobody does
	starting time.Duration // since when the process gets ready; 0: it is
	loading  *running      // the script that has been loading for the longest time, and was never loaded before
	running  []running
}

// finding is a limit that was passed: by what ("": by the start of the process), and how long it has been.
type finding struct {
	reason daemon.ExitReason
	what   string
	tid    int
	lasted time.Duration
}

// check returns the gravest of the limits that were passed.
func (l limits) check(f facts) (finding, bool) {
	passed := func(since, limit time.Duration) bool {
		return limit > 0 && since > 0 && f.now-since > limit
	}
	if passed(f.probing, l.deadlock) {
		return finding{reason: daemon.ExitDeadlock, lasted: f.now - f.probing}, true
	}
	if f.loading != nil && passed(f.loading.since, l.startup) {
		return finding{daemon.ExitStartupTimeout, f.loading.what, f.loading.tid, f.now - f.loading.since}, true
	}
	if passed(f.starting, l.startup) {
		late := finding{reason: daemon.ExitStartupTimeout, lasted: f.now - f.starting}
		if f.loading != nil {
			late.what = f.loading.what
		}
		return late, true
	}
	if !f.serving {
		return finding{}, false
	}
	for _, r := range f.running {
		if passed(r.since, l.request) {
			return finding{daemon.ExitRequestTimeout, r.what, r.tid, f.now - r.since}, true
		}
	}
	// One that loaded nothing yet is as small as its replacement would be.
	if f.used && passed(f.active, l.inactivity) {
		return finding{reason: daemon.ExitInactivity, lasted: f.now - f.active}, true
	}
	return finding{}, false
}

// reliefDue tells whether a worker should have its replacement loaded now: at the pace of the requests so far, those that it may still
// serve come within twice the time that this takes.
func reliefDue(served, maximum uint64, serving, loading time.Duration) bool {
	return served > 0 && served < maximum && float64(serving)/float64(served)*float64(maximum-served) <= 2*float64(loading)
}

// overdue is how many requests have run for too long: nobody waits for them.
func (l limits) overdue(f facts) int {
	n := 0
	for _, r := range f.running {
		if l.request > 0 && f.now-r.since > l.request {
			n++
		}
	}
	return n
}

// tick is how often to check: often enough for the shortest limit to be kept well.
func (l limits) tick() time.Duration {
	shortest := 10 * time.Second
	for _, limit := range []time.Duration{l.inactivity, l.deadlock, l.request, l.startup} {
		if limit > 0 {
			shortest = min(shortest, limit)
		}
	}
	return shortest / 10
}
