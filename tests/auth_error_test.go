package tests

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// brokenConf uses one script for everything: /user for its users, /group for its groups in all positions, /host for its hosts.
const brokenConf = spyConf + `
<LocationMatch "^/(user|group)">
AuthType Basic
AuthName private
AuthBasicProvider wsgi
</LocationMatch>
<Location /user>
WSGIAuthUserScript "SCRIPT"
Require valid-user
</Location>
<Location /user/lenient>
AuthBasicAuthoritative Off
AuthBasicProvider wsgi file
AuthUserFile "${DATA}/passwords"
</Location>
<Location /group>
AuthBasicProvider file
AuthUserFile "${DATA}/passwords"
WSGIAuthGroupScript "SCRIPT"
Require wsgi-group staff
</Location>
<Location /group/not>
<RequireAll>
Require valid-user
Require not wsgi-group banned
</RequireAll>
</Location>
<Location /group/none>
<RequireAll>
Require valid-user
<RequireNone>
Require wsgi-group banned
</RequireNone>
</RequireAll>
</Location>
<Location /host>
WSGIAccessScript "SCRIPT"
</Location>
WSGIScriptAlias /user "${APPS}/auth/script.py"
WSGIScriptAlias /group "${APPS}/auth/script.py"
WSGIScriptAlias /host "${APPS}/auth/script.py"
`

// startBroken runs a server with brokenConf; every user of apps/auth/nonsense.py has the password "x" where passwords are in a file.
func startBroken(t *testing.T, script string, users ...string) *harness.Server {
	t.Helper()
	conf := strings.ReplaceAll(brokenConf, "SCRIPT", script)
	s := harness.Start(t, harness.Config{Modules: append(basicModules, "access_compat"), Conf: conf})
	var lines strings.Builder
	for _, user := range append(users, "ann") {
		lines.WriteString(user + ":{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n")
	}
	s.WriteFile("data/passwords", lines.String())
	return s
}

// Whatever is wrong with a script as a whole: nobody gets in, and one line says why.
func TestAuthBrokenScripts(t *testing.T) {
	tests := []struct{ script, line, traceback string }{
		{"${DATA}/missing.py", `GWSGI1201: %s '.*/missing.py' cannot be read; %s`, ""},
		{"${APPS}/auth/syntax.py", `GWSGI1202: %s '.*/syntax.py' \(application group ''\) cannot be compiled; %s`, `SyntaxError: `},
		{"${APPS}/auth/raises.py", `GWSGI1203: %s '.*/raises.py' .* cannot be loaded: it raised an exception; %s`, `RuntimeError: not today`},
		{"${APPS}/auth/empty.py", `GWSGI1204: %s '.*/empty.py' .*\(\) is not (a function|defined).*; %s`, ""},
	}
	for _, test := range tests {
		t.Run(test.script, func(t *testing.T) {
			s := startBroken(t, test.script)
			for directive, consequence := range map[string]string{"WSGIAuthUserScript": "the request is answered with 500",
				"WSGIAuthGroupScript": "the request is answered with 500", "WSGIAccessScript": "access is denied"} {
				s.Expect(fmt.Sprintf(test.line, directive, consequence))
			}
			if test.traceback != "" {
				s.ExpectTraceback(test.traceback)
			}
			s.Allow(`AH01796: AuthType Basic configured without corresponding module`)
			for path, want := range map[string]int{"/user": 500, "/user/lenient": 500, "/group": 500, "/group/not": 500, "/group/none": 500,
				"/host": 403} {
				before := strings.Count(s.ErrorLog(), "GWSGI12")
				assert.Equal(t, want, asUser(t, s, path, "ann", "x").Status, path)
				assert.Equal(t, before+1, strings.Count(s.ErrorLog(), "GWSGI12"), "one line: %s", path)
			}
		})
	}
}

