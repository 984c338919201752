package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file, and the other seed_*_test.go, prove what conformance/promises.txt promises and no other test looks at.

// An alias of a folder is the same as Alias, SetHandler and ExecCGI.
func TestSeedAliasIsHandler(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			WSGIApplicationGroup %{GLOBAL}
			WSGIScriptAlias /short/ "${APPS}/where/"
			Alias /long/ "${APPS}/where/"
			<Location /long>
			SetHandler wsgi-script
			Options +ExecCGI
			</Location>`})
		for _, rest := range []string{"", "/", "/x/y"} {
			_, short := where(t, s, "localhost", "/short/where.wsgi"+rest)
			_, long := where(t, s, "localhost", "/long/where.wsgi"+rest)
			assert.Equal(t, "/short/where.wsgi", short["SCRIPT_NAME"])
			short["SCRIPT_NAME"] = "/long/where.wsgi"
			assert.Equal(t, short, long, rest)
		}
	})
}

// Scripts in a folder that clients can reach: a Directory section has them run by whatever URL they are asked for.
func TestSeedDirectoryHandler(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			Alias /second "${HTDOCS}/wsgi-scripts"
			<Directory "${HTDOCS}/wsgi-scripts">
			SetHandler wsgi-script
			Options ExecCGI
			</Directory>`})
		copyApp(t, s, "where/where.wsgi", "htdocs/wsgi-scripts/where.wsgi")
		for _, url := range []string{"/wsgi-scripts/where.wsgi", "/second/where.wsgi"} {
			status, environ := where(t, s, "localhost", url)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, url, environ["SCRIPT_NAME"], "run, not shown")
		}
	})
}

// The extension of the script files does not appear in their URLs.
func TestSeedAliasMatchExtension(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `WSGIScriptAliasMatch ^/wsgi-scripts/([^/]+) "${APPS}/groups/$1.wsgi"`})
		for _, name := range []string{"one", "two"} {
			got := ask[group](t, s, "/wsgi-scripts/"+name+"/info")
			assert.Equal(t, fmt.Sprintf("localhost:%d|/wsgi-scripts/%s", s.Port, name), got.Group)
			assert.Equal(t, harness.App(t, "groups/"+name+".wsgi"), got.File)
		}
	})
}

// Each process has an interpreter of its own for a group: names are shared, memory is not.
func TestSeedGroupInEachProcess(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess several processes=2 threads=1
		WSGIDaemonProcess single threads=1
		WSGIApplicationGroup shared
		WSGIScriptAlias /several "${APPS}/groups/one.wsgi" process-group=several
		WSGIScriptAlias /single "${APPS}/groups/one.wsgi" process-group=single`})
	calls := map[int]int{}
	harness.Eventually(t, func() bool {
		got := ask[group](t, s, "/several")
		calls[got.PID]++
		assert.Equal(t, calls[got.PID], got.Calls, "counted in the process %d", got.PID)
		s.Client.CloseIdleConnections()
		return len(calls) == 2 || t.Failed()
	}, "both processes serve")
	first := ask[group](t, s, "/single")
	second := ask[group](t, s, "/single")
	assert.Equal(t, first.PID, second.PID)
	assert.Equal(t, first.Interpreter, second.Interpreter)
	assert.Equal(t, 2, second.Calls)
}

// %{ENV:…} is looked up in the notes of the request, then in its variables, then in httpd's environment.
// mod_usertrack leaves a note named "cookie".
func TestSeedVariableOrder(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"usertrack"}, Env: []string{"cookie=of_httpd"}, Conf: `
			CookieTracking On
			WSGIApplicationGroup %{ENV:cookie}
			WSGIScriptAlias /group "${APPS}/groups/one.wsgi"
			SetEnvIf X-Variable (.+) cookie=$1
			<Location /untracked>
			CookieTracking Off
			</Location>
			WSGIScriptAlias /untracked "${APPS}/groups/one.wsgi"`})
		of := func(path, cookie, variable string) string {
			req := s.Request(http.MethodGet, path, nil)
			if cookie != "" {
				req.Header.Set("Cookie", "Apache="+cookie)
			}
			if variable != "" {
				req.Header.Set("X-Variable", variable)
			}
			return decodeAnswer[group](t, s.Do(req)).Group
		}
		assert.Equal(t, "of_note", of("/group", "of_note", "of_variable"))
		assert.Equal(t, "of_variable", of("/untracked", "of_note", "of_variable"))
		assert.Equal(t, "of_httpd", of("/untracked", "", ""))
	})
}

// The name of the application is looked up in the same places as a group's.
func TestSeedCallableFromVariable(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"rewrite"}, Env: []string{"CALLABLE=other"}, Conf: `
			WSGIApplicationGroup %{GLOBAL}
			WSGICallableObject %{ENV:CALLABLE}
			WSGIScriptAlias /app "${APPS}/errors/callables.wsgi"
			<Location /app/setenv>
			SetEnv CALLABLE instance
			</Location>
			RewriteEngine On
			RewriteRule ^/app/rewrite - [E=CALLABLE:application]`})
		assert.Equal(t, "other", s.Get("/app").Body)
		assert.Equal(t, "instance", s.Get("/app/setenv").Body)
		assert.Equal(t, "application", s.Get("/app/rewrite").Body)
	})
}

// ---- Reloading ----

// Reloading can be switched off for a folder by its .htaccess file.
func TestSeedReloadingInHtaccess(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			WSGIReloadMechanism Module
			<Directory "${HTDOCS}">
			SetHandler wsgi-script
			Options ExecCGI
			AllowOverride FileInfo
			</Directory>`})
		s.WriteFile("htdocs/off/.htaccess", "WSGIScriptReloading Off\n")
		f := newScript(s)
		answers := func(version string) (found []string) {
			for _, folder := range []string{"on", "off"} {
				f.put("htdocs/"+folder+"/app.wsgi", fmt.Sprintf(countingScript, version), time.Second)
				fields := strings.Fields(s.Get("/" + folder + "/app.wsgi").Body)
				found = append(found, fields[len(fields)-1])
			}
			return found
		}
		assert.Equal(t, []string{"1", "1"}, answers("1"))
		assert.Equal(t, []string{"2", "1"}, answers("2"))
	})
}

