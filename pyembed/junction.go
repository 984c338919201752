// This file is where the straight road of a request turns to Go.

package pyembed

/*
#include <stdlib.h>
#include "gw_py.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"unsafe"

	"github.com/DataDog/go-python3"
)

// SetJunction tells the C side which function to call at a junction: int (*)(int junction, void *request). It ends up in Junction.
func SetJunction(fn unsafe.Pointer) {
	C.gwp_set_junction(C.gwp_junction_fn(fn))
}

// Junction does what the straight road leaves to Go. It is called on the request's thread, without the GIL, with all signals
// blocked. For a load it returns 0 with the application in the request, or 0 without one when it has to be looked for again, or the
// HTTP status to answer, having logged why, or GWP_LOAD_RETRY.
func Junction(kind int, request unsafe.Pointer) int {
	r := (*C.gwp_request)(request)
	switch kind {
	case C.GWP_JUNCTION_LOAD:
		return loadApplication(r, wantedBy(r))
	case C.GWP_JUNCTION_FAILURE:
		logFailures(r)
	case C.GWP_JUNCTION_END_INTERP:
		endInterpreter(r.interp)
	}
	return 0
}

// wanted is a request's application: what the straight road did not find.
type wanted struct {
	path, group, callable string
	reload, reloadInterp  bool
	reloadProcess         bool
}

func wantedBy(r *C.gwp_request) wanted {
	return wanted{
		path:         goString(r.abi.script),
		group:        goString(r.abi.app_group),
		callable:     goString(r.abi.callable),
		reload:       r.abi.flags&C.GOWSGI_REQ_RELOAD != 0,
		reloadInterp: r.abi.flags&C.GOWSGI_REQ_RELOAD_INTERPRETER != 0,

		reloadProcess: r.abi.flags&C.GOWSGI_REQ_RELOAD_PROCESS != 0,
	}
}

func goString(s C.gowsgi_span) string {
	return C.GoStringN(s.data, C.int(s.len))
}

// loadApplication puts the request's application into the table. The file is looked at again under the script's lock: another
// request may have loaded it meanwhile, and what the server saw of the file may be old. r is nil when the process starts.
func loadApplication(r *C.gwp_request, w wanted) int {
	what := describeFor(r, w.path, w.group)
	in, err := interpreterFor(w.group)
	if err != nil {
		logLine(r, levelErr, faultLine(r, "GWSGI0402", "GWSGI1207", fmt.Sprintf("%s cannot run: %v", what, err)))
		return http.StatusInternalServerError
	}
	s := in.script(w.path)
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(w.path)
	if err != nil {
		return cannotRead(r, what, err)
	}
	if C.gwp_interp_hold(in.c) != 0 {
		return 0 // retired while this request waited for the lock: the road comes back, to a new interpreter
	}
	defer func() {
		if r == nil || r.loaded == nil { // else the hold is the request's now
			release(in)
		}
	}()
	mtime := mtimeOf(info)
	changed := s.module != nil && w.reload && s.mtime != mtime
	if changed && w.reloadProcess {
		return C.GWP_LOAD_RETRY
	}
	if changed && w.reloadInterp && w.group != "" {
		in.retire()
		return 0 // to the new interpreter
	}
	if err := in.enter(); err != nil {
		logLine(r, levelErr, faultLine(r, "GWSGI0402", "GWSGI1207", fmt.Sprintf("%s cannot run: %v", what, err)))
		return http.StatusInternalServerError
	}
	defer in.leave()
	if s.module == nil || changed {
		if changed {
			logLine(r, levelInfo, what+" changed: loading it again")
		}
		if err := s.load(r, w.path, mtime, what); err != nil {
			return cannotRead(r, what, err)
		}
	}
	return s.publish(r, in, w, what)
}

func release(in *interpreter) {
	if C.gwp_interp_release(in.c) != 0 {
		endInterpreter(in.c)
	}
}

// cannotRead is the status for a script that could not be loaded: gone, not readable, or raising.
func cannotRead(r *C.gwp_request, what string, err error) int {
	if errors.Is(err, errRaised) {
		return http.StatusInternalServerError
	}
	logLine(r, levelErr, faultLine(r, "GWSGI0504", "GWSGI1201", fmt.Sprintf("%s cannot be read: %v", what, err)))
	if errors.Is(err, fs.ErrNotExist) {
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// publish finds the entry point in the module, puts it into the table and gives it to the request, whose script may have changed
// again before it could find it there. With the GIL, and a hold of the interpreter, which goes to the request.
func (s *script) publish(r *C.gwp_request, in *interpreter, w wanted, what string) int {
	object := s.module.GetAttrString(w.callable)
	if isQuestion(r) {
		object = answerable(object)
	} else if object == nil {
		python3.PyErr_Clear()
		logLine(r, levelErr, fmt.Sprintf("GWSGI0505: %s has no '%s'; WSGICallableObject names the entry point", what, w.callable))
		return http.StatusInternalServerError
	} else if !python3.PyCallable_Check(object) {
		object.DecRef()
		logLine(r, levelErr, fmt.Sprintf("GWSGI0506: '%s' of %s cannot be called; WSGICallableObject names the entry point",
			w.callable, what))
		return http.StatusInternalServerError
	}
	s.module.IncRef()
	path, group, callable := C.CString(w.path), C.CString(w.group), C.CString(w.callable)
	defer C.free(unsafe.Pointer(path))
	defer C.free(unsafe.Pointer(group))
	defer C.free(unsafe.Pointer(callable))
	var before *C.gwp_loaded
	loaded := C.gwp_table_publish(path, group, callable, in.c, (*C.PyObject)(unsafe.Pointer(s.module)),
		(*C.PyObject)(unsafe.Pointer(object)), C.int64_t(s.mtime), &before)
	if loaded == nil {
		logLine(r, levelErr, faultLine(r, "GWSGI0410", "GWSGI1207", what+" cannot run: no memory to remember it in"))
		return http.StatusInternalServerError
	}
	if before != nil {
		C.gwp_table_release(before)
	} else if process.config.Loaded != nil {
		process.config.Loaded(Application{Script: w.path, AppGroup: w.group, Callable: w.callable})
	}
	if r == nil {
		C.gwp_table_release(loaded)
	} else {
		r.loaded, r.interp = loaded, in.c
	}
	return 0
}
