// This file watches what waits for a thread. A request is sent to the worker that has the least to do, and then is bound to it; when all
// its threads turn out to be slow while another worker gets on, it is sent back to Apache's side, which chooses again.

package worker

import (
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

const (
	queueTick = 5 * time.Millisecond // between two looks at a worker whose threads are all at work
	queueRest = 200                  // after so many looks at one that has a free thread, the watch is over
	queueMost = 16                   // requests are sent back at once: the other workers, too, are to get on
)

// load is what a worker has to do.
type load struct {
	serving bool   // it takes requests
	full    bool   // all its threads are at work
	taken   uint64 // requests that its threads have taken so far
}

// isStuck tells, from two looks, whether requests that wait at a worker had better go to another one: it took none between the two, and
// takes no more at all or another one would have.
func isStuck(before, now load, peersBefore, peers []load) bool {
	if !now.full || now.taken != before.taken {
		return false
	}
	if !now.serving {
		return true
	}
	for i, p := range peers {
		if p.serving && (!p.full || p.taken != peersBefore[i].taken) {
			return true
		}
	}
	return false
}

// tendQueue has the queue looked at whenever all threads are at work.
func (w *worker) tendQueue() {
	for range w.watch.full {
		before, peersBefore := w.look()
		for rest := 0; rest < queueRest || !watchOver(); rest++ {
			time.Sleep(queueTick)
			now, peers := w.look()
			if now.full {
				rest = 0
			}
			if isStuck(before, now, peersBefore, peers) {
				if n := sendBack(queueMost); n > 0 {
					w.log.Logf(daemon.Debug, "all threads of this process of group '%s' are at work: %d requests go to another one", w.config.Group.Name, n)
				}
			}
			before, peersBefore = now, peers
		}
	}
}

// look returns the load of this worker and those of the others of its group.
func (w *worker) look() (load, []load) {
	own := load{serving: w.life.phase() == serving, full: inFlight() >= w.config.Group.Threads, taken: w.slot.Requests()}
	peers := make([]load, len(w.peers))
	for i, p := range w.peers {
		peers[i] = load{serving: p.State() == daemon.Serving, full: p.Busy() >= p.Threads(), taken: p.Requests()}
	}
	return own, peers
}
