package tests

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// access asks for a path; allow_access() of apps/auth/script.py does what word says, with "" it has no opinion.
func access(t *testing.T, s *harness.Server, path, word string) harness.Response {
	t.Helper()
	req := s.Request(http.MethodGet, path, nil)
	if word != "" {
		req.Header.Set("X-Access", word)
	}
	return s.Do(req)
}

func TestAccess(t *testing.T) {
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Modules: []string{"access_compat"}, Conf: spyConf + `
			<Location /private>
			WSGIAccessScript "${APPS}/auth/script.py"
			</Location>
			<Location /private/closed>
			Require all denied
			</Location>
			<Location /private/old>
			Order allow,deny
			</Location>`})
		s.Expect(`AH01630: client denied`, `AH01797: client denied`)
		for path, statuses := range map[string][3]int{ // for True, None, False
			"/spy":            {200, 200, 200},
			"/private":        {200, 200, 403},
			"/private/page":   {200, 200, 403},
			"/private/closed": {403, 403, 403}, // True is not more than the absence of an objection
			"/private/old":    {403, 403, 403},
		} {
			for i, word := range []string{"yes", "", "no"} {
				assert.Equal(t, statuses[i], access(t, s, path, word).Status, "%s %q", path, word)
			}
		}
	})
}

// Who may not come from there is not asked for a password.
func TestAccessComesFirst(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: append(basicModules, "access_compat"), Conf: basicConf + `
		<Location /private>
		WSGIAccessScript "${APPS}/auth/script.py"
		</Location>
		<Location /private/either>
		Satisfy Any
		</Location>`})
	assert.Equal(t, http.StatusForbidden, access(t, s, "/private", "no").Status)
	assert.Equal(t, http.StatusUnauthorized, access(t, s, "/private", "yes").Status)
	assert.Empty(t, ask[spy](t, s, "/spy").of("check_password"))

	assert.Equal(t, http.StatusOK, access(t, s, "/private/either", "yes").Status)
	assert.Equal(t, http.StatusUnauthorized, access(t, s, "/private/either", "no").Status)
	req := s.Request(http.MethodGet, "/private/either", nil)
	req.Header.Set("X-Access", "no")
	req.SetBasicAuth("ann", "secret")
	assert.Equal(t, http.StatusOK, s.Do(req).Status)
}

// The second argument is the client's name where httpd looks names up, and its address otherwise, also behind a proxy.
func TestAccessHost(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: []string{"remoteip"}, Conf: spyConf + `
		RemoteIPHeader X-Client
		<Location /private>
		WSGIAccessScript "${APPS}/auth/script.py"
		</Location>
		<Location /private/named>
		HostnameLookups On
		</Location>`})
	call := ask[spy](t, s, "/private").Calls[0]
	assert.Equal(t, []string{"127.0.0.1"}, call.Args)
	assert.NotContains(t, call.Environ, "REMOTE_HOST")
	call = askWith[spy](t, s, "/private", "X-Client", "192.0.2.7").Calls[1]
	assert.Equal(t, []string{"192.0.2.7"}, call.Args)
	assert.Equal(t, "192.0.2.7", call.Environ["REMOTE_ADDR"])
	call = ask[spy](t, s, "/private/named").Calls[2]
	assert.Equal(t, "localhost", strings.TrimSuffix(call.Args[0], ".localdomain"))
	assert.Equal(t, call.Args[0], call.Environ["REMOTE_HOST"])
}

