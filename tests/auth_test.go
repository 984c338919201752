package tests

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// spy is what application() of apps/auth/script.py tells: who asks, and how the script's other functions were asked before.
type spy struct {
	User     string
	AuthType string `json:"auth_type"`
	Calls    []spyCall
}

type spyCall struct {
	Function string
	Args     []string
	Environ  map[string]any
	Group    string
}

// of returns the calls of one function.
func (s spy) of(function string) []spyCall {
	var found []spyCall
	for _, call := range s.Calls {
		if call.Function == function {
			found = append(found, call)
		}
	}
	return found
}

// spyConf has the script as an application: at /spy for everybody, and at /private, for tests to protect.
const spyConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /spy "${APPS}/auth/script.py"
WSGIScriptAlias /private "${APPS}/auth/script.py"
`

// basicConf protects /private by check_password().
const basicConf = spyConf + `
<Location /private>
AuthType Basic
AuthName private
AuthBasicProvider wsgi
WSGIAuthUserScript "${APPS}/auth/script.py"
Require valid-user
</Location>
`

var basicModules = []string{"auth_basic", "authz_user", "authn_file"}

// What httpd says about a client that is turned away.
const (
	mismatchLine = `AH01617: user .*: authentication failure for .*: Password Mismatch`
	unknownLine  = `AH01618: user .* not found`
	deniedLine   = `AH0163[01]: `
)

// asUser asks for a path with a name and a password.
func asUser(t *testing.T, s *harness.Server, path, user, password string) harness.Response {
	t.Helper()
	req := s.Request(http.MethodGet, path, nil)
	req.SetBasicAuth(user, password)
	return s.Do(req)
}

// curlWith runs the client of that name and returns status and body.
func curlWith(t *testing.T, s *harness.Server, path string, args ...string) (status, body string) {
	t.Helper()
	out, err := exec.Command("curl", append(args, "-s", "-w", "\n%{http_code}", s.URL(path))...).Output()
	require.NoError(t, err)
	cut := strings.LastIndex(string(out), "\n")
	return string(out)[cut+1:], string(out)[:cut]
}

func TestAuthBasic(t *testing.T) {
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Modules: basicModules, Conf: basicConf})
		s.Expect(mismatchLine, unknownLine)
		got := s.Get("/private")
		assert.Equal(t, http.StatusUnauthorized, got.Status)
		assert.Equal(t, `Basic realm="private"`, got.Header.Get("WWW-Authenticate"))
		assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "ann", "wrong").Status)
		assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "ann", "").Status)
		assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "nobody", "secret").Status)
		assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "", "").Status)

		told := decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret"))
		assert.Equal(t, "ann", told.User)
		assert.Equal(t, "Basic", told.AuthType)
		assert.Equal(t, "bob", decodeAnswer[spy](t, asUser(t, s, "/private", "bob", "buil:der")).User)

		status, _ := curlWith(t, s, "/private", "--basic", "-u", "ann:secret")
		assert.Equal(t, "200", status)
		status, _ = curlWith(t, s, "/private", "--basic", "-u", "ann:wrong")
		assert.Equal(t, "401", status)
	})
}

// Names and passwords are texts as in an environ: a character for each byte.
func TestAuthBasicBytes(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: basicConf})
	told := decodeAnswer[spy](t, asUser(t, s, "/private", "caf\xe9", "cr\xe8me"))
	assert.Equal(t, "café", told.User)
	assert.Equal(t, []string{"café", "crème"}, told.Calls[0].Args)
}

func TestAuthBasicNameOfScript(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: basicConf + `
		CustomLog "${RUN}/access.log" "user %u"
		<Location /private/ann>
		Require user ann
		</Location>`})
	s.Expect(deniedLine)
	assert.Equal(t, "ann", decodeAnswer[spy](t, asUser(t, s, "/private", "nick", "name")).User)
	assert.Equal(t, http.StatusOK, asUser(t, s, "/private/ann", "nick", "name").Status, "Require sees the name that the script gave")
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private/ann", "bob", "buil:der").Status)
}

// None leaves a user to the next provider; False is the last word.
func TestAuthBasicNextProvider(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: basicConf + `
		<Location /private>
		AuthBasicProvider wsgi file
		AuthUserFile "${RUN}/data/passwords"
		</Location>`})
	s.Expect(mismatchLine)
	s.WriteFile("data/passwords", "carl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nboth:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
	assert.Equal(t, "carl", decodeAnswer[spy](t, asUser(t, s, "/private", "carl", "secret")).User)
	assert.Equal(t, "ann", decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret")).User)
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "both", "secret").Status)
	assert.Equal(t, "both", decodeAnswer[spy](t, asUser(t, s, "/private", "both", "script")).User)
}

const digestConf = spyConf + `
<Location /private>
AuthType Digest
AuthName "the realm"
AuthDigestProvider wsgi
WSGIAuthUserScript "${APPS}/auth/script.py"
Require valid-user
</Location>
`

var digestModules = []string{"auth_digest", "authz_user"}

func TestAuthDigest(t *testing.T) {
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Modules: digestModules, Conf: digestConf})
		s.Expect(`AH01794: user ann: password mismatch`, `AH01790: user .nobody. in realm .the realm. not found`)
		for user, password := range map[string]string{"ann": "secret", "bob": "buil:der", "nick": "name"} {
			status, body := curlWith(t, s, "/private", "--digest", "-u", user+":"+password)
			told := decodeAnswer[spy](t, harness.Response{Status: http.StatusOK, Body: body})
			assert.Equal(t, "200", status, user)
			assert.Equal(t, user, told.User)
			assert.Equal(t, "Digest", told.AuthType)
			assert.Contains(t, told.of("get_realm_hash")[0].Args, "the realm")
		}
		for _, who := range []string{"ann:wrong", "nobody:secret"} {
			status, _ := curlWith(t, s, "/private", "--digest", "-u", who)
			assert.Equal(t, "401", status, who)
		}
	})
}

// A provider may have several names, each with a script of its own.
func TestAuthProviderAlias(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: spyConf + `
		<AuthnProviderAlias wsgi mine>
		WSGIAuthUserScript "${APPS}/auth/script.py"
		</AuthnProviderAlias>
		<AuthnProviderAlias wsgi theirs>
		WSGIAuthUserScript "${DATA}/theirs.py" application-group=theirs
		</AuthnProviderAlias>
		<Location /private>
		AuthType Basic
		AuthName private
		AuthBasicProvider mine theirs
		Require valid-user
		</Location>`})
	s.Expect(unknownLine)
	s.WriteFile("data/theirs.py", "def check_password(environ, user, password):\n"+
		"    return (user, password, environ['mod_wsgi.application_group']) == ('carl', 'x', 'theirs') or None\n")
	assert.Equal(t, "ann", decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret")).User)
	assert.Equal(t, "carl", decodeAnswer[spy](t, asUser(t, s, "/private", "carl", "x")).User)
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "carl", "y").Status)
}

// mod_authn_socache answers what the script said before, and the script is not asked.
func TestAuthCache(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: append(basicModules, "authn_socache", "socache_shmcb"), Conf: basicConf + `
		AuthnCacheSOCache shmcb
		<Location /private>
		AuthBasicProvider socache wsgi
		AuthnCacheProvideFor wsgi
		</Location>`})
	s.Expect(mismatchLine)
	for range 3 {
		assert.Len(t, decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret")).of("check_password"), 1)
	}
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "ann", "wrong").Status, "the cache compares passwords")
	long := strings.Repeat("x", 80)
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "bob", long).Status, "a refusal is not cached")
	for range 2 {
		assert.Equal(t, "bob", decodeAnswer[spy](t, asUser(t, s, "/private", "bob", "buil:der")).User)
	}
	asked := len(ask[spy](t, s, "/spy").Calls)
	for i := range 2 {
		told := decodeAnswer[spy](t, asUser(t, s, "/private", "nick", "name"))
		assert.Equal(t, "ann", told.User, "a name that the script gave is never lost")
		assert.Len(t, told.Calls, asked+1+i)
	}
	s.Graceful()
	assert.Equal(t, "ann", decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret")).User)
}

func TestAuthCacheDigest(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: append(digestModules, "authn_socache", "socache_shmcb"), Conf: digestConf + `
		AuthnCacheSOCache shmcb
		<Location /private>
		AuthName "the realm"
		AuthDigestProvider socache wsgi
		AuthnCacheProvideFor wsgi
		</Location>`})
	for range 3 {
		status, body := curlWith(t, s, "/private", "--digest", "-u", "ann:secret")
		assert.Equal(t, "200", status)
		assert.Len(t, decodeAnswer[spy](t, harness.Response{Status: http.StatusOK, Body: body}).of("get_realm_hash"), 1)
	}
}

// What the functions are told of a request: CGI's facts, and neither credentials nor what other modules set.
func TestAuthEnviron(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: basicConf + `
		ServerSignature On
		ServerAdmin admin@example.com
		SetEnv FROM_SETENV x
		SetEnvIf Host . FROM_SETENVIF=x
		<Location /private>
		WSGIPassAuthorization On
		CGIPassAuth On
		WSGIAccessScript "${APPS}/auth/script.py"
		WSGIAuthGroupScript "${APPS}/auth/script.py"
		Require wsgi-group staff
		</Location>`})
	req := s.Request(http.MethodPost, "/private/page?a=b", strings.NewReader("abc"))
	req.SetBasicAuth("ann", "secret")
	req.Header.Set("Proxy-Authorization", "Basic x")
	req.Header.Set("Proxy", "http://evil.example.com")
	req.Header.Set("Content-Type", "text/x")
	req.Header.Set("X-Some-Thing", "value")
	told := decodeAnswer[spy](t, s.Do(req))
	require.Len(t, told.Calls, 3)
	for i, function := range []string{"allow_access", "check_password", "groups_for_user"} {
		call := told.Calls[i]
		assert.Equal(t, function, call.Function)
		for name, want := range map[string]any{
			"REQUEST_METHOD": "POST", "QUERY_STRING": "a=b", "SCRIPT_NAME": "/private", "PATH_INFO": "/page",
			"REQUEST_URI": "/private/page?a=b", "SCRIPT_FILENAME": harness.App(t, "auth/script.py"), "REMOTE_ADDR": "127.0.0.1",
			"SERVER_PORT": fmt.Sprint(s.Port), "SERVER_ADMIN": "admin@example.com", "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "3",
			"HTTP_X_SOME_THING": "value", "REQUEST_SCHEME": "http", "wsgi.url_scheme": "http", "mod_wsgi.process_group": "",
			"mod_wsgi.application_group": "", "wsgi.multithread": true,
		} {
			assert.Equal(t, want, call.Environ[name], "%s: %s", function, name)
		}
		assert.Contains(t, call.Environ["SERVER_SIGNATURE"], "Port "+fmt.Sprint(s.Port))
		for _, name := range []string{"wsgi.errors", "apache.version", "mod_wsgi.version", "wsgi.version", "mod_wsgi.request_id"} {
			assert.Contains(t, call.Environ, name, function)
		}
		for _, name := range []string{"HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "HTTP_PROXY", "FROM_SETENV", "FROM_SETENVIF",
			"wsgi.input", "wsgi.input_terminated", "wsgi.file_wrapper"} {
			assert.NotContains(t, call.Environ, name, function)
		}
	}
	assert.NotContains(t, told.Calls[1].Environ, "REMOTE_USER", "a name that was not checked yet")
	assert.Equal(t, "ann", told.Calls[2].Environ["REMOTE_USER"])
	assert.Equal(t, "Basic", told.Calls[2].Environ["AUTH_TYPE"])
	assert.Equal(t, []string{"127.0.0.1"}, told.Calls[0].Args)
	assert.Equal(t, []string{"ann", "secret"}, told.Calls[1].Args)
	assert.Equal(t, []string{"ann"}, told.Calls[2].Args)
}

// wsgi.errors and sys.stderr of the functions lead to the error log, with the request's context.
func TestAuthLogs(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		<Location />
		WSGIAccessScript "${DATA}/logs.py"
		</Location>`})
	s.WriteFile("data/logs.py", `
import sys
def allow_access(environ, host):
    print("by errors", file=environ["wsgi.errors"])
    environ["wsgi.errors"].write("no end of line")
    print("by stderr", end="", file=sys.stderr)
    return True
`)
	s.Expect(`\[client 127.0.0.1:\d+\] by errors$`, `\[client 127.0.0.1:\d+\] no end of line$`, `\[client 127.0.0.1:\d+\] by stderr$`)
	assert.Equal(t, "static\n", s.Get("/").Body)
}
