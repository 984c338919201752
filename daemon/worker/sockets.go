// This file keeps the sockets that a worker listens on: they may be replaced, also before it listens.

package worker

/*
#include "worker.h"
*/
import "C"

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// sockets are the listening sockets. Before the threads start they wait in their places, daemon.ListenerFD and daemon.QueueFD.
type sockets struct {
	mu   sync.Mutex
	open bool // C listens on them
}

// listen starts to, by the function that is given.
func (s *sockets) listen(start func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := start()
	s.open = err == nil
	return err
}

// replace puts another socket in the place of the worker's own or of the group's.
func (s *sockets) replace(which daemon.Verb, fd int, log *daemon.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fd < 0 {
		log.Logf(daemon.Info, "the supervisor's message '%s' came without a socket", which)
		return
	}
	switch {
	case s.open && which == daemon.Own:
		C.gwd_own_start(C.int(fd))
	case s.open:
		C.gwd_queue_start(C.int(fd))
	default:
		place := daemon.ListenerFD
		if which == daemon.Queue {
			place = daemon.QueueFD
		}
		_ = unix.Dup3(fd, place, unix.O_CLOEXEC) // both are open, so it cannot fail
		_ = unix.Close(fd)
	}
}
