// This file starts and stops Python in this process.

package pyembed

/*
#cgo pkg-config: python3-embed
#cgo CFLAGS: -I${SRCDIR}/../c -Wall
#include <stdlib.h>
#include <unistd.h>
#include "gw_py.h"

typedef void (*gwp_log_fn)(int level, gowsgi_span line);
*/
import "C"

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

//go:embed setup.py
var setupSource string

// Import names a script that is loaded when the process starts, and the application group it is loaded into.
type Import struct {
	Script, AppGroup string
}

// Config is what a process is to be. Empty strings are "not configured".
type Config struct {
	ProcessGroup      string
	Home              string // of a daemon process: modules are looked for there first
	PythonHome        string // WSGIPythonHome: prefix, prefix:exec_prefix, or a virtual environment
	PythonExecutable  string // WSGIPythonExecutable
	PythonProgram     string // python= of a daemon process: the interpreter of this Python to be, that of a virtual environment too
	PythonPath        string // WSGIPythonPath: directories, separated by ':'
	PythonEggs        string // WSGIPythonEggs
	PythonOptimize    int
	DontWriteBytecode bool
	PythonHashSeed    string        // WSGIPythonHashSeed: random, or a number
	PythonWarnings    string        // WSGIPythonWarnings, each on a line
	SwitchInterval    time.Duration // 0: Python's
	KeepInterpreters  bool          // WSGIDestroyInterpreter Off: at the end of the process, exit functions are all that runs
	RestrictStdin     bool
	RestrictStdout    bool
	RestrictSignal    bool
	CaseSensitive     bool
	Threads           int // that may serve requests at once
	Processes         int
	Multithread       bool
	Multiprocess      bool
	RunOnce           bool // the process serves one request
	ApacheVersion     [3]int
	ApacheDesc        string
	ApacheMPM         string
	ApacheBuildDate   string
	ExitTimeout       time.Duration
	Imports           []Import
	Loaded            func(Application) // is told of each application that is put into the table; with a GIL: it must not wait. Or nil
	Log               unsafe.Pointer    // void (*)(int level, gowsgi_span line); any thread
}

// process is the Python of this process; there is one.
var process struct {
	config Config
	mu     sync.Mutex              // guards groups
	groups map[string]*interpreter // by application group
	ending sync.WaitGroup          // interpreters that are being ended
	last   atomic.Bool             // the process ends
}

func init() {
	process.groups = map[string]*interpreter{}
}

// Start initialises Python on the calling thread, which becomes its main thread, and loads config.Imports. It is called once. After
// an error Python cannot be used in this process.
func Start(config Config) error {
	runtime.LockOSThread() // for the main thread of Python; released by nobody
	process.config = config
	fillSettings(config)
	C.gwp_thread_setup()
	if config.PythonEggs != "" {
		if err := os.Setenv("PYTHON_EGG_CACHE", config.PythonEggs); err != nil {
			return fmt.Errorf("PYTHON_EGG_CACHE cannot be set: %w", err)
		}
	}
	if err := startPython(config); err != nil {
		return err
	}
	for _, script := range config.Imports {
		importScript(script)
	}
	return nil
}

func startPython(config Config) error {
	var why *C.char
	var c C.gwp_python_config
	where := findPython(config, libpythonPath())
	c.home, c.executable = optionalString(where.home), optionalString(where.executable)
	c.optimize = C.int(config.PythonOptimize)
	c.dont_write_bytecode = flag(config.DontWriteBytecode)
	c.hash_seed, c.warnings = optionalString(config.PythonHashSeed), optionalString(config.PythonWarnings)
	if C.gwp_python_start(&c, &why) != 0 {
		return errors.New(C.GoString(why))
	}
	main := C.gwp_interp_adopt_main()
	if main == nil {
		lines := fetchException().lines
		return fmt.Errorf("the module mod_wsgi could not be set up: %s", strings.Join(lines, " | "))
	}
	C.gwp_leave()
	process.mu.Lock() // a monitor of the start may look
	process.groups[""] = newInterpreter("", main)
	process.mu.Unlock()
	return nil
}

// Stop runs exit functions and ends the interpreters. It takes no longer than Config.ExitTimeout: after that the process
// exits. Called by the main thread, when no more requests come.
func Stop() {
	timeout := process.config.ExitTimeout
	timer := time.AfterFunc(timeout, func() {
		logLine(nil, levelWarning, fmt.Sprintf("GWSGI0403: exit functions and threads of the applications did not end within %v; "+
			"the process exits without them. Let threads of the applications that are no daemon threads end at exit", timeout))
		C._exit(0)
	})
	defer timer.Stop()
	EndInterpreters()
}

// EndInterpreters is Stop without a limit.
func EndInterpreters() {
	process.last.Store(true)
	for _, in := range subInterpreters() {
		in.retire()
	}
	process.ending.Wait()
	C.gwp_main_exit_functions()
}

// fillSettings copies what C needs for the life of the process; the strings are never freed.
func fillSettings(config Config) {
	s := &C.gwp_process
	s.process_group = C.CString(config.ProcessGroup)
	s.home = optionalString(config.Home)
	s.python_path = optionalString(config.PythonPath)
	s.apache_description = C.CString(config.ApacheDesc)
	s.apache_mpm = C.CString(config.ApacheMPM)
	s.apache_build_date = C.CString(config.ApacheBuildDate)
	s.switch_interval = C.double(config.SwitchInterval.Seconds())
	s.setup_source = C.CString(setupSource)
	s.restrict_stdin = flag(config.RestrictStdin)
	s.restrict_stdout = flag(config.RestrictStdout)
	s.restrict_signal = flag(config.RestrictSignal)
	s.threads, s.processes = C.int(config.Threads), C.int(config.Processes)
	s.multithread, s.multiprocess, s.run_once = flag(config.Multithread), flag(config.Multiprocess), flag(config.RunOnce)
	for i, n := range config.ApacheVersion {
		s.apache_version[i] = C.int(n)
	}
	s.log = C.gwp_log_fn(config.Log)
}

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

// optionalString is a C string that is never freed, or NULL for "".
func optionalString(s string) *C.char {
	if s == "" {
		return nil
	}
	return C.CString(s)
}

// Levels of the log, as the host numbers them.
const (
	levelErr     = C.GOWSGI_LOG_ERR
	levelWarning = C.GOWSGI_LOG_WARNING
	levelInfo    = C.GOWSGI_LOG_INFO
	levelDebug   = C.GOWSGI_LOG_DEBUG
)

// logLine logs one line, with the context of a request if there is one.
func logLine(r *C.gwp_request, level C.int, line string) {
	if line == "" {
		line = " "
	}
	C.gwp_log_line(r, level, (*C.char)(unsafe.Pointer(unsafe.StringData(line))), C.size_t(len(line)))
}
