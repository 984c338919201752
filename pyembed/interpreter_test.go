package pyembed_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

func TestGroups(t *testing.T) {
	q := script(t, `
import sys, mod_wsgi
sys.markers = getattr(sys, "markers", {})
sys.markers[__file__] = sys.markers.get(__file__, 0) + 1
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr((sys.markers[__file__], mod_wsgi.application_group, environ["mod_wsgi.application_group"])).encode()]
`)
	own, other := newGroup("own"), newGroup("ówn")
	for _, group := range []string{"", own, other, "", own} {
		q.Group = group
		r := served(t, q)
		assert.Equal(t, fmt.Sprintf("(1, '%s', '%[1]s')", group), r.Body())
	}
}

func TestRacingThreadsMakeOneInterpreter(t *testing.T) {
	before, group := hosttest.Interpreters(), newGroup("one of all")
	requests := make([]hosttest.Request, 8)
	for i := range requests {
		requests[i] = body(t, `out.append(id(sys.modules))`)
		requests[i].Group = group
	}
	var answers [8]string
	together(8, func(i int) { answers[i] = requests[i].Serve().Body() })
	for _, answer := range answers {
		assert.Equal(t, answers[0], answer)
		assert.NotEmpty(t, answer)
	}
	assert.Equal(t, before+1, hosttest.Interpreters())
}

// PyGILState_Ensure(), which ctypes and extension modules use, finds the thread's state in the main interpreter there.
func TestMainInterpreterAndGILState(t *testing.T) {
	for _, group := range []string{"", "gilstate"} {
		q := body(t, `
import ctypes
f = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: out.append(threading.get_ident() == me) or 7)
me = threading.get_ident()
out.append(f())
libc = ctypes.CDLL(None)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
array = (ctypes.c_int * 5)(4, 2, 5, 1, 3)
libc.qsort(array, 5, ctypes.sizeof(ctypes.c_int), compare)
out.append(list(array))`)
		q.Group = group
		for range 2 {
			assert.Equal(t, "[True, 7, [1, 2, 3, 4, 5]]", served(t, q).Body(), group)
		}
	}
}

const generation = `
import atexit, time, mod_wsgi
atexit.register(mod_wsgi._log, 6, "%[1]s exits")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%[1]s"]
`

func TestReloadOfAnInterpreter(t *testing.T) {
	q := script(t, "")
	q.Group, q.Flags = newGroup("reloaded"), hosttest.Reload|hosttest.ReloadInterpreter
	before := hosttest.Interpreters()
	now := time.Now()
	for i := range 5 {
		name := fmt.Sprintf("generation %d of %s", i, q.Group)
		rewrite(t, q.Script, fmt.Sprintf(generation, name), now.Add(time.Duration(i)*time.Hour))
		q.Mtime = mtime(t, q.Script)
		assert.Equal(t, name, served(t, q).Body())
		if i > 0 {
			logged(t, fmt.Sprintf("generation %d of %s exits\n", i-1, q.Group))
		}
	}
	eventually(t, "the old interpreters are gone", func() bool { return hosttest.Interpreters() == before+1 })
}

// The main interpreter cannot be replaced: its module is.
func TestReloadOfTheMainInterpreterIsOfTheModule(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter))
	q.Flags, q.Mtime = hosttest.Reload|hosttest.ReloadInterpreter, mtime(t, q.Script)
	assert.Equal(t, "1", served(t, q).Body())
	rewrite(t, q.Script, versioned("2", counter), time.Now().Add(time.Hour))
	q.Mtime = mtime(t, q.Script)
	assert.Equal(t, "2", q.Serve().Body())
}

