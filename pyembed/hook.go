// This file is what Go says and decides differently when the script is no application but one that is asked (hook.c).

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"fmt"

	"github.com/DataDog/go-python3"
)

// isQuestion tells a question to a script's function from a request to an application. r may be nil.
func isQuestion(r *C.gwp_request) bool {
	return r != nil && r.hook != nil
}

// describeFor names a script for the log, by its directive when it is one that is asked.
func describeFor(r *C.gwp_request, path, group string) string {
	if !isQuestion(r) {
		return describe(path, group)
	}
	return fmt.Sprintf("%s '%s' (application group '%s')", C.GoString(r.hook.role), path, group)
}

// faultLine is a line about a script that cannot be used. Where an application's request is answered 500, a question's consequence is
// part of the message, which therefore has a code of its own.
func faultLine(r *C.gwp_request, code, questionCode, text string) string {
	if !isQuestion(r) {
		return code + ": " + text
	}
	return questionCode + ": " + text + "; " + C.GoString(r.hook.consequence)
}

// answerable is what the table keeps for a question's function: None stands for one that the script does not have, so that it is not
// looked for again. It takes over the reference. With the GIL.
func answerable(function *python3.PyObject) *python3.PyObject {
	if function != nil {
		return function
	}
	python3.PyErr_Clear()
	python3.Py_None.IncRef()
	return python3.Py_None
}

func logHookFailure(r *C.gwp_request, e exception, what string) {
	logLine(r, levelErr, fmt.Sprintf("GWSGI1205: %s: %s() raised an exception; %s", what, goString(r.hook.function),
		C.GoString(r.hook.consequence)))
	for _, line := range e.lines {
		logLine(r, levelErr, line)
	}
	logSubInterpreterAdvice(r, e)
}
