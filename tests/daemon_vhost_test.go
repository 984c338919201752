package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about which group serves a request: virtual hosts, WSGIProcessGroup with %{ENV:…}, WSGIRestrictProcess.

// from asks a virtual host.
func from(s *harness.Server, port int, host, path string) harness.Response {
	req := s.Request(http.MethodGet, path, nil)
	req.URL.Host = fmt.Sprintf("127.0.0.1:%d", port)
	req.Host = host
	return s.Do(req)
}

// logOf is a log of the test's own, in lines that match.
func logOf(t *testing.T, s *harness.Server, name, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(s.Path(name))
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^.*(?:`+pattern+`).*$`).FindAllString(string(text), -1)
}

const vhostGroupsConf = `
WSGIDaemonProcess shared
WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
<VirtualHost *:${PORT}>
ServerName one.example.com
ServerAlias alias.example.com
ErrorLog "${RUN}/one.log"
WSGIDaemonProcess one
WSGIProcessGroup one
<Location /app/shared>
WSGIProcessGroup shared
</Location>
</VirtualHost>
<VirtualHost *:${PORT2}>
ServerName One.Example.com
ErrorLog "${RUN}/same.log"
WSGIProcessGroup one
</VirtualHost>
<VirtualHost *:${PORT}>
ServerName two.example.com
ErrorLog "${RUN}/two.log"
WSGIProcessGroup %{ENV:CHOSEN}
SetEnv CHOSEN one
<Location /app/shared>
SetEnv CHOSEN shared
</Location>
<Location /app/unknown>
SetEnv CHOSEN nobody
</Location>
<Location /app/named>
WSGIProcessGroup one
</Location>
</VirtualHost>
`

// A group of a virtual host serves those of the same name, on whatever port; a group of the main server serves all.
func TestDaemonVhostGroups(t *testing.T) {
	s := harness.Start(t, harness.Config{ExtraPorts: 1, Conf: vhostGroupsConf})
	s.Expect(`GWSGI0811: WSGIProcessGroup one \(.*:\d+\): the process group was declared in the virtual host one.example.com`)
	served := func(port int, host, path string) string {
		return decodeAnswer[inside](t, from(s, port, host, path)).Group
	}
	assert.Equal(t, "one", served(s.Ports[0], "one.example.com", "/app"))
	assert.Equal(t, "one", served(s.Ports[0], "alias.example.com", "/app"))
	assert.Equal(t, "shared", served(s.Ports[0], "one.example.com", "/app/shared"))
	assert.Equal(t, "one", served(s.Ports[1], "one.example.com", "/app"))
	assert.Equal(t, "shared", served(s.Ports[0], "two.example.com", "/app/shared"))
	for path, line := range map[string]string{
		"/app":         `GWSGI0211: .*inside.wsgi is to run in the process group one, which belongs to the virtual host one.example.com`,
		"/app/named":   `GWSGI0211: .*inside.wsgi is to run in the process group one, which belongs to the virtual host one.example.com`,
		"/app/unknown": `GWSGI0210: .*inside.wsgi is to run in the process group nobody, but no WSGIDaemonProcess declares it.* Declare it, `,
	} {
		before := len(logOf(t, s, "two.log", line))
		assert.Equal(t, http.StatusInternalServerError, from(s, s.Ports[0], "two.example.com", path).Status, path)
		assert.Len(t, logOf(t, s, "two.log", line), before+1, path)
	}
}

// What a group of a virtual host has to say is in that virtual host's log: prints, failures, and the lines about its processes.
func TestDaemonVhostLog(t *testing.T) {
	s := harness.Start(t, harness.Config{ExtraPorts: 1, Conf: `
		<VirtualHost *:${PORT}>
		ServerName one.example.com
		ErrorLog "${RUN}/one.log"
		WSGIDaemonProcess one
		WSGIProcessGroup one
		WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=one application-group=%{GLOBAL}
		WSGIScriptAlias / "${APPS}/daemon/speaking.wsgi"
		</VirtualHost>`})
	count := func(pattern string) int { return len(logOf(t, s, "one.log", pattern)) }
	harness.Eventually(t, func() bool { return count(`preload.wsgi in group ''`) == 1 }, "what is printed at start")
	assert.Equal(t, "spoken", from(s, s.Port, "one.example.com", "/").Body)
	assert.Equal(t, http.StatusInternalServerError, from(s, s.Port, "one.example.com", "/fail").Status)
	assert.Equal(t, http.StatusBadGateway, from(s, s.Port, "one.example.com", "/exit").Status)
	for pattern, least := range map[string]int{
		`\[gowsgi:error\] .*printed while importing`:                                  1,
		`\[client 127\.0\.0\.1:\d+\] printed by a request`:                            2,
		`\[client 127\.0\.0\.1:\d+\] wsgi.errors of a request`:                        2,
		`\[client 127\.0\.0\.1:\d+\] LookupError: failed on demand`:                   1,
		`GWSGI0902: worker \d+ of process group 'one' ended with exit status 3`:       1,
		`GWSGI1113: process \d+ of the daemon process group one ended with exit stat`: 1,
		`\[gowsgi:info\] .*worker \d+ of process group 'one' is ready`:                2,
	} {
		harness.Eventually(t, func() bool { return count(pattern) >= least }, "%s in the virtual host's log", pattern)
		assert.Zero(t, timesLogged(s, pattern), "%s in the main log", pattern)
	}
	assert.Zero(t, timesLogged(s, `printed`))
	s.Warm() // the processes of a site may have come after the other one's first response
}

// ---- WSGIProcessGroup %{ENV:…} ----

const envGroupsConf = `
WSGIDaemonProcess one
WSGIDaemonProcess two
WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
WSGIProcessGroup %{ENV:PROCESS_GROUP}
`

func TestDaemonGroupFromSetEnv(t *testing.T) {
	s := harness.Start(t, harness.Config{Env: []string{"PROCESS_GROUP=two"}, Conf: envGroupsConf + `
		<Location /app/one>
		SetEnv PROCESS_GROUP one
		</Location>
		<Location /app/if>
		SetEnvIf X-Group "^(one|two)$" PROCESS_GROUP=$1
		</Location>`})
	assert.Equal(t, "one", ask[inside](t, s, "/app/one").Group)
	assert.Equal(t, "one", askWith[inside](t, s, "/app/if", "X-Group", "one").Group)
	assert.Equal(t, "two", ask[inside](t, s, "/app/none").Group, "httpd's own environment comes last")
}

// A RewriteRule sets the variable; the value can come from a map, as in this example with a database file.
func TestDaemonGroupFromRewriteMap(t *testing.T) {
	program, err := exec.LookPath("httxt2dbm")
	if err != nil {
		t.Skip("httxt2dbm is not installed")
	}
	dir := publicDir(t)
	writeFile(t, filepath.Join(dir, "map.txt"), "/app/one one\n/app/two two\n/app/wrong nobody\n")
	out, err := exec.Command(program, "-i", filepath.Join(dir, "map.txt"), "-o", filepath.Join(dir, "wsgiprocmap.dbm")).CombinedOutput()
	require.NoError(t, err, string(out))
	files, err := filepath.Glob(filepath.Join(dir, "wsgiprocmap.dbm*"))
	require.NoError(t, err)
	for _, file := range files {
		require.NoError(t, os.Chmod(file, 0o644))
	}
	s := harness.Start(t, harness.Config{Modules: []string{"rewrite"}, Conf: envGroupsConf + fmt.Sprintf(`
		RewriteEngine On
		RewriteMap wsgiprocmap dbm:%s/wsgiprocmap.dbm
		RewriteRule . - [E=PROCESS_GROUP:${wsgiprocmap:%%{REQUEST_URI}}]`, dir)})
	for _, group := range []string{"one", "two"} {
		assert.Equal(t, group, ask[inside](t, s, "/app/"+group).Group)
	}
	s.Expect(`GWSGI0210: .*process group nobody, but no WSGIDaemonProcess declares it`)
	assert.Equal(t, http.StatusInternalServerError, s.Get("/app/wrong").Status)
}

func TestDaemonGroupFromRewriteRule(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: []string{"rewrite"}, Conf: envGroupsConf + `
		RewriteEngine On
		RewriteRule ^/app/(one|two)$ - [E=PROCESS_GROUP:$1]`})
	for _, group := range []string{"one", "two"} {
		assert.Equal(t, group, ask[inside](t, s, "/app/"+group).Group)
	}
}

// %{GLOBAL} is httpd's own processes.
func TestDaemonGroupGlobal(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: envGroupsConf + `
		WSGIProcessGroup one
		<Location /app/embedded>
		WSGIProcessGroup %{GLOBAL}
		</Location>`})
	assert.Equal(t, "one", ask[inside](t, s, "/app").Group)
	got := ask[inside](t, s, "/app/embedded")
	assert.Empty(t, got.Group)
	assert.Contains(t, s.Children(), got.PID)
}

// ---- WSGIRestrictProcess ----

func TestDaemonRestrictProcess(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: envGroupsConf + `
		SetEnvIf X-Group "(.+)" PROCESS_GROUP=$1
		WSGIDaemonProcess three
		<Location /app/some>
		WSGIRestrictProcess one three
		</Location>
		<Location /app/some/more>
		WSGIRestrictProcess two %{GLOBAL}
		</Location>
		<Location /app/some/more/embedded>
		WSGIProcessGroup %{GLOBAL}
		</Location>
		<Location /app/some/embedded>
		WSGIProcessGroup %{GLOBAL}
		</Location>`})
	for path, allowed := range map[string][]string{
		"/app":           {"one", "two", "three"},
		"/app/some":      {"one", "three"},
		"/app/some/more": {"two"},
	} {
		for _, group := range []string{"one", "two", "three"} {
			req := s.Request(http.MethodGet, path, nil)
			req.Header.Set("X-Group", group)
			got := s.Do(req)
			if slices.Contains(allowed, group) {
				assert.Equal(t, group, decodeAnswer[inside](t, got).Group, path)
			} else {
				assert.Equal(t, http.StatusInternalServerError, got.Status, "%s for %s", group, path)
			}
		}
	}
	assert.Contains(t, s.Children(), ask[inside](t, s, "/app/some/more/embedded").PID)
	assert.Equal(t, http.StatusInternalServerError, s.Get("/app/some/embedded").Status)
	s.Expect(`GWSGI0209: .* is to run in the process group (one|two|three), which WSGIRestrictProcess does not allow here`,
		`GWSGI0209: .* is to run in Apache's own processes, which WSGIRestrictProcess does not allow here`)
}

