// This file names the states of a worker and the reasons why one stops.

package daemon

/*
#include "gowsgi_abi.h"
#include "gowsgi_scoreboard.h"
*/
import "C"

import (
	"fmt"
	"slices"
	"time"
)

// StopTimeout is how long a worker may take when httpd stops: httpd itself gives no process longer than that.
const StopTimeout = 3 * time.Second

// State is what a worker is doing, as the scoreboard says.
type State uint32

// The states; c/gowsgi_scoreboard.h explains them.
const (
	Empty    State = C.GOWSGI_WORKER_EMPTY
	Starting State = C.GOWSGI_WORKER_STARTING
	Serving  State = C.GOWSGI_WORKER_READY
	Stale    State = C.GOWSGI_WORKER_STALE
	Draining State = C.GOWSGI_WORKER_DRAINING
	Dead     State = C.GOWSGI_WORKER_DEAD
)

var stateNames = [...]string{"EMPTY", "STARTING", "READY", "STALE", "DRAINING", "DEAD"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint32(s))
}

// transitions are those that are allowed.
var transitions = map[State][]State{
	Empty:    {Starting},
	Starting: {Serving, Draining, Empty, Dead},
	Serving:  {Stale, Draining, Empty, Dead},
	Stale:    {Draining, Empty, Dead},
	Draining: {Empty, Dead},
	Dead:     {Starting, Empty},
}

func (s State) allows(to State) bool {
	return slices.Contains(transitions[s], to)
}

// ExitReason is why a worker stops.
type ExitReason uint32

// The reasons.
const (
	ExitNone            ExitReason = C.GOWSGI_EXIT_NONE
	ExitServer          ExitReason = C.GOWSGI_EXIT_SERVER
	ExitReload          ExitReason = C.GOWSGI_EXIT_RELOAD
	ExitMaximumRequests ExitReason = C.GOWSGI_EXIT_MAXIMUM_REQUESTS
	ExitInactivity      ExitReason = C.GOWSGI_EXIT_INACTIVITY
	ExitDeadlock        ExitReason = C.GOWSGI_EXIT_DEADLOCK
	ExitRequestTimeout  ExitReason = C.GOWSGI_EXIT_REQUEST_TIMEOUT
	ExitStartupTimeout  ExitReason = C.GOWSGI_EXIT_STARTUP_TIMEOUT
	ExitSignal          ExitReason = C.GOWSGI_EXIT_SIGNAL
	ExitCrash           ExitReason = C.GOWSGI_EXIT_CRASH
	ExitOrphaned        ExitReason = C.GOWSGI_EXIT_ORPHANED
	ExitUnneeded        ExitReason = C.GOWSGI_EXIT_UNNEEDED
	ExitCPUTime         ExitReason = C.GOWSGI_EXIT_CPU_TIME
	ExitInterval        ExitReason = C.GOWSGI_EXIT_INTERVAL
)

var reasonNames = [...]string{"no reason", "httpd stops or restarts", "a script changed", "maximum-requests", "inactivity-timeout",
	"deadlock-timeout", "request-timeout", "startup-timeout", "a signal", "a crash",
	"the end of its supervisor", "the lack of a need for it", "cpu-time-limit", "restart-interval"}

func (r ExitReason) known() bool {
	return r > ExitNone && int(r) < len(reasonNames)
}

// String is the reason in words, to follow "because of".
func (r ExitReason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint32(r))
}

// What mod_gowsgi.so wrote into the configuration must be of the same interface as this library.
const (
	ABIVersion = C.GOWSGI_ABI_VERSION
	Version    = C.GOWSGI_VERSION
)

// The descriptors that a process starts with, beside the standard three.
const (
	ConfigFD     = 3 // the configuration, a memfd
	ScoreboardFD = 4
	LeaseFD      = 5 // of the supervisor
	ControlFD    = 5 // of a worker
	ListenerFD   = 6 // of a worker: the socket that it alone listens on
	QueueFD      = 7 // of a worker: the socket of its group's queue
)
