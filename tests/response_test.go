package tests

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const streamConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /stream/ "${APPS}/stream/"
WSGIScriptAlias /errors/ "${APPS}/errors/"
WSGIScriptAlias /files/ "${APPS}/files/"
WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"
`

// statement is what tests/apps/stream/start.wsgi is told: the arguments of start_response, and a body, in Python.
func statement(arguments, kind, pieces string) string {
	return fmt.Sprintf("((%s,), %q, %s)", arguments, kind, pieces)
}

// askToStart sends a statement on a connection of its own and returns the response's bytes, head and body.
func askToStart(s *harness.Server, method, text string) (head, body string) {
	conn := s.Dial()
	defer conn.Close()
	conn.Send(headOf(method, text, "Connection: close") + text)
	head, body, _ = strings.Cut(conn.Rest(), "\r\n\r\n")
	return head + "\r\n", body
}

func headOf(method, text string, headers ...string) string {
	return head(method, "/stream/start.wsgi", append(headers, fmt.Sprintf("Content-Length: %d", len(text)))...)
}

func TestResponseFraming(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		large := "[b'x' * 100000, b'y' * 3]"
		for _, test := range []struct {
			kind, headers, pieces, body string
			length                      int // -1: chunks
		}{
			{"list", "", "[b'abc']", "abc", 3},
			{"list", "", "[b'a', b'', b'bc']", "abc", 3},
			{"list", "", "[]", "", 0},
			{"list", "", "[b'']", "", 0},
			{"list", "", large, strings.Repeat("x", 100000) + "yyy", 100003},
			{"list", "", "[b'z' * 100000]", strings.Repeat("z", 100000), 100000},
			{"tuple", "", "[b'a', b'bc']", "abc", 3},
			{"generator", "", "[b'a', b'bc']", "abc", -1},
			{"generator", "", large, strings.Repeat("x", 100000) + "yyy", -1},
			{"generator", "('Content-Length', '3')", "[b'a', b'bc']", "abc", 3},
			{"generator", "('content-length', '0')", "[]", "", 0},
			{"generator", "", "[]", "", 0},
			{"iterator", "", "[b'a', b'bc']", "abc", -1},
			{"iterable", "", "[b'a', b'bc']", "abc", -1},
			{"sequence", "", "[b'a', b'bc']", "abc", -1},
			{"subclass", "", "[b'a', b'bc']", "abc", -1},
			{"set", "", "[b'a', b'bc']", "abc", -1},
			{"write", "", "[b'a', b'', b'bc']", "abc", -1},
			{"write", "('Content-Length', '3')", "[b'a', b'bc']", "abc", 3},
		} {
			name := test.kind + " " + test.headers + " " + test.pieces
			text := statement("'200 OK', ["+test.headers+"]", test.kind, test.pieces)
			got := s.Post("/stream/start.wsgi", "text/plain", text)
			require.Equal(t, http.StatusOK, got.Status, name)
			assert.True(t, got.Body == test.body, name)
			head, _ := askToStart(s, "POST", text)
			if test.length >= 0 {
				assert.Contains(t, head, fmt.Sprintf("\r\nContent-Length: %d\r\n", test.length), name)
				assert.NotContains(t, head, "Transfer-Encoding", name)
			} else {
				assert.Contains(t, head, "\r\nTransfer-Encoding: chunked\r\n", name)
				assert.NotContains(t, head, "Content-Length", name)
			}
		}
	})
}

// A body that is longer than stated is cut, with a word of it in the log.
func TestResponseLongerThanStated(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		for _, kind := range []string{"list", "generator", "write"} {
			text := statement("'200 OK', [('Content-Length', '3')]", kind, "[b'a', b'bcde', b'f']")
			assert.Equal(t, "abc", s.Post("/stream/start.wsgi", "text/plain", text).Body, kind)
		}
		s.WaitLog(`more than the 3 bytes`)
		assert.Len(t, found(s, `gowsgi:info\] .*WSGI script '.*/start.wsgi' .* answered with more than the 3 bytes that its Content-Length states`), 3)
	})
}

func TestResponseStatusAndHeaders(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf + "ErrorDocument 404 /hello\n"})
		for _, line := range []string{"200 OK", "201 Created", "299 A Reason of Our Own", "302 Found", "404 Not Found", "418 I'm a teapot",
			"500 Own Words", "503 Later", "599 x", "200 R\u00e9ponse"} {
			head, body := askToStart(s, "POST", statement(strconv.Quote(line)+", [('X-Header', 'value')]", "list", "[b'own body']"))
			code, reason, _ := strings.Cut(line, " ")
			reason = strings.ReplaceAll(reason, "\u00e9", "\xe9")
			assert.True(t, strings.HasPrefix(head, "HTTP/1.1 "+code+" "+reason+"\r\n"), "%q: %q", line, head)
			assert.Contains(t, head, "\r\nX-Header: value\r\n", line)
			assert.Equal(t, "own body", body, line)
		}
		head, _ := askToStart(s, "POST", statement("'200', []", "list", "[b'body']"))
		assert.True(t, strings.HasPrefix(head, "HTTP/1.1 200"), head)
	})
}

func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		for headers, expected := range map[string][]string{
			"('Set-Cookie', 'a=1'), ('Set-Cookie', 'b=2; Path=/'), ('set-cookie', 'c=3')": {
				"Set-Cookie: a=1", "Set-Cookie: b=2; Path=/", "set-cookie: c=3"},
			"('WWW-Authenticate', 'Basic realm=\"x\"'), ('WWW-Authenticate', 'Bearer')": {
				`WWW-Authenticate: Basic realm="x"`, "WWW-Authenticate: Bearer"},
			"('Link', '</a>'), ('Link', '</b>')":       {"Link: </a>", "Link: </b>"},
			"('X-Empty', ''), ('X-Tab', 'a\\tb')":      {"X-Empty: ", "X-Tab: a\tb"},
			"('X-Latin', '\\xe9\\xff')":                {"X-Latin: \xe9\xff"},
			"('Content-Type', 'Text/HTML; Charset=X')": {"Content-Type: Text/HTML; Charset=X"},
			"('Content-Type', 'text/plain')":           {"Content-Type: text/plain"},
			"('X-Long', 'v' * 7000)":                   {"X-Long: " + strings.Repeat("v", 7000)},
			"('Location', '/relative?a=b#c')":          {"Location: /relative?a=b#c"},
			"('ETag', '\"x\"'), ('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT')": {
				`ETag: "x"`, "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"},
			"('Vary', 'Cookie'), ('Cache-Control', 'no-store'), ('Expires', '0')": {"Vary: Cookie", "Cache-Control: no-store", "Expires: 0"},
		} {
			head, body := askToStart(s, "POST", statement("'200 OK', ["+headers+"]", "list", "[b'body']"))
			for _, line := range expected {
				assert.Equal(t, 1, strings.Count(head, "\r\n"+line+"\r\n"), "%q in %q", line, head)
			}
			name, _, _ := strings.Cut(expected[0], ":")
			assert.Equal(t, strings.Count(strings.ToLower(headers), "'"+strings.ToLower(name)+"'"),
				strings.Count(strings.ToLower(head), "\r\n"+strings.ToLower(name)+":"), head)
			for _, one := range []string{"Date", "Server", "Connection", "Content-Length"} {
				assert.Equal(t, 1, strings.Count(head, "\r\n"+one+": "), "%s in %q", one, head)
			}
			assert.Equal(t, strings.Contains(headers, "Content-Type"), strings.Contains(head, "Content-Type"), head)
			assert.Equal(t, "body", body)
		}
	})
}

// Connection: close is the application's way to say that this was all; httpd obeys.
func TestResponseConnectionClose(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		text := statement("'200 OK', [('Connection', 'close')]", "list", "[b'body']")
		conn := s.Dial()
		conn.Send(headOf("POST", text) + text)
		answer := conn.Rest()
		assert.Equal(t, 1, strings.Count(answer, "Connection: close\r\n"), answer)
	})
}

// assertNextWorks asserts that the connection is where the next response begins.
func assertNextWorks(t *testing.T, conn *harness.Conn) {
	t.Helper()
	conn.Send(head("GET", "/hello"))
	got, err := conn.Receive(http.MethodGet)
	require.NoError(t, err)
	assert.Equal(t, "Hello, World!", got.Body)
}

func TestResponseHead(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		conn := s.Dial()
		for _, test := range []struct{ headers, kind, pieces, length string }{
			{"", "list", "[b'abc']", "3"},
			{"('Content-Length', '3')", "list", "[b'abc']", "3"},
			{"('Content-Length', '12345')", "list", "[]", "12345"},
			{"('Content-Length', '12345')", "list", "[b'']", "12345"},
			{"('Content-Length', '12345')", "generator", "[]", "12345"},
			{"('Content-Length', '3')", "generator", "[b'a', b'bc']", "3"},
			{"('Content-Length', '3')", "write", "[b'a', b'bc']", "3"},
			{"", "list", "[]", ""},
			{"", "generator", "[]", ""},
			{"", "generator", "[b'a', b'bc']", ""},
			{"('Content-Length', '0')", "list", "[]", ""}, // httpd takes it for a handler that does not care about HEAD
		} {
			name := test.headers + " " + test.kind + " " + test.pieces
			text := statement("'200 OK', [('X-Here', 'yes'), "+test.headers+"]", test.kind, test.pieces)
			conn.Send(headOf("HEAD", text) + text)
			got, err := conn.Receive(http.MethodHead)
			require.NoError(t, err, name)
			assert.Equal(t, http.StatusOK, got.Status, name)
			assert.Equal(t, "yes", got.Header.Get("X-Here"), name)
			assert.Equal(t, test.length, got.Header.Get("Content-Length"), name)
			assertNextWorks(t, conn)
		}
	})
}

// Responses that never have a body have none, whatever the application returns.
func TestResponseWithoutBody(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		conn := s.Dial()
		for _, line := range []string{"204 No Content", "304 Not Modified"} {
			for _, body := range []struct{ kind, pieces string }{
				{"list", "[]"}, {"list", "[b'']"}, {"list", "[b'body']"}, {"generator", "[]"}, {"generator", "[b'bo', b'dy']"},
				{"write", "[b'body']"},
			} {
				text := statement(strconv.Quote(line)+", [('ETag', '\"1\"')]", body.kind, body.pieces)
				conn.Send(headOf("POST", text) + text)
				assert.Equal(t, "HTTP/1.1 "+line, conn.Line())
				var headers []string
				for header := conn.Line(); header != ""; header = conn.Line() {
					headers = append(headers, header)
				}
				assert.Contains(t, headers, `ETag: "1"`)
				all := strings.Join(headers, "\n")
				assert.NotContains(t, all, "Transfer-Encoding", "%s %v", line, body)
				assert.NotContains(t, all, "Content-Type")
				if line[:3] == "204" {
					assert.NotContains(t, all, "Content-Length", "%s %v", line, body)
				}
				assertNextWorks(t, conn)
			}
		}
	})
}

// start_response with exc_info replaces what was stated, as long as nothing was sent.
func TestResponseReplaced(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		got := s.Get("/errors/replace.wsgi?before")
		assert.Equal(t, http.StatusServiceUnavailable, got.Status)
		assert.Equal(t, "replaced", got.Body)
		assert.Empty(t, got.Header.Get("X-First"))
		assert.Equal(t, []string{"yes"}, got.Header.Values("X-Second"))
		assert.Equal(t, "8", got.Header.Get("Content-Length"))
		s.ExpectTraceback("ValueError: too late")
		s.Expect("GWSGI0601: .*errors/replace.wsgi'")
		conn := s.Dial()
		conn.Send(head("GET", "/errors/replace.wsgi?after"))
		got, err := conn.Receive(http.MethodGet)
		assert.Error(t, err, "the response was dropped")
		assert.Equal(t, http.StatusOK, got.Status)
		assert.Equal(t, "begun", got.Body)
	})
}
