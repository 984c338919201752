package pyembed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// app is a script whose application is these statements.
func app(t *testing.T, statements string) hosttest.Request {
	t.Helper()
	return script(t, "import sys\ndef application(environ, start_response):\n    "+
		strings.ReplaceAll(strings.TrimSpace(statements), "\n", "\n    ")+"\n")
}

func TestHead(t *testing.T) {
	r := served(t, app(t, `
start_response("201 Créé", [("Content-Type", "text/plain"), ("X-A", ""), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=\xff\t2"), ("content-length", "2")])
return [b"ok"]`))
	assert.Equal(t, 1, r.Heads)
	assert.Equal(t, 201, r.Status)
	assert.Equal(t, "201 Cr\xe9\xe9", r.Line)
	assert.Equal(t, int64(2), r.Length)
	assert.Equal(t, [][2]string{{"Content-Type", "text/plain"}, {"X-A", ""}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=\xff\t2"}}, r.Headers)
}

func TestStartResponseByKeyword(t *testing.T) {
	r := served(t, app(t, `
start_response(status="200", headers=[], exc_info=None)
return []`))
	assert.Equal(t, "200", r.Line)
}

func TestStatusIsChecked(t *testing.T) {
	for status, want := range map[string]string{
		`b"200 OK"`:                  `TypeError: start_response() argument 1 (status) must be str, not bytes`,
		`200`:                        `TypeError: start_response() argument 1 (status) must be str, not int`,
		`""`:                         `ValueError: status must be three digits from 200 to 999, a space and a reason phrase, not ''`,
		`"20"`:                       `ValueError: status must be three digits`,
		`"OK"`:                       `ValueError: status must be three digits`,
		`"100 Continue"`:             `ValueError: status must be three digits`,
		`"099 X"`:                    `ValueError: status must be three digits`,
		`"2000 X"`:                   `ValueError: status must be three digits`,
		`"200OK"`:                    `ValueError: status must be three digits`,
		`"200 O\nK"`:                 `ValueError: control character in status: '200 O\nK'`,
		`"200 O\rK"`:                 `ValueError: control character in status`,
		`"200 \x00"`:                 `ValueError: control character in status`,
		`"200 \u20ac"`:               `ValueError: start_response() argument 1 (status) has a character that is not latin-1: '200 \u20ac'`,
		`"200 " + "x" * 300`:         `ValueError: status is longer than 255 bytes`,
		`"200 OK", "x"`:              `TypeError: start_response() argument 2 (headers) must be list, not str`,
		`"200 OK", ()`:               `TypeError: start_response() argument 2 (headers) must be list, not tuple`,
		`"200 OK", None`:             `TypeError: start_response() argument 2 (headers) must be list, not NoneType`,
		`"200 OK", [], 1`:            `TypeError: start_response() argument exc_info must be a tuple of three or None`,
		`"200 OK", [], (None,)`:      `TypeError: start_response() argument exc_info must be a tuple of three or None`,
		`"200 OK", [], None, 4`:      `TypeError: start_response() takes at most 3 arguments (4 given)`,
		`"200 OK", [], exc_inf=None`: `exc_inf`,
	} {
		if !strings.Contains(status, ", ") {
			status += ", []"
		}
		refused(t, status, want)
	}
}

// refused checks that start_response(arguments) raises, that the application sees it, and that nothing is sent.
func refused(t *testing.T, arguments, want string) {
	t.Helper()
	r := app(t, "start_response("+arguments+")\nreturn [b'sent']").Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome, arguments)
	assert.Equal(t, 500, r.Answer)
	assert.Zero(t, r.Heads)
	assert.Contains(t, r.LogText(), want, arguments)
}

func TestHeadersAreChecked(t *testing.T) {
	for header, want := range map[string]string{
		`("X",)`:                       `TypeError: each header must be a tuple of name and value, not ('X',)`,
		`["X", "1"]`:                   `TypeError: each header must be a tuple of name and value, not ['X', '1']`,
		`("X", "1", "2")`:              `TypeError: each header must be a tuple of name and value`,
		`"X: 1"`:                       `TypeError: each header must be a tuple of name and value`,
		`(b"X", "1")`:                  `TypeError: header name must be str, not bytes`,
		`("X", b"1")`:                  `TypeError: header value must be str, not bytes`,
		`("X", 1)`:                     `TypeError: header value must be str, not int`,
		`("X", None)`:                  `TypeError: header value must be str, not NoneType`,
		`("", "1")`:                    `ValueError: header name is empty`,
		`("X Y", "1")`:                 `ValueError: character that is not allowed in header name: 'X Y'`,
		`("X:", "1")`:                  `ValueError: character that is not allowed in header name`,
		`("X\r\nY", "1")`:              `ValueError: character that is not allowed in header name`,
		`("X\x00", "1")`:               `ValueError: character that is not allowed in header name`,
		`("\xe9", "1")`:                `ValueError: character that is not allowed in header name`,
		`("\u20ac", "1")`:              `ValueError: header name has a character that is not latin-1: '\u20ac'`,
		`("X", "\u20ac")`:              `ValueError: header value has a character that is not latin-1: '\u20ac'`,
		`("X", "a\r\nY: 1")`:           `ValueError: control character in value of header 'X': 'a\r\nY: 1'`,
		`("X", "a\n")`:                 `ValueError: control character in value of header 'X'`,
		`("X", "\x00")`:                `ValueError: control character in value of header 'X'`,
		`("X", "\x7f")`:                `ValueError: control character in value of header 'X'`,
		`("Content-Length", "")`:       `ValueError: Content-Length is not a number of bytes: ''`,
		`("Content-Length", "-1")`:     `ValueError: Content-Length is not a number of bytes: '-1'`,
		`("Content-Length", "1 ")`:     `ValueError: Content-Length is not a number of bytes`,
		`("Content-Length", "0x1")`:    `ValueError: Content-Length is not a number of bytes`,
		`("Content-Length", "9" * 19)`: `ValueError: Content-Length is not a number of bytes`,
		`("Content-Length", "1"), ("content-length", "2")`: `ValueError: Content-Length is given twice, with different numbers`,
	} {
		refused(t, `"200 OK", [`+header+`]`, want)
	}
}

func TestHopByHopHeadersAreRefused(t *testing.T) {
	for _, name := range []string{"Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Trailers", "transfer-encoding",
		"Upgrade"} {
		refused(t, fmt.Sprintf(`"200 OK", [("%s", "x")]`, name), fmt.Sprintf("ValueError: hop-by-hop header '%s' is the server's to set", name))
	}
	r := served(t, app(t, `
start_response("200 OK", [("Connection", "close")])
return []`))
	assert.Equal(t, [][2]string{{"Connection", "close"}}, r.Headers)
}

func TestSameContentLengthTwice(t *testing.T) {
	r := served(t, app(t, `
start_response("200 OK", [("Content-Length", "2"), ("Content-Length", "02")])
return [b"ok"]`))
	assert.Equal(t, int64(2), r.Length)
	assert.Empty(t, r.Headers)
}

func TestSecondCall(t *testing.T) {
	r := app(t, `
start_response("200 OK", [])
start_response("404 Not Found", [])
return [b"x"]`).Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Contains(t, r.LogText(), "AssertionError: start_response() was called twice, the second time without exc_info")
}

func TestExcInfoBeforeTheHead(t *testing.T) {
	r := served(t, app(t, `
start_response("200 OK", [("X-Old", "1"), ("Content-Length", "7")])
try:
    1/0
except ZeroDivisionError:
    start_response("500 Oops", [("X-New", "2")], sys.exc_info())
return [b"sorry"]`))
	assert.Equal(t, "500 Oops", r.Line)
	assert.Equal(t, [][2]string{{"X-New", "2"}}, r.Headers)
	assert.Equal(t, int64(5), r.Length)
}

func TestExcInfoAfterTheHead(t *testing.T) {
	r := app(t, `
write = start_response("200 OK", [])
write(b"begun")
try:
    1/0
except ZeroDivisionError:
    start_response("500 Oops", [("X-New", "2")], sys.exc_info())
return [b"never"]`).Serve()
	assert.Equal(t, hosttest.Aborted, r.Outcome)
	assert.Equal(t, "begun", r.Body())
	assert.Equal(t, "200 OK", r.Line)
	assert.Contains(t, r.LogText(), "ZeroDivisionError: division by zero")
}

// After a start_response() that raised nothing is stated, whatever was before it.
func TestFailedRestatementLeavesNothing(t *testing.T) {
	for _, rest := range []string{`return [b"x"]`, `return iter([b"x"])`, `return []`, "write(b'x')\nreturn []"} {
		r := app(t, `
write = start_response("200 OK", [("Content-Length", "1")])
try:
    start_response("200 OK", [("X", "\n")], (None, None, None))
except ValueError:
    pass
`+rest).Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome, rest)
		assert.Zero(t, r.Heads)
	}
}

