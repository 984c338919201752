// This file is Go's side of handlers.c.

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"

	"github.com/DataDog/go-python3"
	"golang.org/x/sys/unix"
)

// SignalNews is a file to read from: there is something in it after a signal that an application has a handler for. RunSignalHandlers is
// due then. It takes the place of what an application has set with signal.set_wakeup_fd().
func SignalNews() (*os.File, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	main := mainInterpreter()
	if err := main.enter(); err != nil {
		return nil, err
	}
	defer main.leave()
	C.gwp_handlers_watch(C.int(pipe[1]))
	return os.NewFile(uintptr(pipe[0]), "signal news"), nil
}

// RunSignalHandlers calls the handlers of the signals that came. To be called on Python's main thread. What a handler raises is logged.
func RunSignalHandlers() {
	for {
		kind, value, traceback := callHandlers()
		if kind == nil {
			return
		}
		onOtherThread(func() {
			python3.PyErr_Restore(kind, value, traceback)
			logException(nil, fmt.Sprintf("GWSGI0603: a signal handler that an application registered (process group '%s') raised an "+
				"exception; the process goes on", process.config.ProcessGroup))
		})
	}
}

// callHandlers returns the exception of the first handler that fails; there may be more to call then.
func callHandlers() (kind, value, traceback *python3.PyObject) {
	main := mainInterpreter()
	if main.enter() != nil {
		return nil, nil, nil // Python's main thread has its state from the start on
	}
	defer main.leave()
	if C.gwp_handlers_call() == 0 {
		return nil, nil, nil
	}
	return python3.PyErr_Fetch()
}

// onOtherThread runs what uses the main interpreter where no signal handler can run in the middle of it, and waits for it.
func onOtherThread(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		main := mainInterpreter()
		if main.enter() != nil {
			return
		}
		do()
		main.leave()
		C.gwp_thread_depart()
	}()
	<-done
}
