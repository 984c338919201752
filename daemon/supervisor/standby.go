// This file is about replacements that are loaded before they are needed. A worker that will soon have served maximum-requests says so;
// the next one is started then, and stands by until the first has served its last request. So that number is kept to, and nobody
// waits while an application loads.

package supervisor

import (
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// How long a worker stands by at least: the requests may come more slowly than it was thought.
const leastPatience = 2 * time.Second

// standBy is that a worker has loaded all.
func (s *supervisor) standBy(w *worker) {
	if !w.standby || !w.transit(standing, "all is loaded") {
		return
	}
	now := s.now()
	loading := now.Sub(w.started)
	w.endBy(time.Time{})
	w.patience = now.Add(max(leastPatience, 2*loading))
	w.group.log.Logf(daemon.Info, "%s stands by, %.1f s after its start", w, loading.Seconds())
	if seat := w.group.seatOf(w); seat != nil {
		s.callUp(seat)
	}
}

// callUp lets the worker that stands by serve, unless the one before it still does.
func (s *supervisor) callUp(seat *seat) {
	w := seat.replacement
	if w == nil {
		w = seat.worker
	} else if seat.worker.phase == serving {
		return
	}
	if w == nil || w.phase != standing || !w.transit(starting, "it is needed") {
		return
	}
	if err := w.process.Send(daemon.Message{Verb: daemon.Serve}); err != nil {
		w.group.log.Logf(daemon.Info, "%s could not be told to serve: %v", w, err)
		s.kill(w)
	}
}

// dismiss ends a replacement that was started to stand by.
func (s *supervisor) dismiss(seat *seat) {
	w := seat.replacement
	if w == nil || !w.standby {
		return
	}
	seat.worker.relieved = false
	seat.replacement = nil
	s.drain(w, daemon.ExitUnneeded)
}