// Return values that mean nothing, and exceptions. The name is that of an answer in apps/auth/nonsense.py.
func TestAuthNonsense(t *testing.T) {
	exception := map[string]string{"raises": `ZeroDivisionError`, "exits": `SystemExit`, "broken": `LookupError: no more groups`}
	nonsense := map[string][]string{
		"/user":  {"one", "zero", "empty", "wide", "control", "bytes", "list", "numbers", "raises", "exits"},
		"/host":  {"one", "zero", "empty", "text", "list", "raises", "exits"},
		"/group": {"one", "none", "true", "text", "bytes", "numbers", "widelist", "endless", "broken", "raises", "exits"},
	}
	for path, names := range nonsense {
		t.Run(path[1:], func(t *testing.T) {
			s := startBroken(t, "${APPS}/auth/nonsense.py", names...)
			s.Expect(`GWSGI1206: WSGI\w+ '.*/nonsense.py' \(application group ''\): \w+\(\) returned .*; (access is denied|the request is)`,
				`GWSGI1205: WSGI\w+ '.*/nonsense.py' \(application group ''\): \w+\(\) raised an exception; (access is denied|the request is)`)
			for _, name := range names {
				if last := exception[name]; last != "" {
					s.ExpectTraceback(last)
				}
				req := s.Request(http.MethodGet, path, nil)
				req.SetBasicAuth(name, "x")
				req.Header.Set("X-Access", name)
				want := http.StatusInternalServerError
				if path == "/host" {
					want = http.StatusForbidden
				}
				assert.Equal(t, want, s.Do(req).Status, name)
				if path == "/group" {
					assert.Equal(t, want, asUser(t, s, "/group/not", name, "x").Status, "never by negation: %s", name)
					assert.Equal(t, want, asUser(t, s, "/group/none", name, "x").Status, "never by negation: %s", name)
				}
			}
		})
	}
}

func TestAuthNonsenseDigest(t *testing.T) {
	names := []string{"short", "nothex", "one", "true", "empty", "raises"}
	s := harness.Start(t, harness.Config{Modules: digestModules, Conf: strings.ReplaceAll(digestConf, "${APPS}/auth/script.py\"\nRequire",
		"${APPS}/auth/nonsense.py\"\nRequire")})
	s.Expect(`GWSGI1210: WSGIAuthUserScript .* returned a text of 16 characters for user 'short'`, `GWSGI1210: .* of 32 characters .* 'nothex'`,
		`GWSGI1206: WSGIAuthUserScript .*: get_realm_hash\(\) returned an object of type 'int', where a str, bytes or None is expected`,
		`GWSGI1206: .* 'bool'`, `GWSGI1206: .* returned an empty str`, `GWSGI1205: `)
	s.ExpectTraceback(`ZeroDivisionError`)
	for _, name := range names {
		status, _ := curlWith(t, s, "/private", "--digest", "-u", name+":x")
		assert.Equal(t, "500", status, name)
	}
}

// A function that forks: the child ends when it comes back from it.
func TestAuthFork(t *testing.T) {
	s := startBroken(t, "${APPS}/auth/nonsense.py")
	assert.Equal(t, http.StatusOK, access(t, s, "/host", "fork").Status)
	assert.Equal(t, http.StatusOK, access(t, s, "/host", "none").Status)
}

// A provider or a rule that needs a script where none is configured.
func TestAuthWithoutScript(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: basicConf + `
		<Location /user>
		AuthType Basic
		AuthName x
		AuthBasicProvider wsgi
		Require valid-user
		</Location>
		<Location /private/group>
		Require wsgi-group staff
		</Location>`})
	s.Expect(`GWSGI1209: the authentication provider wsgi is to check user 'ann', but there is no WSGIAuthUserScript for /user.* Set it for that place$`,
		`GWSGI1211: Require wsgi-group is to check user 'ann', but there is no WSGIAuthGroupScript for /private/group.* Set it for that place$`)
	assert.Equal(t, http.StatusInternalServerError, asUser(t, s, "/user", "ann", "secret").Status)
	assert.Equal(t, http.StatusInternalServerError, asUser(t, s, "/private/group", "ann", "secret").Status)
}

// ---- Reloading ----

