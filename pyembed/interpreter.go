// This file keeps the interpreters of this process, one for each application group, and the script modules in them.

package pyembed

/*
#include <stdlib.h>
#include "gw_py.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/DataDog/go-python3"
)

// interpreter is an application group in this process. Its modules are touched with its GIL only.
type interpreter struct {
	name    string
	once    sync.Once
	c       *C.gwp_interp // set by once; nil when it could not be made
	err     error         // set by once: why c is nil
	mu      sync.Mutex    // guards scripts
	scripts map[string]*script
}

// script is a script file in an interpreter. Its lock is held while the file is loaded, so that it is loaded once.
type script struct {
	mu     sync.Mutex
	module *python3.PyObject // nil: not loaded
	mtime  int64             // of the file when it was read, microseconds
}

func newInterpreter(name string, c *C.gwp_interp) *interpreter {
	return &interpreter{name: name, c: c, scripts: map[string]*script{}}
}

// interpreterFor returns the interpreter of an application group, making it at first use; two threads that race get the same. The
// caller has no GIL.
func interpreterFor(group string) (*interpreter, error) {
	process.mu.Lock()
	in := process.groups[group]
	if in == nil {
		in = newInterpreter(group, nil)
		process.groups[group] = in
	}
	process.mu.Unlock()

	in.once.Do(func() {
		if in.c != nil {
			return
		}
		name := C.CString(group)
		defer C.free(unsafe.Pointer(name))
		var why *C.char
		if in.c = C.gwp_interp_new(name, &why); in.c == nil {
			in.err = fmt.Errorf("no interpreter could be made: %s", C.GoString(why))
		}
	})
	if in.err != nil {
		in.forget()
		return nil, in.err
	}
	return in, nil
}

// forget makes the group's next request make a new interpreter.
func (in *interpreter) forget() {
	process.mu.Lock()
	if process.groups[in.name] == in {
		delete(process.groups, in.name)
	}
	process.mu.Unlock()
}

func (in *interpreter) script(path string) *script {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.scripts[path]
	if s == nil {
		s = &script{}
		in.scripts[path] = s
	}
	return s
}

// enter takes the GIL in the interpreter; the goroutine is bound to its thread until leave.
func (in *interpreter) enter() error {
	if C.gwp_enter(in.c) != 0 {
		return fmt.Errorf("no memory for a Python thread state")
	}
	return nil
}

func (in *interpreter) leave() {
	C.gwp_leave()
}

// retire takes an interpreter out of use: new requests get another one, requests inside finish, the last of them ends it.
func (in *interpreter) retire() {
	in.forget()
	if C.gwp_table_retire(in.c) != 0 {
		endInterpreter(in.c)
	}
}

// endInterpreter ends a retired interpreter on a thread of its own: its exit functions and the threads that it waits for take as long as
// they take, and no request is to wait for them.
func endInterpreter(c *C.gwp_interp) {
	process.ending.Add(1)
	go func() {
		defer process.ending.Done()
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		endInterpreterHere(c)
		C.gwp_thread_depart()
	}()
}

func endInterpreterHere(c *C.gwp_interp) {
	name := C.GoString(c.name)
	keep := process.config.KeepInterpreters && process.last.Load()
	if C.gwp_interp_end(c, flag(keep)) != 0 && !keep {
		logLine(nil, levelInfo, fmt.Sprintf("application group '%s' is out of use, but its interpreter stays: threads that the "+
			"application started still run in it", name))
	}
}

func subInterpreters() []*interpreter {
	process.mu.Lock()
	defer process.mu.Unlock()
	var subs []*interpreter
	for name, in := range process.groups {
		if name != "" && in.c != nil {
			subs = append(subs, in)
		}
	}
	return subs
}
