package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about processes that connect to the socket of a daemon process and are not httpd.

// connectAs connects to a socket as a process of that user would. Only this thread becomes the user, and it ends.
func connectAs(uid, gid int, socket string) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- func() result {
			for _, call := range []struct{ number, id uintptr }{{unix.SYS_SETRESGID, uintptr(gid)}, {unix.SYS_SETRESUID, uintptr(uid)}} {
				if _, _, errno := unix.RawSyscall(call.number, call.id, call.id, call.id); errno != 0 {
					return result{nil, errno}
				}
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return result{nil, err}
			}
			timeout := unix.Timeval{Sec: 20}
			_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
			_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout)
			return result{os.NewFile(uintptr(fd), socket), unix.Connect(fd, &unix.SockaddrUnix{Name: socket})}
		}()
	}()
	r := <-done
	return r.file, r.err
}

// workerSocket is the socket of the only daemon process.
func workerSocket(t *testing.T, s *harness.Server) string {
	t.Helper()
	awaitOnly(t, s, 1)
	return sockets(s)[0]
}

// giant is a frame's head that announces so many bytes.
func giant(kind wire.Type, length uint32) []byte {
	b := wire.Frame{Type: kind}.Append(nil)
	binary.BigEndian.PutUint32(b, length)
	return b
}

