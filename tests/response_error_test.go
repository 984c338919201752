package tests

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// An exception before the response began: 500, what happened and to whom on one line, then the traceback.
func TestErrorBeforeResponse(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		for where, phase := range map[string]string{"before": "in the call of the application", "stated": "in the call of the application",
			"first": "in its response"} {
			line := `error\].*\[client 127.0.0.1:\d+\] GWSGI0601: WSGI script '[^']*/errors/raise.wsgi' \(process group '\w*', application group ''\) ` +
				"raised an exception " + phase + "$"
			before := timesLogged(s, line)
			s.Expect(line)
			s.ExpectTraceback("RuntimeError: raised " + where + "$")
			got := s.Get("/errors/raise.wsgi?" + where)
			assert.Equal(t, http.StatusInternalServerError, got.Status)
			assert.Contains(t, got.Body, "Internal Server Error")
			assert.NotContains(t, got.Body, "RuntimeError")
			assert.Empty(t, got.Header.Get("X-From"), "nothing of the application's response is left")
			assert.Equal(t, before+1, timesLogged(s, line))
			assert.Equal(t, 1, timesLogged(s, "RuntimeError: raised "+where+"$"))
		}
		assert.Equal(t, 3, timesLogged(s, `\[client [^]]*\] Traceback \(most recent call last\):$`))
		assert.Equal(t, 3, timesLogged(s, `\[client [^]]*\]   File "[^"]*/errors/raise.wsgi", line \d+, in \w+$`))
	})
}

// What must not get into a response does not: the client gets 500, and the log says what was wrong.
func TestErrorOfStartResponse(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.Expect("GWSGI0601")
		s.ExpectTraceback(`(Type|Value|Assertion)Error: `)
		for _, test := range []struct{ arguments, last string }{
			{`'200 OK\r\nX-Injected: 1', []`, "ValueError: control character in status"},
			{`'200 OK\nX-Injected: 1', []`, "ValueError: control character in status"},
			{`'200 O\x00K', []`, "ValueError: control character in status"},
			{`'200 ' + 'x' * 300, []`, "ValueError: status is longer than 255 bytes"},
			{`'', []`, "ValueError: status must be"},
			{`'OK', []`, "ValueError: status must be"},
			{`'20 OK', []`, "ValueError: status must be"},
			{`'2000 OK', []`, "ValueError: status must be"},
			{`'200OK', []`, "ValueError: status must be"},
			{`'100 Continue', []`, "ValueError: status must be"},
			{`'101 Switching Protocols', []`, "ValueError: status must be"},
			{`'099 OK', []`, "ValueError: status must be"},
			{`'200 \u20ac', []`, "ValueError: .*not latin-1"},
			{`b'200 OK', []`, "TypeError: .*status.* must be str, not bytes"},
			{`200, []`, "TypeError: .*status.* must be str, not int"},
			{`'200 OK', [('X-A', 'a\r\nX-Injected: 1')]`, "ValueError: control character in value of header 'X-A'"},
			{`'200 OK', [('X-A', 'a\nX-Injected: 1')]`, "ValueError: control character in value"},
			{`'200 OK', [('X-A', 'a\rX-Injected: 1')]`, "ValueError: control character in value"},
			{`'200 OK', [('X-A', 'a\x00')]`, "ValueError: control character in value"},
			{`'200 OK', [('X-A', 'a\x7f')]`, "ValueError: control character in value"},
			{`'200 OK', [('X-A: 1\r\nX-Injected', 'a')]`, "ValueError: character that is not allowed in header name"},
			{`'200 OK', [('X A', 'a')]`, "ValueError: character that is not allowed in header name"},
			{`'200 OK', [('X-A:', 'a')]`, "ValueError: character that is not allowed in header name"},
			{`'200 OK', [('X-\xe9', 'a')]`, "ValueError: character that is not allowed in header name"},
			{`'200 OK', [('', 'a')]`, "ValueError: header name is empty"},
			{`'200 OK', [('X-A', '\u20ac')]`, "ValueError: header value has a character that is not latin-1"},
			{`'200 OK', [('X-A', b'a')]`, "TypeError: header value must be str, not bytes"},
			{`'200 OK', [('X-A', 1)]`, "TypeError: header value must be str, not int"},
			{`'200 OK', [('X-A', None)]`, "TypeError: header value must be str, not NoneType"},
			{`'200 OK', [(b'X-A', 'a')]`, "TypeError: header name must be str, not bytes"},
			{`'200 OK', [['X-A', 'a']]`, "TypeError: each header must be a tuple"},
			{`'200 OK', [('X-A', 'a', 'b')]`, "TypeError: each header must be a tuple"},
			{`'200 OK', ['X-A: a']`, "TypeError: each header must be a tuple"},
			{`'200 OK', (('X-A', 'a'),)`, `TypeError: .*headers.* must be list, not tuple`},
			{`'200 OK', {'X-A': 'a'}`, `TypeError: .*headers.* must be list, not dict`},
			{`'200 OK', None`, `TypeError: .*headers.* must be list, not NoneType`},
			{`'200 OK', [('Transfer-Encoding', 'chunked')]`, "ValueError: hop-by-hop header 'Transfer-Encoding'"},
			{`'200 OK', [('keep-alive', 'x')]`, "ValueError: hop-by-hop header 'keep-alive'"},
			{`'200 OK', [('Upgrade', 'h2c')]`, "ValueError: hop-by-hop header 'Upgrade'"},
			{`'200 OK', [('Trailer', 'X')]`, "ValueError: hop-by-hop header 'Trailer'"},
			{`'200 OK', [('Content-Length', 'many')]`, "ValueError: Content-Length is not a number of bytes: 'many'"},
			{`'200 OK', [('Content-Length', '-1')]`, "ValueError: Content-Length is not a number"},
			{`'200 OK', [('Content-Length', '')]`, "ValueError: Content-Length is not a number"},
			{`'200 OK', [('Content-Length', '4 ')]`, "ValueError: Content-Length is not a number"},
			{`'200 OK', [('Content-Length', '9' * 30)]`, "ValueError: Content-Length is not a number"},
			{`'200 OK', [('Content-Length', '4'), ('Content-Length', '5')]`, "ValueError: Content-Length is given twice"},
			{`'200 OK', [], 'exc_info'`, "TypeError: .*exc_info must be a tuple of three or None"},
			{`'200 OK', [], (1, 2)`, "TypeError: .*exc_info must be a tuple of three or None"},
			{`'200 OK',`, "TypeError: start_response.* missing"},
			{``, "TypeError"},
			{`'200 OK', [], None, 4`, "TypeError: start_response"},
		} {
			line := `error\].* ` + test.last
			before, all := timesLogged(s, line), timesLogged(s, "GWSGI")
			text := "((" + strings.TrimSuffix(test.arguments, ",") + "," + "), 'list', [b'body'])"
			if test.arguments == "" {
				text = "((), 'list', [b'body'])"
			}
			head, body := askToStart(s, "POST", text)
			assert.True(t, strings.HasPrefix(head, "HTTP/1.1 500 "), "%s: %s", test.arguments, head)
			assert.NotContains(t, head+body, "X-Injected", test.arguments)
			assert.NotContains(t, head, "X-A")
			assert.Equal(t, before+1, timesLogged(s, line), "%s is logged as %s", test.arguments, test.last)
			assert.Equal(t, all+1, timesLogged(s, "GWSGI"), test.arguments)
		}
	})
}

