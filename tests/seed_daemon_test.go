package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// A daemon process runs applications and nothing else: files come from httpd's children, and no application runs there.
func TestSeedDaemonRunsApplicationsOnly(t *testing.T) {
	s := startWith(t, "processes=2")
	assert.Equal(t, "static\n", s.Get("/").Body)
	got := ask[inside](t, s, "/main/inside")
	assert.Contains(t, workersOf(s, "options"), got.PID)
	for _, pid := range workersOf(s, "options") {
		assert.False(t, hasLoaded(t, pid, "mod_alias"), "none of httpd's modules")
	}
	assert.NotContains(t, s.Children(), got.PID)
}

// A declared group is used by whom WSGIProcessGroup sends there, and nobody else.
func TestSeedDaemonNeedsProcessGroup(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess declared
		WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
		<Location /app/sent>
		WSGIProcessGroup declared
		</Location>`})
	got := ask[inside](t, s, "/app")
	assert.Equal(t, "", got.Group)
	assert.Contains(t, s.Children(), got.PID)
	assert.Equal(t, "declared", ask[inside](t, s, "/app/sent").Group)
}

// Without maximum-requests, and with 0, a process stays.
func TestSeedMaximumRequestsUnset(t *testing.T) {
	for _, options := range []string{"", "maximum-requests=0"} {
		s := startWith(t, options)
		first := answeredBy(t, s, "/main/gil")
		for range 300 {
			require.Equal(t, first, answeredBy(t, s, "/main/gil"))
		}
		assert.Equal(t, []int{first}, workersOf(s, "options"))
	}
}

// Without shutdown-timeout it is five seconds.
func TestSeedShutdownTimeoutDefault(t *testing.T) {
	t.Parallel()
	s := startWith(t, "")
	s.Expect(`GWSGI1024: exit functions and threads of the applications of group 'options' did not end within 5s`)
	pid := answeredBy(t, s, "/main/exit/slow")
	require.NoError(t, syscall.Kill(pid, syscall.SIGINT))
	start := awaitFile(t, s.Path(fmt.Sprintf("data/exit-%d", pid)))
	harness.Eventually(t, func() bool { return !isAlive(pid) }, "the process is gone")
	assert.GreaterOrEqual(t, time.Since(start), 4*time.Second)
}

// Without inactivity-timeout a process waits for as long as nothing comes.
func TestSeedInactivityUnset(t *testing.T) {
	t.Parallel()
	s := startWith(t, "")
	start := time.Now()
	first := answeredBy(t, s, "/main/gil")
	waitSince(t, start, 3*time.Second)
	assert.Equal(t, first, answeredBy(t, s, "/main/gil"))
}

// A .htaccess file sends single scripts to other groups of its user, and to no one else's.
func TestSeedRestrictProcessOfFiles(t *testing.T) {
	var groups strings.Builder
	for _, name := range []string{"bob:1", "bob:2", "bob:3", "joe:1"} {
		fmt.Fprintf(&groups, "WSGIDaemonProcess %s threads=25\n", name)
	}
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess default processes=2 threads=25
		<VirtualHost *:${PORT}>
		ServerName www.site.com
		` + groups.String() + `
		SetEnv PROCESS_GROUP default
		WSGIProcessGroup %{ENV:PROCESS_GROUP}
		WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
		<Directory "${HTDOCS}/bob">
		Options ExecCGI
		AllowOverride FileInfo
		AddHandler wsgi-script .wsgi
		WSGIRestrictProcess bob:1 bob:2 bob:3
		SetEnv PROCESS_GROUP bob:1
		</Directory>
		</VirtualHost>`})
	s.WriteFile("htdocs/bob/.htaccess", `
		<Files blog.wsgi>
		SetEnv PROCESS_GROUP bob:2
		</Files>
		<Files wiki.wsgi>
		SetEnv PROCESS_GROUP bob:3
		</Files>
		<Files joes.wsgi>
		SetEnv PROCESS_GROUP joe:1
		</Files>
		`)
	for _, name := range []string{"blog", "wiki", "joes", "other"} {
		copyApp(t, s, "daemon/inside.wsgi", "htdocs/bob/"+name+".wsgi")
	}
	for path, group := range map[string]string{"/app": "default", "/bob/other.wsgi": "bob:1", "/bob/blog.wsgi": "bob:2", "/bob/wiki.wsgi/x": "bob:3"} {
		assert.Equal(t, group, decodeAnswer[inside](t, from(s, s.Port, "www.site.com", path)).Group, path)
	}
	s.Expect(`GWSGI0209: .*joes.wsgi is to run in the process group joe:1, which WSGIRestrictProcess does not allow here`)
	assert.Equal(t, http.StatusInternalServerError, from(s, s.Port, "www.site.com", "/bob/joes.wsgi").Status)
}

