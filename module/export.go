// Command module is libgowsgi-X.Y.so, built once for each Python: what the Apache module opens in each process that runs Python. This file has every function that C
// calls in Go. Each decodes its arguments, calls, encodes the answer, and lets no panic out.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../c
#include "gowsgi_abi.h"
typedef const gowsgi_process_config *const_process_config;
*/
import "C"

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"unsafe"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// main is not called: the library has no program of its own.
func main() {}

//export gowsgi_go_wait
func gowsgi_go_wait() {
	// Being here is all: the first call into Go waits for the runtime.
}

//export gowsgi_process_start
func gowsgi_process_start(config C.const_process_config) (rv C.int) {
	defer recoverPanic("the start of the process", func() { rv = -1 })
	processLog.set(config.log)
	if err := startProcess(decodeConfig(config)); err != nil {
		if firstToSay(config) {
			processLog.line(C.GOWSGI_LOG_ERR, fmt.Sprintf("GWSGI0401: Python %s cannot be used in Apache's processes: %v; requests for WSGI "+
				"applications are answered 500. Correct WSGIPythonHome or WSGIPythonExecutable, or install "+
				"this Python's standard library", pyembed.PythonVersion(), err))
		}
		return -1
	}
	return 0
}

//export gowsgi_process_stop
func gowsgi_process_stop() {
	defer recoverPanic("the end of the process", func() {})
	stopProcess()
}

//export gowsgi_go_junction
func gowsgi_go_junction(junction C.int, request unsafe.Pointer) (status C.int) {
	defer recoverPanic("a request", func() { status = http.StatusInternalServerError })
	return C.int(pyembed.Junction(int(junction), request))
}

// recoverPanic keeps a panic in Go from ending Apache's process; fail sets the function's answer.
func recoverPanic(where string, fail func()) {
	if p := recover(); p != nil {
		processLog.line(C.GOWSGI_LOG_CRIT, fmt.Sprintf("GWSGI0411: defect in mod_gowsgi, in %s: %v; please report it with this stack", where, p))
		processLog.lines(C.GOWSGI_LOG_CRIT, string(debug.Stack()))
		fail()
	}
}
