package pyembed_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

const closing = `
class Closing:
    def __init__(self, items, log): self.items, self.log = items, log
    def __iter__(self): return iter(self.items)
    def close(self): self.log.write("closed\n")
`

// returning is a script whose application says 200 with these headers and returns an expression.
func returning(t *testing.T, headers, expression string) hosttest.Request {
	t.Helper()
	return script(t, closing+`
import io, tempfile
def raise_(e):
    raise e
def generator(*items):
    for item in items:
        if isinstance(item, BaseException): raise item
        yield item
def application(environ, start_response):
    start_response(environ.get("STATUS", "200 OK"), `+headers+`)
    errors = environ["wsgi.errors"]
    wrap = environ["wsgi.file_wrapper"]
    return `+expression+"\n")
}

func TestResults(t *testing.T) {
	large := `b"x" * 20000`
	largeText := strings.Repeat("x", 20000)
	tests := []struct {
		result, body string
		length       int64
		writes       int
	}{
		{`[b"hello"]`, "hello", 5, 1},
		{`(b"hello",)`, "hello", 5, 1},
		{`[b"he", b"", b"llo"]`, "hello", 5, 1},
		{`[]`, "", 0, 1},
		{`()`, "", 0, 1},
		{`[b""]`, "", 0, 1},
		{`[` + large + `]`, largeText, 20000, 1},
		{`[b"a", ` + large + `, b"b"]`, "a" + largeText + "b", 20002, 3},
		{`generator(b"a", b"b")`, "ab", -1, 3},
		{`generator(b"", b"a", b"")`, "a", -1, 2},
		{`generator()`, "", 0, 1},
		{`iter([b"a"])`, "a", -1, 2},
		{`map(bytes, [[97], [98]])`, "ab", -1, 3},
		{`type("L", (list,), {})([b"a", b"b"])`, "ab", -1, 3},
		{`{b"a": 1}`, "a", -1, 2},
		{`type("S", (), {"__getitem__": lambda self, i: [b"a", b"b"][i]})()`, "ab", -1, 3},
	}
	for _, test := range tests {
		t.Run(test.result, func(t *testing.T) {
			r := served(t, returning(t, "[]", test.result))
			assert.Equal(t, test.body, r.Body())
			assert.Equal(t, test.length, r.Length)
			assert.Equal(t, 1, r.Heads)
			assert.Len(t, r.Writes, test.writes)
			for i, w := range r.Writes {
				assert.Equal(t, i == len(r.Writes)-1, w.Flags&hosttest.Last != 0, "the last one is said to be")
			}
		})
	}
}

// The first byte goes out before the next is asked for.
func TestGeneratorIsFlushed(t *testing.T) {
	r := served(t, returning(t, "[]", `generator(b"a", b"b")`))
	assert.Equal(t, []hosttest.Write{{Data: "a", Flags: hosttest.Flush}, {Data: "b", Flags: hosttest.Flush}, {Flags: hosttest.Last}}, r.Writes)
}

func TestHeadWaitsForTheFirstByte(t *testing.T) {
	r := served(t, script(t, `
def application(environ, start_response):
    yield b""
    start_response("200 OK", [])
    yield b"a"
`))
	assert.Equal(t, "a", r.Body())
}

func TestStatusesAndMethodsWithoutBody(t *testing.T) {
	for _, test := range []struct {
		status, headers, result string
		flags                   int
		length                  int64
	}{
		{"204 No Content", "[]", "[]", 0, -1},
		{"304 Not Modified", "[]", `[b""]`, 0, -1},
		{"204 No Content", "[]", `[b"wrong"]`, 0, -1},
		{"304 Not Modified", `[("Content-Length", "100")]`, "[]", 0, 100},
		{"304 Not Modified", `[("Content-Length", "100")]`, "generator()", 0, 100},
		{"304 Not Modified", `[("Content-Length", "3")]`, `[b"hello"]`, 0, 3},
		{"200 OK", "[]", `[b"hello"]`, hosttest.Head, 5},
		{"200 OK", "[]", `[]`, hosttest.Head, -1},
		{"200 OK", "[]", `generator()`, hosttest.Head, -1},
		{"200 OK", `[("Content-Length", "100")]`, `[]`, hosttest.Head, 100},
		{"200 OK", `[("Content-Length", "100")]`, `generator()`, hosttest.Head, 100},
		{"200 OK", `[("Content-Length", "5")]`, `[b"hello"]`, hosttest.Head, 5},
		{"200 OK", `[("Content-Length", "3")]`, `generator(b"hello")`, hosttest.Head, 3},
	} {
		q := returning(t, test.headers, test.result)
		q.Flags, q.Environ = test.flags, [][2]string{{"STATUS", test.status}}
		r := served(t, q)
		assert.Equal(t, test.length, r.Length, "%+v", test)
		assert.NotEmpty(t, r.Writes)
		assert.NotZero(t, r.Writes[len(r.Writes)-1].Flags&hosttest.Last)
	}
}

