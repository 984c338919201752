// This file decides what becomes of a worker, from READY to the end. It waits for no code of an application but for as long as the
// limits say.

package worker

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

const (
	drainPoll = 10 * time.Millisecond
	// When httpd stops, this process ends so much before it would be killed, to be able to say why.
	stopTimeout = daemon.StopTimeout - 150*time.Millisecond
)

// serve waits for a reason to end, and ends the process.
func (w *worker) serve() {
	for {
		select {
		case m := <-w.control.messages:
			w.obey(m)
		case s := <-w.signals:
			w.signalled(s)
		case f := <-w.watch.passed:
			w.log.Logf(daemon.Debug, "a limit was passed: %v", f.reason)
			retire(f.reason)
			w.awaitRetirement()
			w.logFinding(f)
			if f.reason != daemon.ExitInactivity {
				w.drain(f.reason)
			}
		case <-w.watch.milestone:
			w.considerRelief()
		case reason := <-w.watch.retirement:
			w.retired(reason)
		}
	}
}

// signalled is a signal that asks the process to go. The one for cpu-time-limit comes again each second.
func (w *worker) signalled(s os.Signal) {
	reason, why := daemon.ExitSignal, fmt.Sprintf("got %v", s)
	if s == unix.SIGXCPU {
		reason, why = daemon.ExitCPUTime, "the time of processors is used up (cpu-time-limit)"
	}
	if retire(reason) {
		w.log.Logf(daemon.Info, "%s: this process of group '%s' is replaced", why, w.config.Group.Name)
	}
}

// obey does what the supervisor says. It does not return.
func (w *worker) obey(m daemon.Message) {
	if m.Verb == daemon.Drain {
		w.drain(w.slot.ExitReason())
	}
	w.exit(daemon.ExitServer, stopTimeout, 0)
}

// considerRelief asks for a replacement that stands by when maximum-requests comes near. A few requests more or less until then do not
// matter, but that many wait while it loads does.
func (w *worker) considerRelief() {
	loading := w.loading + pyembed.LoadTime() - w.loadedEarly
	maximum := uint64(w.config.Group.Options.MaximumRequests)
	if w.life.phase() == serving && reliefDue(w.slot.Requests(), maximum, monotonic()-w.ready, loading) {
		w.control.send(daemon.Message{Verb: daemon.Relieve})
	}
}

// retired tells the supervisor, which then starts a replacement.
func (w *worker) retired(reason daemon.ExitReason) {
	if w.life.transit(retired, reason.String()) {
		w.control.send(daemon.Message{Verb: daemon.Retire, Reason: reason})
	}
}

// awaitRetirement waits for what retire() has just begun, or another retirement that came before it.
func (w *worker) awaitRetirement() {
	if w.life.phase() == serving {
		w.retired(<-w.watch.retirement)
	}
}

// drain lets what runs finish, and ends the process.
func (w *worker) drain(reason daemon.ExitReason) {
	o := &w.config.Group.Options
	retire(reason)
	w.life.transit(draining, reason.String())
	w.slot.Transit(daemon.Draining)
	began := monotonic()
	limit, option := o.FinishTimeout(reason)
	for w.unfinished() > 0 {
		if limit > 0 && monotonic()-began > limit {
			w.log.Logf(daemon.Warning, "GWSGI1023: %d requests still run %v after this process of group '%s' began to end because of %s "+
				"(%s): it ends without them. Raise that limit, or mend what is slow", inFlight(), limit, w.config.Group.Name, reason, option)
			w.logRunning(daemon.Warning)
			break
		}
		select {
		case m := <-w.control.messages:
			if m.Verb == daemon.Stop {
				w.exit(daemon.ExitServer, stopTimeout, 0)
			}
		case <-time.After(drainPoll):
		}
	}
	status := 0
	if inFlight() > 0 {
		status = 1
	}
	w.exit(reason, o.ShutdownTimeout, status)
}

// unfinished is how many requests are worth waiting for.
func (w *worker) unfinished() int {
	f := facts{now: monotonic(), running: runningRequests(w.config.Group.Threads)}
	return inFlight() - w.limits.overdue(f)
}

// exit runs the exit functions, for as long as limit (0: any time), and ends the process.
func (w *worker) exit(reason daemon.ExitReason, limit time.Duration, status int) {
	retire(reason)
	w.life.transit(exiting, reason.String())
	if limit > 0 {
		time.AfterFunc(limit, func() {
			w.log.Logf(daemon.Warning, "GWSGI1024: exit functions and threads of the applications of group '%s' did not end within %v: this process "+
				"ends without them. Mend those, or raise shutdown-timeout, which does not hold when httpd stops", w.config.Group.Name, limit)
			exitNow(1)
		})
	}
	w.main.endInterpreters()
	w.log.Logf(daemon.Info, "this process of group '%s' ends because of %s", w.config.Group.Name, reason)
	exitNow(status)
}
