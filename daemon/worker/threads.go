// This file is Go's side of worker.h.

package worker

/*
#cgo CFLAGS: -I${SRCDIR}/../../c -I${SRCDIR}/../wire -Wall
#include <unistd.h>
#include "worker.h"

static void set_serve(gwd_config *config, void *fn)
{
    config->serve = (gowsgi_outcome (*)(gowsgi_request *))(uintptr_t)fn;
}
*/
import "C"

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// LogFunction is void (*)(int level, gowsgi_span line): logs a line that belongs to no request.
func LogFunction() unsafe.Pointer {
	return unsafe.Pointer(C.gwd_log)
}

func setupLog(level daemon.Level) {
	C.gwd_log_setup(2, C.int(level))
}

// prepareProcess readies signals and forks; before anything else of the process.
func prepareProcess() {
	C.gwd_prepare()
}

// milestones is how often in its life a worker that may serve so many requests only considers how long it still has.
const milestones = 16

// startThreads begins to take requests. The returned file yields a byte for the retirement, its reason, and 0 at each milestone.
func startThreads(config *daemon.Worker, slot *daemon.WorkerSlot) (*os.File, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	o := &config.Group.Options
	c := C.gwd_config{
		slot:              (*C.gowsgi_worker_slot)(slot.Pointer()),
		listen_fd:         daemon.ListenerFD,
		queue_fd:          daemon.QueueFD,
		event_fd:          C.int(pipe[1]),
		control_fd:        daemon.ControlFD,
		peer_uid:          C.uid_t(config.SocketOwner(o)),
		threads:           C.int(config.Group.Threads),
		stack_size:        C.size_t(o.StackSize),
		receive_buffer:    C.int(o.ReceiveBufferSize),
		send_buffer:       C.int(o.SendBufferSize),
		socket_timeout_ms: C.int(min(o.SocketTimeout, 24*time.Hour).Milliseconds()),
		queue_timeout_us:  C.int64_t(o.QueueTimeout.Microseconds()),
		maximum_requests:  C.uint64_t(o.MaximumRequests),
		milestone:         C.uint64_t((o.MaximumRequests + milestones - 1) / milestones),
	}
	C.set_serve(&c, pyembed.ServeFunction())
	var why *C.char
	if rv, errno := C.gwd_start(&c, &why); rv != 0 {
		return nil, fmt.Errorf("%s: %w", C.GoString(why), errno)
	}
	return os.NewFile(uintptr(pipe[0]), "retirement"), nil
}

// retire takes no more requests. It is how every retirement begins, also those that C decides.
func retire(reason daemon.ExitReason) bool {
	return C.gwd_retire(C.gowsgi_exit_reason(reason)) != 0
}

// endPartials ends connections that have owed the rest of a request for so long.
func endPartials(limit time.Duration) {
	if limit > 0 {
		C.gwd_conn_end_partials(C.int64_t((monotonic() - limit).Microseconds()))
	}
}

func inFlight() int {
	return int(C.gwd_in_flight())
}

func monotonic() time.Duration {
	return time.Duration(C.gwd_monotonic()) * time.Microsecond
}

// runningRequests are those that threads serve.
func runningRequests(threads int) []running {
	var all []running
	var r C.gwd_running
	for i := range threads {
		C.gwd_running_of(C.int(i), &r)
		if r.since != 0 {
			all = append(all, running{C.GoString(&r.what[0]), int(r.tid), time.Duration(r.since) * time.Microsecond})
		}
	}
	return all
}

// exitNow ends the process, whatever its threads hold.
func exitNow(status int) {
	C._exit(C.int(status))
}

var workerSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGXCPU}
