package tests

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// An ErrorDocument may be an application: it sees what was asked for, under REDIRECT_ names, and the error's status is the
// response's unless the application states another one.
func TestEnvironErrorDocument(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
SetEnv MARK mark
ErrorDocument 404 /env/not-found?why=404
`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		e := askEnviron(t, s, "/nowhere?x=y")
		assert.Equal(t, "/nowhere", e.Texts["REDIRECT_URL"])
		assert.Equal(t, "x=y", e.Texts["REDIRECT_QUERY_STRING"])
		assert.Equal(t, "404", e.Texts["REDIRECT_STATUS"])
		assert.Equal(t, "GET", e.Texts["REQUEST_METHOD"])
		assert.Equal(t, "/nowhere?x=y", e.Texts["REQUEST_URI"])
		assert.Equal(t, "/env", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "/not-found", e.Texts["PATH_INFO"])
		assert.Equal(t, "why=404", e.Texts["QUERY_STRING"])
		assert.Equal(t, "mark", e.Texts["MARK"])
	})
}

func TestEnvironRewrite(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
RewriteEngine On
RewriteRule ^/pretty/(.*)$ /env/page/$1?from=rewrite [QSA,PT]
<Directory "${HTDOCS}">
  Options +ExecCGI +FollowSymLinks
  AllowOverride FileInfo
  AddHandler wsgi-script .wsgi
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Modules: []string{"rewrite"}})
		copyApp(t, s, "env/env.wsgi", "htdocs/front/app.wsgi")
		s.WriteFile("htdocs/front/.htaccess", "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.wsgi/$1 [L]\n")

		e := askEnviron(t, s, "/pretty/a%20b?x=y")
		assert.Equal(t, "/env", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "/page/a b", e.Texts["PATH_INFO"])
		assert.Equal(t, "from=rewrite&x=y", e.Texts["QUERY_STRING"])
		assert.Equal(t, "/pretty/a%20b?x=y", e.Texts["REQUEST_URI"])

		e = askEnviron(t, s, "/front/some/page?x=y")
		assert.Equal(t, "/front/app.wsgi", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "/some/page", e.Texts["PATH_INFO"])
		assert.Equal(t, "x=y", e.Texts["QUERY_STRING"])
		assert.Equal(t, "/front/some/page?x=y", e.Texts["REQUEST_URI"])
		assert.Equal(t, "/front/some/page", e.Texts["REDIRECT_URL"])
		assert.Equal(t, "200", e.Texts["REDIRECT_STATUS"])
	})
}

// mod_include takes an application's answer into a page. The subrequest reads no body: that is the page's.
func TestEnvironInclude(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
WSGIScriptAlias /stream/ "${APPS}/stream/"
<Directory "${HTDOCS}">
  Options +Includes
  AddOutputFilter INCLUDES .shtml
  AddType text/html .shtml
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Modules: []string{"filter", "include"}})
		s.WriteFile("htdocs/page.shtml", `before <!--#include virtual="/env/part?x=y" --> after`)
		s.WriteFile("htdocs/two.shtml", `a <!--#include virtual="/stream/numbers.wsgi?n=3" --> b <!--#include virtual="/stream/numbers.wsgi?n=2" --> c`)
		got := s.Get("/page.shtml")
		inner, found := strings.CutPrefix(got.Body, "before ")
		require.True(t, found, got.Body)
		inner, found = strings.CutSuffix(inner, " after")
		require.True(t, found, got.Body)
		e := parseEnviron(t, harness.Response{Status: got.Status, Body: inner})
		assert.Equal(t, "/env", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "/part", e.Texts["PATH_INFO"])
		assert.Equal(t, "x=y", e.Texts["QUERY_STRING"])
		assert.Equal(t, "/page.shtml", e.Texts["REQUEST_URI"])
		assert.Equal(t, "INCLUDED", e.Texts["SERVER_PROTOCOL"])
		assert.Equal(t, "a 0 1 2  b 0 1  c", s.Get("/two.shtml").Body)
	})
}

