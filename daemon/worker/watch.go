// This file watches a worker's limits.

package worker

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

const (
	probePause    = time.Second // between two tries to get the GIL
	stackPatience = time.Second // how long the GIL is waited for before stacks are shown without it
)

// watch is what the monitors share.
type watch struct {
	probing    atomic.Int64 // since when the GIL is waited for, monotonic; 0: it is not
	passed     chan finding // limits that call for a retirement
	retirement chan daemon.ExitReason
	milestone  chan struct{}
}

func newWatch() *watch {
	return &watch{passed: make(chan finding, 1), retirement: make(chan daemon.ExitReason, 1), milestone: make(chan struct{}, 1)}
}

// listen carries what C says about milestones and its retirement.
func (m *watch) listen(events *os.File) {
	var reason [1]byte
	for {
		if _, err := events.Read(reason[:]); err != nil {
			return
		}
		if daemon.ExitReason(reason[0]) != daemon.ExitNone {
			m.retirement <- daemon.ExitReason(reason[0])
			return
		}
		select {
		case m.milestone <- struct{}{}:
		default:
		}
	}
}

// probe takes the GIL again and again, on a thread of its own.
func (m *watch) probe() {
	runtime.LockOSThread()
	for {
		m.probing.Store(int64(monotonic()))
		err := pyembed.Probe()
		m.probing.Store(0)
		if err != nil {
			return // without memory for it there are other worries
		}
		time.Sleep(probePause)
	}
}

func (m *watch) run(w *worker) {
	told := false // one retirement is enough; deadlocks are looked for to the end
	for range time.Tick(w.limits.tick()) {
		endPartials(w.config.Group.Options.SocketTimeout)
		f, passed := w.limits.check(w.facts())
		switch {
		case !passed:
		case f.reason == daemon.ExitDeadlock:
			w.endDeadlock(f)
		case f.reason == daemon.ExitStartupTimeout && w.life.phase() == starting:
			w.endStart(f)
		case !told && w.life.phase() == serving:
			told = true
			m.passed <- f
		}
	}
}

func (w *worker) facts() facts {
	phase := w.life.phase()
	f := facts{
		now:     monotonic(),
		serving: phase == serving,
		probing: time.Duration(w.watch.probing.Load()),
	}
	if phase == starting && !w.loaded.Load() {
		f.starting = w.born
	}
	if what, since := pyembed.LongestLoad(); what != "" {
		f.loading = &running{what: what, since: f.now - time.Since(since)}
	}
	if f.serving {
		f.used = w.slot.Requests() > 0 || len(w.config.Preloads) > 0
		f.active = time.Duration(w.slot.Active()) * time.Microsecond
		f.running = runningRequests(w.config.Group.Threads)
	}
	return f
}

// endDeadlock ends the process. Nothing here needs the GIL.
func (w *worker) endDeadlock(f finding) {
	w.slot.SetExitReason(daemon.ExitDeadlock)
	w.control.send(daemon.Message{Verb: daemon.Retire, Reason: daemon.ExitDeadlock})
	w.log.Logf(daemon.Crit, "GWSGI1020: nobody could take Python's global lock (GIL) for %.0f s, longer than deadlock-timeout of group '%s' "+
		"allows: this process ends and is replaced; requests that it runs fail. Some extension module keeps the lock while it waits: "+
		"mend the one that is in the stacks, which follow", f.lasted.Seconds(), w.config.Group.Name)
	w.logRunning(daemon.Crit)
	w.logStacks(daemon.Crit, 0)
	exitNow(1)
}

// guardStart ends a process that is told to before it is open: nobody waits for what it would serve.
func (w *worker) guardStart() {
	why := ""
	for why == "" {
		select {
		case <-w.opened:
			return
		case m := <-w.control.messages:
			if w.life.phase() != starting { // both came at once
				w.control.messages <- m
				return
			}
			if m.Verb == daemon.Serve {
				close(w.called)
				continue
			}
			why = "told to " + m.Verb.String()
		case s := <-w.signals:
			if w.life.phase() != starting {
				w.signals <- s
				return
			}
			if s != unix.SIGXCPU { // which comes again, and a process that never served would be replaced by its like
				why = "got " + s.String()
			}
		}
	}
	w.log.Logf(daemon.Info, "%s while starting: this process of group '%s' ends", why, w.config.Group.Name)
	exitNow(0)
}

func (w *worker) endStart(f finding) {
	w.slot.SetExitReason(daemon.ExitStartupTimeout)
	w.logSlowLoad(f)
	w.logStacks(daemon.Err, stackPatience)
	exitNow(1)
}

func (w *worker) logSlowLoad(f finding) {
	late := "this process is not ready"
	if f.what != "" {
		late = f.what + " is not loaded"
	}
	w.log.Logf(daemon.Err, "GWSGI1022: %s after %.1f s, longer than startup-timeout of group '%s' allows: this process is replaced. See in the "+
		"stacks, which follow, what it waits for, or raise startup-timeout", late, f.lasted.Seconds(), w.config.Group.Name)
}

// logFinding says why the process is to be replaced.
func (w *worker) logFinding(f finding) {
	switch f.reason {
	case daemon.ExitRequestTimeout:
		w.log.Logf(daemon.Err, "GWSGI1021: %s has run for %.1f s on thread %d, longer than request-timeout of group '%s' allows: this process "+
			"is replaced, its other requests get graceful-timeout to finish. See in the stacks, which follow, where it hangs, or raise "+
			"request-timeout", f.what, f.lasted.Seconds(), f.tid,
			w.config.Group.Name)
		w.logStacks(daemon.Err, stackPatience)
	case daemon.ExitStartupTimeout:
		w.logSlowLoad(f)
		w.logStacks(daemon.Err, stackPatience)
	case daemon.ExitInactivity:
		w.log.Logf(daemon.Info, "nothing happened for %.0f s: this process of group '%s' is replaced", f.lasted.Seconds(), w.config.Group.Name)
	}
}

func (w *worker) logRunning(level daemon.Level) {
	now := monotonic()
	for _, r := range runningRequests(w.config.Group.Threads) {
		w.log.Line(level, fmt.Sprintf("running for %.1f s on thread %d: %s", (now-r.since).Seconds(), r.tid, r.what))
	}
}

func (w *worker) logStacks(level daemon.Level, patience time.Duration) {
	lines, err := pyembed.Stacks(patience)
	if err != nil {
		w.log.Line(level, fmt.Sprintf("the Python stacks cannot be shown: %v", err))
	}
	for _, line := range lines {
		w.log.Line(level, line)
	}
}
