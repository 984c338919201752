// This file runs one test body in every mode and under every MPM.

package harness

import "testing"

// Mode is where applications run.
type Mode struct {
	Name string
	Conf string // the lines of configuration that bring them there
}

// Embedded runs applications in httpd's own children.
var Embedded = Mode{Name: "embedded"}

var modes = []Mode{Embedded}

// EachMode runs body as a subtest for each mode; give mode to Config.Mode.
func EachMode(t *testing.T, body func(t *testing.T, mode Mode)) {
	t.Helper()
	for _, mode := range modes {
		t.Run(mode.Name, func(t *testing.T) { body(t, mode) })
	}
}

// EachMPM runs body as a subtest for each MPM; give mpm to Config.MPM.
func EachMPM(t *testing.T, body func(t *testing.T, mpm string)) {
	t.Helper()
	for _, mpm := range []string{Event, Worker, Prefork} {
		t.Run(mpm, func(t *testing.T) { body(t, mpm) })
	}
}