// Sections merge as those of httpd's own directives do: the inner one counts.
func TestAccessNestedSections(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		<Directory "${HTDOCS}">
		WSGIAccessScript "${DATA}/no.py"
		</Directory>
		<Directory "${HTDOCS}/inner">
		WSGIAccessScript "${DATA}/yes.py"
		</Directory>
		<Location /inner/again>
		WSGIAccessScript "${DATA}/no.py"
		<If "%{QUERY_STRING} == 'open'">
		WSGIAccessScript "${DATA}/yes.py"
		</If>
		</Location>
		<Files "open.*">
		WSGIAccessScript "${DATA}/yes.py"
		</Files>`})
	for name, answer := range map[string]string{"yes": "True", "no": "False"} {
		s.WriteFile("data/"+name+".py", "def allow_access(environ, host):\n    return "+answer+"\n")
	}
	for _, file := range []string{"open.html", "inner/index.html", "inner/again/index.html"} {
		s.WriteFile("htdocs/"+file, "page\n")
	}
	for path, want := range map[string]int{"/": 403, "/index.html": 403, "/open.html": 200, "/inner/": 200, "/inner/index.html": 200,
		"/inner/again/": 403, "/inner/again/index.html": 403, "/inner/again/index.html?open": 200} {
		assert.Equal(t, want, s.Get(path).Status, path)
	}
}

func TestAccessVirtualHosts(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: spyConf + `
		<Location /private>
		WSGIAccessScript "${APPS}/auth/script.py"
		</Location>
		<VirtualHost *>
		ServerName one.example.com
		</VirtualHost>
		<VirtualHost *>
		ServerName two.example.com:443
		<Location /private>
		WSGIAccessScript "${APPS}/auth/script.py" application-group=%{SERVER}
		</Location>
		</VirtualHost>
		<VirtualHost *>
		ServerName three.example.com
		SetEnvIf X-Group (.+) NAME=$1
		<Location /private>
		WSGIAccessScript "${APPS}/auth/script.py" application-group=%{ENV:NAME}
		WSGIApplicationGroup %{ENV:NAME}
		</Location>
		</VirtualHost>`})
	assert.Equal(t, "", askWith[spy](t, s, "/private", "Host", "one.example.com").Calls[0].Group)
	assert.Len(t, askWith[spy](t, s, "/private", "Host", "two.example.com").Calls, 1, "asked in its own group's interpreter")

	req := s.Request(http.MethodGet, "/private", nil)
	req.Host = "three.example.com"
	req.Header.Set("X-Group", "mine")
	call := decodeAnswer[spy](t, s.Do(req)).Calls[0]
	assert.Equal(t, "mine", call.Group)
	assert.Equal(t, "mine", call.Environ["mod_wsgi.application_group"])

	s.Expect(`GWSGI0204: WSGIAccessScript %\{ENV:NAME\}: the variable NAME .*; access is denied`)
	req.Header.Del("X-Group")
	assert.Equal(t, http.StatusForbidden, s.Do(req).Status)
}

func TestAccessHtaccess(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: spyConf + `
		<Directory "${HTDOCS}/authconfig">
		AllowOverride AuthConfig
		</Directory>
		<Directory "${HTDOCS}/fileinfo">
		AllowOverride FileInfo
		</Directory>`})
	script := strconv.Quote(harness.App(t, "auth/script.py"))
	lines := "AuthType Basic\nAuthName x\nAuthBasicProvider wsgi\nRequire wsgi-group admins\n" +
		"WSGIAuthUserScript " + script + "\nWSGIAuthGroupScript " + script + "\nWSGIAccessScript " + script + "\n"
	for _, dir := range []string{"authconfig", "fileinfo"} {
		s.WriteFile("htdocs/"+dir+"/index.html", "inside\n")
	}
	s.WriteFile("htdocs/authconfig/.htaccess", lines)
	s.WriteFile("htdocs/fileinfo/.htaccess", "WSGIAccessScript "+script+"\n")
	s.Expect(deniedLine, `/fileinfo/.htaccess: WSGIAccessScript not allowed here`)
	assert.Equal(t, http.StatusUnauthorized, s.Get("/authconfig/").Status)
	assert.Equal(t, http.StatusForbidden, access(t, s, "/authconfig/", "no").Status)
	assert.Equal(t, "inside\n", asUser(t, s, "/authconfig/", "ann", "secret").Body)
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/authconfig/", "bob", "buil:der").Status)
	assert.Equal(t, http.StatusInternalServerError, s.Get("/fileinfo/").Status)
	s.WriteFile("htdocs/authconfig/.htaccess", "WSGIDispatchScript /x\n")
	s.Expect(`/authconfig/.htaccess: WSGIDispatchScript not allowed here`)
	assert.Equal(t, http.StatusInternalServerError, s.Get("/authconfig/").Status)
}

// What a page includes is asked for like what a client asks for; also when the page is an application's, whose thread then asks a
// script while it is in the middle of its response.
func TestAccessSubrequests(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: append(basicModules, "include"), LogLevel: "info include:crit", Conf: basicConf + `
		<Location /private/guarded>
		WSGIAccessScript "${APPS}/auth/script.py"
		</Location>
		<Location /guarded.txt>
		WSGIAccessScript "${APPS}/auth/script.py"
		</Location>
		WSGIScriptAlias /page "${DATA}/page.wsgi"
		<LocationMatch "^/(page|index.html)">
		SetOutputFilter INCLUDES
		Options +Includes
		SSIErrorMsg "refused"
		</LocationMatch>`})
	page := `[<!--#include virtual="/guarded.txt" -->|<!--#include virtual="/private/x" -->]`
	s.WriteFile("htdocs/index.html", page)
	s.WriteFile("htdocs/guarded.txt", "guarded")
	s.WriteFile("data/page.wsgi", `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    yield b"<"
    yield b'`+page+`'
    yield b">"
`)
	for _, path := range []string{"/index.html", "/page"} {
		assert.Contains(t, s.Get(path).Body, "[guarded|refused]", path)
		assert.Contains(t, access(t, s, path, "no").Body, "[refused|refused]", path)
		assert.Regexp(t, `\[guarded\|\{"user": "ann"`, asUser(t, s, path, "ann", "secret").Body, path)
	}
}

// The page for an error may be anything. It is shown whatever protects the page that it stands for, but not whatever protects itself;
// an application states its own status, as everywhere.
func TestAccessErrorDocument(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: basicConf + `
		<Location /private/page>
		WSGIAccessScript "${APPS}/auth/script.py"
		ErrorDocument 401 /index.html
		ErrorDocument 403 /index.html
		</Location>
		<Location /private/application>
		ErrorDocument 401 /spy
		</Location>
		<Location /private/text>
		ErrorDocument 401 "who are you?"
		</Location>
		<Location /private/guarded>
		WSGIAccessScript "${APPS}/auth/script.py"
		ErrorDocument 403 /index.html/guarded
		</Location>
		<Location /index.html/guarded>
		WSGIAccessScript "${APPS}/auth/script.py"
		</Location>`})
	s.Expect(mismatchLine)
	got := asUser(t, s, "/private/page", "ann", "wrong")
	assert.Equal(t, http.StatusUnauthorized, got.Status)
	assert.Equal(t, "static\n", got.Body)
	assert.NotEmpty(t, got.Header.Get("WWW-Authenticate"))
	got = access(t, s, "/private/page", "no")
	assert.Equal(t, http.StatusForbidden, got.Status)
	assert.Equal(t, "static\n", got.Body)
	assert.Empty(t, decodeAnswer[spy](t, asUser(t, s, "/private/application", "ann", "wrong")).User)
	assert.Equal(t, "who are you?", s.Get("/private/text").Body)
	got = access(t, s, "/private/guarded", "no")
	assert.Equal(t, http.StatusForbidden, got.Status)
	assert.Contains(t, got.Body, "Additionally, a 403 Forbidden")
}
