package tests

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const aliasConf = `
Alias /app/static "${HTDOCS}/index.html"
WSGIScriptAlias /app "${APPS}/where/where.wsgi"
WSGIScriptAlias /slash/ "${APPS}/where/where.wsgi"
WSGIScriptAlias /folder/ "${APPS}/where/"
WSGIScriptAlias /folder2 "${APPS}/where"
WSGIScriptAliasMatch ^/match/([^/]+) "${APPS}/$1/$1.wsgi"
WSGIScriptAlias /first "${APPS}/where/where.wsgi"
WSGIScriptAlias /first/second /nowhere/else.wsgi
WSGIScriptAlias /options "${APPS}/where/where.wsgi" callable-object=other application-group=%{GLOBAL} pass-authorization=On
<Location /options>
WSGICallableObject missing
WSGIApplicationGroup elsewhere
WSGIPassAuthorization Off
</Location>
<VirtualHost *>
ServerName localhost
</VirtualHost>
<VirtualHost *>
ServerName root.example.com
WSGIScriptAlias /first /nowhere/else.wsgi
WSGIScriptAlias / "${APPS}/where/where.wsgi"
</VirtualHost>
`

// where asks the application for its environ.
func where(t *testing.T, s *harness.Server, host, path string) (int, map[string]string) {
	t.Helper()
	req := s.Request(http.MethodGet, path, nil)
	req.Host = host
	req.Header.Set("Authorization", "Basic x")
	got := s.Do(req)
	environ := map[string]string{}
	for _, line := range strings.Split(got.Body, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			environ[name] = value
		}
	}
	return got.Status, environ
}

func TestAlias(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: aliasConf})
		for _, test := range []struct{ host, path, script, info string }{
			{"localhost", "/app", "/app", ""},
			{"localhost", "/app/", "/app", "/"},
			{"localhost", "/app/x/y", "/app", "/x/y"},
			{"localhost", "/%61pp/x%20y", "/app", "/x y"},
			{"localhost", "/slash/", "/slash", "/"},
			{"localhost", "/slash/x", "/slash", "/x"},
			{"localhost", "/folder/where.wsgi", "/folder/where.wsgi", ""},
			{"localhost", "/folder/where.wsgi/x", "/folder/where.wsgi", "/x"},
			{"localhost", "/folder2/where.wsgi/x", "/folder2/where.wsgi", "/x"},
			{"localhost", "/match/where", "/match/where", ""},
			{"localhost", "/match/where/x", "/match/where", "/x"},
			{"localhost", "/first/second/x", "/first", "/second/x"},
			{"root.example.com", "/", "", "/"},
			{"root.example.com", "/x/y", "", "/x/y"},
			{"root.example.com", "/app/x", "", "/app/x"}, // its own "/" comes before what it inherits
		} {
			status, environ := where(t, s, test.host, test.path)
			assert.Equal(t, http.StatusOK, status, test.path)
			assert.Equal(t, test.script, environ["SCRIPT_NAME"], test.path)
			assert.Equal(t, test.info, environ["PATH_INFO"], test.path)
			assert.True(t, strings.HasSuffix(environ["SCRIPT_FILENAME"], "/where/where.wsgi"), environ["SCRIPT_FILENAME"])
		}
		assert.Equal(t, "static\n", s.Get("/app/static").Body, "an Alias inside of an application")
	})
}

func TestAliasDoesNotMatch(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: aliasConf})
		for _, path := range []string{"/application", "/slash", "/APP", "/x/app", "/match/"} {
			assert.Equal(t, http.StatusNotFound, s.Get(path).Status, path)
		}
		req := s.Request(http.MethodGet, "/first", nil)
		req.Host = "root.example.com"
		s.Allow("/nowhere")
		assert.Equal(t, http.StatusNotFound, s.Do(req).Status, "the virtual host's own alias comes first")
	})
}

// The options of an alias count more than the directives of the same purpose.
func TestAliasOptions(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: aliasConf})
		status, environ := where(t, s, "localhost", "/options")
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "other", environ["mod_wsgi.callable_object"])
		assert.Equal(t, "", environ["mod_wsgi.application_group"])
		assert.Equal(t, "Basic x", environ["HTTP_AUTHORIZATION"])
	})
}
