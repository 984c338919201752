// This file lets the monitors of a daemon process look into Python: whether its lock can be had, and where its threads are.

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Application is what a request asks for: a script, the application group it runs in, and the name of its entry point.
type Application struct {
	Script, AppGroup, Callable string
}

// Preload loads an application before the first request for it. It tells whether that worked; if not, the reason is logged and
// the first request tries again.
func Preload(a Application) bool {
	return loadApplication(nil, wanted{path: a.Script, group: a.AppGroup, callable: a.Callable}) < http.StatusContinue
}

// ImportScript loads a script of WSGIImportScript; Start does so for those of its configuration. What fails is logged.
func ImportScript(i Import) {
	importScript(i)
}

// ServeFunction is gowsgi_request_serve(), for C.
func ServeFunction() unsafe.Pointer {
	return unsafe.Pointer(C.gowsgi_request_serve)
}

// Probe takes the GIL and gives it back: it returns when that was possible. All interpreters of this process share one GIL. To be
// called on one and the same thread.
func Probe() error {
	main := mainInterpreter()
	if err := main.enter(); err != nil {
		return err
	}
	main.leave()
	return nil
}

// mainInterpreter is nil while Python starts.
func mainInterpreter() *interpreter {
	process.mu.Lock()
	defer process.mu.Unlock()
	return process.groups[""]
}

// loads are the scripts that are being loaded for the first time, and since when.
var loads struct {
	mu      sync.Mutex
	running map[*script]load
	total   time.Duration // of those that have ended
}

type load struct {
	what  string
	since time.Time
}

// loadBegins notes that a script is being loaded for the first time, until the function that it returns is called.
func loadBegins(s *script, what string) (ends func()) {
	if s.module != nil {
		return func() {}
	}
	loads.mu.Lock()
	defer loads.mu.Unlock()
	if loads.running == nil {
		loads.running = map[*script]load{}
	}
	loads.running[s] = load{what: what, since: time.Now()}
	return func() {
		loads.mu.Lock()
		loads.total += time.Since(loads.running[s].since)
		delete(loads.running, s)
		loads.mu.Unlock()
	}
}

// LoadTime is how long scripts took that were loaded for the first time, all together.
func LoadTime() time.Duration {
	loads.mu.Lock()
	defer loads.mu.Unlock()
	return loads.total
}

// LongestLoad tells which script has been loading for the longest time, of those that were never loaded before; "" if none is.
func LongestLoad() (what string, since time.Time) {
	loads.mu.Lock()
	defer loads.mu.Unlock()
	for _, l := range loads.running {
		if what == "" || l.since.Before(since) {
			what, since = l.what, l.since
		}
	}
	return what, since
}

// ErrNoStacks says that this Python cannot show its stacks.
var ErrNoStacks = errors.New("this version of Python cannot show them")

// Stacks returns the Python stacks of all threads, a line a string. It takes the GIL if that is to be had within patience, and otherwise
// reads them without: then the process should end soon. So it does while Python starts.
func Stacks(patience time.Duration) ([]string, error) {
	fd, err := unix.MemfdCreate("stacks", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	dumped := make(chan C.int, 1)
	if main := mainInterpreter(); main != nil {
		go dumpInTurn(main, fd, dumped)
	} else {
		patience = 0
	}
	var rv C.int
	select {
	case rv = <-dumped:
		defer unix.Close(fd)
	case <-time.After(patience):
		// Then fd stays open: the thread may get the GIL yet, and write.
		rv = C.gwp_stacks_dump(C.int(fd), 0)
	}
	if rv != 0 {
		return nil, ErrNoStacks
	}
	text := make([]byte, 1<<20)
	n, err := unix.Pread(fd, text, 0)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimRight(string(text[:n]), "\n"), "\n"), nil
}

// dumpInTurn waits for the GIL.
func dumpInTurn(main *interpreter, fd int, dumped chan<- C.int) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if C.gwp_enter(main.c) != 0 {
		return
	}
	rv := C.gwp_stacks_dump(C.int(fd), 1)
	C.gwp_leave()
	C.gwp_thread_depart()
	dumped <- rv
}
