// Package daemon is what the processes of daemon mode have in common: the configuration that they are given, the
// memory that they share, the messages between them, their log.
//
// # The processes
//
//	httpd parent                 C only; execs the supervisor, and starts it again when it dies
//	├─ httpd child ×N            C; sends requests over UNIX sockets: straight to a worker that has a free thread, else into the
//	│                            queue of its group
//	└─ (wsgi:supervisor)         package supervisor: Go, no Python; starts, replaces and ends workers
//	   ├─ (wsgi:blog) worker     package worker: runs the applications, as the group's user
//	   └─ (wsgi:blog) worker
//
// Supervisor and workers are one program, gowsgid, which opens a libgowsgi-X.Y.so; GOWSGID_ROLE and GOWSGID_PYTHON in its environment
// tells which it is to be. Each start and restart of httpd makes a generation: a supervisor with workers and sockets of its
// own. The generations do not know of each other.
//
// # What ties them together
//
// The configuration travels once, as packed pairs (c/gowsgi_packed.h) in a memfd: all of it to the supervisor, one
// group's part to a worker. The scoreboard (c/gowsgi_scoreboard.h) is a memfd that everybody maps: children choose workers by
// it and wait on its futexes. Between the supervisor and each worker is a SOCK_SEQPACKET pair for the few messages of
// control.go; its end of file is how a worker learns of the supervisor's death. The lease is a pipe whose write end the
// httpd parent and its children of the generation hold: its end of file tells the supervisor that no more requests can come.
package daemon
