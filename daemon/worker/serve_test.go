package worker_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

const hello = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello"]
`

// A small response leaves at once: one recv() has all its frames.
func TestSmallResponse(t *testing.T) {
	r := start(t, hello, settings{})
	assert.Equal(t, daemon.Serving, r.slot.State())
	c := r.connect()
	for range 3 {
		c.sendRequest(r.request())
		all := make([]byte, 4096)
		n, err := c.UnixConn.Read(all)
		require.NoError(t, err)
		in := bytes.NewReader(all[:n])
		var types []wire.Type
		for in.Len() > 0 {
			f, err := wire.ReadFrame(in)
			require.NoError(t, err)
			types = append(types, f.Type)
		}
		assert.Equal(t, []wire.Type{wire.TypeHead, wire.TypeData, wire.TypeEnd}, types)
	}
	a := c.get(r.request())
	assert.Equal(t, "200 OK", a.head.StatusLine)
	assert.Equal(t, int64(5), a.head.ContentLength)
	assert.Equal(t, []string{"Content-Type", "text/plain"}, a.headers)
	assert.Equal(t, "Hello", a.body)
	require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
	assert.Equal(t, uint64(4), r.slot.Requests())
	assert.NotZero(t, r.slot.Active())
}

// A warm request makes no call into Go.
func TestWarmRequestsStayInC(t *testing.T) {
	r := start(t, `
import mod_wsgi
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(mod_wsgi.counters()["go_entries"]).encode()]
`, settings{threads: 4})
	c := r.connect()
	before := c.get(r.request()).body
	for range 1000 {
		require.Equal(t, before, c.get(r.request()).body)
	}
}

func TestEnviron(t *testing.T) {
	r := start(t, `
def application(environ, start_response):
    start_response("200 OK", [])
    keys = ("mod_wsgi.process_group", "mod_wsgi.application_group", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once",
            "apache.version", "mod_wsgi.queue_start", "mod_wsgi.request_start", "COLOUR")
    ordered = environ["mod_wsgi.queue_start"] <= environ["mod_wsgi.daemon_start"] <= environ["mod_wsgi.application_start"]
    return ["|".join([repr(environ[k]) for k in keys] + [repr(ordered)]).encode()]
`, settings{threads: 1, options: []string{"maximum-requests", "1"}})
	q := r.request("COLOUR", "blue")
	q.SentTime, q.StartTime = 1500000, 1250000
	a := r.connect().get(q)
	assert.Equal(t, "'blog'|''|False|True|True|(2, 4, 99)|1.5|1.25|'blue'|True", a.body)
}

func TestUmaskAndWorkingDirectory(t *testing.T) {
	r := start(t, `
import os
def application(environ, start_response):
    open("made", "w").close()
    start_response("200 OK", [])
    return [os.getcwd().encode()]
`, settings{options: []string{"umask", "0027"}})
	assert.Equal(t, r.dir, r.get().body)
	info, err := os.Stat(filepath.Join(r.dir, "made"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode())
}

const readAll = `
import hashlib
def application(environ, start_response):
    size = int(environ.get("READ", "-1"))
    total, pieces = hashlib.sha256(), 0
    while True:
        piece = environ["wsgi.input"].read(size)
        if not piece:
            break
        total.update(piece)
        pieces += len(piece)
    start_response("200 OK", [])
    return [("%d %s" % (pieces, total.hexdigest())).encode()]
`

// pieces answers WANT with these bytes, and then with the body's end.
func pieces(data []byte, atMost int) func(int) wire.Frame {
	return func(want int) wire.Frame {
		n := min(want, len(data), atMost)
		piece := data[:n]
		data = data[n:]
		if n == 0 {
			return wire.Frame{Type: wire.TypeBodyEnd}
		}
		return wire.Frame{Type: wire.TypeBody, Payload: piece}
	}
}

func TestBody(t *testing.T) {
	r := start(t, readAll, settings{})
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	c := r.connect()
	for _, size := range []string{"-1", "1000000", "8192", "100", "7"} {
		for _, inline := range []int{0, 1, wire.InlineBody} {
			body := data
			if len(size) < 4 {
				body = data[:50_000]
			}
			q := r.request("READ", size)
			q.Body = body[:inline]
			c.send(wire.Frame{Type: wire.TypeRequest, Payload: q.Encode()})
			a, err := c.finish(pieces(body[inline:], 40_000))
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("%d %x", len(body), sha256.Sum256(body)), a.body, "read(%s), %d bytes inline", size, inline)
			for _, want := range a.wants {
				assert.True(t, want >= 8192 && want <= wire.Chunk, "WANT %d", want)
			}
		}
	}
}

// The body that came with the request is all of it: nothing is asked for.
func TestInlineBody(t *testing.T) {
	r := start(t, readAll, settings{})
	q := r.request()
	q.Body = []byte("small")
	a := r.connect().get(q)
	assert.Equal(t, fmt.Sprintf("5 %x", sha256.Sum256(q.Body)), a.body)
	assert.Empty(t, a.wants)
}

func TestBodyFailures(t *testing.T) {
	r := start(t, `
