package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
)

// many answers of which the worker must have given what the test says.
type tally struct {
	ok, retry, other atomic.Int64
}

// hammer sends requests on n connections until each was sent back, or sent so many.
func (r *rig) hammer(n, each int, environ ...string) *tally {
	var sum tally
	conns := make([]*client, n)
	for i := range conns {
		conns[i] = r.connect()
	}
	together(n, func(i int) {
		for range each {
			conns[i].sendRequest(r.request(environ...))
			a, err := conns[i].finish(nil)
			switch {
			case err == nil && a.end == wire.TypeEnd:
				sum.ok.Add(1)
			case err == nil && a.end == wire.TypeRetry:
				sum.retry.Add(1)
				return
			default:
				sum.other.Add(1)
				return
			}
		}
	})
	return &sum
}

func TestMaximumRequestsIsExact(t *testing.T) {
	r := start(t, hello, settings{threads: 5, options: []string{"maximum-requests", "100"}})
	sum := r.hammer(10, 1000)
	assert.Equal(t, int64(100), sum.ok.Load())
	assert.Equal(t, int64(10), sum.retry.Load())
	assert.Zero(t, sum.other.Load())
	assert.Equal(t, daemon.ExitMaximumRequests, r.expect(daemon.Retire).Reason)
	assert.Equal(t, daemon.Stale, r.slot.State())
	assert.Equal(t, daemon.ExitMaximumRequests, r.slot.ExitReason())
	r.tell(daemon.Drain)
	status, _ := r.awaitExit(patience)
	assert.Equal(t, 0, status.ExitStatus())
	assert.Equal(t, daemon.Draining, r.slot.State())
}

// The script changes: the request that finds out is sent back, those in flight finish, and none gets the new text from this process.
func TestReload(t *testing.T) {
	app := `
import time
def application(environ, start_response):
    time.sleep(float(environ.get("SLEEP", "0")))
    start_response("200 OK", [])
    return [b"old"]
`
	r := start(t, app, settings{threads: 4})
	r.get()
	slow := r.connect()
	slow.sendRequest(r.request("SLEEP", "1"))
	require.Eventually(t, func() bool { return r.slot.Busy() == 1 }, patience, time.Millisecond)
	before := r.request()
	time.Sleep(10 * time.Millisecond)
	r.write(strings.Replace(app, "old", "new", 1))

	c := r.connect()
	assert.Equal(t, "old", c.get(before).body, "sent before the script changed")
	a := c.get(r.request())
	assert.Equal(t, wire.TypeRetry, a.end)
	assert.Equal(t, wire.RetryReload, a.number)
	assert.Equal(t, daemon.ExitReload, r.expect(daemon.Retire).Reason)
	assert.Equal(t, daemon.Stale, r.slot.State())
	a = c.get(before)
	assert.Equal(t, wire.TypeRetry, a.end)
	assert.Equal(t, wire.RetryStopping, a.number)

	r.tell(daemon.Drain)
	answer, err := slow.finish(nil)
	require.NoError(t, err)
	assert.Equal(t, "old", answer.body)
	status, _ := r.awaitExit(patience)
	assert.Equal(t, 0, status.ExitStatus())
}

// Without the flag, a changed script is loaded again in the process.
func TestReloadOfModule(t *testing.T) {
	r := start(t, strings.Replace(hello, "Hello", "one", 1), settings{})
	c := r.connect()
	assert.Equal(t, "one", c.get(r.request()).body)
	time.Sleep(10 * time.Millisecond)
	r.write(strings.Replace(hello, "Hello", "two", 1))
	q := r.request()
	q.Flags = wire.RequestReload
	assert.Equal(t, "two", c.get(q).body)
	assert.Equal(t, daemon.Serving, r.slot.State())
}

// A script that could not be loaded is tried again, in this process.
func TestBrokenScriptIsNotRetired(t *testing.T) {
	r := start(t, "raise ValueError('broken')", settings{})
	c := r.connect()
	assert.Equal(t, 500, c.get(r.request()).number)
	r.write(hello)
	assert.Equal(t, "Hello", c.get(r.request()).body)
}

