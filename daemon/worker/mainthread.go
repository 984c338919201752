// This file is the main thread of a worker from READY to the end. It is Python's main thread, and belongs to the applications: it runs
// what Python runs on no other thread, their signal handlers, and their exit functions. Such code may take any time. What becomes of the process
// is decided on another thread (serve.go), so that nobody has to wait for it.

package worker

import (
	"os"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// mainThread is what others ask of the main thread.
type mainThread struct {
	signals chan struct{}      // handlers are due
	end     chan chan struct{} // run the exit functions, and say so
}

func newMainThread() mainThread {
	return mainThread{signals: make(chan struct{}, 1), end: make(chan chan struct{})}
}

// run is the main thread. It does not return.
func (m *mainThread) run() {
	for {
		select {
		case <-m.signals:
			pyembed.RunSignalHandlers()
		case done := <-m.end:
			pyembed.EndInterpreters()
			close(done)
		}
	}
}

// watchSignals has the handlers called that were registered by now, or will be, at each news of signals.
func (m *mainThread) watchSignals(news *os.File) {
	m.signalled() // perhaps before anybody watched
	var some [64]byte
	for {
		if _, err := news.Read(some[:]); err != nil {
			return
		}
		m.signalled()
	}
}

// signalled does not wait: a main thread that has not looked yet will see this signal, too.
func (m *mainThread) signalled() {
	select {
	case m.signals <- struct{}{}:
	default:
	}
}

// endInterpreters returns when the exit functions have run.
func (m *mainThread) endInterpreters() {
	done := make(chan struct{})
	m.end <- done
	<-done
}
