// This file decides what the end of a worker means, and says so.

package supervisor

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// exited is the end of a worker's process. Its status is in the scoreboard before those who wait for a change are woken.
func (s *supervisor) exited(w *worker, status syscall.WaitStatus) {
	if w.phase == starting && w.slot.board.Requests() > 0 {
		s.ready(w, w.group.config.Python) // it took requests, and ended before it could say so
	}
	before := w.phase
	if !w.transit(gone, describeStatus(status)) {
		return
	}
	own := w.slot.board.ExitReason() // what the worker itself wrote, if anything
	crashed := !w.toldToGo(before, own, status)
	if crashed {
		w.slot.board.SetExitReason(daemon.ExitCrash)
	} else if w.reason == daemon.ExitNone {
		w.reason = own
	}
	w.slot.board.SetExit(w.incarnation, int(status))
	s.vacate(w, crashed)

	var delay time.Duration
	if seat := w.group.seatOf(w); seat != nil {
		seat.leave(w)
		s.callUp(seat)
		delay = s.judge(w, seat, before, crashed)
	}
	s.logExit(w, before, crashed, status, delay)
}

// vacate frees the worker's slot.
func (s *supervisor) vacate(w *worker, crashed bool) {
	state := daemon.Empty
	if crashed {
		state = daemon.Dead
	}
	if _, changed := w.slot.board.Transit(state); !changed {
		w.slot.board.Reset()
	}
	w.slot.worker, w.slot.freed = nil, s.now()
	if w.process != nil {
		w.process.Release()
	}
	w.group.board.Bump()
}

// toldToGo tells whether the end was meant, by the supervisor or by the worker itself, which then has logged why.
func (w *worker) toldToGo(before phase, own daemon.ExitReason, status syscall.WaitStatus) bool {
	switch {
	case before == killed:
		return true
	case before == draining || before == stopping:
		return !status.Signaled() || isPolite(status.Signal())
	case status.Signaled():
		return false
	}
	return own != daemon.ExitNone && own != daemon.ExitCrash
}

// isPolite tells whether somebody ends a process in earnest with that signal.
func isPolite(signal syscall.Signal) bool {
	return signal == unix.SIGTERM || signal == unix.SIGINT || signal == unix.SIGHUP
}

// judge sets when the seat gets its next worker, and returns the delay.
func (s *supervisor) judge(w *worker, seat *seat, before phase, crashed bool) time.Duration {
	now := s.now()
	if w.ready.IsZero() {
		seat.stillborn++
		if seat.stillborn == stillbornLimit && len(w.group.apps) > 0 {
			w.group.log.Logf(daemon.Notice, "the next worker of process group '%s' loads its applications at their first requests "+
				"only, since the last %d did not get ready", w.group.config.Name, stillbornLimit)
		}
	} else if now.Sub(w.ready) >= wellAfter {
		seat.failures = 0
	}
	if seat.worker != nil && !crashed {
		return 0 // its replacement is on the way
	}
	return seat.failed(now)
}

// notStarted is a worker whose process could not even be started.
func (s *supervisor) notStarted(w *worker, seat *seat, err error) {
	w.phase = gone
	w.slot.board.SetExitReason(daemon.ExitCrash)
	s.vacate(w, true)
	delay := seat.failed(s.now())
	w.group.log.Logf(daemon.Err, "GWSGI0904: a worker of process group '%s' cannot be started: %v. Requests for the group wait, then "+
		"are answered 503, as long as it has no other. Mend what that names; the next try is in %s", w.group.config.Name, err, delay)
}

// ---- Lines ----

func (s *supervisor) logExit(w *worker, before phase, crashed bool, status syscall.WaitStatus, delay time.Duration) {
	ended := fmt.Sprintf("%s ended with %s, %s after its start and %d requests", w, describeStatus(status),
		s.now().Sub(w.started).Round(100*time.Millisecond), w.slot.board.Requests())
	switch {
	case !crashed:
		w.group.log.Logf(daemon.Info, "%s, because of %s", ended, w.reason)
	case before == draining || before == stopping:
		w.group.log.Logf(daemon.Err, "GWSGI0908: %s, while it was ending because of %s. Requests that it still ran are lost. %s",
			ended, w.reason, remedy(status, ""))
	case before == starting || before == standing:
		w.group.log.Logf(daemon.Err, "GWSGI0903: %s, before it was ready. %s%s", ended, next(s.mode, delay), remedy(status,
			"The lines before this one should tell why; an import may have ended the process"))
	default:
		w.group.log.Logf(daemon.Err, "GWSGI0902: %s, and nobody had told it to. Requests that it ran are lost. %s%s", ended,
			next(s.mode, delay), remedy(status, "A line before this one may tell why; else look for os._exit() in the application and its libraries"))
	}
}

func (s *supervisor) logKill(w *worker, before phase) {
	switch before {
	case starting:
		w.group.log.Logf(daemon.Err, "GWSGI0905: %s did not get ready within startup-timeout (%s) and is killed; another one is started. "+
			"See what its imports wait for, or raise startup-timeout", w, w.group.config.Options.StartupTimeout)
	case stopping:
		w.group.log.Logf(daemon.Warning, "GWSGI0906: %s did not end within %s while httpd stops and is killed. A request or an exit "+
			"function took longer: shorten it", w, daemon.StopTimeout)
	default:
		o := &w.group.config.Options
		limit, option := o.FinishTimeout(w.reason)
		w.group.log.Logf(daemon.Warning, "GWSGI0907: %s, told to end because of %s, did not end within %s and shutdown-timeout "+
			"(%s and %s) and is killed. A request or an exit function took longer; raise these if it should be waited for", w,
			w.reason, option, limit, o.ShutdownTimeout)
	}
}

// next says what happens to the worker's place.
func next(mode mode, delay time.Duration) string {
	switch {
	case mode != running:
		return ""
	case delay == 0:
		return "A new one is started. "
	}
	return fmt.Sprintf("A new one is started in %s. ", delay)
}

// remedy says what may be looked at, by how the process ended; exit is for one that called exit.
func remedy(status syscall.WaitStatus, exit string) string {
	if !status.Signaled() {
		return exit
	}
	switch status.Signal() {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGABRT:
		return "An extension module is the usual cause; Python's faulthandler, enabled in the application, shows where"
	case unix.SIGKILL:
		return "Somebody killed it, or the kernel for lack of memory: see the kernel's log"
	}
	return "Somebody sent it that signal"
}

// describeStatus puts in words how a process ended, as gw_exit_describe() does: "exit status 3", or "signal 11 (SIGSEGV), core dumped".
func describeStatus(status syscall.WaitStatus) string {
	if !status.Signaled() {
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	core := ""
	if status.CoreDump() {
		core = ", core dumped"
	}
	name := unix.SignalName(status.Signal())
	if name == "" {
		return fmt.Sprintf("signal %d%s", status.Signal(), core)
	}
	return fmt.Sprintf("signal %d (%s)%s", status.Signal(), name, core)
}
