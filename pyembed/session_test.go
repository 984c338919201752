package pyembed_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// evalIn is eval in a process of its own.
func evalIn(t *testing.T, config pyembed.Config, statements, want string, env ...string) sessionResult {
	t.Helper()
	result := session{Config: config, Requests: []hosttest.Request{body(t, statements)}}.run(t, env...)
	require.Empty(t, result.Err)
	require.Len(t, result.Responses, 1, result.Stderr)
	assert.Equal(t, want, result.Responses[0].Body(), result.Responses[0].LogText())
	return result
}

func TestUnrestricted(t *testing.T) {
	config := defaults()
	config.RestrictStdin, config.RestrictStdout, config.RestrictSignal = false, false, false
	result := evalIn(t, config, `
import signal
print("printed")
sys.stdout.write("begun")
out += [sys.stdin is sys.__stdin__, sys.stdout is sys.stderr, sys.stdin.read()]
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
out.append(signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN)`, `[True, True, '', True]`)
	assert.Equal(t, []string{"printed", "begun"}, texts(t, result.Responses[0].Log))
}

func TestPaths(t *testing.T) {
	first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(first, "more.pth"), []byte(third+"\n"), 0o644))
	for _, dir := range []string{first, second} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "which_one.py"), []byte("where = __file__\n"), 0o644))
	}
	config := defaults()
	config.PythonPath = first + "::" + second + ":/no/such/directory"
	for _, group := range []string{"", "own"} {
		q := body(t, `
import which_one
out += [sys.path[-4:], which_one.where]`)
		q.Group = group
		result := session{Config: config, Requests: []hosttest.Request{q}}.run(t)
		require.Len(t, result.Responses, 1, result.Err)
		assert.Equal(t, fmt.Sprintf("[['%s', '%s', '%s', '/no/such/directory'], '%s/which_one.py']", first, third, second, first), result.Responses[0].Body())
	}
}

func TestOptimizeAndEggs(t *testing.T) {
	for level, want := range []string{`[0, True, 'doc']`, `[1, False, 'doc']`, `[2, False, None]`} {
		config := defaults()
		config.PythonOptimize, config.PythonEggs = level, "/some/eggs"
		evalIn(t, config, `
def f():
    "doc"
    assert False
out += [sys.flags.optimize, raises(f) == "AssertionError: ", f.__doc__]
assert os.environ["PYTHON_EGG_CACHE"] == "/some/eggs"`, want)
	}
}

func TestVirtualEnvironment(t *testing.T) {
	venv := filepath.Join(t.TempDir(), "venv")
	out, err := exec.Command(pythonExecutable(t), "-m", "venv", "--without-pip", venv).CombinedOutput()
	if err != nil && strings.Contains(string(out), "ensurepip") {
		t.Skip("this Python has no venv")
	}
	require.NoError(t, err, string(out))
	packages := filepath.Join(venv, "lib", "python"+pyembed.PythonVersion(), "site-packages")
	require.NoError(t, os.WriteFile(filepath.Join(packages, "only_here.py"), []byte("x = 1\n"), 0o644))
	want := fmt.Sprintf(`[1, '%s', True, True]`, venv)
	statements := `
import only_here, subprocess, decimal
out += [only_here.x, sys.prefix, sys.base_prefix != sys.prefix, os.path.dirname(sys.executable) == sys.prefix + "/bin"]
assert subprocess.check_output([sys.executable, "-c", "import only_here"]) == b""`
	config := defaults()
	config.PythonHome = venv
	evalIn(t, config, statements, want)
	config = defaults()
	config.PythonExecutable = filepath.Join(venv, "bin", "python")
	evalIn(t, config, statements, want)
}

// pythonExecutable is that of the Python that the tests run in.
func pythonExecutable(t *testing.T) string {
	t.Helper()
	return strings.Trim(served(t, body(t, `out.append(sys.executable)`)).Body(), "[]'")
}

func TestHomes(t *testing.T) {
	prefix := strings.Trim(served(t, body(t, `out.append(sys.base_prefix)`)).Body(), "[]'")
	for _, home := range []string{prefix, prefix + ":" + prefix} {
		config := defaults()
		config.PythonHome = home
		evalIn(t, config, `
import decimal
out.append(sys.prefix)`, fmt.Sprintf("['%s']", prefix))
	}
}

func TestHomeWithoutPython(t *testing.T) {
	config := defaults()
	config.PythonHome = t.TempDir()
	result := session{Config: config}.run(t)
	assert.Equal(t, 0, result.Status, result.Stderr)
	assert.NotEmpty(t, result.Err, "a reason is given, the process lives")
}