func TestQueueTimeout(t *testing.T) {
	r := start(t, hello, settings{options: []string{"queue-timeout", "2"}})
	c := r.connect()
	q := r.request()
	q.WaitingSince -= 1_500_000
	q.SentTime -= 3_600_000_000 // somebody set that clock
	assert.Equal(t, "Hello", c.get(q).body)
	q.WaitingSince -= 1_000_000
	a := c.get(q)
	assert.Equal(t, wire.TypeFail, a.end)
	assert.Equal(t, 504, a.number)
	require.Len(t, a.log, 1)
	assert.Contains(t, a.log[0], "GWSGI1005")
	assert.Equal(t, "Hello", c.get(r.request()).body)
}

const sleeper = `
import time
def application(environ, start_response):
    time.sleep(float(environ.get("SLEEP", "0")))
    start_response("200 OK", [])
    return [b"awake"]
`

// A request that runs for too long: its process says where, others finish, nobody waits for it.
func TestRequestTimeout(t *testing.T) {
	r := start(t, sleeper, settings{threads: 3, options: []string{"request-timeout", "1", "graceful-timeout", "30"}})
	stuck, other := r.connect(), r.connect()
	stuck.sendRequest(r.request("SLEEP", "60"))
	require.Eventually(t, func() bool { return r.slot.Busy() == 1 }, patience, time.Millisecond)
	time.Sleep(700 * time.Millisecond)
	other.sendRequest(r.request("SLEEP", "0.8"))
	assert.Equal(t, daemon.ExitRequestTimeout, r.expect(daemon.Retire).Reason)
	a, err := other.finish(nil)
	require.NoError(t, err)
	assert.Equal(t, "awake", a.body)
	status, _ := r.awaitExit(8 * time.Second) // threads that sleep do not keep exit functions from running
	assert.Equal(t, 1, status.ExitStatus())
	log := r.log()
	assert.Contains(t, log, "GWSGI1021: GET /there, client 10.1.2.3:4711 has run for")
	assert.Contains(t, log, `app.wsgi", line 4 in application`, "the stacks")
	assert.Equal(t, daemon.ExitRequestTimeout, r.slot.ExitReason())
}

// Code that keeps the GIL while it waits. Nothing that needs Python can help then.
const deadlock = `
import ctypes
def application(environ, start_response):
    start_response("200 OK", [])
    if "STUCK" in environ:
        ctypes.PyDLL(None).sleep(60)
    return [b"fine"]
`

func TestDeadlockTimeout(t *testing.T) {
	r := start(t, deadlock, settings{options: []string{"deadlock-timeout", "1", "shutdown-timeout", "0", "graceful-timeout", "0"}})
	r.get()
	time.Sleep(1500 * time.Millisecond)
	r.get()
	q := r.request("STUCK", "1")
	q.AppGroup = "another" // whatever the interpreter
	r.connect().sendRequest(q)
	began := time.Now()
	assert.Equal(t, daemon.ExitDeadlock, r.expect(daemon.Retire).Reason)
	status, _ := r.awaitExit(3 * time.Second)
	assert.Equal(t, 1, status.ExitStatus())
	assert.Greater(t, time.Since(began), 900*time.Millisecond)
	log := r.log()
	assert.Contains(t, log, "GWSGI1020")
	assert.Contains(t, log, "GET /there, client 10.1.2.3:4711")
	assert.Contains(t, log, "application group 'another':")
	assert.Contains(t, log, `app.wsgi", line 6 in application`)
	assert.Equal(t, daemon.ExitDeadlock, r.slot.ExitReason())
}

// The supervisor dies: the worker ends, even if Python is stuck.
func TestSupervisorDies(t *testing.T) {
	r := start(t, deadlock, settings{})
	r.get()
	r.connect().sendRequest(r.request("STUCK", "1"))
	require.Eventually(t, func() bool { return r.slot.Busy() == 1 }, patience, time.Millisecond)
	require.NoError(t, syscall.Shutdown(int(r.control.Fd()), syscall.SHUT_RDWR))
	_, took := r.awaitExit(2 * time.Second)
	assert.Less(t, took, time.Second)
}