// siteConf is a server for the users, whose folders are served as they are at universities: each user picks one of the user's own
// groups in .htaccess files.
const siteConf = `
WSGIDaemonProcess default processes=2 threads=25
<VirtualHost *:${PORT}>
ServerName www.site.com
%[1]s
SetEnv PROCESS_GROUP default
WSGIProcessGroup %%{ENV:PROCESS_GROUP}
WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
UserDir public_html
%[2]s
</VirtualHost>
`

func TestDaemonRestrictProcessOfUsers(t *testing.T) {
	users := map[string]*user.User{"bob": newUser(t, "gwb"), "joe": newUser(t, "gwj")}
	var groups, folders strings.Builder
	for name, u := range users {
		for n := range 3 {
			fmt.Fprintf(&groups, "WSGIDaemonProcess %[1]s:%[2]d user=%[3]s group=%[3]s threads=25\n", name, n+1, u.Username)
		}
		fmt.Fprintf(&folders, `
			<Directory %[1]s/public_html>
			Options ExecCGI
			AllowOverride FileInfo
			AddHandler wsgi-script .wsgi
			WSGIRestrictProcess %[2]s:1 %[2]s:2 %[2]s:3
			SetEnv PROCESS_GROUP %[2]s:1
			</Directory>
			`, u.HomeDir, name)
		script, err := os.ReadFile(harness.App(t, "daemon/inside.wsgi"))
		require.NoError(t, err)
		for folder, group := range map[string]string{"": "", "two": name + ":2", "bobs": "bob:1", "joes": "joe:1", "default": "default", "none": ""} {
			at := filepath.Join(u.HomeDir, "public_html", folder)
			writeFile(t, filepath.Join(at, "app.wsgi"), string(script))
			if folder == "none" {
				writeFile(t, filepath.Join(at, ".htaccess"), "UnsetEnv PROCESS_GROUP\n")
			} else if folder != "" {
				writeFile(t, filepath.Join(at, ".htaccess"), "SetEnv PROCESS_GROUP "+group+"\n")
			}
		}
	}
	s := harness.Start(t, harness.Config{Modules: []string{"userdir"}, Conf: fmt.Sprintf(siteConf, groups.String(), folders.String())})
	apache, _ := childIdentity(t, s)
	got := decodeAnswer[inside](t, from(s, s.Port, "www.site.com", "/app"))
	assert.Equal(t, thrice(apache), got.UID)
	assert.Equal(t, "default", got.Group)
	for name, u := range users {
		visit := func(folder string) harness.Response {
			return from(s, s.Port, "www.site.com", "/~"+u.Username+"/"+folder+"app.wsgi")
		}
		for folder, group := range map[string]string{"": name + ":1", "two/": name + ":2", name + "s/": name + ":1"} {
			got := decodeAnswer[inside](t, visit(folder))
			assert.Equal(t, group, got.Group)
			assert.Equal(t, thrice(number(t, u.Uid)), got.UID)
			assert.Equal(t, thrice(number(t, u.Gid)), got.GID)
			assert.Equal(t, u.HomeDir, got.Cwd)
		}
		other := map[string]string{"bob": "joe", "joe": "bob"}[name]
		for _, folder := range []string{other + "s/", "default/", "none/"} {
			assert.Equal(t, http.StatusInternalServerError, visit(folder).Status, folder)
		}
	}
	s.Expect(`GWSGI0209: .*/joes/app.wsgi is to run in the process group joe:1, which`, `GWSGI0209: .*/bobs/app.wsgi is to run in the process group bob:1, which`,
		`GWSGI0209: .*/default/app.wsgi is to run in the process group default, which`, `GWSGI02\d\d: .*/none/app.wsgi`)
}