// nonsense is what no httpd sends: a text for each, and whether the process is to close the connection by itself.
func nonsense(script string) map[string]struct {
	bytes  []byte
	closed bool
} {
	random := rand.New(rand.NewPCG(3, 7))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	request := wire.Frame{Type: wire.TypeRequest, Payload: wire.Request{
		Script: script, AppGroup: "", Callable: "application", Environ: wire.Pack("REQUEST_METHOD", "POST", "QUERY_STRING", ""),
	}.Encode()}.Append(nil)
	reserved := bytes.Clone(request)
	reserved[7] = 1
	torn := bytes.Clone(request)
	copy(torn[wire.HeadSize+32:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	return map[string]struct {
		bytes  []byte
		closed bool
	}{
		"nothing":                 {nil, false},
		"noise":                   {append([]byte{0xff}, noise...), true},
		"HTTP":                    {[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), true},
		"half a head":             {request[:5], false},
		"a head":                  {request[:8], false},
		"half a request":          {request[:len(request)/2], false},
		"a giant length":          {giant(wire.TypeRequest, 0xffffffff), true},
		"a length over the limit": {giant(wire.TypeRequest, wire.MaxPayload+1), true},
		"the greatest length":     {append(giant(wire.TypeRequest, wire.MaxPayload), noise...), false},
		"an empty request":        {giant(wire.TypeRequest, 0), true},
		"a frame of the worker":   {wire.Frame{Type: wire.TypeEnd}.Append(nil), true},
		"a body without request":  {wire.Frame{Type: wire.TypeBody, Payload: noise[:100]}.Append(nil), true},
		"an unknown frame":        {wire.Frame{Type: 99}.Append(nil), true},
		"reserved bytes":          {reserved, true},
		"lengths that lie":        {torn, true},
		"two requests at once":    {append(bytes.Clone(request), request...), true},
		"noise for a body":        {append(bytes.Clone(request), noise...), true},
	}
}

// Whoever has Apache's uid may connect, and may then send what it likes: its connection is closed, some lines tell, and nobody else
// notices.
func TestFaultBrokenPeer(t *testing.T) {
	t.Parallel()
	asRoot(t, "it takes on another user")
	s := harness.Start(t, harness.Config{Threads: 32, Conf: faultConf("threads=5")})
	s.Expect(`GWSGI1001: `)
	assertHello(t, s)
	pid := s.Workers()[0]
	uid, gid, _ := s.Account()
	socket := workerSocket(t, s)
	l := startLoad(t, s, 20, "/hello?")
	l.await(t, 20)
	const rounds = 10
	for range rounds {
		for name, one := range nonsense(harness.App(t, "body/count.wsgi")) {
			peer, err := connectAs(uid, gid, socket)
			require.NoError(t, err)
			_, err = peer.Write(one.bytes)
			if err == nil && one.closed {
				_, err = io.Copy(io.Discard, peer)
			}
			assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, name)
			assert.NotErrorIs(t, err, unix.EAGAIN, name)
			peer.Close()
		}
	}
	l.await(t, 50)
	assertNoFailure(t, l.stop())
	assert.Equal(t, []int{pid}, s.Workers(), "the process lives")
	lines := found(s, `^(.*)GWSGI100[12]: `)
	first, last := lineTime(t, lines[0]), time.Now()
	assert.LessOrEqual(t, len(lines), 2+int(last.Sub(first)/(10*time.Second)), "lines about it in %v", last.Sub(first))
}

// Something else than the body that the process asked for ends this request, and no other.
func TestFaultBrokenPeerInBody(t *testing.T) {
	t.Parallel()
	asRoot(t, "it takes on another user")
	s := harness.Start(t, harness.Config{Threads: 32, Conf: faultConf("threads=3")})
	s.Expect(`GWSGI1002: `)
	s.Allow(`GWSGI0601: `, `Traceback`, `\]  +`, `OSError`)
	assertHello(t, s)
	uid, gid, _ := s.Account()
	socket := workerSocket(t, s)
	request := wire.Frame{Type: wire.TypeRequest, Payload: wire.Request{
		Script: harness.App(t, "body/count.wsgi"), Callable: "application",
		Environ: wire.Pack("REQUEST_METHOD", "POST", "QUERY_STRING", "", "CONTENT_LENGTH", "100000", "SERVER_NAME", "x", "SERVER_PORT", "80"),
	}.Encode()}.Append(nil)
	for _, answer := range [][]byte{
		giant(wire.TypeBody, 0xffffffff), giant(wire.TypeBody, wire.MaxPayload), giant(wire.TypeBody, 0), request,
		wire.Frame{Type: wire.TypeBodyFail, Payload: []byte{77}}.Append(nil), []byte(strings.Repeat("noise", 100)), nil,
	} {
		peer, err := connectAs(uid, gid, socket)
		require.NoError(t, err)
		_, err = peer.Write(request)
		require.NoError(t, err)
		frame, err := wire.ReadFrame(peer)
		require.NoError(t, err)
		require.Equal(t, wire.TypeWant, frame.Type)
		_, err = peer.Write(answer)
		require.NoError(t, err)
		if answer != nil {
			_, err = io.Copy(io.Discard, peer)
			assert.NotErrorIs(t, err, unix.EAGAIN, "% x", answer[:8])
		}
		peer.Close()
	}
	assertOthersServed(t, s)
}

// Hundreds of connections that say nothing, or begin to, keep no thread and nobody else out.
func TestFaultManyPeers(t *testing.T) {
	t.Parallel()
	asRoot(t, "it takes on another user")
	s := harness.Start(t, harness.Config{Threads: 32, Conf: faultConf("threads=3 socket-timeout=2")})
	s.Allow(`GWSGI1001: `)
	assertHello(t, s)
	uid, gid, _ := s.Account()
	socket := workerSocket(t, s)
	before := openFiles(t, s.Workers()[0])
	var peers []*os.File
	const many = 300
	for n := range many {
		peer, err := connectAs(uid, gid, socket)
		require.NoError(t, err)
		if n%2 == 0 {
			_, err = peer.Write(append(giant(wire.TypeRequest, wire.MaxPayload), "begun"...))
			require.NoError(t, err)
		}
		peers = append(peers, peer)
	}
	assertOthersServed(t, s)
	harness.Eventually(t, func() bool { return openFiles(t, s.Workers()[0]) < before+many*2/3 }, "the end of those that do not go on")
	for _, peer := range peers {
		peer.Close()
	}
	assertOthersServed(t, s)
	harness.Eventually(t, func() bool { return openFiles(t, s.Workers()[0]) < before+20 }, "the end of all connections")
}

// Another user cannot connect; and if the socket's permissions were loosened, would be refused by the process.
func TestFaultForeignPeer(t *testing.T) {
	t.Parallel()
	asRoot(t, "it takes on another user")
	s := harness.Start(t, harness.Config{Conf: faultConf("threads=3")})
	assertHello(t, s)
	const nobody = 65534
	socket := workerSocket(t, s)
	peer, err := connectAs(nobody, nobody, socket)
	assert.ErrorIs(t, err, unix.EACCES)
	peer.Close()
	require.NoError(t, os.Chmod(socket, 0o777))
	s.Expect(fmt.Sprintf(`GWSGI1004: a process of uid %d \(pid %d\) connected to the group's socket and was refused`, nobody, os.Getpid()))
	request := wire.Frame{Type: wire.TypeRequest, Payload: wire.Request{
		Script: harness.App(t, "hello/hello.wsgi"), Callable: "application", Environ: wire.Pack("REQUEST_METHOD", "GET"),
	}.Encode()}.Append(nil)
	for range 50 {
		peer, err = connectAs(nobody, nobody, socket)
		require.NoError(t, err)
		_, _ = peer.Write(request)
		got, _ := io.ReadAll(peer)
		assert.Empty(t, got)
		peer.Close()
	}
	assert.LessOrEqual(t, len(found(s, `GWSGI1004: `)), 2, "lines about it")
	assertOthersServed(t, s)
}

// The folder of the sockets is looked at when httpd starts: the part of its path that Apache's user may not pass is named.
func TestFaultSocketFolder(t *testing.T) {
	t.Parallel()
	asRoot(t, "it makes a folder that Apache's user may not pass")
	dir := publicDir(t)
	require.NoError(t, os.MkdirAll(dir+"/open/closed/inner", 0o755))
	require.NoError(t, os.Chmod(dir+"/open/closed", 0o700))
	conf := strings.Replace(faultConf(""), "${RUN}/wsgi", dir+"/open/closed/inner/wsgi", 1)
	s := harness.Start(t, harness.Config{Conf: conf})
	s.Expect(`GWSGI0911: Apache's user \(uid \d+, gid \d+\) cannot pass through `+dir+`/open/closed on the way`, `GWSGI1111: .*GET /hello\?one`)
	o := ask1(s, "/hello?", "one")
	assert.Equal(t, 503, o.status, "%s", o)
	assert.Less(t, o.ended.Sub(o.began), 5*time.Second, "an answer at once, when a process is there")
	assert.Len(t, found(s, `GWSGI1111: `), 1)
	require.NoError(t, os.Chmod(dir+"/open/closed", 0o755))
	assertHello(t, s)
	s.Warm()
}

// So is one that does not exist.
func TestFaultSocketFolderMissing(t *testing.T) {
	t.Parallel()
	conf := strings.Replace(faultConf("connect-timeout=1"), "${RUN}/wsgi", "${RUN}/missing/wsgi", 1)
	s := harness.Start(t, harness.Config{Conf: conf})
	s.Expect(`GWSGI0910: .*/missing, cannot be used`, `GWSGI0904: `, `GWSGI1112: `)
	o := ask1(s, "/hello?", "one")
	assert.Equal(t, 503, o.status, "%s", o)
}

// Sockets that a job which cleans up deleted come back by themselves, and one line says so; so does their folder. Nobody who asks meanwhile
// notices, and all processes serve afterwards.
func TestFaultSocketsDeleted(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(dir string) error{
		"one by one":        removeSockets,
		"moved away":        func(dir string) error { return moveSockets(dir, publicDir(t)) },
		"with their folder": func(dir string) error { return os.Rename(dir, dir+".away") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(publicDir(t), "sockets")
			require.NoError(t, os.Mkdir(dir, 0o755))
			conf := strings.Replace(faultConf("processes=2 threads=2"), "${RUN}/wsgi", dir+"/wsgi", 1)
			s := harness.Start(t, harness.Config{Threads: 32, Conf: conf})
			s.Expect(`GWSGI0915: \d sockets of daemon process groups in ` + dir + ` were deleted or moved away`)
			harness.Eventually(t, func() bool { return len(found(s, `of process group 'fault' is ready`)) == 2 }, "both processes are ready")
			workers := s.Workers()
			l := startLoad(t, s, 10, "/fault/nap?1+")
			l.await(t, 50)
			require.NoError(t, remove(dir))
			harness.Eventually(t, func() bool { return len(socketsIn(dir)) == 3 }, "the sockets are back")
			l.await(t, 200)
			assertNoFailure(t, l.stop())
			served := countAnswers(t, s, "/fault/nap?5+", 8, 10)
			assert.Len(t, served, 2, "both processes serve: %v", served)
			assert.Equal(t, workers, s.Workers())
		})
	}
}