func TestInactivityTimeout(t *testing.T) {
	r := start(t, sleeper, settings{options: []string{"inactivity-timeout", "1"}})
	time.Sleep(1500 * time.Millisecond)
	assert.Empty(t, r.messages, "before its first request a process is not inactive")
	r.get("SLEEP", "0")
	stuck := r.connect()
	stuck.sendRequest(r.request("SLEEP", "2.5")) // neither reads nor writes
	began := time.Now()
	assert.Equal(t, daemon.ExitInactivity, r.expect(daemon.Retire).Reason)
	assert.Less(t, time.Since(began), 2*time.Second)
	assert.Equal(t, daemon.Stale, r.slot.State())
	r.tell(daemon.Drain)
	a, err := stuck.finish(nil)
	require.NoError(t, err)
	assert.Equal(t, "awake", a.body)
	status, _ := r.awaitExit(patience)
	assert.Equal(t, 0, status.ExitStatus())
}

// One that has loaded for its predecessor's sake, and is not asked either, gives the memory back.
func TestInactivityAfterPreload(t *testing.T) {
	r := start(t, sleeper, settings{preload: true, options: []string{"inactivity-timeout", "1"}})
	began := time.Now()
	assert.Equal(t, daemon.ExitInactivity, r.expect(daemon.Retire).Reason)
	assert.Greater(t, time.Since(began), 900*time.Millisecond)
}

// Reads and writes of a long request are activity.
func TestActivityOfARequest(t *testing.T) {
	r := start(t, `
import time
def application(environ, start_response):
    start_response("200 OK", [])
    for i in range(8):
        time.sleep(0.3)
        yield b"x"
`, settings{options: []string{"inactivity-timeout", "1"}})
	assert.Equal(t, "xxxxxxxx", r.get().body)
	assert.Equal(t, daemon.Serving, r.slot.State())
}

func TestGracefulTimeout(t *testing.T) {
	r := start(t, sleeper, settings{options: []string{"graceful-timeout", "1"}})
	c := r.connect()
	c.sendRequest(r.request("SLEEP", "60"))
	require.Eventually(t, func() bool { return r.slot.Busy() == 1 }, patience, time.Millisecond)
	r.tell(daemon.Drain)
	status, took := r.awaitExit(4 * time.Second)
	assert.Equal(t, 1, status.ExitStatus())
	assert.Greater(t, took, 900*time.Millisecond)
	assert.Contains(t, r.log(), "GWSGI1023: 1 requests still run")
	assert.Contains(t, r.log(), "GET /there, client 10.1.2.3:4711")
	c.closed()
}

const exits = `
import atexit, sys, time
def at_exit():
    print("exit functions run", file=sys.stderr)
    time.sleep(SLEEP)
    print("and end", file=sys.stderr)
atexit.register(at_exit)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]
`

func TestExitFunctions(t *testing.T) {
	r := start(t, strings.Replace(exits, "SLEEP", "0.1", 1), settings{preload: true})
	q := r.request()
	q.AppGroup = "another"
	assert.Equal(t, "fine", r.connect().get(q).body)
	r.tell(daemon.Drain)
	status, _ := r.awaitExit(patience)
	assert.Equal(t, 0, status.ExitStatus())
	assert.Equal(t, 2, strings.Count(r.log(), "] and end\n"), "in both interpreters")
}

func TestShutdownTimeout(t *testing.T) {
	r := start(t, strings.Replace(exits, "SLEEP", "60", 1), settings{preload: true, options: []string{"shutdown-timeout", "1"}})
	r.tell(daemon.Drain)
	status, took := r.awaitExit(3 * time.Second)
	assert.Equal(t, 1, status.ExitStatus())
	assert.Greater(t, took, 900*time.Millisecond)
	assert.Contains(t, r.log(), "GWSGI1024")
	assert.Contains(t, r.log(), "exit functions run")
}

// When httpd stops, three seconds are all, whatever the options say.
func TestStop(t *testing.T) {
	r := start(t, strings.Replace(exits, "SLEEP", "60", 1), settings{preload: true, options: []string{"shutdown-timeout", "0"}})
	r.tell(daemon.Stop)
	_, took := r.awaitExit(3 * time.Second)
	assert.Greater(t, took, 2*time.Second)
	assert.Contains(t, r.log(), "GWSGI1024")
}

