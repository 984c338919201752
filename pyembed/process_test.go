package pyembed_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// Children that the application forks are looked at from their parent, by their exit status and by what they leave in files:
// descriptor 2, which is their log, is this process's own.

// forkingGroups are the application groups whose applications can fork.
func forkingGroups() []string {
	if pyembed.PythonVersion() == "3.12" {
		return []string{""}
	}
	return []string{"", "forking"}
}

// other has another interpreter in the process, which alone used to keep a fork from working.
func other(t *testing.T) {
	q := body(t, `threading.Thread(target=time.sleep, args=(20,), daemon=True).start()`)
	q.Group = "another"
	served(t, q)
}

func TestFork(t *testing.T) {
	other(t)
	for _, group := range forkingGroups() {
		q := body(t, `
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    import subprocess
    os.write(w, b"child " + subprocess.check_output(["echo", "of a child"]))
    os._exit(3)
out += [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.read(r, 100)]
os.close(r); os.close(w)`)
		q.Group = group
		assert.Equal(t, `[3, b'child of a child\n']`, served(t, q).Body(), group)
	}
}

// A child is a whole Python.
func TestForkedChildWorks(t *testing.T) {
	other(t)
	for _, group := range forkingGroups() {
		q := body(t, `
import traceback, gc
def work():
    import ctypes, decimal, json, multiprocessing, signal, sqlite3
    gc.collect()
    t = threading.Thread(target=lambda: None); t.start(); t.join()
    assert sqlite3.connect(":memory:").execute("select 1").fetchall() == [(1,)]
    assert ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)() == 7
    pid = os.fork()
    if pid == 0: os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    list(map(bytearray, range(20000)))
    gc.collect()
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    try:
        work()
    except BaseException as e:
        os.write(w, traceback.format_exc().encode())
        os._exit(1)
    os._exit(3)
os.close(w)
out += [os.read(r, 10000), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
os.close(r)`)
		q.Group = group
		for range 3 {
			assert.Equal(t, `[b'', 3]`, served(t, q).Body(), group)
		}
	}
}

const forking = `
import os, sys
def fork(environ, start_response):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(environ["FILE"], os.O_WRONLY | os.O_APPEND), 2)
        return 0
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    start_response("200 OK", [])
    return str(status).encode()
`

// A child that returns into the server ends there: it does not answer, and it runs nothing of the server's exit.
func TestForkedChildThatComesBack(t *testing.T) {
	for child, want := range map[string][2]string{
		`return [b"from the child"]`:                          {"0", ""},
		`start_response("200 OK", []); return [b"child"]`:     {"0", ""},
		`return iter([b"child"])`:                             {"0", ""},
		`return None`:                                         {"0", ""},
		`raise KeyError("in the child")`:                      {"1", "KeyError: 'in the child'\n"},
		`sys.exit()`:                                          {"0", ""},
		`sys.exit(7)`:                                         {"7", ""},
		`sys.exit("last words")`:                              {"1", "last words\n"},
		`sys.stderr.write("begun"); return []`:                {"0", "begun\n"},
		`environ["wsgi.errors"].write("line\n"); return []`:   {"0", "line\n"},
		`environ["wsgi.input"].read(); return []`:             {"1", "OSError: wsgi.input cannot be read in a forked child process\n"},
		`start_response("200 OK", [])(b"x"); return []`:       {"1", "OSError: "},
		`import ctypes; ctypes.CDLL(None).exit(9)`:            {"9", ""},
		`import mod_wsgi; mod_wsgi.counters(); return [b"x"]`: {"0", ""},
		`import threading; threading.Thread(target=print, args=("t",), kwargs={"file": sys.stderr}).start(); return []`: {"0", ""},
	} {
		t.Run(child, func(t *testing.T) {
			q := script(t, forking+`
def application(environ, start_response):
    sys.stderr.write("parent ")
    status = fork(environ, start_response)
    if status: return [status]
    `+child+"\n")
			stderr := write(t, "stderr", "")
			q.Environ = [][2]string{{"FILE", stderr}}
			r := q.Serve()
			assert.Equal(t, hosttest.Done, r.Outcome, r.LogText())
			assert.Equal(t, want[0], r.Body())
			assert.Equal(t, []string{"parent "}, texts(t, r.Log))
			said, err := os.ReadFile(stderr)
			require.NoError(t, err)
			if strings.HasPrefix(child, "import threading") {
				return // the thread may or may not have run
			}
			if want[1] == "" || want[1] == "begun\n" || want[1] == "line\n" || want[1] == "last words\n" {
				assert.Equal(t, want[1], string(said))
			} else {
				assert.Contains(t, string(said), "Traceback")
				assert.Contains(t, string(said), want[1])
			}
		})
	}
}