// What is wrong with the response as a whole.
func TestErrorOfResponse(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.Expect("GWSGI0601")
		for _, test := range []struct{ path, body, last string }{
			{"/errors/protocol.wsgi?never", "", "AssertionError: the application returned a response without having called start_response"},
			{"/errors/protocol.wsgi?never-generator", "", "AssertionError: the application returned a response without having called start_response"},
			{"/errors/protocol.wsgi?twice", "", "AssertionError: start_response.. was called twice"},
			{"/errors/protocol.wsgi?not-bytes", "", "TypeError: write.. argument must be bytes, not str"},
			{"/errors/protocol.wsgi?nothing", "", "TypeError: 'NoneType' object is not iterable"},
			{"/errors/protocol.wsgi?bytes", "", "TypeError: the response must consist of bytes, not int"},
			{"/stream/start.wsgi", statement("'200 OK', [('Content-Length', '5')]", "list", "[b'four']"),
				"AssertionError: the response has 4 of the 5 bytes that its Content-Length states"},
			{"/stream/start.wsgi", statement("'200 OK', []", "list", "['text', b'bytes']"), "TypeError: the response must consist of bytes, not str"},
			{"/stream/start.wsgi", statement("'200 OK', []", "itself", "1"), "TypeError: 'int' object is not iterable"},
		} {
			s.ExpectTraceback(test.last)
			before := timesLogged(s, test.last)
			got := s.Post(test.path, "text/plain", test.body)
			assert.Equal(t, http.StatusInternalServerError, got.Status, test.path+test.body)
			assert.Equal(t, before+1, timesLogged(s, test.last), test.path+test.body)
		}
	})
}

// SystemExit and KeyboardInterrupt end the request, not the server.
func TestErrorSystemExit(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf + `WSGIScriptAlias /env "${APPS}/env/env.wsgi"`})
		pid := askEnviron(t, s, "/env").Facts["pid"]
		for _, test := range []struct{ query, line string }{
			{"call", `GWSGI0602: .*errors/exit.wsgi'.* raised SystemExit\(3\) in the call`},
			{"generator", `GWSGI0602: .*errors/exit.wsgi'.* raised SystemExit\(4\) in its response`},
			{"interrupt", `KeyboardInterrupt: interrupted`},
		} {
			s.ExpectTraceback(test.line)
			assert.Equal(t, http.StatusInternalServerError, s.Get("/errors/exit.wsgi?"+test.query).Status)
			assert.Equal(t, 1, timesLogged(s, test.line))
		}
		s.Expect("GWSGI0601")
		assert.Equal(t, pid, askEnviron(t, s, "/env").Facts["pid"])
	})
}
