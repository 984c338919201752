// This file is the table of contenders: what each one loads, configures and starts besides httpd.
package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
)

// The shape of every daemon-mode contender.
const (
	daemonProcesses = 2
	daemonThreads   = 15
)

// contender is one row of each table: a front server of its own with a configuration that differs from the others' only
// in what is said here.
type contender struct {
	key      string
	title    string
	modes    []string
	front    front
	needs    []need
	modules  []loadModule // of httpd
	serves   []string     // workload keys; nil: all
	config   string       // lines of the front server's configuration, a template over site
	python   string       // of its daemon processes; empty: that of httpd's own
	base     string       // the contender that it is compared with where a workload has no single one
	optional bool         // without what it needs it is skipped, and nothing is missing
	extra    []string     // argument list of a further process, each a template over site; nil: none
}

// need is a file, or a pattern of one, without which a contender cannot run, and where it comes from.
type need struct{ path, from string }

func (n need) String() string { return fmt.Sprintf("there is no %s; get it with `%s`", n.path, n.from) }

type loadModule struct{ name, path string }

const (
	floorModule = "bench_floor_module"
	ourModule   = "gowsgi_module"
)

// wsgiConfig is what both WSGI modules understand, so both get exactly the same.
const wsgiConfig = `{{range .Mounts}}WSGIScriptAlias /{{.URL}} {{$.Root}}/apps/{{.Script}}.wsgi{{.Options}}
{{end}}WSGIApplicationGroup %{GLOBAL}
`

// Groups come before what names them, as mod_wsgi wants it.
const wsgiDaemonConfig = `WSGISocketPrefix {{.Dir}}/run/wsgi
{{range $group := .Groups}}WSGIDaemonProcess {{.Name}} {{.Options}}{{with $.Python}} python={{.}}{{end}}
{{with .Import}}WSGIImportScript {{$.Root}}/apps/{{.}}.wsgi process-group={{$group.Name}} application-group=%{GLOBAL}
{{end}}{{end}}WSGIProcessGroup {{(index .Groups 0).Name}}
WSGIRestrictEmbedded On
` + wsgiConfig

const uwsgiConfig = `ProxyPass / unix:{{.Dir}}/run/uwsgi.sock|uwsgi://bench/
`

// nginx speaks uWSGI's own protocol to it, over a connection for each request: uWSGI keeps none open.
const nginxUWSGIConfig = `	server {
		listen 127.0.0.1:{{.Port}} reuseport;
		location / {
			include ` + nginxFolder + `/uwsgi_params;
			uwsgi_pass unix:{{.Dir}}/run/uwsgi.sock;
		}
	}
`

// nginx keeps connections to gunicorn open, which its threaded workers can.
const nginxGunicornConfig = `	upstream gunicorn {
		server unix:{{.Dir}}/run/gunicorn.sock fail_timeout=0;
		keepalive 64;
	}
	server {
		listen 127.0.0.1:{{.Port}} reuseport;
		location / {
			proxy_pass http://gunicorn;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
`

func contenders(opt options, t tools) []contender {
	build := func(file string) need { return need{filepath.Join(opt.build, file), "make build"} }
	ours := oursInDaemonMode(t, build)
	return slices.Concat(withoutPython(t), modWSGI(t), []contender{oursEmbedded(t, build), ours}, othersServers(t), pythonContenders(ours, build))
}

// withoutPython are what nothing with Python can be faster than.
func withoutPython(t tools) []contender {
	return []contender{
		{
			key: "floor", title: "C handler (the floor)", modes: []string{modeEmbedded, modeDaemon, modeProfile}, front: httpdFront(t),
			serves:  []string{"hello"},
			modules: []loadModule{{floorModule, "{{.Root}}/modules/mod_floor.so"}},
			config:  "SetHandler bench-floor\n",
		}, {
			key: "static", title: "static file", modes: []string{modeEmbedded, modeDaemon}, front: httpdFront(t),
			serves: []string{"hello", "large", "file"},
			config: "DocumentRoot {{.Root}}/htdocs\n",
		},
	}
}