def application(environ, start_response):
    try:
        environ["wsgi.input"].read()
        what = "no error"
    except OSError as e:
        what = type(e).__name__ + ": " + str(e)
    start_response("200 OK", [])
    return [what.encode()]
`, settings{})
	c := r.connect()
	for code, text := range map[byte]string{1: "OSError: the request body could not be read", 2: "client closed the connection",
		3: "TimeoutError", 4: "LimitRequestBody", 5: "not well-formed"} {
		c.send(wire.Frame{Type: wire.TypeRequest, Payload: r.request().Encode()})
		a, err := c.finish(func(int) wire.Frame { return wire.Frame{Type: wire.TypeBodyFail, Payload: []byte{code}} })
		require.NoError(t, err)
		assert.Contains(t, a.body, text)
	}
}

// The application ignores a large body and sends a large response: neither side waits for the other.
func TestLargeResponseToUnreadBody(t *testing.T) {
	r := start(t, `
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x" * 10_000_000]
`, settings{})
	c := r.connect()
	for range 2 {
		q := r.request()
		q.Body = bytes.Repeat([]byte("b"), wire.InlineBody)
		c.send(wire.Frame{Type: wire.TypeRequest, Payload: q.Encode()})
		a, err := c.finish(nil)
		require.NoError(t, err)
		assert.Equal(t, 10_000_000, len(a.body))
		assert.Equal(t, wire.TypeEnd, a.end)
		assert.True(t, a.last)
	}
}

// A request that is larger than the input buffer, in pieces that come slowly.
func TestLargeRequestInPieces(t *testing.T) {
	r := start(t, `
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(len(environ["LONG"])).encode()]
`, settings{threads: 1})
	c := r.connect()
	request := wire.Frame{Type: wire.TypeRequest, Flags: wire.FlagBodyComplete, Payload: r.request("LONG", strings.Repeat("l", 300_000)).Encode()}.Append(nil)
	for _, n := range []int{1, 6, 1, 1, 60_000, len(request)} {
		n = min(n, len(request))
		_, err := c.Write(request[:n])
		require.NoError(t, err)
		request = request[n:]
		if len(request) > 0 {
			assert.Equal(t, "5", r.get("LONG", "12345").body, "no thread is held up")
		}
	}
	a, err := c.finish(nil)
	require.NoError(t, err)
	assert.Equal(t, "300000", a.body)
}

// What an application does after the last byte does not keep that byte back, and what it logs then still is the request's.
func TestLastBeforeCleanup(t *testing.T) {
	r := start(t, `
import time, sys
class Response:
    def __init__(self, environ):
        self.environ = environ
    def __iter__(self):
        yield b"one"
        print("between", file=self.environ["wsgi.errors"])
        yield b"two"
    def close(self):
        time.sleep(0.5)
        print("cleaned up", file=sys.stderr)
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return Response(environ)
`, settings{})
	c := r.connect()
	c.sendRequest(r.request())
	began := time.Now()
	assert.Equal(t, wire.TypeHead, c.frame().Type)
	assert.Equal(t, wire.Frame{Type: wire.TypeData, Flags: wire.FlagFlush, Payload: []byte("one")}, c.frame())
	assert.Equal(t, wire.Frame{Type: wire.TypeLog, Payload: []byte("\x03between")}, c.frame())
	assert.Equal(t, wire.Frame{Type: wire.TypeData, Flags: wire.FlagFlush | wire.FlagLast, Payload: []byte("two")}, c.frame())
	assert.Less(t, time.Since(began), 400*time.Millisecond)
	assert.Equal(t, wire.Frame{Type: wire.TypeLog, Payload: []byte("\x03cleaned up")}, c.frame())
	assert.Equal(t, wire.TypeEnd, c.frame().Type)
}

func TestFile(t *testing.T) {
	r := start(t, `
