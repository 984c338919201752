package worker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
)

// What a broken peer may send instead of a REQUEST.
func garbage(r *rig) map[string][]byte {
	request := wire.Frame{Type: wire.TypeRequest, Flags: wire.FlagBodyComplete, Payload: r.request().Encode()}
	head := request.Append(nil)[:wire.HeadSize]
	giant := append([]byte{}, head...)
	binary.BigEndian.PutUint32(giant, wire.MaxPayload+1)
	dirty := append([]byte{}, request.Append(nil)...)
	dirty[6] = 1
	longer := append([]byte{}, request.Payload...)
	longer[43]++
	return map[string][]byte{
		"http":              []byte("GET / HTTP/1.1\r\nHost: there\r\n\r\n"),
		"zeros":             make([]byte, 1000),
		"giant":             giant,
		"dirty head":        dirty,
		"empty request":     wire.Frame{Type: wire.TypeRequest}.Append(nil),
		"wrong lengths":     wire.Frame{Type: wire.TypeRequest, Payload: longer}.Append(nil),
		"body first":        wire.Frame{Type: wire.TypeBody, Payload: []byte("x")}.Append(nil),
		"end":               wire.Frame{Type: wire.TypeEnd}.Append(nil),
		"unknown type":      wire.Frame{Type: 99}.Append(nil),
		"two requests":      request.Append(request.Append(nil)),
		"request and a bit": append(request.Append(nil), 0),
	}
}

func TestGarbage(t *testing.T) {
	r := start(t, hello, settings{})
	for name, bytes := range garbage(r) {
		t.Run(name, func(t *testing.T) {
			c := r.connect()
			_, err := c.Write(bytes)
			require.NoError(t, err)
			c.closed()
			assert.Equal(t, "Hello", r.get().body)
		})
	}
	assert.Equal(t, 1, strings.Count(r.log(), "GWSGI1001"), "one line for them all")
	assert.Equal(t, uint64(len(garbage(r))), r.slot.Requests(), "none of them was counted")
}

// More half frames than there are threads hold up nobody, at whatever byte they stop.
func TestHalfFrames(t *testing.T) {
	r := start(t, hello, settings{options: []string{"socket-timeout", "1"}})
	request := wire.Frame{Type: wire.TypeRequest, Flags: wire.FlagBodyComplete, Payload: r.request().Encode()}.Append(nil)
	var half []*client
	for n := 0; n < len(request); n += 1 + n/16 {
		c := r.connect()
		_, err := c.Write(request[:n])
		require.NoError(t, err)
		half = append(half, c)
	}
	assert.Greater(t, len(half), 20)
	assert.Equal(t, "Hello", r.get().body)
	for i, c := range half[1:] { // the first one sent nothing: it may be silent for ever
		_, err := c.in.ReadByte()
		assert.ErrorIs(t, err, io.EOF, "half frame %d is given up after socket-timeout", i)
	}
	half[0].sendRequest(r.request())
	a, err := half[0].finish(nil)
	require.NoError(t, err)
	assert.Equal(t, "Hello", a.body)
}

const bodyAndStream = `
import time
log = []
def application(environ, start_response):
    what = environ["WHAT"]
    if what == "log":
        start_response("200 OK", [])
        return ["\n".join(log).encode()]
    if what == "read":
        try:
            environ["wsgi.input"].read()
        except OSError as e:
            log.append(type(e).__name__)
            raise
    if what == "sleep":
        time.sleep(0.3)
    start_response("200 OK", [])
    def body():
        try:
            for i in range(int(environ.get("COUNT", "1000"))):
                yield b"x" * 100000
        finally:
            log.append("closed")
    return body()
`

// A client that goes away at any point: the thread is free again, and the application can clean up.
func TestClientGoes(t *testing.T) {
	r := start(t, bodyAndStream, settings{threads: 2})
	free := func(t *testing.T) {
		require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
		assert.Equal(t, 200, r.get("WHAT", "log").head.Status)
	}
	for name, goes := range map[string]func(c *client){
		"after connecting":     func(*client) {},
		"after half a request": func(c *client) { _, _ = c.Write(make([]byte, 3)) },
		"while it is served":   func(c *client) { c.sendRequest(r.request("WHAT", "sleep")) },
		"before the body": func(c *client) {
			c.send(wire.Frame{Type: wire.TypeRequest, Payload: r.request("WHAT", "read").Encode()})
		},
		"in the body": func(c *client) {
			c.send(wire.Frame{Type: wire.TypeRequest, Payload: r.request("WHAT", "read").Encode()})
			c.frame()
			_, _ = c.Write(wire.Frame{Type: wire.TypeBody, Payload: make([]byte, 1000)}.Append(nil)[:500])
		},
		"in the response": func(c *client) {
			c.sendRequest(r.request("WHAT", "stream"))
			c.frame()
			c.frame()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.connect()
			goes(c)
			_ = c.Close()
			free(t)
		})
	}
	assert.Contains(t, r.get("WHAT", "log").body, "OSError")
	assert.Contains(t, r.get("WHAT", "log").body, "closed")
	assert.Equal(t, "READY", r.slot.State().String())
}