func modWSGI(t tools) []contender {
	file := filepath.Join(t.modules, "mod_wsgi.so")
	needs := []need{{file, "apt-get install libapache2-mod-wsgi-py3"}}
	modules := []loadModule{{"wsgi_module", file}}
	return []contender{
		{
			key: "mod_wsgi", title: "mod_wsgi embedded", modes: []string{modeEmbedded}, front: httpdFront(t),
			needs: needs, modules: modules, config: wsgiConfig,
		}, {
			key: "mod_wsgi-daemon", title: "mod_wsgi daemon", front: httpdFront(t),
			modes: []string{modeDaemon, modeFairness, modeGroups, modePythons, modeProfile},
			needs: needs, modules: modules, config: wsgiDaemonConfig,
		},
	}
}

func oursEmbedded(t tools, build func(file string) need) contender {
	return contender{
		key: "gowsgi", title: "mod_gowsgi embedded", modes: []string{modeEmbedded}, front: httpdFront(t),
		needs:   []need{build("mod_gowsgi.so"), build("libgowsgi*.so")},
		modules: []loadModule{{ourModule, "{{.Root}}/modules/mod_gowsgi.so"}},
		config:  wsgiConfig,
	}
}

func oursInDaemonMode(t tools, build func(file string) need) contender {
	c := oursEmbedded(t, build)
	c.key, c.title, c.config = "gowsgi-daemon", "mod_gowsgi daemon", wsgiDaemonConfig
	c.modes = []string{modeDaemon, modeFairness, modeGroups, modeProfile}
	c.needs = append(c.needs, build("gowsgid"))
	return c
}

// othersServers are what people run instead, behind the same httpd and without.
func othersServers(t tools) []contender {
	modes := []string{modeDaemon, modeProfile}
	uwsgi := need{"/usr/bin/uwsgi", "apt-get install uwsgi-core uwsgi-plugin-python3"}
	proxy := filepath.Join(t.modules, "mod_proxy_uwsgi.so")
	return []contender{
		{
			key: "uwsgi", title: "uWSGI, mod_proxy_uwsgi", modes: modes, front: httpdFront(t),
			needs:   []need{uwsgi, {proxy, "apt-get install apache2-bin"}},
			modules: []loadModule{{"proxy_module", filepath.Join(t.modules, "mod_proxy.so")}, {"proxy_uwsgi_module", proxy}},
			config:  uwsgiConfig,
			extra:   uwsgiCommand(t),
		}, {
			key: "nginx-uwsgi", title: "uWSGI", modes: modes, front: nginxFront(),
			needs:  []need{uwsgi},
			config: nginxUWSGIConfig,
			extra:  uwsgiCommand(t),
		}, {
			key: "nginx-gunicorn", title: "gunicorn", modes: modes, front: nginxFront(),
			needs:  []need{{"/usr/bin/gunicorn", "apt-get install gunicorn"}},
			config: nginxGunicornConfig,
			extra:  gunicornCommand(t),
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
	for _, w := range pages() {
		args = append(args, "--mount", fmt.Sprintf("/%s={{.Root}}/apps/%s.wsgi", w.key, w.key))
	}
	if t.user != "" {
		args = append(args, "--uid", t.user, "--gid", t.group)
	}
	return args
}

// gunicornCommand runs gunicorn in the same shape, with the workers that have threads and keep connections open: longer
// than nginx keeps idle ones.
func gunicornCommand(t tools) []string {
	args := []string{
		"/usr/bin/gunicorn", "--chdir", "{{.Root}}/apps", "--worker-class", "gthread", "--log-level", "warning",
		"--bind", "unix:{{.Dir}}/run/gunicorn.sock", "--keep-alive", "75", "--worker-tmp-dir", "/dev/shm",
		"--workers", strconv.Itoa(daemonProcesses), "--threads", strconv.Itoa(daemonThreads),
	}
	if t.user != "" {
		args = append(args, "--user", t.user, "--group", t.group)
	}
	return append(args, "mounts:application")
}

// lacks is the first that it needs and is not there.
func (c contender) lacks() (n need, lacks bool) {
	for _, n := range slices.Concat(c.front.needs, c.needs) {
		if found, err := filepath.Glob(n.path); err != nil || len(found) == 0 {
			return n, true
		}
	}
	return need{}, false
}

func (c contender) takesPart(m mode) bool { return slices.Contains(c.modes, m.key) }

func (c contender) offers(w workload) bool {
	return c.serves == nil || slices.Contains(c.serves, w.key)
}