// Stop comes while requests are waited for.
func TestStopWhileDraining(t *testing.T) {
	r := start(t, sleeper, settings{})
	r.connect().sendRequest(r.request("SLEEP", "60"))
	require.Eventually(t, func() bool { return r.slot.Busy() == 1 }, patience, time.Millisecond)
	r.tell(daemon.Drain)
	time.Sleep(200 * time.Millisecond)
	r.tell(daemon.Stop)
	_, took := r.awaitExit(3 * time.Second)
	assert.Less(t, took, 2*time.Second)
}

func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1} {
		t.Run(s.String(), func(t *testing.T) {
			r := start(t, sleeper, settings{})
			c := r.connect()
			c.sendRequest(r.request("SLEEP", "0.5"))
			require.Eventually(t, func() bool { return r.slot.Busy() == 1 }, patience, time.Millisecond)
			require.NoError(t, r.process.Signal(s))
			assert.Equal(t, daemon.ExitSignal, r.expect(daemon.Retire).Reason)
			a, err := c.finish(nil)
			require.NoError(t, err)
			assert.Equal(t, "awake", a.body)
			assert.Equal(t, wire.TypeRetry, c.get(r.request()).end)
			r.tell(daemon.Drain)
			status, _ := r.awaitExit(patience)
			assert.Equal(t, 0, status.ExitStatus())
		})
	}
}

// What an application starts has the signals of an ordinary process.
func TestSignalsOfChildProcesses(t *testing.T) {
	r := start(t, `
import subprocess, signal
def application(environ, start_response):
    start_response("200 OK", [])
    blocked = subprocess.run(["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"], capture_output=True, text=True).stdout
    stuck = subprocess.Popen(["sleep", "60"])
    stuck.terminate()
    return [("%s %s %s" % (blocked.split(), stuck.wait(), signal.pthread_sigmask(signal.SIG_BLOCK, []))).encode()]
`, settings{})
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	ignored := regexp.MustCompile(`SigIgn:\s*([0-9a-f]+)`).FindSubmatch(status) // what this test was started with is passed on
	require.NotNil(t, ignored)
	want := fmt.Sprintf("['SigBlk:', '0000000000000000', 'SigIgn:', '%s'] -15 set()", ignored[1])
	assert.Equal(t, want, r.get().body)
}

// A crash leaves its signal as the exit status, so that it can be told in the log.
func TestCrash(t *testing.T) {
	r := start(t, `
import os, ctypes, faulthandler
def application(environ, start_response):
    if environ["KIND"] == "segv":
        ctypes.string_at(0)
    if environ["KIND"] == "faulthandler":
        faulthandler.enable()
        ctypes.string_at(0)
    os._exit(7)
`, settings{})
	c := r.connect()
	c.sendRequest(r.request("KIND", "segv"))
	c.closed()
	status, _ := r.awaitExit(patience)
	assert.Equal(t, syscall.SIGSEGV, status.Signal(), "%v", status)
}

func TestStartupTimeout(t *testing.T) {
	r := start(t, "import time\ntime.sleep(60)", settings{preload: true, notReady: true, options: []string{"startup-timeout", "1"}})
	status, took := r.awaitExit(5 * time.Second)
	assert.Equal(t, 1, status.ExitStatus())
	assert.Greater(t, took, 900*time.Millisecond)
	assert.Contains(t, r.log(), "GWSGI1022")
	assert.Contains(t, r.log(), `app.wsgi", line 2 in <module>`)
	assert.Equal(t, daemon.ExitStartupTimeout, r.slot.ExitReason())
}

// Scripts of which none takes too long may do so together.
func TestStartupTimeoutOfTheWhole(t *testing.T) {
	const nap = "import time\ntime.sleep(0.7)\n"
	r := start(t, nap, settings{imports: nap, preload: true, notReady: true, options: []string{"startup-timeout", "1"}})
	r.awaitExit(5 * time.Second)
	assert.Regexp(t, `GWSGI1022: WSGI script '.*/(import\.py|app\.wsgi)' .* is not loaded after 1\.`, r.log())
	assert.Regexp(t, `(import\.py|app\.wsgi)", line 2 in <module>`, r.log(), "whichever it was by then")
	assert.Equal(t, daemon.ExitStartupTimeout, r.slot.ExitReason())
}

