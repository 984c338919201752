package worker_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/worker"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// A worker's main thread is its process's.
func init() {
	runtime.LockOSThread()
}

// The tests play the supervisor and Apache's child; the worker is this binary in a process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("GOWSGI_TEST_ROLE") {
	case "worker":
		_ = os.Unsetenv("GOWSGI_TEST_ROLE")
		pyembed.SetJunction(hosttest.Junction())
		os.Exit(worker.Main())
	case "defect":
		worker.Defect()
	case "stranger":
		stranger(os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// patience is for what must happen and takes no time of its own.
const patience = 20 * time.Second

// rig is a worker process and what surrounds it.
type rig struct {
	t        *testing.T
	dir      string
	script   string
	socket   string // the worker's own
	queue    string // the group's
	slot     *daemon.WorkerSlot
	board    *daemon.Scoreboard
	control  *os.File
	messages chan daemon.Message
	process  *os.Process
	exited   chan struct{}
	status   syscall.WaitStatus
}

// settings are what a test wants of its worker.
type settings struct {
	options  []string // name, value, …
	threads  int
	preload  bool
	standby  bool
	apacheID int
	imports  string // a script's text
	notReady bool   // do not wait until it is
}

const group, slots = 48, 120 // sizes of the scoreboard's records

func start(t *testing.T, app string, s settings) *rig {
	t.Helper()
	t.Parallel() // most of these tests wait most of the time
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	r := &rig{t: t, dir: dir, script: filepath.Join(dir, "app.wsgi"), socket: filepath.Join(dir, "w.sock"),
		queue: filepath.Join(dir, "q.sock"), messages: make(chan daemon.Message, 100),
		exited: make(chan struct{})}
	r.write(app)
	own, queue := listen(t, r.socket), listen(t, r.queue)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.SetNonblock(pair[0], true))
	r.control = os.NewFile(uintptr(pair[0]), "control")
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	config := memory(t, daemon.EncodePairs(r.pairs(s)))
	board := r.scoreboard()
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	executable, err := os.Executable()
	require.NoError(t, err)
	r.slot.Begin(1, max(s.threads, 2), time.Now())
	r.process, err = os.StartProcess(executable, []string{"worker"}, &os.ProcAttr{
		Dir: dir, Env: append(os.Environ(), "GOWSGI_TEST_ROLE=worker"),
		Files: []*os.File{null, log, log, config, board, theirs, own, queue},
	})
	require.NoError(t, err)
	for _, f := range []io.Closer{null, log, config, board, theirs, own, queue} {
		_ = f.Close()
	}
	go r.wait()
	go r.read()
	t.Cleanup(r.cleanup)
	if !s.notReady {
		r.expect(daemon.Ready)
	}
	return r
}

// listen makes a socket that everybody may connect to.
func listen(t *testing.T, path string) *os.File {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o777))
	file, err := listener.File()
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	return file
}

func (r *rig) write(app string) {
	require.NoError(r.t, os.WriteFile(r.script+".new", []byte(app), 0o644))
	require.NoError(r.t, os.Rename(r.script+".new", r.script))
}

func (r *rig) pairs(s settings) []daemon.Pair {
	uid := os.Getuid()
	if s.apacheID != 0 {
		uid = s.apacheID
	}
	threads := max(s.threads, 2)
	if s.threads == 1 {
		threads = 1
	}
	pairs := []daemon.Pair{{Name: "abi", Value: "1"}, {Name: "version", Value: "1.0.0"}, {Name: "generation", Value: "1"},
		{Name: "parent_pid", Value: strconv.Itoa(os.Getpid())}, {Name: "scoreboard_groups", Value: "1"},
		{Name: "scoreboard_workers", Value: "2"}, {Name: "socket_prefix", Value: r.dir + "/wsgi"},
		{Name: "apache_uid", Value: strconv.Itoa(uid)}, {Name: "apache_gid", Value: "0"}, {Name: "is_root", Value: "0"},
		{Name: "restrict_stdin", Value: "1"}, {Name: "restrict_stdout", Value: "1"}, {Name: "restrict_signal", Value: "1"},
		{Name: "apache_version", Value: "2.4.99"}, {Name: "io_timeout", Value: "60"},
		{Name: "group", Value: "blog"}, {Name: "index", Value: "0"}, {Name: "first_slot", Value: "0"}, {Name: "slot_count", Value: "2"},
		{Name: "processes", Value: "1"}, {Name: "explicit_processes", Value: "1"}, {Name: "threads", Value: strconv.Itoa(threads)},
		{Name: "log_fd", Value: "2"}, {Name: "log_level", Value: "7"}}
	for i := 0; i < len(s.options); i += 2 {
		pairs = append(pairs, daemon.Pair{Name: "option." + s.options[i], Value: s.options[i+1]})
	}
	if s.imports != "" {
		script := filepath.Join(r.dir, "import.py")
		require.NoError(r.t, os.WriteFile(script, []byte(s.imports), 0o644))
		pairs = append(pairs, daemon.Pair{Name: "import.script", Value: script}, daemon.Pair{Name: "import.app_group", Value: ""})
	}
	pairs = append(pairs, daemon.Pair{Name: "slot", Value: "0"}, daemon.Pair{Name: "incarnation", Value: "1"},
		daemon.Pair{Name: "socket", Value: r.socket})
	if s.standby {
		pairs = append(pairs, daemon.Pair{Name: "standby", Value: "1"})
	}
	if s.preload {
		pairs = append(pairs, daemon.Pair{Name: "preload.script", Value: r.script}, daemon.Pair{Name: "preload.app_group", Value: ""},
			daemon.Pair{Name: "preload.callable", Value: "application"})
	}
	return pairs
}

