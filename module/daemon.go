// This file has what gowsgid, the program of daemon mode, calls.

package main

import "C"

import (
	"github.com/mod-gowsgi/mod_gowsgi/daemon/supervisor"
)

//export gowsgi_supervisor_main
func gowsgi_supervisor_main() C.int {
	return C.int(supervisor.Main())
}