func socketsIn(dir string) []string {
	names, _ := filepath.Glob(dir + "/wsgi.*.sock")
	return names
}

func removeSockets(dir string) error {
	var err error
	for _, socket := range socketsIn(dir) {
		err = errors.Join(err, os.Remove(socket))
	}
	return err
}

func moveSockets(dir, to string) error {
	var err error
	for _, socket := range socketsIn(dir) {
		err = errors.Join(err, os.Rename(socket, filepath.Join(to, filepath.Base(socket))))
	}
	return err
}

// Where they cannot be made anew, that is said once, requests are answered 503 after connect-timeout, and it is tried until it works.
func TestFaultSocketFolderGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicDir(t), "above", "sockets")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	conf := strings.Replace(faultConf("threads=1 connect-timeout=1"), "${RUN}/wsgi", dir+"/wsgi", 1)
	s := harness.Start(t, harness.Config{Conf: conf})
	s.Expect(`GWSGI0916: sockets of daemon process groups in `+dir+` were deleted or moved away while they are in use, and cannot be made anew: .*mkdir`,
		`GWSGI0915: `, `GWSGI1111: .*sockets \(`+dir+`/wsgi\.\*\) were deleted while they run.*GET /hello\?one`)
	s.WaitLog(`of process group 'fault' is ready`)
	require.NoError(t, os.Rename(filepath.Dir(dir), filepath.Dir(dir)+".away"))
	harness.Eventually(t, func() bool { return len(found(s, `GWSGI0916: `)) == 1 }, "it is noticed")
	o := ask1(s, "/hello?", "one")
	assert.Equal(t, 503, o.status, "%s", o)
	assert.Len(t, found(s, `GWSGI0916: `), 1)
	require.NoError(t, os.Mkdir(filepath.Dir(dir), 0o755))
	harness.Eventually(t, func() bool { return len(socketsIn(dir)) == 2 }, "the sockets are back")
	assertHello(t, s)
	s.Warm()
}

