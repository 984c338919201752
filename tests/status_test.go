package tests

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const statusConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"
WSGIScriptAlias /body/ "${APPS}/body/"
WSGIScriptAlias /errors/ "${APPS}/errors/"
WSGIScriptAlias /missing "${APPS}/there/is/none.wsgi"
WSGIScriptAlias /folder "${APPS}/body"
WSGIScriptAlias /unread "${HTDOCS}/unreadable/app.wsgi"
WSGIScriptAlias /chunked/ "${APPS}/body/"
<Location /chunked>
  WSGIChunkedRequest On
</Location>
<Location /hello/strict>
  AcceptPathInfo Off
</Location>
<Location /limited>
  LimitRequestBody 1000
  WSGIChunkedRequest On
</Location>
WSGIScriptAlias /limited/ "${APPS}/body/"
<Directory "${HTDOCS}/no-exec">
  SetHandler wsgi-script
</Directory>
`

// Each refusal has its status and one line in the log. What the client did wrong is logged at level info.
func TestStatusOfRefusals(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf})
		copyApp(t, s, "hello/hello.wsgi", "htdocs/no-exec/hello.wsgi")
		s.Expect("GWSGI0201", "GWSGI0202", "GWSGI0203")
		for _, test := range []struct {
			name, path string
			headers    []string
			status     int
			line       string
		}{
			{"no ExecCGI", "/no-exec/hello.wsgi", nil, 403, `error\].*GWSGI0201: \S*/no-exec/hello.wsgi .* Set one of the two$`},
			{"no script", "/missing", nil, 404, `error\].*GWSGI0202: .*/there does not exist.* Check the path, .*$`},
			{"no script in folder", "/errors/none.wsgi", nil, 404, `error\].*GWSGI0202: .*/errors/none.wsgi`},
			{"folder", "/folder/", nil, 403, `error\].*GWSGI0203: .*/body.* name a file$`},
			{"path info", "/hello/strict", nil, 404, `info\].*AcceptPathInfo`},
			{"transfer coding", "/hello", []string{"Transfer-Encoding: gzip, chunked"}, 501, `info\].*Transfer-Encoding gzip, chunked`},
			{"chunked", "/hello", []string{"Transfer-Encoding: chunked"}, 411, `info\].*WSGIChunkedRequest`},
			{"too large", "/limited/echo.wsgi", []string{"Content-Length: 1001"}, 413, `info\].*LimitRequestBody`},
		} {
			t.Run(test.name, func(t *testing.T) {
				assertLoggedOnce(t, s, test.line, func() {
					got := askRaw(t, s, "POST", test.path, append(test.headers, "Connection: close")...)
					assert.Equal(t, test.status, got.Status)
					assert.Contains(t, got.Body, http.StatusText(test.status))
				})
			})
		}
		assert.Equal(t, 200, s.Get("/hello").Status)
	})
}

// httpd itself refuses a Content-Length that is none; the application is not called.
func TestStatusOfBadContentLength(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf})
		for _, length := range []string{"abc", "-1", "1x", "99999999999999999999", "1,2", "0x10", ""} {
			got := askRaw(t, s, "POST", "/body/echo.wsgi", "Content-Length: "+length, "Connection: close")
			assert.Equal(t, http.StatusBadRequest, got.Status, "%q", length)
		}
	})
}

// A chunked body shows its size only while the application reads it.
func TestStatusOfTooLargeChunkedBody(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf})
		chunk := "3e8\r\n" + strings.Repeat("x", 1000) + "\r\n"
		for _, app := range []string{"echo", "count", "forgive"} {
			for _, test := range []struct {
				body   string
				status int
			}{{chunk + "0\r\n\r\n", 200}, {chunk + "1\r\ny\r\n0\r\n\r\n", 413}} {
				s.Allow(`AH01588|AH01590|Read content length of`)
				conn := s.Dial()
				conn.Send(head("POST", "/limited/"+app+".wsgi", "Transfer-Encoding: chunked") + test.body)
				got, err := conn.Receive("POST")
				require.NoError(t, err)
				assert.Equal(t, test.status, got.Status, app)
			}
		}
		assert.Zero(t, timesLogged(s, "Traceback"), "the client's fault is not logged as the application's")
	})
}

func TestStatusOfMalformedChunks(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf})
		s.Allow(`AH0(1588|1590|2606)`)
		for _, app := range []string{"echo", "forgive"} {
			for _, body := range []string{"x\r\n", "-1\r\nx\r\n0\r\n\r\n", "fffffffffffffffff\r\n"} {
				conn := s.Dial()
				conn.Send(head("POST", "/chunked/"+app+".wsgi", "Transfer-Encoding: chunked") + body)
				got, err := conn.Receive("POST")
				require.NoError(t, err)
				assert.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, got.Status, "%s %q", app, body)
			}
		}
		assert.Zero(t, timesLogged(s, "Traceback"))
	})
}

func TestStatusOfChunkedRequest(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: statusConf})
		conn := s.Dial()
		for range 2 {
			conn.Send(head("POST", "/chunked/echo.wsgi", "Transfer-Encoding: chunked") +
				"5;ext=1\r\nhello\r\n7\r\n, world\r\n0\r\nTrailer: x\r\n\r\n")
			got, err := conn.Receive("POST")
			require.NoError(t, err)
			assert.Equal(t, "hello, world", got.Body)
		}
		// Go's client sends chunks when it does not know the length.
		got := s.Do(s.Request("POST", "/chunked/count.wsgi", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 300_000))}))
		assert.Equal(t, "300000", got.Body)
	})
}

// A client that stops in the middle of its body is answered 408, unless the application answers otherwise.
func TestStatusOfSlowBody(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: "RequestReadTimeout header=20 body=1\n" + statusConf,
			Modules: []string{"reqtimeout"}})
		echo, forgive := s.Dial(), s.Dial()
		m := newMarker(t, s, "told")
		echo.Send(head("POST", "/body/echo.wsgi", "Content-Length: 100") + "some")
		forgive.Send(head("POST", "/body/forgive.wsgi"+query("tell", m.Path), "Content-Length: 100") + "some")
		got, err := echo.Receive("POST")
		require.NoError(t, err)
		assert.Equal(t, http.StatusRequestTimeout, got.Status)
		assert.Empty(t, echo.Rest(), "the connection is closed: the rest of the body may still come")
		assert.Regexp(t, `^TimeoutError: .*\|0\|True\|TimeoutError$`, m.Text(t))
		got, err = forgive.Receive("POST")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, got.Status, "the application said so, knowing of the timeout")
		assert.Equal(t, 2, timesLogged(s, `info\].*the request body did not arrive in time`))
		assert.Zero(t, timesLogged(s, "Traceback"))
	})
}