// In httpd's own processes a changed script is loaded again as a module: by default, and where Process is asked for.
func TestSeedReloadEmbeddedIsOfTheModule(t *testing.T) {
	for _, conf := range []string{"", "WSGIReloadMechanism Process", "WSGIReloadMechanism Module"} {
		for _, appGroup := range []string{"%{GLOBAL}", "sub"} {
			s := harness.Start(t, harness.Config{Conf: conf + "\nWSGIScriptAlias /app \"${RUN}/app.wsgi\" application-group=" + appGroup})
			f := newScript(s)
			f.put("app.wsgi", fmt.Sprintf(countingScript, "old"), time.Second)
			before := s.Get("/app").Body
			assert.Contains(t, before, " 1 old")
			f.put("app.wsgi", fmt.Sprintf(countingScript, "new"), time.Second)
			assert.Equal(t, strings.Replace(before, " 1 old", " 2 new", 1), s.Get("/app").Body, "the same process and interpreter")
		}
	}
}

// A script that adds to sys.path without a look adds again each time that it is loaded into the same interpreter.
func TestSeedReloadAddsAgain(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, "sub", "Module")})
		f := newScript(s)
		for loads := range 3 {
			f.put("app.wsgi", `
import sys
sys.path.append("/usr/local/wsgi/modules")

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % sys.path.count("/usr/local/wsgi/modules")]
`, time.Second)
			assert.Equal(t, fmt.Sprint(loads+1), s.Get("/app").Body)
		}
	})
}

// ---- Access control ----

// Scripts of access control take the group that application-group= names, those for groups of users included.
func TestSeedAuthApplicationGroup(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: `
		WSGIScriptAlias /private "${APPS}/auth/script.py" application-group=mine
		<Location /private>
		AuthType Basic
		AuthName private
		AuthBasicProvider wsgi
		WSGIAuthUserScript "${APPS}/auth/script.py" application-group=mine
		WSGIAuthGroupScript "${APPS}/auth/script.py" application-group=mine
		WSGIAccessScript "${APPS}/auth/script.py" application-group=mine
		Require wsgi-group staff
		</Location>`})
	told := decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret"))
	require.Len(t, told.Calls, 3, "the application is in the same module")
	for _, call := range told.Calls {
		assert.Equal(t, "mine", call.Group, call.Function)
	}
}

// They run in httpd's own processes also where the application that they protect has a process group.
func TestSeedAuthRunsInHttpd(t *testing.T) {
	s := harness.Start(t, harness.Config{Mode: harness.Daemon, Modules: basicModules, Conf: `
		WSGIScriptAlias /private "${APPS}/daemon/inside.wsgi"
		<Location /private>
		AuthType Basic
		AuthName private
		AuthBasicProvider wsgi
		WSGIAuthUserScript "${DATA}/who.py"
		WSGIAuthGroupScript "${DATA}/who.py"
		WSGIAccessScript "${DATA}/who.py"
		Require wsgi-group staff
		</Location>`})
	s.WriteFile("data/who.py", fmt.Sprintf(`
import os
def note(name):
    with open(os.path.join(%q, name), "w") as file:
        file.write(str(os.getpid()))
def check_password(environ, user, password):
    note("user")
    return True
def groups_for_user(environ, user):
    note("group")
    return ["staff"]
def allow_access(environ, host):
    note("host")
    return True
`, s.Path("data")))
	got := decodeAnswer[inside](t, asUser(t, s, "/private", "ann", "secret"))
	assert.Contains(t, s.Workers(), got.PID)
	for _, name := range []string{"user", "group", "host"} {
		text, err := os.ReadFile(filepath.Join(s.Path("data"), name))
		require.NoError(t, err)
		assert.True(t, slices.Contains(s.Children(), number(t, string(text))), "%s: %s", name, text)
	}
}
