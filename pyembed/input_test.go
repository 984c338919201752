package pyembed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

func TestInput(t *testing.T) {
	long := strings.Repeat("x", 70000)
	tests := []struct {
		name, statements string
		pieces           []string
		want             string
	}{
		{"read all", `out.append(input.read())`, []string{"ab", "c\n", "d"}, `[b'abc\nd']`},
		{"read with None and negative sizes", `out += [input.read(None), input.read(-1)]`, []string{"ab"}, `[b'ab', b'']`},
		{"read -1", `out += [input.read(-7)]`, []string{"ab", "cd"}, `[b'abcd']`},
		{"read 0 asks for nothing", `out += [input.read(0), input.read(0), input.read()]`, []string{"ab"}, `[b'', b'', b'ab']`},
		{"read by size, over pieces", `out += [input.read(3), input.read(3), input.read(3), input.read(3)]`, []string{"ab", "cd", "ef", "g"},
			`[b'abc', b'def', b'g', b'']`},
		{"size as an index", `
class Two:
    def __index__(self): return 2
out += [input.read(Two()), input.read(True)]`, []string{"abcd"}, `[b'ab', b'c']`},
		{"huge size", `out.append(input.read(2**62))`, []string{"ab"}, `[b'ab']`},
		{"no body", `out += [input.read(), input.readline(), input.readlines(), list(input)]`, nil, `[b'', b'', [], []]`},
		{"readline", `out += [input.readline() for i in range(5)]`, []string{"a\nb", "c\n\n", "d"},
			`[b'a\n', b'bc\n', b'\n', b'd', b'']`},
		{"readline with limit", `out += [input.readline(n) for n in (0, 1, 2, 9, None, -1)]`, []string{"ab\ncd\nef\ngh"},
			`[b'', b'a', b'b\n', b'cd\n', b'ef\n', b'gh']`},
		{"limit right at the newline", `out += [input.readline(3), input.readline(2), input.readline()]`, []string{"ab\ncd\n"},
			`[b'ab\n', b'cd', b'\n']`},
		{"readline then read", `out += [input.readline(), input.read(2), input.readline(), input.read()]`, []string{"a\nbcd", "e\nf", "g"},
			`[b'a\n', b'bc', b'de\n', b'fg']`},
		{"long line over chunks", `
a = input.readline()
out += [len(a), a[-2:], input.readline()]`, []string{long, long + "\n", "b"}, `[140001, b'x\n', b'b']`},
		{"long line by limit", `out += [len(input.readline(100000)), len(input.readline(100000)), input.read()]`, []string{long + long + "\nb"},
			`[100000, 40001, b'b']`},
		{"readlines", `out.append(input.readlines())`, []string{"a\n\nb", "\nc"}, `[[b'a\n', b'\n', b'b\n', b'c']]`},
		{"readlines with hint", `out += [input.readlines(3), input.readlines(0)]`, []string{"a\nb\nc\nd"},
			`[[b'a\n', b'b\n'], [b'c\n', b'd']]`},
		{"iteration", `out += list(input); out.append(iter(input) is input)`, []string{"a\nb", "c\nd"}, `[b'a\n', b'bc\n', b'd', True]`},
		{"close does nothing", `input.close(); out.append(input.read())`, []string{"a"}, `[b'a']`},
		{"wrong arguments", `out += [raises(input.read, "1"), raises(input.read, 1.5), raises(input.read, 1, 2), raises(input.readline, 2**70)]`,
			[]string{"a"}, `["TypeError: 'str' object cannot be interpreted as an integer", "TypeError: 'float' object cannot be interpreted as an integer", ` +
				`'TypeError: expected at most 1 argument, got 2', "OverflowError: cannot fit 'int' into an index-sized integer"]`},
		{"through io", `
import io
class Raw(io.RawIOBase):
    def readable(self): return True
    def readinto(self, b):
        data = input.read(len(b))
        b[:len(data)] = data
        return len(data)
out += io.TextIOWrapper(io.BufferedReader(Raw())).readlines()`, []string{"a\nb\xc3", "\xa9\n"}, `['a\n', 'bé\n']`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := body(t, test.statements)
			q.Body = hosttest.Body(test.pieces...)
			assert.Equal(t, test.want, served(t, q).Body())
		})
	}
}

// A client that announces much is not believed before it sends.
func TestInputDoesNotAllocateWhatIsNotSent(t *testing.T) {
	q := body(t, `
import resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out += [len(input.read(1 << 40)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100000]`)
	q.Body = hosttest.Body(strings.Repeat("x", 1000))
	assert.Equal(t, `[1000, True]`, served(t, q).Body())
}

func TestInputStreams(t *testing.T) {
	q := body(t, `
n = 0
while True:
    data = input.read(65536)
    if not data: break
    n += len(data)
out.append(n)`)
	piece := strings.Repeat("x", 1<<20)
	for range 16 {
		q.Body = append(q.Body, hosttest.Read{Data: piece})
	}
	assert.Equal(t, fmt.Sprintf("[%d]", 16<<20), served(t, q).Body())
}