func TestForkedChildInAGenerator(t *testing.T) {
	for child, want := range map[string]string{`return`: "0", `raise ValueError()`: "1", `sys.exit(4)`: "4", `yield b"child"`: "0"} {
		q := script(t, forking+`
class Closing:
    def __init__(self, items): self.items = items
    def __iter__(self): return self.items
    def close(self): open(name, "a").write("closed\n")
def generate(environ, start_response):
    status = fork(environ, lambda *a: None)
    if status:
        yield b"%s\n" % status
    else:
        `+child+`
def application(environ, start_response):
    global name
    name = environ["FILE"] + ".closed"
    start_response("200 OK", [("Content-Length", "2")])
    return Closing(generate(environ, start_response))
`)
		stderr := write(t, "stderr", "")
		q.Environ = [][2]string{{"FILE", stderr}}
		assert.Equal(t, want+"\n", served(t, q).Body(), child)
		closed, err := os.ReadFile(stderr + ".closed")
		require.NoError(t, err)
		assert.Equal(t, "closed\n", string(closed), "by the parent alone")
	}
}

func TestForkWhileAScriptLoads(t *testing.T) {
	q := script(t, `
import os
pid = os.fork()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else None
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(status).encode()]
`)
	assert.Equal(t, "0", served(t, q).Body())
}

func TestForkOnAThreadOfTheApplication(t *testing.T) {
	eval(t, `
def run():
    pid = os.fork()
    if pid: out.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
t = threading.Thread(target=run); t.start(); t.join()`, `[0]`)
}

// In the child of a sub-interpreter CPython aborts, unless we help it; in its version 3.12 we cannot.
func TestForkInASubInterpreter(t *testing.T) {
	if pyembed.PythonVersion() != "3.12" {
		t.Skip("TestFork has seen it work")
	}
	for _, call := range []string{"os.fork", "os.forkpty"} {
		q := body(t, `out.append(raises(`+call+`))`)
		q.Group = "own"
		assert.Equal(t, fmt.Sprintf(`["RuntimeError: %s() does not work in a sub-interpreter of this Python (application group 'own'): set `+
			`'WSGIApplicationGroup %%{GLOBAL}' for this application; subprocess, and multiprocessing with the start method 'spawn', work in any"]`,
			call), served(t, q).Body())
	}
	q := body(t, `
import multiprocessing
p = multiprocessing.get_context("fork").Process(target=print)
out.append("WSGIApplicationGroup %{GLOBAL}" in raises(p.start))`)
	q.Group = "own"
	assert.Equal(t, `[True]`, served(t, q).Body())
}

func TestSubprocess(t *testing.T) {
	for _, group := range []string{"", "own"} {
		q := body(t, `
import subprocess
out.append(subprocess.run(["cat"], input=b"x", capture_output=True).stdout)
out.append(subprocess.run("echo a; echo b >&2; exit 3", shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
out[-1] = out[-1].returncode, out[-1].stdout
# A child has the signals that its parent's thread has: none is blocked or lost.
out.append(subprocess.check_output(["sh", "-c", "grep -c '^SigBlk:.0*$' /proc/self/status"]))
out.append(os.system("exit 5") >> 8)
out.append(raises(subprocess.Popen, ["/no/such/program"]).split(":")[0])`)
		q.Group = group
		assert.Equal(t, `[b'x', (3, b'a\nb\n'), b'1\n', 5, 'FileNotFoundError']`, served(t, q).Body(), group)
	}
}

func TestSubprocessOfALoadingScript(t *testing.T) {
	q := script(t, `
import subprocess
blocked = subprocess.check_output(["sh", "-c", "grep '^SigBlk:' /proc/self/status"])
def application(environ, start_response):
    start_response("200 OK", [])
    return [blocked]
`)
	assert.Regexp(t, `^SigBlk:\t0+\n$`, served(t, q).Body())
}

func TestMultiprocessing(t *testing.T) {
	if unix.Access("/dev/shm", unix.W_OK) != nil {
		t.Skip("this user may not write to /dev/shm, where multiprocessing makes its semaphores")
	}
	module := write(t, "work_for_children.py", "import os\ndef work(n):\n    return n * n, os.getppid()\n")
	tests := []struct{ group, method string }{{"", "spawn"}, {"own", "spawn"}}
	for _, group := range forkingGroups() {
		tests = append(tests, struct{ group, method string }{group, "fork"})
	}
	for _, test := range tests {
		q := body(t, `
import multiprocessing
sys.path.insert(0, os.path.dirname(environ["MODULE"]))
import work_for_children
context = multiprocessing.get_context(environ["METHOD"])
with context.Pool(2) as pool:
    out += [n for n, parent in pool.map(work_for_children.work, range(4)) if parent == os.getpid()]
queue = context.Queue()
p = context.Process(target=queue.put, args=("hello",)); p.start()
out.append(queue.get(timeout=10))
p.join(); out.append(p.exitcode)
p = context.Process(target=sys.exit, args=(3,)); p.start(); p.join(); out.append(p.exitcode)`)
		q.Group, q.Environ = test.group, [][2]string{{"MODULE", module}, {"METHOD", test.method}}
		assert.Equal(t, `[0, 1, 4, 9, 'hello', 0, 3]`, served(t, q).Body(), "%v", test)
	}
}