func TestSurplusBodyIsCut(t *testing.T) {
	const infoLevel, toTheByte = 6, `generator(b"hel", b"lo")`
	for _, result := range []string{`[b"hello"]`, `[b"he", b"llo"]`, `generator(b"h", b"ello")`, toTheByte, `[b"x" * 20000]`,
		`(b"x" * 20000, b"y" * 20000)`} {
		r := returning(t, `[("Content-Length", "3")]`, result).Serve()
		assert.Equal(t, hosttest.Done, r.Outcome)
		assert.Len(t, r.Body(), 3, result)
		assert.Equal(t, int64(3), r.Length)
		assert.NotZero(t, r.Writes[len(r.Writes)-1].Flags&hosttest.Last)
		if result != toTheByte {
			assert.Regexp(t, `^WSGI script '.*' \(process group '.*', application group '.*'\) answered with more than the 3 bytes that its Content-Length states; [^\n]*\n$`,
				r.LogText(), result)
			assert.Equal(t, infoLevel, r.Log[0].Level)
		} else {
			assert.Empty(t, r.Log, "it is not asked for more")
		}
	}
}

func TestSurplusWriteIsSaidOnce(t *testing.T) {
	r := script(t, `
def application(environ, start_response):
    write = start_response("200 OK", [("Content-Length", "3")])
    for piece in b"abc", b"", b"de", b"f":
        write(piece)
    return [b"gh"]
`).Serve()
	assert.Equal(t, "abc", r.Body())
	assert.Equal(t, 1, strings.Count(r.LogText(), "more than the 3 bytes"), r.LogText())
}

func TestShortBody(t *testing.T) {
	for result, outcome := range map[string]int{`[b"hello"]`: hosttest.Failed, `[]`: hosttest.Failed, `generator()`: hosttest.Failed,
		`[b"x" * 20000]`: hosttest.Failed, `generator(b"hel", b"lo")`: hosttest.Aborted} {
		r := returning(t, `[("Content-Length", "30000")]`, result).Serve()
		assert.Equal(t, outcome, r.Outcome, result)
		assert.Contains(t, r.LogText(), "of the 30000 bytes that its Content-Length states")
		for _, w := range r.Writes {
			assert.Zero(t, w.Flags&hosttest.Last)
		}
	}
}

func TestItemsThatAreNotBytes(t *testing.T) {
	for result, want := range map[string]string{
		`["text"]`:                  "TypeError: the response must consist of bytes, not str",
		`[bytearray(b"x")]`:         "TypeError: the response must consist of bytes, not bytearray",
		`generator(1)`:              "TypeError: the response must consist of bytes, not int",
		`"text"`:                    "TypeError: the response must consist of bytes, not str",
		`b"x"`:                      "TypeError: the response must consist of bytes, not int",
		`None`:                      "TypeError: 'NoneType' object is not iterable",
		`7`:                         "TypeError: 'int' object is not iterable",
		`wrap(io.StringIO("text"))`: "TypeError: the response must consist of bytes, not str",
	} {
		r := returning(t, "[]", result).Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome, result)
		assert.Equal(t, 500, r.Answer)
		assert.Zero(t, r.Heads)
		assert.Contains(t, r.LogText(), "GWSGI0601: ")
		assert.Contains(t, r.LogText(), want)
	}
	r := returning(t, "[]", `generator(b"a", "b")`).Serve()
	assert.Equal(t, hosttest.Aborted, r.Outcome)
	assert.Equal(t, "a", r.Body())
}