func TestAuthReload(t *testing.T) {
	conf := `
		<Location />
		WSGIAccessScript "${DATA}/access.py"
		</Location>
		<Location /never>
		WSGIScriptReloading Off
		WSGIAccessScript "${DATA}/access.py"
		</Location>
		<Location /sub>
		WSGIReloadMechanism Interpreter
		WSGIAccessScript "${DATA}/access.py" application-group=sub
		</Location>`
	s := harness.Start(t, harness.Config{Conf: conf})
	for _, path := range []string{"never", "sub"} {
		s.WriteFile("htdocs/"+path+"/index.html", "x")
	}
	age := time.Hour
	write := func(answer string) {
		file := s.WriteFile("data/access.py", "loads = globals().get('loads', 0) + 1\ndef allow_access(environ, host):\n    return "+answer+"\n")
		age -= time.Minute
		require.NoError(t, os.Chtimes(file, time.Now(), time.Now().Add(-age)))
	}
	statuses := func() (found []int) {
		for _, path := range []string{"/", "/never/", "/sub/"} {
			found = append(found, s.Get(path).Status)
		}
		return found
	}
	write("True")
	assert.Equal(t, []int{200, 200, 200}, statuses())
	write("False")
	assert.Equal(t, []int{200}, []int{s.Get("/never/").Status})
	assert.Equal(t, []int{403, 403, 403}, statuses(), "one module for both")
	write("True")
	assert.Equal(t, http.StatusForbidden, s.Get("/never/").Status)
	assert.Equal(t, http.StatusOK, s.Get("/").Status)

	s.Expect(`GWSGI1202: WSGIAccessScript`, `GWSGI1201: WSGIAccessScript .*/access.py' cannot be read; access is denied`)
	s.ExpectTraceback(`SyntaxError`)
	write("broken by a typo")
	assert.Equal(t, http.StatusForbidden, s.Get("/").Status, "what is wrong now counts, not what was right before")
	write("True")
	assert.Equal(t, http.StatusOK, s.Get("/").Status)
	require.NoError(t, os.Remove(s.Path("data/access.py")))
	assert.Equal(t, http.StatusForbidden, s.Get("/").Status)
	write("True")
	assert.Equal(t, http.StatusOK, s.Get("/").Status)
	s.Graceful()
	assert.Equal(t, []int{200, 200, 200}, statuses())
}

// ---- WSGIRestrictEmbedded ----

// The scripts run in Apache's own processes all the same; applications do not.
func TestAuthRestrictEmbedded(t *testing.T) {
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Modules: basicModules, Conf: basicConf + `
			WSGIRestrictEmbedded On
			<Location /index.html>
			WSGIAccessScript "${APPS}/auth/script.py"
			</Location>`})
		s.Expect(`GWSGI0207: `)
		assert.Equal(t, http.StatusInternalServerError, s.Get("/spy").Status)
		assert.Equal(t, http.StatusUnauthorized, s.Get("/private").Status)
		assert.Equal(t, http.StatusInternalServerError, asUser(t, s, "/private", "ann", "secret").Status)
		assert.Equal(t, http.StatusOK, access(t, s, "/index.html", "yes").Status)
		assert.Equal(t, http.StatusForbidden, access(t, s, "/index.html", "no").Status)
	})
}

// A .htaccess is read too late to start Python for it.
func TestAuthRestrictEmbeddedHtaccess(t *testing.T) {
	conf := "WSGIRestrictEmbedded On\n<Directory \"${HTDOCS}\">\nAllowOverride AuthConfig\n</Directory>\n"
	s := harness.Start(t, harness.Config{Conf: conf})
	s.WriteFile("htdocs/.htaccess", "WSGIAccessScript "+strconv.Quote(harness.App(t, "auth/script.py"))+"\n")
	s.Expect(`GWSGI1208: WSGIAccessScript .* cannot be asked: WSGIRestrictEmbedded is On, and no script .* Name this script there once, .* 500`)
	assert.Equal(t, http.StatusInternalServerError, access(t, s, "/", "yes").Status)
	assert.NotRegexp(t, regexp.MustCompile(`runs in this process`), s.ErrorLog(), "no Python before")

	s.Rewrite(conf + "<Location /elsewhere>\nWSGIAccessScript \"${APPS}/auth/script.py\"\n</Location>\n")
	s.Restart()
	assert.Equal(t, http.StatusOK, access(t, s, "/", "yes").Status)
	assert.Equal(t, http.StatusForbidden, access(t, s, "/", "no").Status)
	s.Warm() // Python came after the first response
}

// WSGILazyInitialization Off: the parent's Python is inherited for scripts as well.
func TestAuthRestrictEmbeddedLazy(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: "WSGIRestrictEmbedded On\nWSGILazyInitialization Off\n" +
		"<Location />\nWSGIAccessScript \"${APPS}/auth/script.py\"\n</Location>\n"})
	assert.Equal(t, http.StatusOK, access(t, s, "/", "yes").Status)
	assert.Equal(t, http.StatusForbidden, access(t, s, "/", "no").Status)
}