func memory(t *testing.T, data []byte) *os.File {
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "memory")
	_, err = f.Write(data)
	require.NoError(t, err)
	return f
}

// scoreboard makes one with a group of two slots.
func (r *rig) scoreboard() *os.File {
	f := memory(r.t, make([]byte, group+2*slots))
	board, err := daemon.MapScoreboard(int(f.Fd()), daemon.ScoreboardSize{Groups: 1, Workers: 2})
	require.NoError(r.t, err)
	r.board, r.slot = board, board.Worker(0)
	return f
}

func (r *rig) wait() {
	state, err := r.process.Wait()
	if err == nil {
		r.status = state.Sys().(syscall.WaitStatus)
	}
	close(r.exited)
}

func (r *rig) read() {
	packet := make([]byte, daemon.MaxMessage)
	for {
		n, err := r.control.Read(packet)
		if err != nil || n == 0 {
			close(r.messages)
			return
		}
		if m, err := daemon.DecodeMessage(packet[:n]); assert.NoError(r.t, err) {
			r.messages <- m
		}
	}
}

func (r *rig) cleanup() {
	_ = r.process.Kill()
	<-r.exited
	_ = r.control.Close()
	if r.t.Failed() {
		r.t.Logf("the worker's log:\n%s", r.log())
	}
}

// expect waits for a message; those that may come at any time are skipped unless asked for.
func (r *rig) expect(verb daemon.Verb) daemon.Message {
	r.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m, open := <-r.messages:
			if !open {
				require.FailNow(r.t, "the worker's control socket ended", "log:\n%s", r.log())
			}
			if m.Verb == verb {
				return m
			}
			require.Contains(r.t, []daemon.Verb{daemon.Loaded, daemon.Relieve}, m.Verb)
		case <-timeout:
			require.FailNow(r.t, "no message", "%s; log:\n%s", verb, r.log())
		}
	}
}

func (r *rig) tell(verb daemon.Verb) {
	_, err := r.control.Write(daemon.Message{Verb: verb}.Encode())
	require.NoError(r.t, err)
}

// awaitExit returns the exit status, and how long it took.
func (r *rig) awaitExit(within time.Duration) (syscall.WaitStatus, time.Duration) {
	r.t.Helper()
	began := time.Now()
	select {
	case <-r.exited:
	case <-time.After(within):
		require.FailNow(r.t, "the worker did not exit", "within %v; log:\n%s", within, r.log())
	}
	return r.status, time.Since(began)
}

func (r *rig) log() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "log"))
	require.NoError(r.t, err)
	return string(text)
}

func (r *rig) awaitLog(text string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return strings.Contains(r.log(), text) }, patience, 10*time.Millisecond, "not in the log: %s", text)
}

// ---- Apache's child ----

// client is a connection of an Apache child.
type client struct {
	*net.UnixConn
	t  *testing.T
	in *bufio.Reader
}

func (r *rig) connect() *client {
	r.t.Helper()
	return r.connectTo(r.socket)
}

func (r *rig) connectTo(socket string) *client {
	r.t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	require.NoError(r.t, err)
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(patience)))
	r.t.Cleanup(func() { _ = conn.Close() })
	return &client{UnixConn: conn, t: r.t, in: bufio.NewReader(conn)}
}

