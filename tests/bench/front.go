// This file is the table of front servers: the one that clients talk to, how it is configured, and how it is started.
package main

import "path/filepath"

// front is a server that stays in the foreground.
type front struct {
	name    string // a column of the tables, and of its files
	needs   []need
	config  string   // a template over site; {{.Lines}} in it are the contender's
	command []string // each a template over site
}

func httpdFront(t tools) front {
	return front{name: "httpd", config: httpdConfig, command: []string{t.httpd, "-f", "{{.Dir}}/httpd.conf", "-DFOREGROUND"}}
}

const nginxFolder = "/etc/nginx"

func nginxFront() front {
	const from = "apt-get install nginx-light"
	return front{
		name:   "nginx",
		needs:  []need{{"/usr/sbin/nginx", from}, {filepath.Join(nginxFolder, "uwsgi_params"), from}},
		config: nginxConfig,
		// Without -e it opens the log of the system's nginx before it reads this configuration.
		command: []string{"/usr/sbin/nginx", "-e", "{{.Dir}}/error.log", "-p", "{{.Dir}}", "-c", "{{.Dir}}/nginx.conf"},
	}
}

// nginxConfig is what a careful administrator writes who has only these applications: a process for each core, one
// listening socket for each of them, connections to clients that stay open as httpd's do here, bodies of any size.
const nginxConfig = `daemon off;
{{if .User}}user {{.User}} {{.Group}};
{{end}}worker_processes {{.Cores}};
pid {{.Dir}}/run/nginx.pid;
error_log {{.Dir}}/error.log warn;
events {
	worker_connections 1024;
}
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_timeout 30s;
	keepalive_requests 1000000000;
	client_max_body_size 0;
	client_body_temp_path {{.Dir}}/run/body;
	proxy_temp_path {{.Dir}}/run/proxy;
	uwsgi_temp_path {{.Dir}}/run/uwsgi;
	fastcgi_temp_path {{.Dir}}/run/fastcgi;
	scgi_temp_path {{.Dir}}/run/scgi;
{{.Lines}}}
`
