package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// group is what apps/groups tells of the interpreter that serves a request.
type group struct {
	Group       string
	ModuleGroup string `json:"module_group"`
	Interpreter int    // Python's number for it; 0 is the main one
	Loaded      []string
	Calls       int
	PID         int
	Name, File  string
	KnownAs     []string `json:"known_as"`
}

func TestGroupGlobalIsTheMainInterpreter(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Threads: 2, Children: 1, Conf: `
				WSGIApplicationGroup %{GLOBAL}
				WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
				<Location /sub>
				WSGIApplicationGroup sub
				</Location>
				WSGIScriptAlias /sub "${APPS}/groups/one.wsgi"`})
			got := ask[group](t, s, "/one")
			assert.Equal(t, "", got.Group)
			assert.Equal(t, "", got.ModuleGroup)
			assert.Equal(t, 0, got.Interpreter)
			got = ask[group](t, s, "/sub")
			assert.Equal(t, "sub", got.Group)
			assert.Equal(t, "sub", got.ModuleGroup)
			assert.NotEqual(t, 0, got.Interpreter)
		})
	})
}

const serverGroupConf = `
WSGIApplicationGroup %{SERVER}
WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
WSGIScriptAlias /two "${APPS}/groups/two.wsgi"
<VirtualHost *:${PORT}>
ServerName here.example.com
ServerAlias alias.example.com
</VirtualHost>
<VirtualHost *:${PORT}>
ServerName http.example.com:80
</VirtualHost>
<VirtualHost *:${PORT}>
ServerName https.example.com:443
</VirtualHost>
<VirtualHost *:${PORT}>
ServerName other.example.com:8080
</VirtualHost>
<VirtualHost *:${PORT2}>
ServerName here.example.com
</VirtualHost>
`

func TestGroupServer(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, ExtraPorts: 1, Conf: serverGroupConf})
		expected := map[string]string{
			"here.example.com":  fmt.Sprintf("here.example.com:%d", s.Port),
			"alias.example.com": fmt.Sprintf("here.example.com:%d", s.Port),
			"http.example.com":  "http.example.com",
			"https.example.com": "https.example.com",
			"other.example.com": "other.example.com:8080",
		}
		for host, name := range expected {
			assert.Equal(t, name, askWith[group](t, s, "/one", "Host", host).Group, host)
		}
		one, two := askWith[group](t, s, "/one", "Host", "here.example.com"), askWith[group](t, s, "/two", "Host", "alias.example.com")
		assert.Equal(t, one.Interpreter, two.Interpreter, "all of a server's scripts share")
		assert.Equal(t, []string{"one.wsgi", "two.wsgi"}, two.Loaded)

		req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/one", s.Ports[1]), nil)
		require.NoError(t, err)
		req.Host = "here.example.com"
		other := decodeAnswer[group](t, s.Do(req))
		assert.Equal(t, fmt.Sprintf("here.example.com:%d", s.Ports[1]), other.Group)
		assert.NotEqual(t, one.Interpreter, other.Interpreter)
	})
}

// The name of a group is the server's affair: a client that makes up ports must not make it make interpreters.
func TestGroupIgnoresPortOfClient(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, ExtraPorts: 1, Conf: `
			WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
			<Location /server>
			WSGIApplicationGroup %{SERVER}
			</Location>
			WSGIScriptAlias /server "${APPS}/groups/one.wsgi"`})
		for _, host := range []string{"localhost", "localhost:1", "localhost:80", "localhost:9999"} {
			assert.Equal(t, fmt.Sprintf("localhost:%d|/one", s.Port), askWith[group](t, s, "/one", "Host", host).Group, host)
			assert.Equal(t, fmt.Sprintf("localhost:%d", s.Port), askWith[group](t, s, "/server", "Host", host).Group, host)
		}
	})
}

func TestGroupResourceIsolates(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
			WSGIScriptAlias /two "${APPS}/groups/two.wsgi"
			WSGIScriptAlias /again "${APPS}/groups/one.wsgi"
			<VirtualHost *>
			ServerName default.example.com
			</VirtualHost>
			<VirtualHost *>
			ServerName shop.example.com:443
			WSGIScriptAlias / "${APPS}/groups/one.wsgi"
			</VirtualHost>`})
		at := fmt.Sprintf("default.example.com:%d", s.Port)
		one, two, again := ask[group](t, s, "/one"), ask[group](t, s, "/two/x/y"), ask[group](t, s, "/again/")
		assert.Equal(t, at+"|/one", one.Group)
		assert.Equal(t, at+"|/two", two.Group)
		assert.Equal(t, at+"|/again", again.Group)
		assert.Equal(t, "shop.example.com|", askWith[group](t, s, "/x", "Host", "shop.example.com").Group)
		assert.Equal(t, []string{"one.wsgi"}, one.Loaded)
		assert.Equal(t, []string{"two.wsgi"}, two.Loaded)
		assert.Equal(t, 1, again.Calls, "the same script in another group has its own globals")
		assert.Equal(t, 2, ask[group](t, s, "/one").Calls)
		assert.Equal(t, 2, askWith[group](t, s, "/again", "Host", "shop.example.com").Calls, "its own / comes first")
	})
}

func TestGroupNamesShare(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			WSGIApplicationGroup shared
			WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
			WSGIScriptAlias /two "${APPS}/groups/two.wsgi"
			WSGIScriptAlias /again "${APPS}/groups/one.wsgi"
			WSGIScriptAlias /own "${APPS}/groups/one.wsgi"
			<Location /own>
			WSGIApplicationGroup Shared
			</Location>`})
		one, two := ask[group](t, s, "/one"), ask[group](t, s, "/two")
		assert.Equal(t, one.Interpreter, two.Interpreter)
		assert.Equal(t, []string{"one.wsgi", "two.wsgi"}, two.Loaded)
		assert.Equal(t, 2, ask[group](t, s, "/again").Calls, "one script in one group is one module")
		assert.NotEqual(t, one.Interpreter, ask[group](t, s, "/own").Interpreter, "names are case-sensitive")

		// Each script has a module name of its own, by which it is found.
		assert.NotEqual(t, one.Name, two.Name)
		for _, script := range []group{one, two} {
			assert.True(t, strings.HasPrefix(script.Name, "_mod_wsgi_"), script.Name)
			assert.Equal(t, []string{script.Name}, script.KnownAs)
		}
		assert.Equal(t, harness.App(t, "groups/one.wsgi"), one.File)
		assert.Equal(t, harness.App(t, "groups/two.wsgi"), two.File)
	})
}