// A body that is not what was asked for.
func TestBrokenBody(t *testing.T) {
	r := start(t, bodyAndStream, settings{threads: 1})
	for name, frame := range map[string][]byte{
		"more than asked": wire.Frame{Type: wire.TypeBody, Payload: make([]byte, wire.Chunk+1)}.Append(nil),
		"its head alone":  wire.Frame{Type: wire.TypeBody, Payload: make([]byte, wire.Chunk+1)}.Append(nil)[:wire.HeadSize],
		"a head of none":  {0xff, 0xff, 0xff, 0xff, byte(wire.TypeBody), 0, 0, 0},
		"empty":           wire.Frame{Type: wire.TypeBody}.Append(nil),
		"request":         wire.Frame{Type: wire.TypeRequest, Payload: r.request().Encode()}.Append(nil),
		"end with data":   wire.Frame{Type: wire.TypeBodyEnd, Payload: []byte("x")}.Append(nil),
		"no reason":       wire.Frame{Type: wire.TypeBodyFail, Payload: []byte{0}}.Append(nil),
		"unknown reason":  wire.Frame{Type: wire.TypeBodyFail, Payload: []byte{6}}.Append(nil),
		"two frames":      wire.Frame{Type: wire.TypeBody, Payload: []byte("a")}.Append(wire.Frame{Type: wire.TypeBody, Payload: []byte("b")}.Append(nil)),
		"garbage":         []byte("HTTP/1.1 200 OK\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			c := r.connectTo(r.queue)
			c.send(wire.Frame{Type: wire.TypeRequest, Payload: r.request("WHAT", "read").Encode()})
			assert.Equal(t, wire.TypeWant, c.frame().Type)
			_, err := c.Write(frame)
			require.NoError(t, err)
			c.closed()
			assert.Equal(t, 200, r.get("WHAT", "log").head.Status)
		})
	}
	assert.Contains(t, r.log(), "GWSGI1002")
}

// Peers that neither read nor send, as many as there are threads: after socket-timeout the threads are free.
func TestStuckPeers(t *testing.T) {
	r := start(t, bodyAndStream, settings{threads: 2, options: []string{"socket-timeout", "1", "send-buffer-size", "4096"}})
	reader, sender := r.connect(), r.connect()
	reader.sendRequest(r.request("WHAT", "stream"))
	sender.send(wire.Frame{Type: wire.TypeRequest, Payload: r.request("WHAT", "read").Encode()})
	require.Eventually(t, func() bool { return r.slot.Busy() == 2 }, patience, time.Millisecond)
	began := time.Now()
	assert.Contains(t, r.connectTo(r.queue).get(r.request("WHAT", "log")).body, "TimeoutError")
	assert.Greater(t, time.Since(began), 500*time.Millisecond)
	assert.Less(t, time.Since(began), 10*time.Second)
	require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
}

// A slow reader that reads gets everything.
func TestSlowReader(t *testing.T) {
	r := start(t, bodyAndStream, settings{options: []string{"send-buffer-size", "4096", "receive-buffer-size", "4096"}})
	c := r.connect()
	c.sendRequest(r.request("WHAT", "stream", "COUNT", "50"))
	total := 0
	for range 20 {
		f := c.frame()
		if f.Type == wire.TypeData {
			total += len(f.Payload)
		}
		time.Sleep(10 * time.Millisecond)
	}
	a, err := c.finish(nil)
	require.NoError(t, err)
	assert.Equal(t, 5_000_000, total+len(a.body))
}

// stranger is a process of another user that tries to connect, and says what became of it.
func stranger(socket string) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Println("not connected:", err)
		return
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = conn.Write(wire.Frame{Type: wire.TypeRequest}.Append(nil)[:4])
	_, err = io.ReadAll(conn)
	fmt.Println("ended:", err)
}

func TestOtherUsersAreRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	const apache, other = 12345, 12346
	r := start(t, hello, settings{apacheID: apache})
	// The binary and the socket must be in reach of the users.
	for dir := r.dir; dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		require.NoError(t, unix.Chmod(dir, 0o755))
	}
	cmd := asUser(other, "stranger", r.socket)
	copied := filepath.Join(r.dir, "stranger") // by cp: no child that this process forks meanwhile has it open for writing
	out, err := exec.Command("cp", cmd.Path, copied).CombinedOutput()
	require.NoError(t, err, string(out))
	cmd.Path, cmd.Dir = copied, "/"
	out, err = cmd.CombinedOutput()
	if strings.Contains(string(out), "error while loading shared libraries") {
		t.Skipf("other users cannot read this Python: %s", out)
	}
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "ended:")
	r.awaitLog("GWSGI1004")
	assert.Contains(t, r.log(), fmt.Sprintf("uid %d", other))
	assert.Equal(t, "Hello", r.get().body, "root may")
}

// Out of descriptors, the worker says so, serves those that it has, and goes on when there are some.
func TestNoDescriptors(t *testing.T) {
	r := start(t, `
import os, resource
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["WHAT"] == "limit":
        fd = os.open("/dev/null", os.O_RDONLY)
        os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (fd, 4096))
    elif environ["WHAT"] == "lift":
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    return [b"ok"]
`, settings{})
	c := r.connect()
	assert.Equal(t, "ok", c.get(r.request("WHAT", "limit")).body)
	waiting := r.connect()
	waiting.sendRequest(r.request("WHAT", "nothing"))
	r.awaitLog("GWSGI1003")
	assert.Equal(t, "ok", c.get(r.request("WHAT", "lift")).body)
	a, err := waiting.finish(nil)
	require.NoError(t, err)
	assert.Equal(t, "ok", a.body)
}
