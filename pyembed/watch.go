// This file lets the monitors of a daemon process look into Python: what is being loaded, and whether its lock can be had.

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"net/http"
	"sync"
	"time"
	"unsafe"
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
