package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const overrideConf = `
WSGIScriptAlias /own "${APPS}/override/override.wsgi"
WSGIScriptAlias /stream "${APPS}/stream"
WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"
WSGIErrorOverride On
ErrorDocument 404 /document.txt
ErrorDocument 403 "words of the configuration"
ErrorDocument 410 /own/document
<Location /own/off>
  WSGIErrorOverride Off
</Location>
`

func startOverride(t *testing.T, mode harness.Mode) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Config{Mode: mode, Conf: overrideConf})
	s.WriteFile("htdocs/document.txt", "document of a file\n")
	return s
}

// An error of the application is answered by httpd: with the ErrorDocument, whatever it is, or else the built-in page.
func TestErrorOverride(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := startOverride(t, mode)
		for _, test := range []struct{ status, want string }{
			{"404 Own words", "document of a file\n"},
			{"403 Forbidden", "words of the configuration"},
			{"410 Gone", "document for 410 by GET"},
			{"500 Oh no", "Internal Server Error"},
			{"401 Who", "Unauthorized"},
			{"503 Later", "Service Unavailable"},
		} {
			for _, kind := range []string{"list", "pieces", "write", "file"} {
				got := askRaw(t, s, "GET", "/own"+query("status", strings.ReplaceAll(test.status, " ", "+"), "kind", kind))
				assert.Equal(t, test.status[:3], fmt.Sprint(got.Status), kind)
				assert.Contains(t, got.Body, test.want, kind)
				assert.NotContains(t, got.Body, "of the application", kind)
				assert.Empty(t, got.Header["X-Own"], kind)
				assert.Empty(t, got.Header["Set-Cookie"], kind)
				assert.NotEqual(t, "text/x-own", got.Header.Get("Content-Type"), kind)
				assert.Equal(t, []string{`Basic realm="one"`, `Bearer realm="two"`}, got.Header["Www-Authenticate"], kind)
				assert.Equal(t, "120", got.Header.Get("Retry-After"), kind)
			}
		}
		assert.Equal(t, "of the application", s.Get("/own?status=399+Fine").Body)
		assert.Equal(t, "of the application", s.Get("/own?status=200+OK").Body)
		assert.Equal(t, "of the application", s.Get("/own?status=499+Unknown").Body)
		assert.Equal(t, "of the application", s.Get("/own/off?status=404+Own").Body)
		assert.Zero(t, timesLogged(s, "GWSGI"), "an answer of the application is no failure of ours")
	})
}

// The whole iterable is asked for and closed, and the next request of the connection works.
func TestErrorOverrideClosesIterable(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := startOverride(t, mode)
		for _, method := range []string{"GET", "HEAD"} {
			told := newMarker(t, s, "told-"+method)
			conn := s.Dial()
			conn.Send(head(method, "/stream/close.wsgi"+query("n", 3, "status", "404+Reason", "tell", told.Path)))
			got, err := conn.Receive(method)
			require.NoError(t, err)
			assert.Equal(t, http.StatusNotFound, got.Status)
			assert.Equal(t, method == "HEAD", got.Body == "")
			assert.Equal(t, "19", got.Header.Get("Content-Length"), method)
			assert.Regexp(t, `^1 \d$`, told.Text(t), method)
			assertNextWorks(t, conn)
		}
	})
}

// An exception behind the status is an error of its own: it is logged, and answered with 500.
func TestErrorOverrideOfFailure(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := startOverride(t, mode)
		s.ExpectTraceback(`RuntimeError: raised behind the status`)
		s.Expect(`GWSGI0601: `)
		got := s.Get("/own?status=404+Own&kind=pieces&raise=1")
		assert.Equal(t, http.StatusInternalServerError, got.Status)
		assert.NotContains(t, got.Body, "of the application")
		assert.Empty(t, got.Header["Www-Authenticate"])
	})
}

// A page that includes the application sees an error, not the application's text.
func TestErrorOverrideInSubrequest(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"include"}, Conf: overrideConf + `
			<Directory ${HTDOCS}>
			Options +Includes
			<Files "*.shtml">
			SetOutputFilter INCLUDES
			</Files>
			</Directory>`})
		s.WriteFile("htdocs/page.shtml", `[<!--#config errmsg="error" --><!--#include virtual="/own?status=404+Own" -->]`+
			`<!--#include virtual="/own/off?status=404+Own" -->`)
		s.Expect(`unable to include "/own\?status=404`)
		got := s.Get("/page.shtml")
		assert.Equal(t, http.StatusOK, got.Status)
		assert.Equal(t, "[error]of the application", got.Body)
	})
}

// The innermost place counts, .htaccess included, where FileInfo is allowed.
func TestErrorOverrideInHtaccess(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			<Directory ${HTDOCS}>
			SetHandler wsgi-script
			Options ExecCGI
			AllowOverride FileInfo
			</Directory>`})
		copyApp(t, s, "override/override.wsgi", "htdocs/plain/app.wsgi")
		copyApp(t, s, "override/override.wsgi", "htdocs/over/app.wsgi")
		s.WriteFile("htdocs/over/.htaccess", "WSGIErrorOverride On\nErrorDocument 404 \"words of the folder\"\n")
		assert.Equal(t, "of the application", s.Get("/plain/app.wsgi?status=404+Own").Body)
		assert.Equal(t, "words of the folder", s.Get("/over/app.wsgi?status=404+Own").Body)
	})
}
