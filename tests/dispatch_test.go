package tests

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// dispatched is what apps/dispatch/app.wsgi tells.
type dispatched struct {
	Callable, Process, Group string
}

const dispatchConf = `
WSGIDaemonProcess one processes=1 threads=2
WSGIDaemonProcess two processes=1 threads=2
WSGIScriptAlias /app "${APPS}/dispatch/app.wsgi"
WSGIScriptAlias /alias "${APPS}/dispatch/app.wsgi" process-group=one application-group=of-alias callable-object=other
WSGIDispatchScript "${APPS}/dispatch/dispatch.py"
WSGIApplicationGroup of-directive
`

// dispatch asks for a path; apps/dispatch/dispatch.py chooses what the headers (name, value, …) say.
func dispatch(t *testing.T, s *harness.Server, path string, headers ...string) harness.Response {
	t.Helper()
	req := s.Request(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.Do(req)
}

// warmGroups opens the connections to daemon processes that httpd's children keep.
func warmGroups(t *testing.T, s *harness.Server) {
	t.Helper()
	for _, group := range []string{"one", "two"} {
		assert.Equal(t, http.StatusOK, dispatch(t, s, "/app", "X-Process", group).Status)
	}
	s.Warm()
}

func TestDispatch(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: dispatchConf + `
		SetEnvIf X-Variable (.+) VARIABLE=$1`})
	warmGroups(t, s)
	server := fmt.Sprintf("localhost:%d", s.Port)
	tests := []struct {
		path    string
		headers []string
		want    dispatched
	}{
		{"/app", nil, dispatched{"application", "", "of-directive"}},
		{"/alias", nil, dispatched{"other", "one", "of-alias"}},
		{"/app", []string{"X-Process", "two"}, dispatched{"application", "two", "of-directive"}},
		{"/app", []string{"X-Process", "two", "X-Group", "mine", "X-Callable", "other"}, dispatched{"other", "two", "mine"}},
		{"/alias", []string{"X-Process", "two", "X-Callable", "application"}, dispatched{"application", "two", "of-alias"}},
		{"/alias", []string{"X-Process", "%{GLOBAL}", "X-Group", "%{GLOBAL}"}, dispatched{"other", "", ""}},
		{"/app", []string{"X-Group", "%{SERVER}"}, dispatched{"application", "", server}},
		{"/app/x", []string{"X-Group", "%{RESOURCE}"}, dispatched{"application", "", server + "|/app"}},
		{"/app", []string{"X-Group", "%{ENV:VARIABLE}", "X-Variable", "named"}, dispatched{"application", "", "named"}},
		{"/app", []string{"X-Group", "!bytes"}, dispatched{"application", "", "of-bytes"}},
		{"/alias", []string{"X-Process", "!empty"}, dispatched{"other", "", "of-alias"}},
		{"/alias", []string{"X-Group", "!empty"}, dispatched{"other", "one", ""}},
		{"/alias", []string{"X-Process", "!empty", "X-Group", "!empty"}, dispatched{"other", "", ""}},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, decodeAnswer[dispatched](t, dispatch(t, s, test.path, test.headers...)), "%s %v", test.path, test.headers)
	}
}

// A script is asked after all that sets variables, and sees them.
func TestDispatchVariables(t *testing.T) {
	key, cert := serverCertificate(t)
	s := harness.Start(t, harness.Config{ExtraPorts: 1, Modules: []string{"env", "setenvif", "rewrite", "socache_shmcb", "ssl"},
		Conf: dispatchConf + fmt.Sprintf(`
		SetEnv BY_SETENV by-setenv
		SetEnvIf X-Said (.+) BY_SETENVIF=$1
		SetEnvIf X-Https (.+) HTTPS=$1
		RewriteEngine On
		RewriteRule ^/app - [E=BY_REWRITE:by-rewrite]
		SSLSessionCache "shmcb:${RUN}/ssl_sessions(65536)"
		<VirtualHost *:${PORT2}>
		ServerName localhost:443
		SSLEngine on
		SSLCertificateFile "%s"
		SSLCertificateKeyFile "%s"
		SSLOptions +StdEnvVars
		</VirtualHost>`, cert, key)})
	s.Allow("AH01882") // the machine's OpenSSL is not the one that mod_ssl was compiled with
	for variable, want := range map[string]string{"BY_SETENV": "by-setenv", "BY_SETENVIF": "said", "BY_REWRITE": "by-rewrite",
		"wsgi.url_scheme": "http", "HTTPS": "of-directive"} {
		got := decodeAnswer[dispatched](t, dispatch(t, s, "/app", "X-Group", "!env:"+variable, "X-Said", "said"))
		assert.Equal(t, want, got.Group, variable)
	}
	got := decodeAnswer[dispatched](t, dispatch(t, s, "/app", "X-Group", "!env:wsgi.url_scheme", "X-Https", "on"))
	assert.Equal(t, "https", got.Group)

	s.Client = tlsClient(t, s, cert)
	for variable, want := range map[string]string{"SSL_SERVER_S_DN_CN": "localhost", "wsgi.url_scheme": "https"} {
		req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://localhost:%d/app", s.Ports[1]), nil)
		require.NoError(t, err)
		req.Header.Set("X-Group", "!env:"+variable)
		assert.Equal(t, want, decodeAnswer[dispatched](t, s.Do(req)).Group, variable)
	}
}