func TestConcurrentFutures(t *testing.T) {
	for _, group := range []string{"", "own"} {
		q := body(t, `
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(3) as pool: out += pool.map(abs, [-1, -2])`)
		q.Group = group
		assert.Equal(t, `[1, 2]`, served(t, q).Body())
	}
}

// A thread goes on between requests, and knows the ones after it was started.
func TestThreadsOfTheApplication(t *testing.T) {
	q := script(t, `
import threading, time
count = 0
def run():
    global count
    while count < 10**6:
        count += 1
        time.sleep(0.001)
threading.Thread(target=run, daemon=True).start()
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(count).encode()]
`)
	for _, group := range []string{"", "threads"} {
		q.Group = group
		first, _ := strconv.Atoi(served(t, q).Body())
		eventually(t, "the thread runs on", func() bool {
			now, _ := strconv.Atoi(served(t, q).Body())
			return now > first+5
		})
	}
}

func TestExtensionModules(t *testing.T) {
	for _, group := range []string{"", "own", "other"} {
		q := body(t, `
import ctypes, decimal, sqlite3, json, zlib, hashlib, ssl, datetime, random, socket, select, struct
out.append(str(decimal.Decimal("1.10") + 2))
with sqlite3.connect(":memory:") as db: out.append(db.execute("select upper('x')").fetchone())
out.append(ctypes.CDLL(None).abs(-3))
out.append(zlib.decompress(zlib.compress(b"z")))
out.append(hashlib.sha256(b"").hexdigest()[:6])
out.append(ssl.create_default_context().check_hostname)
out.append(datetime.datetime.strptime("2020-01-02", "%Y-%m-%d").day)`)
		q.Group = group
		for range 2 {
			assert.Equal(t, `['3.10', ('X',), 3, b'z', 'e3b0c4', True, 2]`, served(t, q).Body(), group)
		}
	}
}

func TestFaulthandler(t *testing.T) {
	result := session{Config: defaults(), Requests: []hosttest.Request{body(t, `
import faulthandler
faulthandler.enable()
out.append(faulthandler.is_enabled())
faulthandler.dump_traceback()`), body(t, `
import faulthandler
faulthandler._sigabrt()`)}}.run(t)
	assert.NotZero(t, result.Status)
	assert.Contains(t, result.Stderr, `, line 15 in application`)
	assert.Contains(t, result.Stderr, "Fatal Python error: Aborted")
}

func TestSignalsAreTheServers(t *testing.T) {
	for _, group := range []string{"", "own"} {
		q := body(t, `
import signal
before = signal.getsignal(signal.SIGTERM)
out.append(signal.signal(signal.SIGTERM, lambda *a: None) is before)
out.append(signal.getsignal(signal.SIGTERM) is before)
out.append(signal.signal.__name__)`)
		q.Group = group
		r := q.Serve()
		assert.Equal(t, `[True, True, 'signal']`, r.Body())
		require.Len(t, r.Log, 1)
		assert.Equal(t, 4, r.Log[0].Level)
		assert.Equal(t, fmt.Sprintf("GWSGI0701: ignored the registration of a handler for signal 15 at %s:16 (application group '%s'): the server "+
			"needs its signals; 'WSGIRestrictSignal Off' lifts this", q.Script, group), r.Log[0].Text)
	}
}

func TestSignalsOfAChildAreItsOwn(t *testing.T) {
	eval(t, `
import signal
pid = os.fork()
if pid == 0:
    try:
        signal.signal(signal.SIGUSR1, lambda *a: os._exit(6))
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(5)
    finally:
        os._exit(1)
out.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`, `[6]`)
}

func TestRestrictedStreams(t *testing.T) {
	for _, group := range []string{"", "own"} {
		q := body(t, `
import io, copy
for stream in sys.stdin, sys.stdout:
    try: stream.read() if stream is sys.stdin else stream.write("x")
    except (IOError, ValueError) as e: out.append(str(e))
out += [raises(print, "x").split(":")[0], raises(input_, "x").split(":")[0] if (input_ := __builtins__["input"]) else 0]
out += [repr(sys.stdout), hasattr(sys.stdout, "__len__")]
out += [raises(iter, sys.stdin).split(":")[0], raises(setattr, sys.stdout, "x", 1).split(":")[0]]
sys.stderr.write("")`)
		q.Group = group
		assert.Equal(t, `["sys.stdin is restricted in a WSGI application; 'WSGIRestrictStdin Off' lifts it", `+
			`"sys.stdout is restricted in a WSGI application; 'WSGIRestrictStdout Off' lifts it", 'UnsupportedOperation', 'UnsupportedOperation', `+
			`'<sys.stdout, restricted by WSGIRestrictStdout>', False, 'UnsupportedOperation', 'UnsupportedOperation']`, served(t, q).Body())
	}
}