func TestWithoutStartResponse(t *testing.T) {
	for _, result := range []string{`[b"x"]`, `[]`, `iter([b"x"])`, `iter([])`, `environ["wsgi.file_wrapper"](open(__file__, "rb"))`} {
		r := app(t, "return "+result).Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome, result)
		assert.Contains(t, r.LogText(), "AssertionError: the application returned a response without having called start_response()")
	}
}

func TestCloseIsCalled(t *testing.T) {
	for _, test := range []struct {
		items   string
		outcome int
		room    int64
	}{
		{`[b"a", b"b"]`, hosttest.Done, -1},
		{`[]`, hosttest.Done, -1},
		{`generator(ValueError("early"))`, hosttest.Failed, -1},
		{`generator(b"a", ValueError("late"))`, hosttest.Aborted, -1},
		{`["text"]`, hosttest.Failed, -1},
		{`None`, hosttest.Failed, -1},
		{`generator(b"a", SystemExit())`, hosttest.Aborted, -1},
		{`[b"abc", b"d"]`, hosttest.Gone, 1},
	} {
		q := returning(t, "[]", "Closing("+test.items+", errors)")
		q.ClientLeaves, q.Room = test.room >= 0, test.room
		r := q.Serve()
		assert.Equal(t, test.outcome, r.Outcome, test.items)
		assert.Equal(t, 1, strings.Count(r.LogText(), "closed\n"), test.items)
	}
}

// The client has the response before close() runs: it may take long.
func TestCloseComesAfterTheResponse(t *testing.T) {
	q := returning(t, `[("Content-Length", "2")]`, `Closing(generator(b"a", b"b", ValueError("not reached")), errors)`)
	r := q.Serve()
	assert.Equal(t, hosttest.Done, r.Outcome)
	assert.NotZero(t, r.Writes[1].Flags&hosttest.Last)
	assert.Equal(t, "closed\n", r.LogText())
}

func TestCloseThatRaises(t *testing.T) {
	r := returning(t, "[]", `type("R", (Closing,), {"close": lambda self: 1/0})([b"a"], errors)`).Serve()
	assert.Equal(t, hosttest.Done, r.Outcome)
	assert.Contains(t, r.LogText(), "in close() of its response")
	assert.Contains(t, r.LogText(), "ZeroDivisionError")
	r = returning(t, "[]", `type("R", (Closing,), {"close": lambda self: 1/0})(generator(KeyError("first")), errors)`).Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Contains(t, r.LogText(), "KeyError: 'first'")
	assert.Contains(t, r.LogText(), "ZeroDivisionError")
}

func TestGeneratorIsClosedWhenTheClientIsGone(t *testing.T) {
	q := script(t, `
def application(environ, start_response):
    start_response("200 OK", [])
    try:
        for i in range(1000): yield b"x"
    finally:
        environ["wsgi.errors"].write("ended after %d\n" % i)
`)
	q.ClientLeaves, q.Room = true, 3
	r := q.Serve()
	assert.Equal(t, hosttest.Gone, r.Outcome)
	assert.Equal(t, "ended after 3\n", r.LogText())
}

func TestGoneWithASmallBody(t *testing.T) {
	q := returning(t, "[]", `[b"hello"]`)
	q.ClientLeaves = true
	r := q.Serve()
	assert.Equal(t, hosttest.Gone, r.Outcome)
	assert.Empty(t, r.Log)
}

func TestHeadThatTheHostCannotUse(t *testing.T) {
	for _, result := range []string{`[b"hello"]`, `generator(b"a", b"b")`, `[b"x" * 20000]`, `wrap(open(__file__, "rb"))`} {
		q := returning(t, "[]", result)
		q.RefuseHead = true
		r := q.Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome, result)
		assert.Equal(t, 500, r.Answer)
		assert.Equal(t, 1, r.Heads)
		assert.Empty(t, r.Writes)
	}
}

