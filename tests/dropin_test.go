package tests

import (
	"net/http"
	"os/user"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file runs the directives of configurations that packages ship for mod_wsgi, as they stand there, with a stand-in for each
// package's application. Only paths, names, ports and accounts are other ones.

// standIn is what the stand-in tells about itself.
type standIn struct {
	ProcessGroup    string
	MainInterpreter bool
	Account         string
	ScriptName      string
	PathInfo        string
	Authorization   string
	Setting         string
}

// dropIn is a shipped configuration, and what a request for path says then. Its account is that of the server when it is empty.
type dropIn struct {
	name   string
	conf   string
	path   string
	want   standIn
	static string // served by httpd itself
	logs   string
}

var dropIns = []dropIn{{
	name: "graphite-web",
	conf: `
		<VirtualHost *:${PORT}>
			WSGIDaemonProcess _site processes=2 threads=5 display-name='%{GROUP}' inactivity-timeout=120 user=daemon group=daemon
			WSGIProcessGroup _site
			WSGIImportScript ${APPS}/dropin/site.py process-group=_site application-group=%{GLOBAL}
			WSGIScriptAlias / ${APPS}/dropin/site.py
			Alias /static/ ${HTDOCS}/
			<Location "/static/">
				SetHandler None
			</Location>
			LogLevel warn
		</VirtualHost>`,
	path:   "/render",
	want:   standIn{ProcessGroup: "_site", Account: "daemon", PathInfo: "/render"},
	static: "/static/index.html",
}, {
	name: "openstack-dashboard-apache", // declares a group and uses none
	conf: `
		<VirtualHost *:${PORT}>
			WSGIScriptAlias / ${APPS}/dropin/site.py
			WSGIDaemonProcess site user=daemon group=daemon
			Alias /static ${HTDOCS}
			Alias /site/static ${HTDOCS}
		</VirtualHost>`,
	path:   "/auth/login/",
	want:   standIn{PathInfo: "/auth/login/"},
	static: "/site/static/index.html",
}, {
	name: "openstack-dashboard-apache, alias only",
	conf: `
		WSGIScriptAlias /site ${APPS}/dropin/site.py
		WSGIDaemonProcess site user=daemon group=daemon
		Alias /static ${HTDOCS}
		Alias /site/static ${HTDOCS}`,
	path:   "/site/auth/",
	want:   standIn{ScriptName: "/site", PathInfo: "/auth/"},
	static: "/site/static/index.html",
}, {
	name: "wims-lti", // selects a group that it does not declare, and another one by the alias
	conf: `
		WSGIDaemonProcess site python-path=${APPS}/dropin user=daemon group=daemon
		<VirtualHost *:${PORT}>
			Alias /static/ ${HTDOCS}/
			WSGIScriptAlias / ${APPS}/dropin/site.py process-group=site application-group=%{GLOBAL}
			<Directory ${APPS}/dropin>
				<Files site.py>
					Require all granted
				</Files>
			</Directory>
			SetEnv SITE_SETTING utf-8
			WSGIProcessGroup  no-such
		</VirtualHost>`,
	path:   "/lti/",
	want:   standIn{ProcessGroup: "site", MainInterpreter: true, Account: "daemon", PathInfo: "/lti/", Setting: "utf-8"},
	static: "/static/index.html",
	logs:   `GWSGI0810: WSGIProcessGroup no-such`,
}, {
	name: "x2gobroker-wsgi",
	conf: `
		WSGIDaemonProcess site user=daemon group=daemon processes=2 threads=15
		WSGIPassAuthorization On
		SetEnv SITE_SETTING inifile
		WSGIScriptAlias /site ${APPS}/dropin/site.py
		WSGIProcessGroup site
		<Directory ${APPS}/dropin>
			Require local
			Options +FollowSymLinks
			Options -Indexes
		</Directory>`,
	path:   "/site/plain",
	want:   standIn{ProcessGroup: "site", Account: "daemon", ScriptName: "/site", PathInfo: "/plain", Authorization: "Bearer of news", Setting: "inifile"},
	static: "/index.html",
}, {
	name: "pywps-wsgi", // mounted below a folder, under the name of a file
	conf: `
		WSGIScriptAlias /maps/site.py ${APPS}/dropin/site.py
		<Directory "${APPS}/dropin">
			AllowOverride None
			Options -MultiViews +SymLinksIfOwnerMatch
			Require all granted
		</Directory>`,
	path:   "/maps/site.py?service=WPS",
	want:   standIn{ScriptName: "/maps/site.py"},
	static: "/index.html",
}, {
	name: "supysonic", // the directory selects what an alias could
	conf: `
		<VirtualHost *:${PORT}>
			ServerName music.example.com
			WSGIDaemonProcess site user=daemon group=daemon threads=3
			WSGIScriptAlias /rest ${APPS}/dropin/site.py
			<Directory ${APPS}/dropin>
				WSGIApplicationGroup %{GLOBAL}
				WSGIPassAuthorization On
				Options FollowSymLinks
				Require all granted
			</Directory>
		</VirtualHost>`,
	path:   "/rest/ping.view",
	want:   standIn{MainInterpreter: true, ScriptName: "/rest", PathInfo: "/ping.view", Authorization: "Bearer of news"},
	static: "/index.html",
}, {
	name: "services of OpenStack", // a script without a suffix, by Alias and SetHandler
	conf: `
		WSGIDaemonProcess site-public processes=2 threads=1 user=daemon group=daemon display-name=%{GROUP}
		Alias /identity ${APPS}/dropin/site.py
		<Location /identity>
			SetHandler wsgi-script
			Options +ExecCGI
			WSGIProcessGroup site-public
			WSGIApplicationGroup %{GLOBAL}
			WSGIPassAuthorization On
		</Location>`,
	path: "/identity/v3",
	want: standIn{ProcessGroup: "site-public", MainInterpreter: true, Account: "daemon", ScriptName: "/identity", PathInfo: "/v3",
		Authorization: "Bearer of news"},
	static: "/index.html",
}}

// With nothing but another path in the LoadModule line, configtest accepts them and requests are served, also after a restart.
func TestDropIn(t *testing.T) {
	t.Parallel()
	asRoot(t, "the configurations name users")
	for _, test := range dropIns {
		t.Run(test.name, func(t *testing.T) {
			config := harness.Config{ModuleName: "wsgi_module", Conf: test.conf}
			out, err := harness.CheckConfig(t, config)
			require.NoError(t, err, out)
			s := harness.Start(t, config)
			if test.logs != "" {
				s.Expect(test.logs)
			}
			assertStandIn(t, s, test)
			s.Graceful()
			assertStandIn(t, s, test)
		})
	}
}

func assertStandIn(t *testing.T, s *harness.Server, test dropIn) {
	t.Helper()
	want := test.want
	if want.Account == "" {
		uid, _, ok := s.Account()
		require.True(t, ok)
		own, err := user.LookupId(strconv.Itoa(uid))
		require.NoError(t, err)
		want.Account = own.Username
	}
	assert.Equal(t, want, askWith[standIn](t, s, test.path, "Authorization", "Bearer of news"))
	got := s.Get(test.static)
	assert.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, "static\n", got.Body)
}
