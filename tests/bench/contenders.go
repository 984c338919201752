// This file is the table of contenders: what each one loads, configures and starts besides httpd.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	modeEmbedded = "embedded"
	modeDaemon   = "daemon"
)

// The shape of every daemon-mode contender.
const (
	daemonProcesses = 2
	daemonThreads   = 15
)

// contender is one row of each table: an httpd of its own with a configuration that differs from the others' only in
// what is said here.
type contender struct {
	key     string
	title   string
	modes   []string
	needs   []need
	modules []loadModule
	serves  []string // workload keys; nil: all
	config  string   // httpd configuration, a template over site
	extra   []string // argument list of a further process, each a template over site; nil: none
}

// need is a file without which a contender cannot run, and where it comes from.
type need struct{ path, from string }

type loadModule struct{ name, path string }

// wsgiConfig is what both WSGI modules understand, so both get exactly the same.
const wsgiConfig = `{{range .Scripts}}WSGIScriptAlias /{{.}} {{$.Root}}/apps/{{.}}.wsgi
{{end}}WSGIApplicationGroup %{GLOBAL}
`

const wsgiDaemonConfig = wsgiConfig + `WSGISocketPrefix {{.Dir}}/run/wsgi
WSGIDaemonProcess bench processes={{.DaemonProcesses}} threads={{.DaemonThreads}}
WSGIProcessGroup bench
WSGIRestrictEmbedded On
`

const uwsgiConfig = `ProxyPass / unix:{{.Dir}}/run/uwsgi.sock|uwsgi://bench/
`

func contenders(opt options, t tools) []contender {
	both := []string{modeEmbedded, modeDaemon}
	own := func(file string) string { return filepath.Join(t.modules, file) }
	modWSGI := need{own("mod_wsgi.so"), "apt-get install libapache2-mod-wsgi-py3"}
	build := func(file string) need { return need{filepath.Join(opt.build, file), "make build"} }
	return []contender{
		{
			key: "floor", title: "C handler (the floor)", modes: both, serves: []string{"hello"},
			modules: []loadModule{{"bench_floor_module", "{{.Root}}/modules/mod_floor.so"}},
			config:  "SetHandler bench-floor\n",
		}, {
			key: "static", title: "static file", modes: both, serves: []string{"hello", "large", "file"},
			config: "DocumentRoot {{.Root}}/htdocs\n",
		}, {
			key: "mod_wsgi", title: "mod_wsgi embedded", modes: []string{modeEmbedded}, needs: []need{modWSGI},
			modules: []loadModule{{"wsgi_module", modWSGI.path}},
			config:  wsgiConfig,
		}, {
			key: "gowsgi", title: "mod_gowsgi embedded", modes: []string{modeEmbedded},
			needs:   []need{build("mod_gowsgi.so"), build("libgowsgi-*.so")},
			modules: []loadModule{{"gowsgi_module", "{{.Root}}/modules/mod_gowsgi.so"}},
			config:  wsgiConfig,
		}, {
			key: "mod_wsgi-daemon", title: "mod_wsgi daemon", modes: []string{modeDaemon}, needs: []need{modWSGI},
			modules: []loadModule{{"wsgi_module", modWSGI.path}},
			config:  wsgiDaemonConfig,
		}, {
			key: "gowsgi-daemon", title: "mod_gowsgi daemon", modes: []string{modeDaemon},
			needs:   []need{build("mod_gowsgi.so"), build("libgowsgi-*.so"), build("gowsgid")},
			modules: []loadModule{{"gowsgi_module", "{{.Root}}/modules/mod_gowsgi.so"}},
			config:  wsgiDaemonConfig,
		}, {
			key: "uwsgi", title: "uWSGI, mod_proxy_uwsgi", modes: []string{modeDaemon},
			needs: []need{
				{"/usr/bin/uwsgi", "apt-get install uwsgi-core uwsgi-plugin-python3"},
				{own("mod_proxy_uwsgi.so"), "apt-get install apache2-bin"},
			},
			modules: []loadModule{{"proxy_module", own("mod_proxy.so")}, {"proxy_uwsgi_module", own("mod_proxy_uwsgi.so")}},
			config:  uwsgiConfig,
			extra:   uwsgiCommand(t),
		},
	}
}

// uwsgiCommand runs uWSGI in the shape of the other daemon-mode contenders: a master, its processes and threads, one
// interpreter, no request log.
func uwsgiCommand(t tools) []string {
	args := []string{
		"/usr/bin/uwsgi", "--plugin", "python3", "--master", "--die-on-term", "--need-app", "--single-interpreter",
		"--disable-logging", "--enable-threads", "--manage-script-name",
		"--socket", "{{.Dir}}/run/uwsgi.sock", "--chmod-socket=666",
		"--processes", strconv.Itoa(daemonProcesses), "--threads", strconv.Itoa(daemonThreads),
	}
	for _, w := range workloads() {
		args = append(args, "--mount", fmt.Sprintf("/%s={{.Root}}/apps/%s.wsgi", w.key, w.key))
	}
	if t.user != "" {
		args = append(args, "--uid", t.user, "--gid", t.group)
	}
	return args
}

// chooseContenders takes those of the mode that -only names (or all) and can run here; missing says which cannot and why.
func chooseContenders(opt options, all []contender) (chosen []contender, missing []string, err error) {
	var keys []string
	for _, c := range all {
		if !slices.Contains(c.modes, opt.mode) {
			continue
		}
		keys = append(keys, c.key)
		if len(opt.only) > 0 && !slices.Contains(opt.only, c.key) {
			continue
		}
		if lack := c.lacks(); lack != "" {
			missing = append(missing, lack)
			fmt.Fprintln(os.Stderr, "bench: MISSING:", lack)
			continue
		}
		chosen = append(chosen, c)
	}
	for _, key := range opt.only {
		if !slices.Contains(keys, key) {
			return nil, nil, fmt.Errorf("%w: -only: %q is no contender of -mode %s; there are: %s", errUsage, key, opt.mode, strings.Join(keys, ", "))
		}
	}
	if len(chosen) == 0 {
		return nil, nil, fmt.Errorf("no contender can run:\n  %s", strings.Join(missing, "\n  "))
	}
	return chosen, missing, nil
}

// lacks says what keeps the contender from running, or nothing.
func (c contender) lacks() string {
	for _, n := range c.needs {
		if found, err := filepath.Glob(n.path); err != nil || len(found) == 0 {
			return fmt.Sprintf("%s (%s): there is no %s; get it with `%s`, or leave the contender out with -only", c.key, c.title, n.path, n.from)
		}
	}
	return ""
}

func (c contender) offers(w workload) bool {
	return c.serves == nil || slices.Contains(c.serves, w.key)
}