func TestExceptions(t *testing.T) {
	r := app(t, `raise KeyError("näme")`).Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Equal(t, 500, r.Answer)
	assert.Contains(t, r.Log[0].Text, "GWSGI0601: WSGI script '/")
	assert.Contains(t, r.Log[0].Text, "app.wsgi' (process group '', application group '') raised an exception in the call of the application")
	assert.Equal(t, "Traceback (most recent call last):", r.Log[1].Text)
	assert.Contains(t, r.LogText(), "app.wsgi\", line 3, in application\n")
	assert.Equal(t, "KeyError: 'näme'", r.Log[len(r.Log)-1].Text)
	texts(t, r.Log)

	r = app(t, "start_response('200 OK', [])\nraise KeyError(1)").Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Zero(t, r.Heads)
	r = returning(t, "[]", `generator(b"a", KeyError(1))`).Serve()
	assert.Equal(t, hosttest.Aborted, r.Outcome)
	assert.Contains(t, r.LogText(), "raised an exception in its response")
}

func TestSystemExit(t *testing.T) {
	r := app(t, `sys.exit("bye")`).Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Len(t, r.Log, 1)
	assert.Contains(t, r.LogText(), "GWSGI0602: ")
	assert.Contains(t, r.LogText(), "raised SystemExit(bye) in the call of the application; the server process goes on")
}

func TestOddExceptions(t *testing.T) {
	for statements, want := range map[string]string{
		"class E(Exception):\n    def __str__(self): raise KeyError('in str')\nraise E()": "E: <",
		"raise BaseException('base')":     "BaseException: base",
		"raise KeyboardInterrupt":         "KeyboardInterrupt",
		"raise ValueError('\\udcff')":     `ValueError: \udcff`,
		"raise ValueError('two\\nlines')": "ValueError: two\nlines\n",
		"try:\n    1/0\nexcept Exception as e:\n    raise ValueError('x') from e": "The above exception was the direct cause of the following exception:",
		"def f(): f()\nf()": "RecursionError",
	} {
		r := app(t, statements).Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome, statements)
		assert.Contains(t, r.LogText(), want)
	}
}

func TestFileWrapperAroundAFile(t *testing.T) {
	data := write(t, "data", "0123456789")
	for expression, want := range map[string]hosttest.File{
		`wrap(open(%q, "rb"))`:                                                                {Length: 10, Data: "0123456789"},
		`wrap(open(%q, "rb"), 3)`:                                                             {Length: 10, Data: "0123456789"},
		`wrap(open(%q, "rb", 0))`:                                                             {Length: 10, Data: "0123456789"},
		`wrap(open(%q, "r+b"))`:                                                               {Length: 10, Data: "0123456789"},
		`(lambda f: (f.seek(4), wrap(f))[1])(open(%q, "rb"))`:                                 {Offset: 4, Length: 6, Data: "456789"},
		`(lambda f: (f.read(3), wrap(f))[1])(open(%q, "rb"))`:                                 {Offset: 3, Length: 7, Data: "3456789"},
		`(lambda f: (f.seek(40), wrap(f))[1])(open(%q, "rb"))`:                                {Offset: 40},
		`(lambda f: (f.write(b"abc"), f.seek(1), wrap(f))[2])(tempfile.TemporaryFile())`:      {Offset: 1, Length: 2, Data: "bc"},
		`(lambda f: (f.write(b"abc"), f.seek(1), wrap(f))[2])(tempfile.NamedTemporaryFile())`: {Offset: 1, Length: 2, Data: "bc"},
	} {
		if strings.Contains(expression, "%q") {
			expression = fmt.Sprintf(expression, data)
		}
		r := served(t, returning(t, "[]", expression))
		if assert.Len(t, r.Files, 1, expression) {
			assert.Equal(t, want, r.Files[0])
		}
		assert.Equal(t, want.Length, r.Length)
		assert.Empty(t, r.Writes)
	}
}

