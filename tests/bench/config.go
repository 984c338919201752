// This file writes the configuration of a contender's front server: one text for all, and the contender's own lines in it.
package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"
)

// site is what the templates of a contender see.
type site struct {
	Root        string // the working folder
	Dir         string // this server's folder
	Port        int
	Cores       int
	Children    int
	Threads     int
	User, Group string
	Modules     string // folder of httpd's own modules
	Load        []siteModule
	Mounts      []mount
	Groups      []group // daemon process groups; the first serves what says no other
	Python      string  // of the groups; empty: that of httpd's own processes
	Lines       string  // the contender's own configuration
	StartWithin time.Duration
}

type siteModule struct{ Name, Path string }

// mount is an application at a URL. Options are those of WSGIScriptAlias.
type mount struct{ URL, Script, Options string }

// group is a daemon process group. Options are those of WSGIDaemonProcess; Import is a script that each of its processes
// loads when it starts, or nothing.
type group struct{ Name, Options, Import string }

// httpdConfig is the same for all contenders with httpd. Children never come or go while it is measured: as many are started as
// are allowed, and all of them may be idle. There are two of them unless a flag says otherwise: Debian's default, and
// for embedded Python two GILs, so that neither WSGI module is measured by its contention for a single one. It says
// AllowOverride None as every configuration does that httpd and its packages ship: httpd looks for .htaccess files, in
// vain and in each folder on the way to a script, where that is not said.
const httpdConfig = `ServerRoot "{{.Dir}}"
DefaultRuntimeDir "{{.Dir}}/run"
PidFile "{{.Dir}}/run/httpd.pid"
ServerName 127.0.0.1
Listen 127.0.0.1:{{.Port}}
ErrorLog "{{.Dir}}/error.log"
LogLevel warn
<IfModule !mpm_event_module>
LoadModule mpm_event_module {{.Modules}}/mod_mpm_event.so
</IfModule>
<IfModule !unixd_module>
LoadModule unixd_module {{.Modules}}/mod_unixd.so
</IfModule>
<IfModule !authz_core_module>
LoadModule authz_core_module {{.Modules}}/mod_authz_core.so
</IfModule>
{{range .Load}}LoadModule {{.Name}} {{.Path}}
{{end}}{{if .User}}User {{.User}}
Group {{.Group}}
{{end}}ServerLimit {{.Children}}
StartServers {{.Children}}
ThreadLimit {{.Threads}}
ThreadsPerChild {{.Threads}}
MaxRequestWorkers {{.MaxWorkers}}
MinSpareThreads 1
MaxSpareThreads {{.MaxSpare}}
MaxConnectionsPerChild 0
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
Timeout 60
<Directory "/">
AllowOverride None
</Directory>
<Location "/">
Require all granted
</Location>
{{.Lines}}`

// MaxWorkers and MaxSpare are what event MPM needs to keep all children for ever.
func (s site) MaxWorkers() int { return s.Children * s.Threads }

// MaxSpare: event MPM wants room for a whole child above the spare minimum.
func (s site) MaxSpare() int { return (s.Children + 1) * s.Threads }

func (s *workspace) siteOf(c contender, t tools, port int) (site, error) {
	v := site{
		Root: s.root, Dir: filepath.Join(s.root, c.key), Port: port, Cores: runtime.NumCPU(),
		Children: s.opt.children, Threads: s.opt.threads,
		User: t.user, Group: t.group, Modules: t.modules, Python: c.python, StartWithin: startWithin,
		Groups: []group{{Name: "bench", Options: fmt.Sprintf("processes=%d threads=%d", daemonProcesses, daemonThreads)}},
	}
	for _, w := range pages() {
		v.Mounts = append(v.Mounts, mount{URL: w.key, Script: w.key})
	}
	for _, m := range c.modules {
		path, err := expand(m.path, v)
		if err != nil {
			return v, err
		}
		v.Load = append(v.Load, siteModule{m.name, path})
	}
	return v, nil
}

// expand fills a template of a contender.
func expand(text string, v site) (string, error) {
	tmpl, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf("template %.60q: %w", text, err)
	}
	var out strings.Builder
	if err := tmpl.Execute(&out, v); err != nil {
		return "", fmt.Errorf("template %.60q: %w", text, err)
	}
	return out.String(), nil
}