// An import script has an application loaded before its first request, so that nobody waits for it.
func TestSeedImportScriptPreloads(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Children: 1, Conf: `
			WSGIImportScript "${APPS}/imports/preload.wsgi" application-group=preloaded process-group=` + mode.ProcessGroup() + `
			WSGIScriptAlias /app "${APPS}/imports/preload.wsgi" application-group=preloaded`})
		s.Expect(`preload.wsgi in group 'preloaded'`)
		s.WaitLog(`preload.wsgi in group 'preloaded'`)
		assert.Equal(t, 1, timesLogged(s, `preload.wsgi in group 'preloaded'`))
		assert.Equal(t, "1", s.Get("/app").Body)
		assert.Equal(t, 1, timesLogged(s, `preload.wsgi in group 'preloaded'`), "not loaded again")
	})
}

// ---- Python ----

// What an environment variable would say, the directive overrides.
func TestSeedPythonHomeOverridesEnvironment(t *testing.T) {
	python := serverPython(t)
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Env: []string{"PYTHONHOME=/no/such/home"},
			Conf: "WSGIPythonHome " + python.Prefix + "\n" + factsConf})
		assert.Equal(t, python.Prefix, ask[pythonFacts](t, s, "/facts").Prefix)
	})
}

// The cache directories of httpd's own processes and of a group are two.
func TestSeedPythonEggsAreOfTheirProcesses(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		WSGIPythonEggs /of/httpd
		WSGIDaemonProcess with python-eggs=/of/group
		WSGIDaemonProcess without
		WSGIScriptAlias /embedded "${APPS}/facts/facts.wsgi"
		WSGIScriptAlias /with "${APPS}/facts/facts.wsgi" process-group=with
		WSGIScriptAlias /without "${APPS}/facts/facts.wsgi" process-group=without`})
	for path, eggs := range map[string]string{"/embedded": "/of/httpd", "/with": "/of/group", "/without": ""} {
		assert.Equal(t, eggs, ask[pythonFacts](t, s, path).Eggs, path)
	}
}

// The level of optimisation is in the names of the files of bytecode.
func TestSeedPythonOptimizeBytecode(t *testing.T) {
	for level, suffix := range []string{"", ".opt-1", ".opt-2"} {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				dir := publicDir(t)
				require.NoError(t, os.Chmod(dir, 0o777))
				writeFile(t, dir+"/compiled.py", "value = 'yes'\n")
				s := harness.Start(t, harness.Config{Mode: mode.PythonPath(dir), Conf: fmt.Sprintf("WSGIPythonOptimize %d\n%s", level, factsConf)})
				got := ask[pythonFacts](t, s, "/facts?compiled")
				assert.Equal(t, "yes", got.Values["compiled"])
				found, err := filepath.Glob(dir + "/__pycache__/*")
				require.NoError(t, err)
				name := "compiled.cpython-" + strings.ReplaceAll(got.Version, ".", "") + suffix + ".pyc"
				assert.Equal(t, []string{dir + "/__pycache__/" + name}, found)
			})
		})
	}
}