// sys.executable is the installation's own, for multiprocessing's spawn and subprocess([sys.executable, …]), whatever PATH says.
func TestExecutable(t *testing.T) {
	evalIn(t, defaults(), `
import subprocess
version = subprocess.check_output([sys.executable, "-c", "import sys; print(sys.version_info[:3], sys.base_prefix)"]).decode()
out.append(version == "%r %s\n" % (sys.version_info[:3], sys.base_prefix))`, `[True]`, "PATH=/no/such/place")
}

func TestImports(t *testing.T) {
	good := script(t, versioned("good", write(t, "count", "")))
	bad, missing := write(t, "bad.wsgi", "raise KeyError('at start')\n"), filepath.Join(t.TempDir(), "missing.wsgi")
	thread := script(t, `
import threading
main = threading.current_thread() is threading.main_thread()
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(main).encode()]
`)
	config := defaults()
	config.ProcessGroup = "group"
	config.Imports = []pyembed.Import{{Script: bad, AppGroup: "own"}, {Script: missing}, {Script: good.Script, AppGroup: "own"}, {Script: thread.Script}}
	good.Group = "own"
	result := session{Config: config, Requests: []hosttest.Request{good, thread}}.run(t)
	require.Len(t, result.Responses, 2, result.Err)
	assert.Equal(t, "good", result.Responses[0].Body())
	assert.Equal(t, "True", result.Responses[1].Body(), "imports run on Python's main thread")
	log := hosttest.Text(result.Log)
	assert.Contains(t, log, "GWSGI0502: WSGI script '"+bad+"' (process group 'group', application group 'own') cannot be loaded: it raised an exception\n")
	assert.Contains(t, log, "KeyError: 'at start'\n")
	assert.Contains(t, log, "GWSGI0503: WSGI script '"+missing+"' (process group 'group', application group '') was not loaded at start: ")
	count, err := filepath.Glob(filepath.Join(filepath.Dir(good.Script), "*"))
	require.NoError(t, err)
	assert.Len(t, count, 1)
}

const exiting = `
import atexit, threading, time
def work():
    time.sleep(0.2)
    mod_wsgi._log(6, "thread of %%s ends" %% name)
import mod_wsgi
name = mod_wsgi.application_group
atexit.register(lambda: mod_wsgi._log(6, "exit of %%s" %% name))
atexit.register(lambda: 1/0)
threading.Thread(target=work).start()
%s
def application(environ, start_response):
    start_response("200 OK", [])
    return []
`

func TestStopRunsExitFunctions(t *testing.T) {
	q := script(t, fmt.Sprintf(exiting, ""))
	own, other := q, q
	own.Group, other.Group = "own", "other"
	result := session{Config: defaults(), Requests: []hosttest.Request{q, own, other}, Stop: true}.run(t)
	assert.Equal(t, 0, result.Status, result.Stderr)
	log := hosttest.Text(result.Log)
	for _, name := range []string{"", "own", "other"} {
		thread, exit := strings.Index(log, "thread of "+name+" ends\n"), strings.Index(log, "exit of "+name+"\n")
		assert.Positive(t, thread+1, log)
		assert.Greater(t, exit, thread, "threads are waited for before exit functions run, as Python does")
	}
	assert.Contains(t, log+result.Stderr, "ZeroDivisionError")
}

func TestStopIsBounded(t *testing.T) {
	for _, text := range []string{"threading.Thread(target=time.sleep, args=(1000,)).start()", "atexit.register(time.sleep, 1000)"} {
		for _, group := range []string{"", "own"} {
			q := script(t, fmt.Sprintf(exiting, text))
			q.Group = group
			config := defaults()
			config.ExitTimeout = 500 * time.Millisecond
			start := time.Now()
			result := session{Config: config, Requests: []hosttest.Request{q}, Stop: true}.run(t)
			assert.Less(t, time.Since(start), 10*time.Second)
			assert.Equal(t, 0, result.Status, result.Stderr)
		}
	}
}

func TestStopWithDaemonThreads(t *testing.T) {
	q := script(t, fmt.Sprintf(exiting, "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()"))
	own := q
	own.Group = "own"
	start := time.Now()
	result := session{Config: defaults(), Requests: []hosttest.Request{q, own}, Stop: true}.run(t)
	assert.Less(t, time.Since(start), 4*time.Second)
	assert.Equal(t, 0, result.Status, result.Stderr)
	assert.Contains(t, hosttest.Text(result.Log), "exit of own\n")
}
