// This file is Go's way to what the host offers: the log, and the configuration it hands over.

package main

/*
#include "gowsgi_abi.h"
typedef const gowsgi_process_config *const_process_config;
typedef void (*log_fn)(int level, gowsgi_span line);
static void call_log_line(log_fn fn, int level, const char *data, size_t len)
{
    fn(level, (gowsgi_span){data, len});
}
static int call_first_to_say(const_process_config config)
{
    return config->first_to_say();
}
*/
import "C"

import (
	"strings"
	"time"
	"unsafe"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// hostLog is the host's log function; set once, before anything is logged.
type hostLog struct {
	fn C.log_fn
}

var processLog hostLog

func (l *hostLog) set(fn C.log_fn) {
	l.fn = fn
}

// setPointer is set, for a function of another package's C.
func (l *hostLog) setPointer(fn unsafe.Pointer) {
	l.fn = C.log_fn(fn)
}

// line logs one line, at one of the GOWSGI_LOG_ levels.
func (l *hostLog) line(level C.int, text string) {
	if l.fn != nil && text != "" {
		C.call_log_line(l.fn, level, (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text)))
	}
}

func (l *hostLog) lines(level C.int, text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		l.line(level, line)
	}
}

// firstToSay tells whether no other of the host's processes has said why they cannot run Python.
func firstToSay(config C.const_process_config) bool {
	return C.call_first_to_say(config) != 0
}

// decodeConfig copies the host's configuration.
func decodeConfig(c C.const_process_config) pyembed.Config {
	return pyembed.Config{
		ProcessGroup:      C.GoString(c.process_group),
		PythonHome:        C.GoString(c.python_home),
		PythonExecutable:  C.GoString(c.python_executable),
		PythonPath:        C.GoString(c.python_path),
		PythonEggs:        C.GoString(c.python_eggs),
		PythonOptimize:    int(c.python_optimize),
		DontWriteBytecode: c.dont_write_bytecode != 0,
		PythonHashSeed:    C.GoString(c.python_hash_seed),
		PythonWarnings:    C.GoString(c.python_warnings),
		KeepInterpreters:  c.keep_interpreters != 0,
		SwitchInterval:    time.Duration(c.switch_interval_us) * time.Microsecond,
		RestrictStdin:     c.restrict_stdin != 0,
		RestrictStdout:    c.restrict_stdout != 0,
		RestrictSignal:    c.restrict_signal != 0,
		CaseSensitive:     c.case_sensitive != 0,
		Threads:           int(c.threads),
		Processes:         int(c.processes),
		Multithread:       c.multithread != 0,
		Multiprocess:      c.multiprocess != 0,
		ApacheVersion:     [3]int{int(c.apache_version[0]), int(c.apache_version[1]), int(c.apache_version[2])},
		ApacheDesc:        C.GoString(c.apache_description),
		ApacheMPM:         C.GoString(c.apache_mpm),
		ApacheBuildDate:   C.GoString(c.apache_build_date),
		ExitTimeout:       time.Duration(c.exit_timeout_ms) * time.Millisecond,
		Imports:           decodeImports(c),
		Log:               unsafe.Pointer(c.log),
	}
}

func decodeImports(c C.const_process_config) []pyembed.Import {
	var imports []pyembed.Import
	for _, i := range unsafe.Slice(c.imports, int(c.import_count)) {
		imports = append(imports, pyembed.Import{Script: C.GoString(i.script), AppGroup: C.GoString(i.app_group)})
	}
	return imports
}