// Threads serve two scripts of a group and generators, while the scripts change all the time: each request is answered, by a version that was
// current while it ran, and in the end one interpreter is left.
func TestReloadOfInterpretersUnderLoad(t *testing.T) {
	text := func(version int64) string {
		return fmt.Sprintf(`
import threading
local = threading.local()
def application(environ, start_response):
    local.value = environ  # a thread's own memory, cleared with its interpreter
    start_response("200 OK", [])
    if "STREAM" in environ: return iter([b"%d", b" ", b"streamed"])
    return [b"%[1]d"]
`, version)
	}
	before, group := hosttest.Interpreters(), newGroup("stress")
	requests := []hosttest.Request{script(t, text(0)), script(t, text(0))}
	var current [2]atomic.Int64
	now, stop := time.Now(), time.Now().Add(2500*time.Millisecond)
	var answered atomic.Int64
	together(8, func(i int) {
		for round := int64(1); time.Now().Before(stop); round++ {
			which := i % 2
			if i < 2 {
				rewriteAtOnce(t, requests[i].Script, text(round), now.Add(time.Duration(round)*time.Second))
				current[i].Store(round)
				time.Sleep(time.Duration(70+40*i) * time.Millisecond)
				continue
			}
			oldest := current[which].Load()
			q := requests[which]
			q.Group, q.Flags, q.Mtime = group, hosttest.Reload|hosttest.ReloadInterpreter, mtime(t, q.Script)
			if round%5 == 0 {
				q.Environ = [][2]string{{"STREAM", "1"}}
			}
			r := q.Serve()
			got := int64(-1)
			fmt.Sscan(r.Body(), &got)
			if assert.Equal(t, hosttest.Done, r.Outcome, "%d %s", r.Answer, r.LogText()) {
				assert.GreaterOrEqual(t, got, oldest)
			}
			answered.Add(1)
		}
	})
	t.Logf("%d requests, %d and %d versions", answered.Load(), current[0].Load(), current[1].Load())
	eventually(t, "the old interpreters are gone", func() bool { return hosttest.Interpreters() == before+1 })
}

// A thread that the application started and that does not end keeps its interpreter, and no request waits for it.
func TestReloadWithAThreadThatStays(t *testing.T) {
	var group string
	for _, daemon := range []string{"False", "True"} {
		q := script(t, fmt.Sprintf(`
import threading, time
running = True
def run():
    while running: time.sleep(0.01)
threading.Thread(target=run, daemon=%s).start()
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"old"]
`, daemon))
		q.Group, q.Flags, q.Mtime = newGroup("staying "+daemon), hosttest.Reload|hosttest.ReloadInterpreter, mtime(t, q.Script)
		assert.Equal(t, "old", served(t, q).Body())
		rewrite(t, q.Script, strings.ReplaceAll(generation, "%[1]s", "new"), time.Now().Add(time.Hour))
		q.Mtime, group = mtime(t, q.Script), q.Group
		start := time.Now()
		assert.Equal(t, "new", served(t, q).Body())
		assert.Less(t, time.Since(start), 5*time.Second)
	}
	logged(t, "application group '"+group+"' is out of use, but its interpreter stays: threads that the application started still run in it\n")
}

func TestHintForModulesThatNeedTheMainInterpreter(t *testing.T) {
	hint := "GWSGI0507: an extension module does not work in a sub-interpreter: set 'WSGIApplicationGroup %{GLOBAL}'"
	for _, text := range []string{
		`raise ImportError("module _x does not support loading in subinterpreters")`,
		`raise ImportError("PyO3 modules do not yet support subinterpreters, see https://github.com/PyO3/pyo3/issues/576")`,
		`raise ImportError("PyO3 modules may only be initialized once per interpreter process")`,
		`raise ImportError("cannot load module more than once per process")`,
	} {
		q := script(t, text+"\n")
		q.Group = "own"
		assert.Contains(t, q.Serve().LogText(), hint)
		q = app(t, text)
		q.Group = "own"
		assert.Contains(t, q.Serve().LogText(), hint)
	}
	q := script(t, `raise ImportError("no module named x")`)
	q.Group = "own"
	assert.NotContains(t, q.Serve().LogText(), "GWSGI0507")
}

// A request that finds its script changed again each time that it looks is answered all the same: it was seen to take nine changes.
func TestScriptThatChangesFasterThanItIsCalled(t *testing.T) {
	text := func(version int64) string {
		return fmt.Sprintf("def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%d']\n", version)
	}
	q := script(t, text(0))
	q.Group, q.Flags = newGroup("hectic"), hosttest.Reload|hosttest.ReloadInterpreter
	now, stop := time.Now(), time.Now().Add(1500*time.Millisecond)
	var written atomic.Int64
	together(25, func(i int) {
		for time.Now().Before(stop) {
			if i == 0 {
				version := written.Add(1)
				rewriteAtOnce(t, q.Script, text(version), now.Add(time.Duration(version)*time.Second))
				continue
			}
			q := q
			least := written.Load() - 1 // the newest may still be on its way to its place
			q.Mtime = mtime(t, q.Script)
			r := q.Serve()
			if !assert.Equal(t, hosttest.Done, r.Outcome, "log: %s", r.LogText()) {
				return
			}
			version, err := strconv.ParseInt(r.Body(), 10, 64)
			assert.NoError(t, err)
			assert.GreaterOrEqual(t, version, least, "a version from before the request")
		}
	})
}
