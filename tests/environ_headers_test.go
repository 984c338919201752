package tests

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// What a client may name is what its header can only mean: X_Forwarded_For cannot pass for X-Forwarded-For, and Proxy does not
// become the HTTP_PROXY that HTTP clients obey.
func TestEnvironHeaderNames(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + "HttpProtocolOptions Unsafe\n"
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		e := askEnviron(t, s, "/env", "X-Forwarded-For: 1.2.3.4", "X_Forwarded_For: 6.6.6.6", "Proxy: http://evil/",
			"Proxy-Authorization: Basic x", "X-Ünicode: 1", "X.Dot: 1", "X-123: digits", "x-lower: low", "X--: dashes",
			"Content_Length: 7", "Content-Type: text/plain", "Cookie: a=b; c=d", "X-Empty:", "X-Bytes: \xc3\xa9\xff")
		assert.Equal(t, "1.2.3.4", e.Texts["HTTP_X_FORWARDED_FOR"])
		assert.Equal(t, "digits", e.Texts["HTTP_X_123"])
		assert.Equal(t, "low", e.Texts["HTTP_X_LOWER"])
		assert.Equal(t, "dashes", e.Texts["HTTP_X__"])
		assert.Equal(t, "text/plain", e.Texts["CONTENT_TYPE"])
		assert.Equal(t, "a=b; c=d", e.Texts["HTTP_COOKIE"])
		assert.Equal(t, "\u00c3\u00a9\u00ff", e.Texts["HTTP_X_BYTES"])
		empty, there := e.Texts["HTTP_X_EMPTY"]
		assert.True(t, there)
		assert.Equal(t, "", empty)
		var names []string
		for name := range e.Texts {
			if strings.HasPrefix(name, "HTTP_") {
				names = append(names, name)
			}
		}
		assert.ElementsMatch(t, []string{"HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_X_123", "HTTP_X_LOWER", "HTTP_X__",
			"HTTP_COOKIE", "HTTP_X_EMPTY", "HTTP_X_BYTES"}, names)
		assert.NotContains(t, e.Texts, "CONTENT_LENGTH")
	})
}

// httpd joins a repeated header with ", ", Cookie too, as it does for CGI.
func TestEnvironRepeatedHeaders(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		e := askEnviron(t, s, "/env", "X-Many: a", "Accept: text/html", "x-many: b", "Accept: */*")
		assert.Equal(t, "a, b", e.Texts["HTTP_X_MANY"])
		assert.Equal(t, "text/html, */*", e.Texts["HTTP_ACCEPT"])
	})
}

// Many and long headers go beyond any buffer of fixed size.
func TestEnvironLargeHeaders(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		long := strings.Repeat("0123456789abcdef", 490)
		var headers []string
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			headers = append(headers, "X-"+string(c)+": "+string(c)+long)
		}
		e := askEnviron(t, s, "/env/"+strings.Repeat("p", 3000), headers...)
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			assert.Equal(t, string(c)+long, e.Texts["HTTP_X_"+string(c)])
		}
		assert.Equal(t, "/"+strings.Repeat("p", 3000), e.Texts["PATH_INFO"])
	})
}