func TestInputAtTheEndIsNotAskedAgain(t *testing.T) {
	q := body(t, `out += [input.read(), input.read(), input.readline()]`)
	q.Body = hosttest.Body("a")
	assert.Equal(t, []int{1, 0}, served(t, q).Reads)
}

func TestInputErrors(t *testing.T) {
	for code, want := range map[int]string{
		hosttest.ReadGone:      "OSError: the client closed the connection before its request body was complete",
		hosttest.ReadTimeout:   "TimeoutError: the client sent no more of its request body in time",
		hosttest.ReadTooLarge:  "OSError: the request body is larger than the server accepts (LimitRequestBody)",
		hosttest.ReadMalformed: "OSError: the request body is not well-formed HTTP",
		hosttest.ReadFailed:    "OSError: the request body could not be read",
	} {
		q := body(t, `out += [raises(input.read), raises(input.readline), raises(input.readlines), raises(list, input), raises(input.read, 0)]`)
		q.Body = append(hosttest.Body("ab"), hosttest.Read{Code: code})
		r := served(t, q)
		assert.Equal(t, fmt.Sprintf("['%s', '%[1]s', '%[1]s', '%[1]s', b'']", want), r.Body())
		assert.Equal(t, []int{2, code}, r.Reads, "a failed body is not asked again")
	}
}

func TestInputLinesBeforeAnErrorAreGiven(t *testing.T) {
	q := body(t, `out += [input.readline(), raises(input.readline)]`)
	q.Body = append(hosttest.Body("a\nb"), hosttest.Read{Code: hosttest.ReadFailed})
	assert.Equal(t, `[b'a\n', 'OSError: the request body could not be read']`, served(t, q).Body())
}

// An error of the client's that the application lets through is no error of the application's.
func TestInputGoneIsQuiet(t *testing.T) {
	q := body(t, `input.read()`)
	q.Body = []hosttest.Read{{Code: hosttest.ReadGone}}
	r := q.Serve()
	assert.Equal(t, hosttest.Failed, r.Outcome)
	assert.Len(t, r.Log, 1)
	assert.Equal(t, 6, r.Log[0].Level)
	assert.Contains(t, r.LogText(), "after the client had gone: OSError")
}

func TestInputAfterTheRequest(t *testing.T) {
	q := script(t, `
kept = []
def application(environ, start_response):
    start_response("200 OK", [])
    if not kept:
        kept.append(environ["wsgi.input"])
        return []
    out = []
    for call in kept[0].read, kept[0].readline, kept[0].readlines, lambda: list(kept[0]):
        try: call()
        except RuntimeError as e: out.append(str(e).encode() + b"\n")
    kept[0].close()
    return out
`)
	q.Body = hosttest.Body("abc")
	served(t, q)
	assert.Equal(t, strings.Repeat("wsgi.input was used after its request had ended\n", 4), served(t, q).Body())
}

func TestInputOnAnotherThread(t *testing.T) {
	q := body(t, `
t = threading.Thread(target=lambda: out.append(input.read(2)))
t.start(); t.join()
out.append(input.read())`)
	q.Body = hosttest.Body("abcd")
	assert.Equal(t, `[b'ab', b'cd']`, served(t, q).Body())
}

func TestInputHasOneReaderAtATime(t *testing.T) {
	q := body(t, `
t = threading.Thread(target=lambda: out.append(input.read()))
t.start()
time.sleep(0.05)
out.append(raises(input.read))
t.join()`)
	q.Body = []hosttest.Read{{Data: "abc", DelayMS: 200}}
	r := served(t, q)
	assert.Equal(t, `['RuntimeError: wsgi.input is being read by another thread', b'abc']`, r.Body())
	assert.Equal(t, 1, r.Readers)
}

// The request's memory must not go while another thread is inside the server with it.
func TestInputReaderHoldsTheRequest(t *testing.T) {
	q := script(t, `
import threading, time
out = []
def read(input):
    try:
        out.append(input.read(5))
        input.read()
    except Exception as e:
        out.append(str(e))
def application(environ, start_response):
    global thread
    start_response("200 OK", [])
    if environ.get("SHOW"):
        thread.join()
        return [repr(out).encode()]
    thread = threading.Thread(target=read, args=(environ["wsgi.input"],))
    thread.start()
    time.sleep(0.05)
    return [b"sent"]
`)
	q.Body = []hosttest.Read{{Data: "abc", DelayMS: 200}, {Data: "def"}}
	r := served(t, q)
	assert.Equal(t, "sent", r.Body())
	assert.Equal(t, []int{3}, r.Reads)
	q.Environ, q.Body = [][2]string{{"SHOW", "1"}}, nil
	assert.Equal(t, `['wsgi.input was used after its request had ended']`, served(t, q).Body())
}