// A script chooses among what the configuration allows, and need not choose everything.
func TestDispatchRules(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: dispatchConf + `
		WSGIDaemonProcess elsewhere
		<Location /app/restricted>
		WSGIRestrictProcess one
		WSGIProcessGroup one
		</Location>
		<Location /app/some>
		WSGIDispatchScript "${APPS}/dispatch/some.py"
		AuthType Basic
		AuthName x
		AuthBasicProvider wsgi
		WSGIAuthUserScript "${APPS}/auth/script.py"
		Require valid-user
		</Location>
		<VirtualHost *>
		ServerName localhost
		</VirtualHost>
		<VirtualHost *>
		ServerName other.example.com
		WSGIDaemonProcess theirs
		</VirtualHost>`})
	s.Expect(`GWSGI0209: .* process group two, which WSGIRestrictProcess`, `GWSGI0209: .* Apache's own processes, which WSGIRestrictProcess`,
		`GWSGI0210: .* process group nosuch`, `GWSGI0211: .* process group theirs, which belongs to the virtual host other.example.com`)
	assert.Equal(t, "one", decodeAnswer[dispatched](t, dispatch(t, s, "/app/restricted")).Process)
	for _, group := range []string{"two", "%{GLOBAL}"} {
		assert.Equal(t, http.StatusInternalServerError, dispatch(t, s, "/app/restricted", "X-Process", group).Status, group)
	}
	for _, group := range []string{"nosuch", "theirs"} {
		assert.Equal(t, http.StatusInternalServerError, dispatch(t, s, "/app", "X-Process", group).Status, group)
	}
	assert.Equal(t, dispatched{"application", "", "by-user-ann"}, decodeAnswer[dispatched](t, asUser(t, s, "/app/some", "ann", "secret")))
}

// A request never goes to another application because its dispatch script failed.
func TestDispatchErrors(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: dispatchConf + `
		<Location /app/missing>
		WSGIDispatchScript "${DATA}/missing.py"
		</Location>
		<Location /app/raises>
		WSGIDispatchScript "${APPS}/auth/raises.py"
		</Location>
		<Location /app/syntax>
		WSGIDispatchScript "${APPS}/auth/syntax.py"
		</Location>
		<Location /app/empty>
		WSGIDispatchScript "${APPS}/auth/empty.py"
		</Location>`})
	end := `; the request is answered with 500`
	s.Expect(`GWSGI1201: WSGIDispatchScript '.*/missing.py' cannot be read`+end,
		`GWSGI1202: WSGIDispatchScript '.*/syntax.py' \(application group ''\) cannot be compiled`+end,
		`GWSGI1203: WSGIDispatchScript '.*/raises.py' .* raised an exception`+end,
		`GWSGI1205: WSGIDispatchScript '.*/dispatch.py' .*: process_group\(\) raised an exception`+end,
		`GWSGI1206: .*: application_group\(\) returned an object of type 'int', where a str, bytes or None is expected`+end,
		`GWSGI1206: .*: callable_object\(\) returned an empty str`,
		`GWSGI1212: WSGIDispatchScript '.*/dispatch.py': process_group\(\) returned '%\{NOSUCH\}': not a variable`,
		`GWSGI1212: .*: callable_object\(\) returned 'a.b': a dotted path`,
		`GWSGI0204: WSGIDispatchScript: %\{ENV:NOSUCH\}: the variable NOSUCH`)
	s.ExpectTraceback(`SyntaxError`)
	s.ExpectTraceback(`RuntimeError: not today`)
	s.ExpectTraceback(`ValueError: cannot choose`)
	for _, path := range []string{"missing", "raises", "syntax"} {
		assert.Equal(t, http.StatusInternalServerError, dispatch(t, s, "/app/"+path).Status, path)
	}
	for _, headers := range [][]string{{"X-Process", "!raise"}, {"X-Group", "!number"}, {"X-Callable", "!empty"}, {"X-Process", "%{NOSUCH}"},
		{"X-Callable", "a.b"}, {"X-Group", "%{ENV:NOSUCH}"}} {
		assert.Equal(t, http.StatusInternalServerError, dispatch(t, s, "/app", headers...).Status, headers)
	}
	assert.Equal(t, http.StatusOK, dispatch(t, s, "/app/empty").Status, "each function is optional")
}

// The script runs in Apache's own processes also where applications do not.
func TestDispatchRestrictEmbedded(t *testing.T) {
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Conf: dispatchConf + "WSGIRestrictEmbedded On"})
		s.Expect(`GWSGI0207: `)
		warmGroups(t, s)
		for _, group := range []string{"one", "two", "one"} {
			assert.Equal(t, group, decodeAnswer[dispatched](t, dispatch(t, s, "/app", "X-Process", group)).Process)
		}
		assert.Equal(t, http.StatusInternalServerError, dispatch(t, s, "/app").Status)
	})
}

func TestDispatchConfig(t *testing.T) {
	for line, want := range map[string]string{
		`WSGIDispatchScript`:                                       `WSGIDispatchScript: the path of the script is missing`,
		`WSGIDispatchScript /x process-group=a`:                    `WSGIDispatchScript /x: process-group=a: unknown option`,
		`WSGIDispatchScript /x application-group=%{RESOURCE}`:      `not a variable that is known here`,
		`WSGIDispatchScript /x application-group=%{SERVER}`:        "",
		"<Directory />\nWSGIDispatchScript /x\n</Directory>":       "",
		"<VirtualHost *>\nWSGIDispatchScript /x\n</VirtualHost>\n": "",
	} {
		out, err := harness.CheckConfig(t, harness.Config{Conf: line})
		assert.Equal(t, want != "", err != nil, "%s\n%s", line, out)
		assert.Contains(t, out, want)
	}
}
