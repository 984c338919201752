// This file has what gowsgid, the program of daemon mode, calls.

package main

/*
#include "gowsgi_abi.h"
*/
import "C"

import (
	"runtime/debug"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/supervisor"
)

//export gowsgi_supervisor_main
func gowsgi_supervisor_main() (status C.int) {
	defer func() {
		if p := recover(); p != nil {
			log := daemon.NewLogger(2, daemon.Crit)
			log.Logf(daemon.Crit, "GWSGI0914: defect in mod_gowsgi, in the supervisor: %v; it is started again. Please report it with this stack", p)
			log.Lines(daemon.Crit, string(debug.Stack()))
			status = 1
		}
	}()
	return C.int(supervisor.Main())
}
