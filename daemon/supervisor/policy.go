// This file decides what happens on each event. One goroutine calls it; it never waits.

package supervisor

import (
	"fmt"
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// How much longer than its limits a worker gets: it keeps them itself, and logs why it ends. A start that takes too long ends with
// the stacks of all threads.
const (
	grace      = time.Second
	startGrace = 3 * time.Second
)

// order is a worker to be started.
type order struct {
	worker   *worker // where its events are to go
	group    *daemon.Group
	slot     int
	number   uint32 // its incarnation
	standby  bool   // it waits for Serve before it is ready
	preloads []daemon.Script
}

// system starts processes.
type system interface {
	Start(order) (process, error)
}

// mode is what the supervisor as a whole is doing.
type mode int

const (
	running mode = iota
	leaseEnded
	terminated
)

var modeNames = [...]string{"running", "letting the workers finish", "stopping"}

func (m mode) String() string {
	return modeNames[m]
}

// supervisor is the state of it all.
type supervisor struct {
	log    *daemon.Logger
	system system
	now    func() time.Time
	mode   mode
	giveUp time.Time // when it exits though workers are there still; zero: never
	groups []*group
}

func newSupervisor(config *daemon.Config, board *daemon.Scoreboard, log *daemon.Logger, sys system,
	now func() time.Time) (*supervisor, error) {
	s := &supervisor{log: log, system: sys, now: now}
	for _, g := range config.Groups {
		if g.Index >= board.Groups() || g.FirstSlot+g.SlotCount > board.Workers() {
			return nil, fmt.Errorf("%w: group %s has no place in the scoreboard", daemon.ErrConfig, g.Name)
		}
		s.groups = append(s.groups, newGroup(g, board))
	}
	return s, nil
}

// ---- What happens ----

// message acts on what a worker says.
func (s *supervisor) message(w *worker, m daemon.Message) {
	switch m.Verb {
	case daemon.Ready:
		s.ready(w, m.Python)
	case daemon.Retire:
		s.retire(w, m.Reason)
	case daemon.Relieve:
		w.relieved = w.phase == serving
	case daemon.Standby:
		s.standBy(w)
	case daemon.Loaded:
		w.group.remember(m.Script)
	}
}

// garbled is a message that is none.
func (s *supervisor) garbled(w *worker, err error) {
	if w.garbled {
		return
	}
	w.garbled = true
	w.group.log.Logf(daemon.Warning, "GWSGI0909: %s sent its supervisor what no worker sends; that is ignored, and so is more of it: %v. "+
		"Look for code in the application that writes to descriptors which it did not open", w, err)
}

func (s *supervisor) ready(w *worker, python string) {
	if w.phase != starting || !w.transit(serving, "it is ready") {
		return
	}
	w.ready = s.now()
	w.endBy(time.Time{})
	w.group.log.Logf(daemon.Info, "%s is ready, %.1f s after its start, with Python %s", w, w.ready.Sub(w.started).Seconds(), python)
	if seat := w.group.seatOf(w); seat != nil {
		seat.stillborn = 0
		if seat.replacement == w {
			old := seat.worker
			seat.leave(old)
			s.drain(old, old.reason)
		}
	}
}

func (s *supervisor) retire(w *worker, reason daemon.ExitReason) {
	if s.mode != running || w.phase != starting && w.phase != serving || !w.transit(retiring, reason.String()) {
		return
	}
	w.reason = reason
	w.endBy(time.Time{})
	w.group.log.Logf(daemon.Info, "%s is replaced because of %s", w, reason)
	if seat := w.group.seatOf(w); seat != nil {
		if reason == daemon.ExitReload { // what stands by may have loaded what was there before
			s.dismiss(seat)
		}
		s.callUp(seat)
	}
}

// drain tells a worker to finish what runs and to exit.
func (s *supervisor) drain(w *worker, reason daemon.ExitReason) {
	if !w.transit(draining, reason.String()) {
		return
	}
	s.leave(w, reason, daemon.Drain)
	o := &w.group.config.Options
	w.endBy(time.Time{})
	if limit, _ := o.FinishTimeout(reason); limit > 0 && o.ShutdownTimeout > 0 {
		w.endBy(s.now().Add(limit + o.ShutdownTimeout + grace))
	}
}

// stop tells a worker to exit because httpd stops.
func (s *supervisor) stop(w *worker) {
	if w.transit(stopping, daemon.ExitServer.String()) {
		s.leave(w, daemon.ExitServer, daemon.Stop)
		w.endBy(s.now().Add(daemon.StopTimeout))
	}
}

// leave makes the worker's slot say that it takes no more requests, then tells the worker.
func (s *supervisor) leave(w *worker, reason daemon.ExitReason, verb daemon.Verb) {
	w.reason = reason
	w.slot.board.SetExitReason(reason)
	w.slot.board.Transit(daemon.Draining)
	if err := w.process.Send(daemon.Message{Verb: verb}); err != nil {
		w.group.log.Logf(daemon.Info, "%s could not be told to %s: %v", w, verb, err)
	}
}

// leaseEnd is that no more requests can come: httpd restarted, and the last child of this generation is gone.
func (s *supervisor) leaseEnd() {
	if s.mode != running {
		return
	}
	s.transit(leaseEnded, "no process of httpd can send requests any more")
	s.each(func(w *worker) {
		if !w.leaving() {
			s.drain(w, daemon.ExitServer)
		}
	})
}

// terminate is SIGTERM: httpd stops, or is gone.
func (s *supervisor) terminate() {
	if s.mode != terminated {
		s.transit(terminated, "httpd stops or restarts")
		s.giveUp = s.now().Add(daemon.StopTimeout + grace/2)
		for _, g := range s.groups {
			g.board.SetStopping(true)
		}
		s.each(s.stop)
	}
}

// transit is the one way to another mode.
func (s *supervisor) transit(to mode, why string) {
	s.log.Logf(daemon.Info, "supervisor: %s, now %s: %s", s.mode, to, why)
	s.mode = to
}

// ---- What is due ----

// advance does what the events and the clock have made due. It returns when the next thing is, or the zero time.
func (s *supervisor) advance() time.Time {
	now := s.now()
	var next time.Time
	due := func(t time.Time) bool {
		if t.After(now) {
			if next.IsZero() || t.Before(next) {
				next = t
			}
			return false
		}
		return true
	}
	s.each(func(w *worker) {
		if !w.deadline.IsZero() && due(w.deadline) {
			s.kill(w)
		}
		if w.phase == standing && due(w.patience) {
			s.dismiss(w.group.seatOf(w))
		}
	})
	if s.mode != running {
		if s.mode == terminated {
			due(s.giveUp)
		}
		return next
	}
	s.each(func(w *worker) {
		interval := w.group.config.Options.RestartInterval
		if interval > 0 && w.phase == serving && due(w.ready.Add(interval)) {
			s.retire(w, daemon.ExitInterval)
		}
	})
	for _, g := range s.groups {
		for _, seat := range g.seats {
			for g.wants(seat) && due(seat.retryAt) && !s.start(g, seat) {
				continue // the delay may be none
			}
		}
	}
	s.each(func(w *worker) { // those just started
		if !w.deadline.IsZero() {
			due(w.deadline)
		}
	})
	return next
}

// finished tells whether the supervisor has nothing left to do, or must not wait any longer.
func (s *supervisor) finished() bool {
	var left []*worker
	s.each(func(w *worker) { left = append(left, w) })
	if s.mode == running || len(left) > 0 && (s.mode != terminated || s.now().Before(s.giveUp)) {
		return false
	}
	for _, w := range left {
		w.group.log.Logf(daemon.Warning, "GWSGI0913: %s was killed and is there still, so the kernel holds it: it may wait for a disk or a "+
			"network file system. It ends when that answers", w)
	}
	return true
}

func (s *supervisor) each(do func(*worker)) {
	for _, g := range s.groups {
		for _, w := range g.workers() {
			do(w)
		}
	}
}

// start puts a new worker on a seat, when a slot is free. It returns false when that failed; the seat has its delay then.
func (s *supervisor) start(g *group, seat *seat) bool {
	slot := g.freeSlot()
	if slot == nil {
		if !seat.crowded {
			seat.crowded = true
			g.log.Logf(daemon.Notice, "process group '%s' cannot start a replacement yet: all its %d slots are taken by "+
				"processes that still finish requests", g.config.Name, len(g.slots))
		}
		return true
	}
	seat.crowded = false
	slot.incarnation = max(slot.incarnation+1, 1)
	w := &worker{group: g, slot: slot, incarnation: slot.incarnation, started: s.now()}
	slot.board.Reset()
	slot.board.Begin(w.incarnation, g.config.Threads, w.started)
	if seat.used {
		g.board.AddRestart()
	}
	seat.used = true
	standby := seat.worker != nil && seat.worker.phase == serving
	process, err := s.system.Start(order{
		worker: w, group: g.config, slot: slot.board.Index(), number: w.incarnation, standby: standby,
		preloads: g.preloads(seat),
	})
	if err != nil {
		s.notStarted(w, seat, err)
		return false
	}
	w.process = process
	slot.worker = w
	w.standby = standby
	slot.board.SetPID(process.PID())
	if limit := g.config.Options.StartupTimeout; limit > 0 {
		w.endBy(w.started.Add(limit + startGrace))
	}
	seat.sit(w)
	g.log.Logf(daemon.Info, "%s was started, in slot %d", w, slot.board.Index())
	return true
}

// kill ends a worker that did not end in time.
func (s *supervisor) kill(w *worker) {
	before := w.phase
	w.endBy(time.Time{})
	if !w.transit(killed, "its time is over") {
		return
	}
	if before == starting {
		w.reason = daemon.ExitStartupTimeout
		w.slot.board.SetExitReason(w.reason)
	}
	s.logKill(w, before)
	w.process.Kill()
}
