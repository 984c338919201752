// Package worker is a process of a daemon process group: it takes requests off the group's socket and runs the applications.
//
// Requests come over two sockets: the worker's own, to which Apache's side sends them while a thread is free (own.c), and that of its group,
// where all workers take in turn what has waited for longest (queue.c).
//
// What a warm request needs is C (loop.c, exchange.c), from the first byte on the socket to the last; the threads that run it are
// pthreads, of the size that stack-size says. The main thread is Python's, and runs signal handlers and exit functions of applications. Go
// starts the process, watches its limits and ends it:
//
//	starting   Python starts, scripts of WSGIImportScript and, unless it was idle, what the predecessor served are loaded;
//	           startup-timeout applies. A replacement that was started before it is needed then stands by, until the
//	           supervisor calls it
//	serving    requests are taken; deadlock-timeout, request-timeout, inactivity-timeout and maximum-requests are watched; what is
//	           sent to this worker while all its threads are at work goes back at once (RETRY), and into the queue (doorman.c)
//	retired    no more requests are taken: those that come are sent back (RETRY); the supervisor starts a replacement
//	draining   the supervisor has it, or time presses: what runs may finish, within graceful-timeout
//	exiting    Python's exit functions run, within shutdown-timeout; then the process is gone, whatever still runs
//
// When the supervisor dies the process ends at once.
package worker