// Python itself runs code of others when it starts.
func TestStartupTimeoutOfPython(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "slow.py"), []byte("import time\ntime.sleep(60)\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "slow.pth"), []byte("import slow\n"), 0o644))
	r := start(t, hello, settings{notReady: true, options: []string{"startup-timeout", "1", "python-path", dir}})
	r.awaitExit(5 * time.Second)
	assert.Contains(t, r.log(), "GWSGI1022: this process is not ready after 1.")
	assert.Contains(t, r.log(), `slow.py", line 2 in <module>`)
	assert.Equal(t, daemon.ExitStartupTimeout, r.slot.ExitReason())
}

// The first request loads the script.
func TestStartupTimeoutAtFirstRequest(t *testing.T) {
	r := start(t, "import time\ntime.sleep(60)", settings{options: []string{"startup-timeout", "1", "graceful-timeout", "1"}})
	r.connect().sendRequest(r.request())
	assert.Equal(t, daemon.ExitStartupTimeout, r.expect(daemon.Retire).Reason)
	r.awaitExit(8 * time.Second)
	assert.Contains(t, r.log(), "GWSGI1022")
}

func TestToldToGoWhileStarting(t *testing.T) {
	r := start(t, "import time\ntime.sleep(60)", settings{preload: true, notReady: true})
	time.Sleep(500 * time.Millisecond)
	r.tell(daemon.Stop)
	status, took := r.awaitExit(3 * time.Second)
	assert.Equal(t, 0, status.ExitStatus())
	assert.Less(t, took, time.Second)
}

func TestPythonCannotStart(t *testing.T) {
	r := start(t, hello, settings{notReady: true, options: []string{"python-home", "/nonexistent"}})
	status, _ := r.awaitExit(patience)
	assert.Equal(t, 1, status.ExitStatus())
	assert.Contains(t, r.log(), "GWSGI1011")
}

// Whatever retires it first, the supervisor hears of it once.
func TestRetiresOnce(t *testing.T) {
	r := start(t, hello, settings{threads: 4, options: []string{"maximum-requests", "50"}})
	go func() {
		time.Sleep(5 * time.Millisecond)
		_ = r.process.Signal(os.Interrupt)
	}()
	r.hammer(8, 1000)
	r.expect(daemon.Retire)
	time.Sleep(200 * time.Millisecond)
	for len(r.messages) > 0 {
		assert.Equal(t, daemon.Loaded, (<-r.messages).Verb)
	}
	r.tell(daemon.Drain)
	r.awaitExit(patience)
}

// One that will soon have served all that it may says so.
func TestRelieve(t *testing.T) {
	r := start(t, hello, settings{options: []string{"maximum-requests", "100"}})
	r.hammer(1, 60)
	r.expect(daemon.Relieve)
	assert.Equal(t, daemon.Serving, r.slot.State())
	assert.Equal(t, int64(40), r.hammer(1, 41).ok.Load())
	r.expect(daemon.Retire)
	r.tell(daemon.Drain)
	r.awaitExit(patience)
}

// One that stands by has loaded all, and takes requests when it is called.
func TestStandby(t *testing.T) {
	r := start(t, hello, settings{notReady: true, standby: true, preload: true})
	r.expect(daemon.Standby)
	assert.Equal(t, daemon.Starting, r.slot.State())
	r.tell(daemon.Serve)
	r.expect(daemon.Ready)
	assert.Equal(t, daemon.Serving, r.slot.State())
	r.get()
	r.tell(daemon.Drain)
	r.awaitExit(patience)
}

func TestStandbyIsDismissed(t *testing.T) {
	r := start(t, hello, settings{notReady: true, standby: true})
	r.expect(daemon.Standby)
	r.tell(daemon.Drain)
	status, _ := r.awaitExit(patience)
	assert.Equal(t, 0, status.ExitStatus())
}
