// This file says what becomes of a panic in a process of daemon mode. It is a defect of mod_gowsgi; what the process knows may be wrong
// from then on, so it ends, and whoever started it starts another.

package daemon

import (
	"os"
	"runtime/debug"
)

// Guarded runs do. A panic in it is logged with its stack, in a line that begins with where, which has the code, and ends the process with
// status 1. All goroutines begin with it: Go would end the process too, but with lines of its own.
func Guarded(log *Logger, where string, do func()) {
	defer func() {
		if p := recover(); p != nil {
			log.Logf(Crit, "%s: %v; the process ends and is replaced. Please report it with this stack", where, p)
			log.Lines(Crit, string(debug.Stack()))
			os.Exit(1)
		}
	}()
	do()
}