// The memory that all share may be written to by the daemon processes, whoever their user is. What a process of ill will writes there
// does not lead httpd's children astray.
func TestFaultScoreboardScribbled(t *testing.T) {
	t.Parallel()
	asRoot(t, "it opens another process's memory")
	s := harness.Start(t, harness.Config{Threads: 32, Children: 2, Conf: faultConf("processes=2 threads=5")})
	assertHello(t, s)
	children := s.Children()
	l := startLoad(t, s, 20, "/hello?")
	l.await(t, 50)
	board, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/4", s.Supervisor()), os.O_WRONLY, 0)
	require.NoError(t, err)
	defer board.Close()
	// What tells of the group, but for its first field, which counts changes.
	_, err = board.WriteAt(bytes.Repeat([]byte{0xff}, 44), 4)
	require.NoError(t, err)
	l.await(t, 200)
	assertNoFailure(t, l.stop())
	assert.Equal(t, children, s.Children())
}

// Whatever is written there, those that come later find their places: daemon processes and supervisor.
func TestFaultScoreboardSpoilt(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 16, Conf: faultConf("processes=2 threads=4")})
	s.Expect(`GWSGI0902: `, `GWSGI1102: `)
	assertHello(t, s)
	awaitOnly(t, s, 2)
	for _, victims := range [][]int{s.Workers(), {s.Supervisor()}} {
		before := s.Workers()
		assert.Equal(t, "done", s.Get("/fault/scribble").Body)
		for _, pid := range victims {
			kill(t, pid)
		}
		awaitWorkers(t, s, 2, before...)
		assertHello(t, s)
		awaitOnly(t, s, 2)
	}
}

// A daemon process that sends a file behind the end of a response has it not sent on: the client would take it for the next response.
func TestFaultFileBehindTheEnd(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: faultConf("")})
	s.Expect(`GWSGI1115: `)
	conn := s.Dial()
	conn.Send(head("GET", "/fault/forge"))
	_, body, _ := strings.Cut(conn.Rest(), "\r\n\r\n")
	assert.Equal(t, "abc", body)
	assertOthersServed(t, s)
}
