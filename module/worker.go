// This file is the entry of a worker process of daemon mode.

package main

/*
#include "gowsgi_abi.h"
*/
import "C"

import (
	"github.com/mod-gowsgi/mod_gowsgi/daemon/worker"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// gowsgi_worker_main is the life of a worker process; gowsgid's main thread calls it. It returns the process's exit status.
//
//export gowsgi_worker_main
func gowsgi_worker_main() (status C.int) {
	processLog.setPointer(worker.LogFunction())
	defer recoverPanic("a daemon process", func() { status = 1 })
	pyembed.SetJunction(junctionAddress())
	return C.int(worker.Main())
}
