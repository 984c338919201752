package pyembed_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// texts are a log's lines, all of which must have the level of an error.
func texts(t *testing.T, log []hosttest.Line) []string {
	t.Helper()
	var list []string
	for _, line := range log {
		assert.Equal(t, 3, line.Level)
		list = append(list, line.Text)
	}
	return list
}

func TestErrorsStream(t *testing.T) {
	tests := []struct {
		name, statements string
		want             []string
	}{
		{"a line", `errors.write("one\n")`, []string{"one"}},
		{"lines at once", `errors.write("one\n\ntwo\n")`, []string{"one", "", "two"}},
		{"a line in parts", `errors.write("on"); errors.write("e\ntw"); errors.write("o\n")`, []string{"one", "two"}},
		{"flush ends a line", `errors.write("one"); errors.flush(); errors.flush(); errors.write("two\n")`, []string{"one", "two"}},
		{"the request's end ends a line", `errors.write("one")`, []string{"one"}},
		{"writelines", `errors.writelines(["a\n", "b", "c\n"])`, []string{"a", "bc"}},
		{"print", `print("a", 1, file=errors)`, []string{"a 1"}},
		{"not latin-1", `errors.write("é€😀\n")`, []string{"é€😀"}},
		{"lone surrogates", `errors.write("a\udcffb\n")`, []string{`a\udcffb`}},
		{"bytes, for .buffer", `errors.buffer.write(b"a\xff\n")`, []string{"a\xff"}},
		{"nothing", `errors.write(""); errors.flush()`, nil},
		{"close is a flush", `errors.write("a"); errors.close(); errors.write("b\n")`, []string{"a", "b"}},
		{"traceback", `
import traceback
try: 1/0
except ZeroDivisionError: traceback.print_exc(limit=0, file=errors)`, []string{"ZeroDivisionError: division by zero"}},
		{"logging", `
import logging
h = logging.StreamHandler(errors)
h.handle(logging.makeLogRecord({"msg": "hello"}))`, []string{"hello"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, stream := range []string{"errors", "sys.stderr"} {
				r := body(t, strings.ReplaceAll(test.statements, "errors", stream)).Serve()
				require.Equal(t, hosttest.Done, r.Outcome, r.LogText())
				assert.Equal(t, test.want, texts(t, r.Log), stream)
			}
		})
	}
}

func TestErrorsStreamIsAFile(t *testing.T) {
	eval(t, `
out += [errors.write("") , errors.isatty(), errors.readable(), errors.seekable(), errors.writable(), errors.closed]
out += [errors.name, errors.mode, errors.encoding, errors.errors, errors.buffer is errors, sys.stderr.name, sys.stderr.fileno()]
out += [raises(errors.fileno), raises(errors.write, 1), raises(errors.writelines, 1)]`,
		`[0, False, False, False, True, False, '<wsgi.errors>', 'w', 'utf-8', 'backslashreplace', True, '<stderr>', 2, `+
			`'UnsupportedOperation: wsgi.errors has no file descriptor; sys.stderr has', `+
			`'TypeError: write() argument must be str, not int', "TypeError: 'int' object is not iterable"]`)
}

func TestWriteReturnsCharacters(t *testing.T) {
	r := body(t, `out += [errors.write("é€\n"), errors.write("\udcff\n"), errors.buffer.write(bytearray(b"abc\n"))]`).Serve()
	assert.Equal(t, `[3, 2, 4]`, r.Body())
}

// A record of the server's log is at most 8192 bytes.
func TestLongLinesAreLoggedInPieces(t *testing.T) {
	for _, statements := range []string{`errors.write("x" * 20000 + "\n")`, `for i in range(20000): errors.write("x")`} {
		r := body(t, statements).Serve()
		var all strings.Builder
		for _, line := range r.Log {
			assert.LessOrEqual(t, len(line.Text), 7168)
			all.WriteString(line.Text)
		}
		assert.Equal(t, strings.Repeat("x", 20000), all.String())
		assert.Len(t, r.Log, 3)
	}
}

func TestErrorsStreamAfterTheRequest(t *testing.T) {
	q := script(t, `
kept = []
def application(environ, start_response):
    start_response("200 OK", [])
    if kept:
        kept[0].write("late words\n")
    kept.append(environ["wsgi.errors"])
    return []
`)
	served(t, q)
	served(t, q)
	logged(t, "late words\n")
}

// What a thread of the application writes is no request's; its begun line is logged when it ends.
func TestStderrOfAThread(t *testing.T) {
	q := body(t, `
def run():
    sys.stderr.write("of a thread\n")
    sys.stderr.write("begun by a thread")
t = threading.Thread(target=run); t.start(); t.join()`)
	served(t, q)
	logged(t, "of a thread\n")
	logged(t, "begun by a thread\n")
}

func TestExceptionOfAThreadIsLogged(t *testing.T) {
	served(t, body(t, `
t = threading.Thread(target=lambda: unheard_of); t.start(); t.join()`))
	logged(t, "NameError: name 'unheard_of' is not defined\n")
}

// Other libraries may end their part of a thread after ours, and Python runs then, too.
func TestStderrOfAThreadThatEnds(t *testing.T) {
	q := body(t, `
import ctypes
libc, key = ctypes.CDLL(None), ctypes.c_uint()
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def end(_):
    sys.stderr.write("last words of a thread")
sys.kept = end
libc.pthread_key_create(ctypes.byref(key), end)
def run():
    sys.stderr.write("a thread that ends\n")
    libc.pthread_setspecific(key, ctypes.c_void_p(1))
t = threading.Thread(target=run); t.start(); t.join()`)
	served(t, q)
	logged(t, "a thread that ends\n")
	logged(t, "last words of a thread\n")
}