// request is one for the script, with these further environ items.
func (r *rig) request(environ ...string) wire.Request {
	return wire.Request{
		StartTime: time.Now().UnixMicro(), SentTime: time.Now().UnixMicro(), ScriptMtime: r.mtime(), WaitingSince: monotonic(),
		Flags:  wire.RequestReload | wire.RequestReloadProcess,
		Script: r.script, Callable: "application",
		Environ: wire.Pack(append([]string{"REQUEST_METHOD", "GET", "REQUEST_URI", "/there", "REMOTE_ADDR", "10.1.2.3", "REMOTE_PORT", "4711",
			"wsgi.url_scheme", "http"}, environ...)...),
	}
}

// monotonic is now, in microseconds of the clock that limits go by.
func monotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano() / 1000
}

func (r *rig) mtime() int64 {
	info, err := os.Stat(r.script)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixMicro()
}

func (c *client) send(frame wire.Frame) {
	c.t.Helper()
	_, err := c.Write(frame.Append(nil))
	require.NoError(c.t, err)
}

func (c *client) sendRequest(q wire.Request) {
	c.t.Helper()
	c.send(wire.Frame{Type: wire.TypeRequest, Flags: wire.FlagBodyComplete, Payload: q.Encode()})
}

func (c *client) frame() wire.Frame {
	c.t.Helper()
	f, err := wire.ReadFrame(c.in)
	require.NoError(c.t, err)
	return f
}

// answer is how an exchange ended, and what came before.
type answer struct {
	head    wire.Response
	headers []string
	body    string
	log     []string
	last    bool      // a DATA said that it is the last one
	end     wire.Type // what ended it; 0: the connection
	number  int       // of FAIL and RETRY
	wants   []int
}

// finish reads to the end of the exchange. body answers WANT.
func (c *client) finish(body func(want int) wire.Frame) (answer, error) {
	var a answer
	for {
		f, err := wire.ReadFrame(c.in)
		if err != nil {
			return a, err
		}
		switch f.Type {
		case wire.TypeHead:
			if a.head, err = wire.DecodeResponse(f.Payload); err != nil {
				return a, err
			}
			a.headers, err = wire.Unpack(a.head.Headers)
		case wire.TypeData:
			a.body += string(f.Payload)
			a.last = a.last || f.Flags&wire.FlagLast != 0
		case wire.TypeLog:
			a.log = append(a.log, string(f.Payload[1:]))
		case wire.TypeWant:
			a.wants = append(a.wants, int(binary.BigEndian.Uint32(f.Payload)))
			if body == nil {
				return a, errors.New("WANT without a body")
			}
			_, err = c.Write(body(a.wants[len(a.wants)-1]).Append(nil))
		case wire.TypeFail:
			a.number = int(binary.BigEndian.Uint16(f.Payload))
		case wire.TypeRetry:
			a.number = int(f.Payload[0])
		case wire.TypeEnd, wire.TypeAbort:
		default:
			err = fmt.Errorf("frame of type %d", f.Type)
		}
		if err != nil {
			return a, err
		}
		switch f.Type {
		case wire.TypeEnd, wire.TypeAbort, wire.TypeFail, wire.TypeRetry:
			a.end = f.Type
			return a, nil
		}
	}
}

// get sends a request without a body and reads its answer.
func (c *client) get(q wire.Request) answer {
	c.t.Helper()
	c.sendRequest(q)
	a, err := c.finish(nil)
	require.NoError(c.t, err)
	return a
}

// get is a request on a connection of its own, or through the queue when no thread is free for it. It must be answered 200.
func (r *rig) get(environ ...string) answer {
	r.t.Helper()
	c := r.connect()
	defer c.Close()
	a := c.get(r.request(environ...))
	if a.end == wire.TypeRetry && a.number == wire.RetryBusy {
		queued := r.connectTo(r.queue)
		defer queued.Close()
		a = queued.get(r.request(environ...))
	}
	require.Equal(r.t, wire.TypeEnd, a.end, "%+v", a)
	require.Equal(r.t, 200, a.head.Status)
	return a
}

// closed checks that the worker closes the connection.
func (c *client) closed() {
	c.t.Helper()
	_, err := c.in.ReadByte()
	if !errors.Is(err, syscall.ECONNRESET) {
		assert.ErrorIs(c.t, err, io.EOF)
	}
}

// together runs n functions at the same time.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			do(i)
		}()
	}
	wg.Wait()
}

// asUser is this binary, started as another user; only root needs to, and can, change to one.
func asUser(uid int, role string, args ...string) *exec.Cmd {
	executable, _ := os.Executable()
	cmd := exec.Command(executable, args...)
	cmd.Env = []string{"GOWSGI_TEST_ROLE=" + role}
	if uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return cmd
}
