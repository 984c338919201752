// Package pyembed is Python inside this process: it starts the runtime, keeps the interpreters (application groups), loads script
// files, and serves requests with the applications in them. It is the only folder that includes Python.h.
//
// A warm request runs through C alone (serve.c, respond.c): entering Go costs more than the rest of a small request. Go is called
// at the junctions (junction.go): an application that is not loaded yet or whose script changed (script.go), a group that has no
// interpreter yet (interpreter.go), an exception to log (exception.go).
//
// Threads: a request's Python work runs on the thread that called in, for a Python thread state belongs to one OS thread.
// Go code that holds the GIL is inside a call from C, or has locked its goroutine to the thread.
//
// # What CPython does not promise
//
// All else that is used of CPython is documented. Each of these has a way out where it is missing, and a test that goes there.
//
//	what                                where      versions    without it
//	_PyRuntime.interpreters (internal   fork.c     all         os.fork() is refused in sub-interpreters; in 3.12 it always is
//	headers, which are installed)
//	_posixsubprocess.fork_exec          setup.py   all         subprocess is left as it is: a program has the thread's signal mask
//	threading._shutdown, _DummyThread,  setup.py,  all         they are asked for by name; what is missing is passed over
//	_main_thread; atexit._run_exitfuncs interp.c
//	PyThreadState.thread_id             interp.c   all         faulthandler may crash on a thread that has ended
//	_Py_DumpTracebackThreads            stacks.c   3.10–3.12   no stacks while Python itself starts, which is said; 3.15 has
//	                                                           PyUnstable_DumpTracebackThreads. Later faulthandler has them
//	functions that go-python3 declares  go_python3_compat.h, .c, which say for which versions
package pyembed