func TestStartResponseAfterTheRequest(t *testing.T) {
	q := script(t, `
kept = []
def application(environ, start_response):
    kept.append((start_response, start_response("200 OK", [])))
    out = []
    for call, args in (kept[0][0], ("200 OK", [])), (kept[0][1], (b"x",)):
        if len(kept) > 1:
            try: call(*args)
            except RuntimeError as e: out.append(str(e).encode() + b"\n")
    return out
`)
	served(t, q)
	assert.Equal(t, "start_response() was called after its request had ended\nwrite() was called after its request had ended\n",
		served(t, q).Body())
}

func TestWrite(t *testing.T) {
	r := served(t, app(t, `
write = start_response("200 OK", [("X", "1")])
assert write(b"a") is None
write(b"")
write(b"bc")
return [b"d", b"e"]`))
	assert.Equal(t, "abcde", r.Body())
	assert.Equal(t, int64(-1), r.Length)
	assert.Equal(t, []hosttest.Write{{Data: "a", Flags: hosttest.Flush}, {Flags: hosttest.Flush}, {Data: "bc", Flags: hosttest.Flush},
		{Data: "de", Flags: hosttest.Last}}, r.Writes)
}

func TestWriteOnly(t *testing.T) {
	r := served(t, app(t, `
write = start_response("200 OK", [("Content-Length", "3")])
write(b"abc")
return []`))
	require.Equal(t, "abc", r.Body())
	assert.Equal(t, []hosttest.Write{{Data: "abc", Flags: hosttest.Last | hosttest.Flush}}, r.Writes)
}

func TestWriteIsChecked(t *testing.T) {
	eval(t, `
write = start_response("200 OK", [], (None, None, None))
out += [raises(write, "x"), raises(write, 1), raises(write)]
t = threading.Thread(target=lambda: out.append(raises(write, b"x"))); t.start(); t.join()`,
		`['TypeError: write() argument must be bytes, not str', 'TypeError: write() argument must be bytes, not int', `+
			`'TypeError: StartResponse.write() takes exactly one argument (0 given)', `+
			`"RuntimeError: write() was called on another thread than its request's"]`)
}

func TestWriteToNobody(t *testing.T) {
	q := app(t, `
write = start_response("200 OK", [])
try:
    for i in range(100): write(b"x")
except OSError as e:
    environ["wsgi.errors"].write("%d: %s\n" % (i, e))
    raise`)
	q.ClientLeaves, q.Room = true, 5
	r := q.Serve()
	assert.Equal(t, hosttest.Gone, r.Outcome)
	assert.Contains(t, r.LogText(), "5: the client closed the connection before the response was complete\n")
	assert.Contains(t, r.LogText(), "after the client had gone")
	assert.NotContains(t, r.LogText(), "Traceback")
}