// What moves no data is harmless, also in finalizers: libraries flush and close what they were given.
func TestRestrictedStreamsMayBeAsked(t *testing.T) {
	eval(t, `
import gc, io
class Wrapper(io.TextIOBase):
    def __init__(self, stream): self.stream = stream
    def __getattr__(self, name): return getattr(self.stream, name)
    def flush(self): self.stream.flush()
for stream in sys.stdin, sys.stdout:
    out += [stream.isatty(), stream.readable(), stream.writable(), stream.seekable(), stream.closed, stream.flush(), stream.close()]
    out += [stream.name, stream.mode, stream.encoding, stream.buffer is stream, stream.reconfigure(line_buffering=True)]
    Wrapper(stream)
    gc.collect()
    out += [hasattr(stream, "fileno"), hasattr(stream, "nothing"), raises(stream.fileno).split(":")[0]]
out.append(raises(sys.stdout.buffer.write, b"x").split(":")[0])`, `[False, False, False, False, False, None, None, '<stdin>', 'r', 'utf-8', True, None, `+
		`True, False, 'UnsupportedOperation', False, False, False, False, False, None, None, '<stdout>', 'w', 'utf-8', True, None, True, False, 'UnsupportedOperation', 'UnsupportedOperation']`)
}

func TestStdoutMayBeReplaced(t *testing.T) {
	eval(t, `
import io, contextlib
text = io.StringIO()
with contextlib.redirect_stdout(text): print("captured")
out.append(text.getvalue())`, `['captured\n']`)
}

func TestModuleModWsgi(t *testing.T) {
	q := body(t, `
import mod_wsgi
out += [mod_wsgi.version, mod_wsgi.process_group, mod_wsgi.application_group, mod_wsgi.maximum_processes, mod_wsgi.threads_per_process]
import apache
out += [apache.version, apache.description, apache.mpm_name, apache.build_date, apache.maximum_processes, apache.threads_per_process]
out += [sorted(mod_wsgi.counters()), mod_wsgi.FileWrapper.__module__, sys.argv]
import importlib
out.append(importlib.import_module("mod_wsgi") is mod_wsgi)`)
	q.Group = "own"
	assert.Equal(t, `[(1, 0, 0), '', 'own', 3, 8, (2, 4, 99), 'Apache/2.4.99 (Test)', 'event', 'today', 3, 8, ['go_entries', 'requests'], `+
		`'mod_wsgi', ['mod_wsgi'], True]`, served(t, q).Body())
}

// An application may do to sys.modules what it likes.
func TestModuleModWsgiMayBeForgotten(t *testing.T) {
	q := body(t, `
import gc
sys.modules.pop("mod_wsgi", None); gc.collect()
out.append(len(input.read()))`)
	q.Group = "forgetful"
	for range 3 {
		assert.Equal(t, `[0]`, served(t, q).Body())
	}
}

func TestObjectsAreNotLeaked(t *testing.T) {
	q := script(t, `
import gc, sys, resource
def application(environ, start_response):
    environ["wsgi.input"].readline()
    environ["wsgi.errors"].write("")
    environ["cycle"] = environ
    start_response("200 OK", [("X", "1")])
    if environ.get("SHOW"):
        gc.collect()
        kinds = {}
        for o in gc.get_objects(): kinds[type(o).__name__] = kinds.get(type(o).__name__, 0) + 1
        return [("%d" % kinds.get("dict", 0)).encode()]
    return iter([b"a", b"b"])
`)
	q.Body = hosttest.Body("a\nb")
	show := q
	show.Environ = [][2]string{{"SHOW", "1"}}
	served(t, q)
	before, _ := strconv.Atoi(served(t, show).Body())
	for range 2000 {
		q.Serve()
	}
	after, _ := strconv.Atoi(served(t, show).Body())
	assert.InDelta(t, before, after, 20)
}

func TestManyThreadsComeAndGo(t *testing.T) {
	before := hosttest.ThreadStates()
	for range 20 {
		q := body(t, `
ts = [threading.Thread(target=time.sleep, args=(0.001,)) for i in range(10)]
for th in ts: th.start()
for th in ts: th.join()`)
		served(t, q)
	}
	eventually(t, "no thread states are left", func() bool { return hosttest.ThreadStates() <= before+4 })
}
