// This file turns a test's wishes into a configuration file for httpd.

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The MPMs that every feature works under.
const (
	Event   = "event"
	Worker  = "worker"
	Prefork = "prefork"
)

// Config is what a test wants of its server. The zero value is an event MPM with the module under test loaded and
// nothing configured for it.
type Config struct {
	MPM        string   // Event when empty
	Mode       Mode     // where applications run; see EachMode
	Conf       string   // lines for the main server
	Modules    []string // further modules, such as "auth_basic"
	ModuleName string   // what LoadModule calls the module: gowsgi_module, or wsgi_module
	NoModule   bool     // do not load the module under test
	Module     string   // another file to load as the module under test
	Children   int      // how many children: 1 when 0 (2 under prefork); how many daemon processes if more than one
	Threads    int      // threads of a child, and of a daemon process; under prefork how many children there may be
	LogLevel   string   // "info" when empty
	ExtraPorts int      // how many more ports to listen on
	Env        []string // NAME=value, for the server's environment; ${RUN}, ${DATA} and ${APPS} as in Conf
	SingleProc bool     // run as httpd -X
	MayCrash   bool     // a child or a daemon process that crashes does not fail the test

	processes int // Children, as the test said it
}

// layout is where things are for one server.
type layout struct {
	run    string // the server's own folder
	apache apache
	places places
	as     *account
	ports  []int
}

func (l *layout) path(name string) string { return filepath.Join(l.run, name) }

// expand replaces what is defined in the configuration, for other places that a test writes.
func (l *layout) expand(texts []string) []string {
	names := strings.NewReplacer("${RUN}", l.run, "${DATA}", l.path("data"), "${APPS}", l.places.apps)
	expanded := make([]string, len(texts))
	for i, text := range texts {
		expanded[i] = names.Replace(text)
	}
	return expanded
}

// baseModules are the modules that any of our configurations needs, unless they are built into httpd.
var baseModules = []string{"authn_core", "authz_core", "authz_host", "unixd", "log_config", "mime", "dir", "alias", "env", "setenvif"}

func (c Config) withDefaults() Config {
	if c.MPM == "" {
		c.MPM = Event
	}
	c.processes = c.Children
	if c.Children == 0 {
		c.Children = 1
		if c.MPM == Prefork {
			c.Children = 2
		}
	}
	if c.Threads == 0 {
		c.Threads = defaultThreads
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	return c
}

func (c Config) moduleName(file string) string {
	switch {
	case c.ModuleName != "":
		return c.ModuleName
	case strings.HasPrefix(filepath.Base(file), "mod_wsgi"):
		return "wsgi_module"
	default:
		return "gowsgi_module"
	}
}

// render writes the whole configuration. c has its defaults.
func (c Config) render(l *layout) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	c.renderNames(l, line)
	c.renderModules(l, line)
	if l.as != nil {
		line("User %s", l.as.user)
		line("Group %s", l.as.group)
	}
	for _, port := range l.ports {
		line("Listen 127.0.0.1:%d", port)
	}
	line(`ServerRoot "${RUN}"`)
	line(`DefaultRuntimeDir "${RUN}"`)
	line(`TypesConfig "${RUN}/mime.types"`)
	line(`PidFile "${RUN}/httpd.pid"`)
	line(`ErrorLog "${RUN}/error.log"`)
	line("LogLevel %s", c.LogLevel)
	line("ServerName localhost")
	line("Timeout 20")
	line("KeepAliveTimeout 5")
	line("GracefulShutdownTimeout 10")
	c.renderMPM(line)
	line(`DocumentRoot "${HTDOCS}"`)
	line("<Directory />")
	line("  AllowOverride None")
	line("  Require all granted")
	line("</Directory>")
	line("%s", c.Mode.render(c))
	line("%s", c.Conf)
	return b.String()
}

func (c Config) renderNames(l *layout, line func(string, ...any)) {
	line(`Define RUN "%s"`, l.run)
	line(`Define HTDOCS "%s"`, l.path("htdocs"))
	line(`Define DATA "%s"`, l.path("data"))
	line(`Define APPS "%s"`, l.places.apps)
	for i, port := range l.ports {
		if i == 0 {
			line("Define PORT %d", port)
		} else {
			line("Define PORT%d %d", i+1, port)
		}
	}
}

func (c Config) renderModules(l *layout, line func(string, ...any)) {
	loaded := map[string]bool{}
	for _, name := range append(append([]string{"mpm_" + c.MPM}, baseModules...), c.Modules...) {
		file := filepath.Join(l.apache.modulesDir, "mod_"+name+".so")
		if _, err := os.Stat(file); err != nil || loaded[name] {
			continue // built in
		}
		loaded[name] = true
		line(`LoadModule %s_module "%s"`, name, file)
	}
	if c.NoModule {
		return
	}
	file := l.places.module
	if c.Module != "" {
		file = c.Module
	}
	line(`LoadModule %s "%s"`, c.moduleName(file), file)
}

// renderMPM leaves room for the children of two more generations: after a graceful restart the old ones may still be
// finishing.
func (c Config) renderMPM(line func(string, ...any)) {
	line("StartServers %d", c.Children)
	if c.MPM == Prefork {
		limit := max(c.Threads, c.Children)
		line("ServerLimit %d", 3*limit)
		line("MaxRequestWorkers %d", limit)
		line("MinSpareServers 1")
		line("MaxSpareServers %d", limit)
		return
	}
	line("ServerLimit %d", 3*c.Children)
	line("ThreadLimit %d", c.Threads)
	line("ThreadsPerChild %d", c.Threads)
	line("MaxRequestWorkers %d", c.Children*c.Threads)
	line("MinSpareThreads 1")
	line("MaxSpareThreads %d", (c.Children+1)*c.Threads)
}