func TestEnvironVariables(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
SetEnv FROM_SETENV "set env"
SetEnv EMPTY ""
SetEnv HTTP_X_SPOOFED server
SetEnv HTTP_X_ABSENT server
SetEnv GONE 1
UnsetEnv GONE
SetEnv app.key.with-dots ok
SetEnv LATIN "é"
SetEnvIf Request_URI "/env/(\w+)" FROM_SETENVIF=$1
SetEnvIf X-Flag yes FLAG
RewriteEngine On
RewriteRule /rewritten - [E=FROM_REWRITE:%{REQUEST_METHOD}]
`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Modules: []string{"env", "setenvif", "rewrite"}})
		e := askEnviron(t, s, "/env/rewritten", "X-Flag: yes", "X-Spoofed: client")
		assert.Equal(t, "set env", e.Texts["FROM_SETENV"])
		assert.Equal(t, "rewritten", e.Texts["FROM_SETENVIF"])
		assert.Equal(t, "GET", e.Texts["FROM_REWRITE"])
		assert.Equal(t, "1", e.Texts["FLAG"])
		assert.Equal(t, "ok", e.Texts["app.key.with-dots"])
		assert.Equal(t, "\u00c3\u00a9", e.Texts["LATIN"])
		assert.Contains(t, e.Texts, "EMPTY")
		assert.Equal(t, "", e.Texts["EMPTY"])
		assert.NotContains(t, e.Texts, "GONE")
		assert.Equal(t, "client", e.Texts["HTTP_X_SPOOFED"], "the client's header counts, as with CGI")
		assert.Equal(t, "server", e.Texts["HTTP_X_ABSENT"])
		assert.NotContains(t, askEnviron(t, s, "/env/other").Texts, "FLAG")
		assert.NotContains(t, askEnviron(t, s, "/env/other").Texts, "FROM_REWRITE")
	})
}

// HTTPS is not passed on: it is what wsgi.url_scheme says.
func TestEnvironHTTPSVariable(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
SetEnvIf X-Said (.+) HTTPS=$1
SetEnvIf X-Said-Lower (.+) https=$1`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		for said, scheme := range map[string]string{"on": "https", "On": "https", "1": "https", "off": "http", "0": "http"} {
			for _, header := range []string{"X-Said: ", "X-Said-Lower: "} {
				e := askEnviron(t, s, "/env", header+said)
				assert.Equal(t, scheme, e.Texts["wsgi.url_scheme"], said)
				assert.NotContains(t, e.Texts, "HTTPS")
				assert.NotContains(t, e.Texts, "https")
			}
		}
	})
}

func TestEnvironAuthorization(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /default "${APPS}/env/env.wsgi"
WSGIScriptAlias /option "${APPS}/env/env.wsgi" pass-authorization=On
WSGIScriptAlias /refused "${APPS}/env/env.wsgi" pass-authorization=Off
WSGIScriptAlias /location "${APPS}/env/env.wsgi"
WSGIScriptAlias /cgi "${APPS}/env/env.wsgi"
<Location /refused>
  WSGIPassAuthorization On
</Location>
<Location /location>
  WSGIPassAuthorization On
</Location>
<Location /cgi>
  CGIPassAuth On
</Location>
<Directory "${HTDOCS}">
  Options +ExecCGI
  AllowOverride FileInfo
  SetHandler wsgi-script
</Directory>
<VirtualHost *>
  ServerName off
</VirtualHost>
<VirtualHost *>
  ServerName on
  WSGIPassAuthorization On
</VirtualHost>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		copyApp(t, s, "env/env.wsgi", "htdocs/plain/env.wsgi")
		copyApp(t, s, "env/env.wsgi", "htdocs/override/env.wsgi")
		s.WriteFile("htdocs/override/.htaccess", "WSGIPassAuthorization On\n")
		for _, test := range []struct {
			host, path string
			passed     bool
		}{
			{"off", "/default", false},
			{"on", "/default", true},
			{"off", "/option", true},
			{"on", "/refused", false},
			{"off", "/location", true},
			{"off", "/cgi", true},
			{"off", "/plain/env.wsgi", false},
			{"off", "/override/env.wsgi", true},
		} {
			e := askEnviron(t, s, test.path, "Host: "+test.host, "Authorization: Bearer secret")
			value, there := e.Texts["HTTP_AUTHORIZATION"]
			assert.Equal(t, test.passed, there, "%s %s", test.host, test.path)
			if test.passed {
				assert.Equal(t, "Bearer secret", value)
			}
			assert.NotContains(t, e.Texts, "REMOTE_USER")
		}
	})
}

// Whom httpd let in is REMOTE_USER; the password stays with httpd.
func TestEnvironRemoteUser(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
<Location /env>
  AuthType Basic
  AuthName test
  AuthBasicProvider file
  AuthUserFile "${RUN}/users"
  Require valid-user
</Location>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf,
			Modules: []string{"auth_basic", "authn_core", "authn_file", "authz_user"}})
		s.WriteFile("users", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n") // the password is "secret"
		assert.Equal(t, http.StatusUnauthorized, s.Get("/env").Status)
		basic := base64.StdEncoding.EncodeToString([]byte("ann:secret"))
		e := askEnviron(t, s, "/env", "Authorization: Basic "+basic)
		assert.Equal(t, "ann", e.Texts["REMOTE_USER"])
		assert.Equal(t, "Basic", e.Texts["AUTH_TYPE"])
		assert.NotContains(t, e.Texts, "HTTP_AUTHORIZATION")
	})
}
