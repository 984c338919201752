// This file turns Python exceptions into log lines.

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/DataDog/go-python3"
)

// exception is one that was fetched and formatted; the Python objects are gone.
type exception struct {
	lines    []string // as the traceback module formats them
	exits    bool     // SystemExit
	exitText string   // str() of a SystemExit
}

// subInterpreterTexts are what extension modules say that work in the main interpreter only (CPython, PyO3, NumPy).
var subInterpreterTexts = []string{
	"does not support loading in subinterpreters",
	"do not yet support subinterpreters",
	"may only be initialized once per interpreter process",
	"cannot load module more than once per process",
	"Interpreter change detected",
}

// needsMainInterpreter tells whether an import failed because of the sub-interpreter it ran in.
func (e exception) needsMainInterpreter() bool {
	for _, line := range e.lines {
		for _, text := range subInterpreterTexts {
			if strings.Contains(line, text) {
				return true
			}
		}
	}
	return false
}

// fetchException takes the current Python error. With the GIL; an error must be set.
func fetchException() exception {
	return formatException(python3.PyErr_Fetch())
}

// formatException consumes the three references of an exception. With the GIL.
func formatException(kind, value, traceback *python3.PyObject) exception {
	kind, value, traceback = python3.PyErr_NormalizeException(kind, value, traceback)
	defer decRef(kind)
	defer decRef(value)
	defer decRef(traceback)
	var e exception
	if kind == nil {
		e.lines = []string{"(no exception was set)"}
		return e
	}
	e.exits = python3.PyErr_GivenExceptionMatches(kind, python3.PyExc_SystemExit)
	if e.exits {
		e.exitText = str(value)
	}
	e.lines = tracebackLines(kind, orNone(value), orNone(traceback))
	return e
}

func tracebackLines(kind, value, traceback *python3.PyObject) []string {
	module := python3.PyImport_ImportModule("traceback")
	if module == nil {
		python3.PyErr_Clear()
		return []string{str(value)}
	}
	defer module.DecRef()
	list := module.CallMethodArgs("format_exception", kind, value, traceback)
	if list == nil {
		python3.PyErr_Clear()
		return []string{"(the exception cannot be formatted) " + str(value)}
	}
	defer list.DecRef()
	var lines []string
	for i := 0; i < python3.PyList_Size(list); i++ {
		text := strings.TrimRight(str(python3.PyList_GetItem(list, i)), "\n")
		lines = append(lines, strings.Split(text, "\n")...)
	}
	return lines
}

// str is str(object) with whatever UTF-8 cannot express escaped.
func str(object *python3.PyObject) string {
	if object == nil {
		return ""
	}
	text := object.Str()
	if text == nil {
		python3.PyErr_Clear()
		return "(str() failed)"
	}
	defer text.DecRef()
	encoding, errors := python3.PyUnicode_FromString("utf-8"), python3.PyUnicode_FromString("backslashreplace")
	defer encoding.DecRef()
	defer errors.DecRef()
	bytes := text.CallMethodArgs("encode", encoding, errors)
	if bytes == nil {
		python3.PyErr_Clear()
		return "(not text)"
	}
	defer bytes.DecRef()
	return python3.PyBytes_AsString(bytes)
}

func decRef(object *python3.PyObject) {
	if object != nil {
		object.DecRef()
	}
}

func orNone(object *python3.PyObject) *python3.PyObject {
	if object == nil {
		return python3.Py_None
	}
	return object
}

// logException logs the current Python error: what happened, then the traceback, a record a line. With the GIL.
func logException(r *C.gwp_request, what string) {
	e := fetchException()
	logLine(r, levelErr, what)
	for _, line := range e.lines {
		logLine(r, levelErr, line)
	}
	logSubInterpreterAdvice(r, e)
}

// logSubInterpreterAdvice says what to do when an extension module does not work where it was imported.
func logSubInterpreterAdvice(r *C.gwp_request, e exception) {
	switch {
	case !e.needsMainInterpreter():
	case isQuestion(r):
		logLine(r, levelErr, "GWSGI0507: an extension module does not work in a sub-interpreter: use the script without application-group=, "+
			"in the main interpreter")
	default:
		logLine(r, levelErr, "GWSGI0507: an extension module does not work in a sub-interpreter: set 'WSGIApplicationGroup %{GLOBAL}' for "+
			"this application, and give it a process of its own if others need the same")
	}
}

var phaseTexts = map[C.gwp_phase]string{
	C.GWP_PHASE_CALL:    "in the call of the application",
	C.GWP_PHASE_ITERATE: "in its response",
	C.GWP_PHASE_CLOSE:   "in close() of its response",
	C.GWP_PHASE_SERVER:  "before the call of the application",
}

// logFailures logs the exceptions of a request and drops them. Without the GIL.
func logFailures(r *C.gwp_request) {
	if C.gwp_enter(r.interp) != 0 {
		return
	}
	defer C.gwp_leave()
	what := describeFor(r, goString(r.abi.script), goString(r.abi.app_group))
	for i := range int(r.failure_count) {
		f := &r.failures[i]
		e := formatException(object(f._type), object(f.value), object(f.traceback))
		f._type, f.value, f.traceback = nil, nil, nil
		if isQuestion(r) {
			logHookFailure(r, e, what)
			continue
		}
		logFailure(r, e, what, phaseTexts[f.phase])
	}
}

func object(p *C.PyObject) *python3.PyObject {
	return (*python3.PyObject)(unsafe.Pointer(p))
}

func logFailure(r *C.gwp_request, e exception, what, where string) {
	switch {
	case r.gone != 0 || r.read_failure == C.GOWSGI_READ_GONE:
		logLine(r, levelInfo, fmt.Sprintf("%s stopped %s after the client had gone: %s", what, where, e.lines[len(e.lines)-1]))
	case r.read_failure != 0 && r.read_failure != C.GOWSGI_READ_FAILED: // the client's fault, which the server has logged
		logLine(r, levelInfo, fmt.Sprintf("%s stopped %s when its request body could not be read: %s", what, where,
			e.lines[len(e.lines)-1]))
	case e.exits:
		logLine(r, levelErr, fmt.Sprintf("GWSGI0602: %s raised SystemExit(%s) %s; the server process goes on. An application must "+
			"not call sys.exit()", what, e.exitText, where))
	default:
		logLine(r, levelErr, fmt.Sprintf("GWSGI0601: %s raised an exception %s", what, where))
		for _, line := range e.lines {
			logLine(r, levelErr, line)
		}
		logSubInterpreterAdvice(r, e)
	}
}
