// This file loads WSGI script files: once in each interpreter, again when the file changed.

package pyembed

/*
#include <stdlib.h>
#include "gw_py.h"
*/
import "C"

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unsafe"

	"github.com/DataDog/go-python3"
)

// errRaised says that Python raised; the exception has been logged.
var errRaised = errors.New("the script raised an exception")

// moduleName is the name in sys.modules of a script: unique for its path. Where the file system does not tell cases apart,
// neither does the name.
func moduleName(path string, caseSensitive bool) string {
	if !caseSensitive {
		path = strings.ToLower(path)
	}
	sum := md5.Sum([]byte(path))
	return "_mod_wsgi_" + hex.EncodeToString(sum[:])
}

// mtimeOf is a file's modification time in microseconds, as httpd has it.
func mtimeOf(info fs.FileInfo) int64 {
	return info.ModTime().UnixNano() / 1000
}

// load makes the module of a script current: executes the file when it is not loaded, or when it changed and reload is asked for.
// The caller holds s.mu and the GIL of the interpreter. what names script and group in log lines.
func (s *script) load(r *C.gwp_request, path string, mtime int64, what string) error {
	defer loadBegins(s, what)()
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	code := compile(source, path)
	if code == nil {
		logException(r, faultLine(r, "GWSGI0501", "GWSGI1202", what+" cannot be compiled"))
		return errRaised
	}
	defer code.DecRef()
	name := moduleName(path, process.config.CaseSensitive)
	if modules := python3.PyImport_GetModuleDict(); modules != nil { // borrowed
		python3.PyDict_DelItemString(modules, name)
		python3.PyErr_Clear() // it was not there
	}
	module := execModule(name, code, path)
	if module == nil {
		logException(r, faultLine(r, "GWSGI0502", "GWSGI1203", what+" cannot be loaded: it raised an exception"))
		return errRaised
	}
	stamp := python3.PyLong_FromLongLong(mtime)
	module.SetAttrString("__mtime__", stamp)
	stamp.DecRef()
	if s.module != nil {
		s.module.DecRef()
	}
	s.module, s.mtime = module, mtime
	return nil
}

// compile calls Python's compile(), which honours the source's encoding line. nil with a Python error set.
func compile(source []byte, path string) *python3.PyObject {
	builtins := python3.PyImport_ImportModule("builtins")
	if builtins == nil {
		return nil
	}
	defer builtins.DecRef()
	text, file := bytesObject(source), bytesObject([]byte(path))
	defer text.DecRef()
	defer file.DecRef()
	mode, flags, inherit := python3.PyUnicode_FromString("exec"), python3.PyLong_FromLong(0), python3.PyLong_FromLong(1)
	defer mode.DecRef()
	defer flags.DecRef()
	defer inherit.DecRef()
	return builtins.CallMethodArgs("compile", text, file, mode, flags, inherit)
}

// bytesObject copies bytes, which may hold any value, into a Python object.
func bytesObject(b []byte) *python3.PyObject {
	return (*python3.PyObject)(unsafe.Pointer(C.PyBytes_FromStringAndSize((*C.char)(unsafe.Pointer(unsafe.SliceData(b))),
		C.Py_ssize_t(len(b)))))
}

func execModule(name string, code *python3.PyObject, path string) *python3.PyObject {
	cname, cpath := C.CString(name), C.CString(path)
	defer C.free(unsafe.Pointer(cname))
	defer C.free(unsafe.Pointer(cpath))
	return (*python3.PyObject)(unsafe.Pointer(C.gwp_exec_module(cname, (*C.PyObject)(unsafe.Pointer(code)), cpath)))
}

// describe names a script and its group for the log.
func describe(path, group string) string {
	return fmt.Sprintf("WSGI script '%s' (process group '%s', application group '%s')", path, process.config.ProcessGroup, group)
}

// importScript loads a WSGIImportScript. What fails is logged; the process goes on.
func importScript(i Import) {
	what := describe(i.Script, i.AppGroup)
	in, err := interpreterFor(i.AppGroup)
	if err != nil {
		logLine(nil, levelErr, fmt.Sprintf("GWSGI0503: %s was not loaded at start: %v", what, err))
		return
	}
	info, err := os.Stat(i.Script)
	if err != nil {
		logLine(nil, levelErr, fmt.Sprintf("GWSGI0503: %s was not loaded at start: %v", what, err))
		return
	}
	s := in.script(i.Script)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := in.enter(); err != nil {
		logLine(nil, levelErr, fmt.Sprintf("GWSGI0503: %s was not loaded at start: %v", what, err))
		return
	}
	defer in.leave()
	if err := s.load(nil, i.Script, mtimeOf(info), what); err != nil && !errors.Is(err, errRaised) {
		logLine(nil, levelErr, fmt.Sprintf("GWSGI0503: %s was not loaded at start: %v", what, err))
	}
}
