// This file is one worker process as the supervisor sees it, and the phases of its life.

package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// phase is where a worker is in its life. The scoreboard's state follows from it; the supervisor does not rely on that, for workers
// can write there.
type phase int

const (
	starting phase = iota // the process runs and is not ready
	standing              // stands by: all is loaded, and it waits until it is needed
	serving               // takes requests
	retiring              // has asked to be replaced
	draining              // was told to finish what runs, then to exit
	stopping              // was told to exit at once
	killed                // was sent SIGKILL
	gone                  // has ended, and was waited for
)

var phaseNames = [...]string{"starting", "standing by", "serving", "retiring", "draining", "stopping", "killed", "gone"}

func (p phase) String() string {
	return phaseNames[p]
}

var phaseTransitions = map[phase][]phase{
	starting: {standing, serving, retiring, draining, stopping, killed, gone},
	standing: {starting, draining, stopping, killed, gone},
	serving:  {retiring, draining, stopping, killed, gone},
	retiring: {draining, stopping, killed, gone},
	draining: {stopping, killed, gone},
	stopping: {killed, gone},
	killed:   {gone},
}

// process is what the operating system gives for a worker that was started.
type process interface {
	PID() int
	// Send sends a message without waiting; it is lost when the worker does not read.
	Send(daemon.Message) error
	Kill()
	// Release removes what is left of it after its end: its socket, our end of the control channel.
	Release()
}

// worker is one worker process.
type worker struct {
	group       *group
	slot        *slot
	incarnation uint32
	process     process
	phase       phase
	reason      daemon.ExitReason // why it stops, as far as the supervisor decided or was told
	started     time.Time
	ready       time.Time // zero: it never was
	deadline    time.Time // when it is killed; zero: never
	standby     bool      // was started to stand by
	patience    time.Time // how long it stands by
	relieved    bool      // is to have a replacement that stands by
	garbled     bool      // it sent what is no message
}

// transit is the one way to another phase.
func (w *worker) transit(to phase, why string) bool {
	if !slices.Contains(phaseTransitions[w.phase], to) {
		w.group.log.Logf(daemon.Debug, "%s stays %s, not %s: %s", w, w.phase, to, why)
		return false
	}
	w.group.log.Logf(daemon.Debug, "%s: %s, now %s: %s", w, w.phase, to, why)
	w.phase = to
	return true
}

// String names the worker in log lines.
func (w *worker) String() string {
	pid := 0
	if w.process != nil {
		pid = w.process.PID()
	}
	return fmt.Sprintf("worker %d of process group '%s'", pid, w.group.config.Name)
}

// leaving tells whether the worker was told to go.
func (w *worker) leaving() bool {
	return w.phase == draining || w.phase == stopping || w.phase == killed
}

// endBy sets when the worker is killed if it is still there.
func (w *worker) endBy(deadline time.Time) {
	w.deadline = deadline
}