func TestGroupFromVariable(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"rewrite"}, Env: []string{"FROM_ENVIRONMENT=of-the-process"}, Conf: `
			WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
			WSGIApplicationGroup %{ENV:NAME}
			SetEnvIf X-Group (.+) NAME=$1
			<Location /one/setenv>
			SetEnv NAME by-setenv
			</Location>
			<Location /one/process>
			WSGIApplicationGroup %{ENV:FROM_ENVIRONMENT}
			</Location>
			RewriteEngine On
			RewriteRule ^/one/rewrite/(.*) - [E=NAME:by-rewrite-$1]`})
		assert.Equal(t, "by-setenv", ask[group](t, s, "/one/setenv").Group)
		assert.Equal(t, "by-rewrite-x", ask[group](t, s, "/one/rewrite/x").Group)
		assert.Equal(t, "of-the-process", ask[group](t, s, "/one/process").Group)
		assert.Equal(t, "by-header", askWith[group](t, s, "/one", "X-Group", "by-header").Group)
		assert.Equal(t, "", askWith[group](t, s, "/one", "X-Group", "%{GLOBAL}").Group, "a value may name a group by a variable")

		s.Expect(`GWSGI0204: WSGIApplicationGroup %\{ENV:NAME\}: the variable NAME is defined neither`)
		assert.Equal(t, http.StatusInternalServerError, s.Get("/one").Status)
		s.Expect(`GWSGI0205: WSGIApplicationGroup %\{ENV:NAME\}`)
		req := s.Request(http.MethodGet, "/one", nil)
		req.Header.Set("X-Group", "%{ENV:NAME}")
		assert.Equal(t, http.StatusInternalServerError, s.Do(req).Status)
	})
}

// The example of the reference: all scripts of a user in one group.
func TestGroupOfUserdir(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"rewrite", "userdir"}, Conf: `
			UserDir ${RUN}/users/*/public_html
			RewriteEngine On
			RewriteCond %{REQUEST_URI} ^/~([^/]+)
			RewriteRule . - [E=APPLICATION_GROUP:~%1]
			<Directory ${RUN}/users/*/public_html/wsgi-scripts/>
			Options ExecCGI
			SetHandler wsgi-script
			WSGIApplicationGroup %{ENV:APPLICATION_GROUP}
			</Directory>`})
		for _, user := range []string{"ann", "bob"} {
			for _, script := range []string{"one.wsgi", "two.wsgi"} {
				copyApp(t, s, "groups/"+script, "users/"+user+"/public_html/wsgi-scripts/"+script)
			}
		}
		ann1, ann2 := ask[group](t, s, "/~ann/wsgi-scripts/one.wsgi"), ask[group](t, s, "/~ann/wsgi-scripts/two.wsgi/x")
		bob := ask[group](t, s, "/~bob/wsgi-scripts/one.wsgi")
		assert.Equal(t, "~ann", ann1.Group)
		assert.Equal(t, "~bob", bob.Group)
		assert.Equal(t, ann1.Interpreter, ann2.Interpreter)
		assert.Equal(t, []string{"one.wsgi", "two.wsgi"}, ann2.Loaded)
		assert.NotEqual(t, ann1.Interpreter, bob.Interpreter)
	})
}

// Python numbers interpreters as they are made, so a gap would be one that was made for nothing.
func TestGroupFirstUseMakesOneInterpreter(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		const groups, clients = 6, 12
		s := harness.Start(t, harness.Config{Mode: mode, Threads: clients, Conf: `
			WSGIScriptAlias /one "${APPS}/groups/one.wsgi"
			SetEnvIf X-Group (.+) NAME=$1
			WSGIApplicationGroup %{ENV:NAME}`})
		var numbers []int
		for g := range groups {
			answers := raceToFirstUse(t, s, fmt.Sprintf("group-%d", g), clients)
			calls := []int{}
			for _, a := range answers {
				assert.Equal(t, answers[0].Interpreter, a.Interpreter)
				assert.Equal(t, []string{"one.wsgi"}, a.Loaded)
				calls = append(calls, a.Calls)
			}
			slices.Sort(calls)
			assert.Equal(t, clients, calls[clients-1], "all in one module: %v", calls)
			numbers = append(numbers, answers[0].Interpreter)
		}
		for i := range numbers {
			assert.Equal(t, numbers[0]+i, numbers[i], "%v", numbers)
		}
	})
}

// raceToFirstUse has connections send their first request for a group at the same time.
func raceToFirstUse(t *testing.T, s *harness.Server, name string, clients int) []group {
	t.Helper()
	answers := make([]group, clients)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range clients {
		conn := s.Dial()
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			ready.Done()
			<-start
			conn.Send("GET /one HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Group: " + name + "\r\n\r\n")
			got, err := conn.Receive(http.MethodGet)
			if assert.NoError(t, err) {
				answers[i] = decodeAnswer[group](t, got)
			}
		}()
	}
	ready.Wait()
	close(start)
	done.Wait()
	return answers
}
