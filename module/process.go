// This file starts and stops what runs in one process.

package main

import (
	"runtime"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// startProcess readies Go for the threads that may be in it at once, and starts Python.
func startProcess(config pyembed.Config) error {
	// A C thread that calls Go needs a processor (a P). With fewer of them than threads, a call waits until the
	// runtime's monitor takes one from a thread that is blocked in Python.
	runtime.GOMAXPROCS(config.Threads + 2)
	pyembed.SetJunction(junctionAddress())
	return pyembed.Start(config)
}

func stopProcess() {
	pyembed.Stop()
}
