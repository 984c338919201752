// This file decides which workers of a group are started, and when.

package supervisor

import (
	"slices"
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

const (
	// A worker that was ready for so long did well: what ends it later is not held against its successor.
	wellAfter = 10 * time.Second
	// After so many of a seat's workers in a row that never became ready, the next one loads no application before it is.
	stillbornLimit = 2
	// How many applications a replacement is asked to load.
	preloadLimit = 500
)

// delays is how long a seat stays empty after the first, second, … failure; the last one holds for all further.
var delays = []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
	16 * time.Second, 30 * time.Second}

// group is a daemon process group.
type group struct {
	config *daemon.Group
	board  *daemon.GroupSlot
	log    *daemon.Logger
	seats  []*seat
	slots  []*slot
	apps   []daemon.Script // what its workers have loaded, in the order of first use
}

// seat is the place of one of the group's processes.
type seat struct {
	worker      *worker   // who serves, or served last and asked to be replaced
	replacement *worker   // on the way to being ready
	used        bool      // a worker was started here before
	failures    int       // in a row
	stillborn   int       // workers in a row that never became ready
	retryAt     time.Time // no worker is started before
	crowded     bool      // it was logged that no slot is free
}

// slot is one of the group's places in the scoreboard.
type slot struct {
	board       *daemon.WorkerSlot
	incarnation uint32    // of the last process here; a worker may have changed what the board says
	worker      *worker   // nil: free
	freed       time.Time // when it became free
}

func newGroup(config *daemon.Group, board *daemon.Scoreboard) *group {
	g := &group{config: config, board: board.Group(config.Index), log: daemon.NewLogger(config.LogFD, config.LogLevel)}
	g.board.SetStopping(false) // as the supervisor before this one may have left it
	for range config.Processes {
		g.seats = append(g.seats, &seat{})
	}
	for i := range config.SlotCount {
		s := &slot{board: board.Worker(config.FirstSlot + i)}
		s.incarnation = s.board.Incarnation() // as the supervisor before this one may have left it
		s.board.Reset()
		g.slots = append(g.slots, s)
	}
	return g
}

// workers are all processes of the group, those included that are on their way out.
func (g *group) workers() []*worker {
	var all []*worker
	for _, s := range g.slots {
		if s.worker != nil {
			all = append(all, s.worker)
		}
	}
	return all
}

// freeSlot is the slot that has been free for longest, or nil.
func (g *group) freeSlot() *slot {
	var found *slot
	for _, s := range g.slots {
		if s.worker == nil && (found == nil || s.freed.Before(found.freed)) {
			found = s
		}
	}
	return found
}

// seatOf is the seat that a worker has, or nil when it is on its way out.
func (g *group) seatOf(w *worker) *seat {
	for _, s := range g.seats {
		if s.worker == w || s.replacement == w {
			return s
		}
	}
	return nil
}

// wants tells whether a seat needs a process, were it not for its delay.
func (g *group) wants(s *seat) bool {
	switch {
	case s.replacement != nil:
		return false
	case s.worker == nil:
		return true
	case s.worker.phase == serving:
		return s.worker.relieved
	case s.worker.phase != retiring:
		return false
	}
	return !inTurn(s.worker.reason) || !g.replacing()
}

// inTurn tells whether workers are replaced one after the other that go for the reason: it holds for all of them at about the same time.
func inTurn(reason daemon.ExitReason) bool {
	return reason == daemon.ExitReload || reason == daemon.ExitInterval
}

// replacing tells whether a worker is being replaced whose turn it is.
func (g *group) replacing() bool {
	return slices.ContainsFunc(g.seats, func(s *seat) bool {
		return s.replacement != nil && s.worker != nil && inTurn(s.worker.reason)
	})
}

// sit puts a worker on a seat.
func (s *seat) sit(w *worker) {
	if s.worker == nil {
		s.worker = w
	} else {
		s.replacement = w
	}
}

// leave takes a worker off its seat; its replacement moves up.
func (s *seat) leave(w *worker) {
	if s.worker == w {
		s.worker = s.replacement
	}
	s.replacement = nil
}

// failed counts a failure and sets the delay.
func (s *seat) failed(now time.Time) time.Duration {
	delay := delays[min(s.failures, len(delays)-1)]
	s.failures++
	s.retryAt = now.Add(delay)
	return delay
}

// preloads are what the seat's next worker loads before it is ready. One that was idle is replaced to give its memory back, so the next
// one loads nothing until it is asked.
func (g *group) preloads(s *seat) []daemon.Script {
	if s.stillborn >= stillbornLimit || s.worker != nil && s.worker.reason == daemon.ExitInactivity {
		return nil
	}
	return g.apps
}

// remember keeps an application for the replacements.
func (g *group) remember(app daemon.Script) {
	if len(g.apps) < preloadLimit && !slices.Contains(g.apps, app) {
		g.apps = append(slices.Clip(g.apps), app)
	}
}