func TestFileWrapperHonoursContentLength(t *testing.T) {
	data := write(t, "data", "0123456789")
	r := served(t, returning(t, `[("Content-Length", "4")]`, fmt.Sprintf(`wrap(open(%q, "rb"))`, data)))
	assert.Equal(t, []hosttest.File{{Length: 4, Data: "0123"}}, r.Files)
	assert.Equal(t, "abc", served(t, returning(t, `[("Content-Length", "3")]`, `wrap(io.BytesIO(b"abcdef"))`)).Body())
	r = returning(t, `[("Content-Length", "40")]`, fmt.Sprintf(`wrap(open(%q, "rb"))`, data)).Serve()
	assert.Empty(t, r.Files)
	assert.Equal(t, hosttest.Aborted, r.Outcome)
	assert.Contains(t, r.LogText(), "the response has 10 of the 40 bytes")
}

// Whatever is not the bytes of a regular file is read, and so is what begins in another way.
func TestFileWrapperAroundOthers(t *testing.T) {
	data := write(t, "data", "0123456789")
	for expression, want := range map[string]string{
		`wrap(io.BytesIO(b"abc"))`:               "abc",
		`type("W", (wrap,), {})(open(%q, "rb"))`: "0123456789",
		`wrap(type("F", (), {"read": lambda self, n, it=iter([b"a", b"b", b""]): next(it)})())`:                              "ab",
		`wrap(type("F", (io.FileIO,), {"read": lambda self, n: b"".join(map(bytes.lower, [io.FileIO.read(self, n)]))})(%q))`: "0123456789",
		`(lambda w: (next(w), w)[1])(wrap(io.BytesIO(b"abcdef"), 2))`:                                                        "cdef",
		`wrap(os.fdopen(pipe_of(b"piped"), "rb"))`:                                                                           "piped",
		`wrap(gzip_of(b"unpacked"))`:                    "unpacked",
		`wrap(io.BufferedReader(gzip_of(b"unpacked")))`: "unpacked",
	} {
		if strings.Contains(expression, "%q") {
			expression = fmt.Sprintf(expression, data)
		}
		q := returning(t, "[]", expression)
		prepend(t, q.Script, `
import gzip, os, tempfile
def pipe_of(data):
    r, w = os.pipe()
    os.write(w, data)
    os.close(w)
    return r
def gzip_of(data):
    f = tempfile.TemporaryFile()
    f.write(gzip.compress(data))
    f.seek(0)
    return gzip.GzipFile(fileobj=f, mode="rb")
`)
		r := served(t, q)
		assert.Empty(t, r.Files, expression)
		assert.Equal(t, want, r.Body(), expression)
	}
}

func prepend(t *testing.T, path, text string) {
	t.Helper()
	rest, err := os.ReadFile(path)
	assert.NoError(t, err)
	assert.NoError(t, os.WriteFile(path, append([]byte(text), rest...), 0o644))
}

func TestFileWrapperClosesTheFile(t *testing.T) {
	data := write(t, "data", "0123456789")
	q := script(t, fmt.Sprintf(`
files = []
def application(environ, start_response):
    start_response("200 OK", [])
    if files: return [repr([f.closed for f in files]).encode()]
    files.append(open(%q, "rb"))
    return environ["wsgi.file_wrapper"](files[0])
`, data))
	served(t, q)
	assert.Equal(t, "[True]", served(t, q).Body())
}

func TestFileWrapperWithAClosedFile(t *testing.T) {
	r := returning(t, "[]", `(lambda f: (f.close(), wrap(f))[1])(open(__file__, "rb"))`).Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Contains(t, r.LogText(), "ValueError: ")
	r = returning(t, "[]", `wrap(open(__file__))`).Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Contains(t, r.LogText(), "TypeError: the response must consist of bytes, not str")
}

func TestFileWrapperAfterWrite(t *testing.T) {
	r := served(t, app(t, `
start_response("200 OK", [])(b"begun ")
import io
f = open(__file__, "rb")
return environ["wsgi.file_wrapper"](f)`))
	assert.Empty(t, r.Files)
	assert.Contains(t, r.Body(), "begun import sys")
}

func TestFileToNobody(t *testing.T) {
	q := returning(t, "[]", `wrap(open(__file__, "rb"))`)
	q.ClientLeaves = true
	assert.Equal(t, hosttest.Gone, q.Serve().Outcome)
}
