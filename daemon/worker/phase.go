// This file names the phases of a worker's life.

package worker

import (
	"slices"
	"sync"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

type phase int

// The phases; doc.go explains them.
const (
	starting phase = iota
	serving
	retired
	draining
	exiting
)

var phaseNames = [...]string{"starting", "serving", "retired", "draining", "exiting"}

func (p phase) String() string {
	return phaseNames[p]
}

var phaseTransitions = map[phase][]phase{
	starting: {serving, exiting},
	serving:  {retired, draining, exiting},
	retired:  {draining, exiting},
	draining: {exiting},
}

// life is the one place where the phase changes.
type life struct {
	mu  sync.Mutex
	now phase
	log *daemon.Logger
}

func (l *life) phase() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// transit changes the phase, and tells whether that was allowed.
func (l *life) transit(to phase, why string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(phaseTransitions[l.now], to) {
		l.log.Logf(daemon.Debug, "worker: %s, stays so instead of %s: %s", l.now, to, why)
		return false
	}
	l.log.Logf(daemon.Debug, "worker: %s, now %s: %s", l.now, to, why)
	l.now = to
	return true
}