def application(environ, start_response):
    f = open(environ["FILE"], "rb")
    f.seek(3)
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](f)
`, settings{})
	path := filepath.Join(r.dir, "data")
	require.NoError(t, os.WriteFile(path, []byte("0123456789"), 0o644))
	c := r.connect()
	for range 2 {
		c.sendRequest(r.request("FILE", path))
		buf, control := make([]byte, 4096), make([]byte, 128)
		have, fdAt, frames := 0, -1, []wire.Frame{}
		for len(frames) < 2 {
			n, controlLen, _, _, err := c.ReadMsgUnix(buf[have:], control)
			require.NoError(t, err)
			have += n
			if controlLen > 0 {
				control, fdAt = control[:controlLen], have
			}
			frames = frames[:0]
			for in := bytes.NewReader(buf[:have]); in.Len() > 0; {
				f, err := wire.ReadFrame(in)
				require.NoError(t, err)
				frames = append(frames, f)
			}
		}
		assert.Equal(t, wire.TypeHead, frames[0].Type)
		assert.Equal(t, have, fdAt, "the descriptor comes with its frame")
		frame := frames[1]
		assert.Equal(t, wire.TypeFile, frame.Type)
		assert.Equal(t, uint64(3), binary.BigEndian.Uint64(frame.Payload))
		assert.Equal(t, uint64(7), binary.BigEndian.Uint64(frame.Payload[8:]))
		messages, err := unix.ParseSocketControlMessage(control)
		require.NoError(t, err)
		require.Len(t, messages, 1)
		fds, err := unix.ParseUnixRights(&messages[0])
		require.NoError(t, err)
		content := make([]byte, 20)
		n, err := unix.Pread(fds[0], content, 3)
		require.NoError(t, err)
		assert.Equal(t, "3456789", string(content[:n]))
		_ = unix.Close(fds[0])
	}
}

// What other threads log while a file is sent is no later request's.
func TestLogDuringFile(t *testing.T) {
	r := start(t, `
import threading
def application(environ, start_response):
    f, errors, tag = open(__file__, "rb"), environ["wsgi.errors"], environ["TAG"] + "\n"
    def log():
        while not f.closed:
            errors.write(tag)
    threading.Thread(target=log).start()
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](f)
`, settings{threads: 1})
	c := r.connect()
	for i := range 20 {
		tag := strconv.Itoa(i)
		require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
		c.sendRequest(r.request("TAG", tag))
		for f := c.frame(); f.Type != wire.TypeFile; f = c.frame() {
			if f.Type == wire.TypeLog {
				require.Equal(t, tag, string(f.Payload[1:]))
			}
		}
	}
}

func TestFailures(t *testing.T) {
	r := start(t, `
def application(environ, start_response):
    kind = environ["KIND"]
    if kind == "raise":
        raise ValueError("on purpose")
    if kind == "exit":
        raise SystemExit(3)
    start_response("200 OK", [])
    def body():
        yield b"begun"
        raise ValueError("half-way")
    return body()
`, settings{})
	c := r.connect()
	a := c.get(r.request("KIND", "raise"))
	assert.Equal(t, wire.TypeFail, a.end)
	assert.Equal(t, 500, a.number)
	assert.Contains(t, strings.Join(a.log, "\n"), "ValueError: on purpose")

	a = c.get(r.request("KIND", "exit"))
	assert.Equal(t, 500, a.number)

	q := r.request()
	q.Script = r.dir + "/missing.wsgi"
	a = c.get(q)
	assert.Equal(t, wire.TypeFail, a.end)
	assert.Equal(t, 404, a.number)

	a = c.get(r.request("KIND", "half"))
	assert.Equal(t, wire.TypeAbort, a.end)
	assert.Equal(t, "begun", a.body)
	assert.Contains(t, strings.Join(a.log, "\n"), "half-way")
	c.closed()
	assert.NotContains(t, r.log(), "GWSGI", "the request's lines go to its client")
}

// An application's forked child keeps nothing open of what the worker closes, and cannot answer.
func TestForkedChild(t *testing.T) {
	r := start(t, `
import os, time
def application(environ, start_response):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    start_response("200 OK", [])
    def body():
        yield b"begun"
        raise ValueError("half-way")
    return body()
`, settings{})
	c := r.connect()
	a := c.get(r.request())
	assert.Equal(t, wire.TypeAbort, a.end)
	c.closed()
	idle := r.connect()
	require.NoError(t, r.process.Kill())
	idle.closed()
}

func TestImportsAndPreloads(t *testing.T) {
	r := start(t, hello, settings{preload: true, notReady: true, imports: "import sys\nprint('imported', file=sys.stderr)\n"})
	first, second := <-r.messages, <-r.messages // in any order
	assert.ElementsMatch(t, []daemon.Message{{Verb: daemon.Ready, Python: pyembed.PythonRelease()}, {Verb: daemon.Loaded, Script: daemon.Script{Path: r.script, Callable: "application"}}},
		[]daemon.Message{first, second})
	assert.Contains(t, r.log(), "[gowsgi:error] [pid "+fmt.Sprint(r.process.Pid))
	assert.Contains(t, r.log(), "] imported\n")
	assert.Equal(t, "Hello", r.get().body)
}

func TestFirstLoadIsReported(t *testing.T) {
	r := start(t, hello, settings{})
	r.get()
	m := <-r.messages
	assert.Equal(t, daemon.Loaded, m.Verb)
	assert.Equal(t, r.script, m.Script.Path)
	r.get()
	assert.Empty(t, r.messages)
}