// An application whose answer is taken into a page fails: the page goes on.
func TestEnvironIncludeFails(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := `
WSGIScriptAlias /errors/ "${APPS}/errors/"
<Directory "${HTDOCS}">
  Options +Includes
  AddOutputFilter INCLUDES .shtml
</Directory>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Modules: []string{"filter", "include"}})
		s.WriteFile("htdocs/page.shtml", `before <!--#include virtual="/errors/raise.wsgi?before" --> after`)
		s.ExpectTraceback("RuntimeError: raised before")
		s.Expect(`GWSGI0601: WSGI script '[^']*/errors/raise.wsgi'`)
		s.Allow(`unable to include "/errors/raise.wsgi\?before" in parsed file`)
		got := s.Get("/page.shtml")
		assert.Equal(t, http.StatusOK, got.Status)
		assert.True(t, strings.HasPrefix(got.Body, "before ") && strings.HasSuffix(got.Body, " after"), got.Body)
	})
}

func TestEnvironHTTP10(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf + `WSGIScriptAlias /stream/ "${APPS}/stream/"`})
		conn := s.Dial()
		conn.Send("GET /env HTTP/1.0\r\n\r\n")
		got, err := conn.Receive(http.MethodGet)
		require.NoError(t, err)
		e := parseEnviron(t, got)
		assert.Equal(t, "HTTP/1.0", e.Texts["SERVER_PROTOCOL"])
		assert.Equal(t, "localhost", e.Texts["SERVER_NAME"])
		assert.NotContains(t, e.Texts, "HTTP_HOST")
		// There are no chunks in HTTP/1.0: the end of the connection is the end of a response of unknown length.
		conn = s.Dial()
		conn.Send("GET /stream/numbers.wsgi?n=3 HTTP/1.0\r\n\r\n")
		answer := conn.Rest()
		assert.NotContains(t, answer, "Transfer-Encoding")
		assert.True(t, strings.HasSuffix(answer, "\r\n\r\n0 1 2 "), answer)
	})
}

// curl runs curl, which speaks HTTP/2; Go's client would need a package for it.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("curl", append([]string{"--silent", "--show-error", "--max-time", "20"}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestEnvironHTTP2(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
Protocols h2c http/1.1
WSGIScriptAlias /body/ "${APPS}/body/"
WSGIScriptAlias /stream/ "${APPS}/stream/"
`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, Modules: []string{"http2"}})
		h2 := func(path string, args ...string) string {
			return curl(t, append(args, "--http2-prior-knowledge", s.URL(path))...)
		}
		e := parseEnviron(t, harness.Response{Status: http.StatusOK, Body: h2("/env/x?y", "-H", "X-Header: value")})
		assert.Equal(t, "HTTP/2.0", e.Texts["SERVER_PROTOCOL"])
		assert.Equal(t, "/env", e.Texts["SCRIPT_NAME"])
		assert.Equal(t, "/x", e.Texts["PATH_INFO"])
		assert.Equal(t, "/env/x?y", e.Texts["REQUEST_URI"])
		assert.Equal(t, "value", e.Texts["HTTP_X_HEADER"])
		assert.Equal(t, "127.0.0.1", e.Texts["REMOTE_ADDR"])
		assert.Equal(t, "http", e.Texts["wsgi.url_scheme"])
		body := strings.Repeat("0123456789", 100_000)
		file := s.WriteFile("upload", body)
		assert.True(t, h2("/body/echo.wsgi", "--data-binary", "@"+file) == body, "the body comes back")
		assert.Equal(t, "0 1 2 ", h2("/stream/numbers.wsgi?n=3"))
		assert.Equal(t, "2", h2("/env", "--output", "/dev/null", "--write-out", "%{http_version}"))
	})
}

// With HTTP/2 a response that could not be completed is a stream that was reset.
func TestStreamDroppedHTTP2(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: "Protocols h2c http/1.1\n" + streamConf, Modules: []string{"http2"}})
		s.ExpectTraceback("RuntimeError: raised after")
		s.Expect("GWSGI0601: .*errors/raise.wsgi'")
		out, err := exec.Command("curl", "--silent", "--show-error", "--http2-prior-knowledge", s.URL("/errors/raise.wsgi?after")).CombinedOutput()
		var status *exec.ExitError
		if assert.ErrorAs(t, err, &status) {
			const brokenStream = 92 // CURLE_HTTP2_STREAM; its words change
			assert.Equal(t, brokenStream, status.ExitCode(), "curl tells that the response is not whole: %s", out)
		}
	})
}
