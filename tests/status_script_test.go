package tests

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// What keeps a script from being called: 500, one line with a code that names the script, and the traceback where there is one.
func TestStatusOfBrokenScripts(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf})
		s.ExpectTraceback(`ModuleNotFoundError: No module named 'there_is_no_such_module'`)
		s.ExpectTraceback(`SyntaxError: expected ':'`)
		for _, test := range []struct{ script, line string }{
			{"nothing.wsgi", `GWSGI0505: .*errors/nothing.wsgi.*'application'`},
			{"not_callable.wsgi", `GWSGI0506: 'application' of .*errors/not_callable.wsgi`},
			{"import_fails.wsgi", `GWSGI0502: .*errors/import_fails.wsgi'.*application group ''`},
			{"syntax.wsgi", `GWSGI0501: .*errors/syntax.wsgi'`},
		} {
			s.Expect(test.line)
			for try := 1; try <= 2; try++ { // nothing of a failure is kept
				got := s.Get("/errors/" + test.script)
				assert.Equal(t, http.StatusInternalServerError, got.Status, test.script)
				assert.NotContains(t, got.Body, "Error:", "the traceback is for the log")
				assert.Equal(t, try, timesLogged(s, test.line), test.script)
			}
		}
		assert.Equal(t, http.StatusOK, s.Get("/hello").Status)
	})
}

// Apache's user may be kept from the script by its permissions alone: the superuser never is.
func TestStatusOfUnreadableScript(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `WSGIScriptAlias /app "${HTDOCS}/app.wsgi"`})
		copyApp(t, s, "hello/hello.wsgi", "htdocs/app.wsgi")
		require.NoError(t, os.Chmod(s.Path("htdocs/app.wsgi"), 0o000))
		line := `GWSGI05\d\d: .*app.wsgi.*permission denied`
		s.Expect(line)
		assertLoggedOnce(t, s, line, func() {
			assert.Equal(t, http.StatusInternalServerError, s.Get("/app").Status)
		})
		require.NoError(t, os.Chmod(s.Path("htdocs/app.wsgi"), 0o644))
		assert.Equal(t, http.StatusOK, s.Get("/app").Status)
	})
}

func TestStatusRestrictEmbedded(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf + `
WSGIRestrictEmbedded On
WSGIScriptAlias /here "${APPS}/hello/hello.wsgi" process-group=%{GLOBAL}`})
		line := `GWSGI0207: .*hello.wsgi.*WSGIRestrictEmbedded`
		s.Expect(line)
		assertLoggedOnce(t, s, line, func() {
			assert.Equal(t, http.StatusInternalServerError, s.Get("/here").Status)
		})
		assert.Equal(t, "static\n", s.Get("/index.html").Body)
	})
}

func TestStatusRestrictProcess(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf + `
WSGIScriptAlias /here "${APPS}/hello/hello.wsgi" process-group=%{GLOBAL}
<Location /here/not>
  WSGIRestrictProcess one two
</Location>
<Location /here/too>
  WSGIRestrictProcess one %{GLOBAL}
</Location>`})
		line := `GWSGI0209: .*hello.wsgi.*WSGIRestrictProcess`
		s.Expect(line)
		assertLoggedOnce(t, s, line, func() {
			assert.Equal(t, http.StatusInternalServerError, s.Get("/here/not").Status)
		})
		assert.Equal(t, http.StatusOK, s.Get("/here/too").Status)
	})
}

func TestStatusUndefinedVariable(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf + `
<Location /hello>
  WSGICallableObject %{ENV:which}
</Location>
SetEnvIf X-Which (.+) which=$1`})
		line := `GWSGI0204: WSGICallableObject .*which`
		s.Expect(line)
		assertLoggedOnce(t, s, line, func() {
			assert.Equal(t, http.StatusInternalServerError, s.Get("/hello").Status)
		})
		assert.Equal(t, http.StatusOK, askRaw(t, s, "GET", "/hello", "X-Which: application").Status)
	})
}

func TestCallableObject(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /default "${APPS}/errors/callables.wsgi"
WSGIScriptAlias /location "${APPS}/errors/callables.wsgi"
WSGIScriptAlias /class "${APPS}/errors/callables.wsgi" callable-object=Class
WSGIScriptAlias /env "${APPS}/errors/callables.wsgi"
SetEnvIf X-Which (.+) which=$1
<Location /location>
  WSGICallableObject instance
</Location>
<Location /env>
  WSGICallableObject %{ENV:which}
</Location>
<Directory "${HTDOCS}">
  Options +ExecCGI
  AllowOverride FileInfo
  SetHandler wsgi-script
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		copyApp(t, s, "errors/callables.wsgi", "htdocs/override/app.wsgi")
		s.WriteFile("htdocs/override/.htaccess", "WSGICallableObject other\n")
		assert.Equal(t, "application", s.Get("/default").Body)
		assert.Equal(t, "instance", s.Get("/location").Body)
		assert.Equal(t, "class", s.Get("/class").Body)
		assert.Equal(t, "other", s.Get("/override/app.wsgi").Body)
		for _, name := range []string{"application", "other", "instance"} {
			assert.Equal(t, name, askRaw(t, s, "GET", "/env", "X-Which: "+name).Body)
		}
		s.Expect(`GWSGI05\d\d: .*callables.wsgi.*'missing'`)
		assert.Equal(t, http.StatusInternalServerError, askRaw(t, s, "GET", "/env", "X-Which: missing").Status)
	})
}
