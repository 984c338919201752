// This file runs one test body in every mode and under every MPM.

package harness

import (
	"fmt"
	"strings"
	"testing"
)

// Mode is where applications run.
type Mode struct {
	Name   string
	Daemon bool   // in processes of their own, which httpd's module starts
	Group  string // mod_wsgi.process_group of the applications: empty in httpd's own processes

	lines   []string // of configuration that only this mode needs
	options []string // of WSGIDaemonProcess
}

// Embedded runs applications in httpd's own children.
var Embedded = Mode{Name: "embedded"}

// Daemon runs applications in a daemon process group, which has as many threads as Config.Threads says, and as many processes
// as Config.Children says if a test sets it to more than one. The option processes= is not given otherwise.
var Daemon = Mode{Name: "daemon", Daemon: true, Group: "workers"}

var modes = []Mode{Embedded, Daemon}

// With adds options to the daemon process group; what only daemon processes have means nothing to other modes.
func (m Mode) With(options string) Mode {
	if m.Daemon {
		m.options = append(m.options[:len(m.options):len(m.options)], options)
	}
	return m
}

// PythonPath adds directories, with colons in between, to the end of sys.path.
func (m Mode) PythonPath(directories string) Mode {
	return m.either("WSGIPythonPath", "python-path", directories)
}

// PythonEggs sets the cache directory for eggs.
func (m Mode) PythonEggs(directory string) Mode {
	return m.either("WSGIPythonEggs", "python-eggs", directory)
}

// either says by a directive to httpd's processes what an option says to daemon processes.
func (m Mode) either(directive, option, value string) Mode {
	if m.Daemon {
		return m.With(fmt.Sprintf(`%s="%s"`, option, value))
	}
	m.lines = append(m.lines[:len(m.lines):len(m.lines)], fmt.Sprintf(`%s "%s"`, directive, value))
	return m
}

// ProcessGroup is how a configuration names the mode's processes: "process-group=" + mode.ProcessGroup().
func (m Mode) ProcessGroup() string {
	if m.Group == "" {
		return "%{GLOBAL}"
	}
	return m.Group
}

// render is the mode's part of the configuration. c has its defaults.
func (m Mode) render(c Config) string {
	lines := m.lines
	if m.Daemon {
		options := append([]string{fmt.Sprintf("threads=%d", c.Threads)}, m.options...)
		if c.processes > 1 {
			options = append(options, fmt.Sprintf("processes=%d", c.processes))
		}
		lines = append([]string{
			"WSGISocketPrefix ${RUN}/wsgi",
			fmt.Sprintf("WSGIDaemonProcess %s %s", m.Group, strings.Join(options, " ")),
			"WSGIProcessGroup " + m.Group,
		}, lines...)
	}
	return strings.Join(lines, "\n")
}

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
