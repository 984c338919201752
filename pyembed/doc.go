// Package pyembed is Python inside this process: it starts the runtime, keeps the interpreters (application groups), loads script
// files, and serves requests with the applications in them. It is the only folder that includes Python.h.
//
// A warm request runs through C alone (serve.c, respond.c): entering Go costs more than the rest of a small request. Go is called
// at the junctions (junction.go): an application that is not loaded yet or whose script changed (script.go), a group that has no
// interpreter yet (interpreter.go), an exception to log (exception.go).
//
// Threads: a request's Python work runs on the thread that called in, for a Python thread state belongs to one OS thread.
// Go code that holds the GIL is inside a call from C, or has locked its goroutine to the thread.
package pyembed