// Two virtual hosts, whose applications run as their owners.
func TestDaemonVhostsOfUsers(t *testing.T) {
	owners := map[string]*user.User{"www.site1.com": newUser(t, "gwj"), "www.site2.com": newUser(t, "gwb")}
	var conf strings.Builder
	for site, u := range owners {
		fmt.Fprintf(&conf, `
			<VirtualHost *:${PORT}>
			ServerName %[1]s
			CustomLog "${RUN}/%[1]s-access_log" common
			ErrorLog "${RUN}/%[1]s-error.log"
			WSGIDaemonProcess %[1]s user=%[2]s group=%[2]s processes=2 threads=25
			WSGIProcessGroup %[1]s
			WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
			WSGIScriptAlias /speak "${APPS}/daemon/speaking.wsgi"
			</VirtualHost>
			`, site, u.Username)
	}
	s := harness.Start(t, harness.Config{Modules: []string{"log_config"}, Conf: "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b\" common\n" + conf.String()})
	for site, u := range owners {
		got := decodeAnswer[inside](t, from(s, s.Port, site, "/app"))
		assert.Equal(t, thrice(number(t, u.Uid)), got.UID)
		assert.Equal(t, thrice(number(t, u.Gid)), got.GID)
		assert.Equal(t, site, got.Group)
		assert.True(t, got.Multiprocess)
		assert.Equal(t, "spoken", from(s, s.Port, site, "/speak").Body)
		harness.Eventually(t, func() bool {
			return len(logOf(t, s, site+"-error.log", `printed (while importing|by a request)`)) == 2
		}, "the lines in the site's log")
	}
	assert.Zero(t, timesLogged(s, `printed`))
}
