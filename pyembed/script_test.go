package pyembed_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// versioned is a script's text that answers with a version, and counts how often it is executed.
func versioned(version, counter string) string {
	return fmt.Sprintf(`
import time
open(%q, "a").write("x")
time.sleep(0.02)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b%q]
`, counter, version)
}

// rewrite gives a file a new text and a modification time.
func rewrite(t *testing.T, path, text string, when time.Time) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	require.NoError(t, os.Chtimes(path, when, when))
}

func executions(t *testing.T, counter string) int {
	t.Helper()
	data, err := os.ReadFile(counter)
	require.NoError(t, err)
	return len(data)
}

// together has n threads serve requests at once.
func together(n int, serve func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Add(1)
		go func() {
			defer group.Done()
			<-start
			serve(i)
		}()
	}
	close(start)
	group.Wait()
}

func TestScriptIsLoadedOnceByRacingThreads(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter))
	q.Group = newGroup("racing scripts")
	before := hosttest.Interpreters()
	together(8, func(int) { assert.Equal(t, "1", q.Serve().Body()) })
	assert.Equal(t, 1, executions(t, counter))
	assert.Equal(t, before+1, hosttest.Interpreters(), "and the interpreter is made once")
}

func TestScriptIsLoadedOnceInEachGroup(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter))
	for _, group := range []string{"", "group one", "group two", "group one", ""} {
		q.Group = group
		served(t, q)
	}
	assert.Equal(t, 3, executions(t, counter))
}

func TestModuleOfAScript(t *testing.T) {
	q := script(t, `
import sys
where = __file__, __name__, __builtins__ is not None, type(__mtime__) if "__mtime__" in globals() else None
def application(environ, start_response):
    start_response("200 OK", [])
    import re
    return [repr([where[0] == environ["F"], re.match("_mod_wsgi_[0-9a-f]{32}$", where[1]) is not None, sys.modules[__name__].application is application,
        __mtime__ == int(environ["M"])]).encode()]
`)
	q.Environ = [][2]string{{"F", q.Script}, {"M", fmt.Sprint(mtime(t, q.Script))}}
	assert.Equal(t, "[True, True, True, True]", served(t, q).Body())
}

func TestReloadingBothWays(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, "")
	q.Flags = hosttest.Reload
	now := time.Now().Truncate(time.Second)
	for i, age := range []time.Duration{0, time.Hour, -time.Hour, time.Microsecond, 0} {
		version := fmt.Sprint(i)
		rewrite(t, q.Script, versioned(version, counter), now.Add(-age))
		q.Mtime = mtime(t, q.Script)
		for range 2 {
			r := q.Serve()
			assert.Equal(t, version, r.Body(), r.LogText())
			if len(r.Log) > 0 {
				assert.Contains(t, r.LogText(), "changed: loading it again")
			}
		}
		assert.Equal(t, i+1, executions(t, counter))
	}
	q.Mtime = 0
	rewrite(t, q.Script, versioned("unseen", counter), now.Add(time.Minute))
	assert.Equal(t, "4", served(t, q).Body(), "a server that does not know the time does not reload")
}

func TestReloadingOff(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter)+"other = application\n")
	served(t, q)
	rewrite(t, q.Script, versioned("2", counter), time.Now().Add(time.Hour))
	q.Mtime = mtime(t, q.Script)
	assert.Equal(t, "1", served(t, q).Body())
	q.Callable = "other"
	assert.Equal(t, "1", served(t, q).Body(), "another entry point of the same module")
	assert.Equal(t, 1, executions(t, counter))
}

// What the server saw of the file may be old: the newest is loaded, once.
func TestServerSawAnOlderFile(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter))
	q.Flags, q.Mtime = hosttest.Reload, 12345
	for range 3 {
		assert.Equal(t, "1", served(t, q).Body())
	}
	assert.Equal(t, 1, executions(t, counter))
}

func TestReloadUnderLoad(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("0", counter))
	q.Flags = hosttest.Reload
	var current atomic.Int64
	stop := time.Now().Add(700 * time.Millisecond)
	now := time.Now()
	together(5, func(i int) {
		for version := int64(1); time.Now().Before(stop); version++ {
			if i == 0 {
				rewriteAtOnce(t, q.Script, versioned(fmt.Sprint(version), counter), now.Add(time.Duration(version)*time.Second))
				current.Store(version)
				time.Sleep(30 * time.Millisecond)
				continue
			}
			oldest := current.Load()
			mine := q
			mine.Mtime = mtime(t, q.Script)
			r := mine.Serve()
			got := int64(-1)
			fmt.Sscan(r.Body(), &got)
			assert.GreaterOrEqual(t, got, oldest, r.LogText())
			assert.Equal(t, hosttest.Done, r.Outcome)
		}
	})
	assert.LessOrEqual(t, executions(t, counter), int(current.Load())+1)
}

// rewriteAtOnce replaces a file, as an editor or a deployment does.
func rewriteAtOnce(t *testing.T, path, text string, when time.Time) {
	rewrite(t, path+".new", text, when)
	require.NoError(t, os.Rename(path+".new", path))
}

func TestFailingReload(t *testing.T) {
	counter := write(t, "count", "")
	now := time.Now()
	q := script(t, versioned("1", counter))
	q.Flags, q.Mtime = hosttest.Reload, mtime(t, q.Script)
	served(t, q)
	rewrite(t, q.Script, "import no_such_module\n", now.Add(time.Hour))
	q.Mtime = mtime(t, q.Script)
	for range 3 {
		r := q.Serve()
		assert.Equal(t, 500, r.Answer)
		assert.Contains(t, r.LogText(), "GWSGI0502: WSGI script '"+q.Script+"' (process group '', application group '') cannot be loaded: ")
		assert.Contains(t, r.LogText(), "ModuleNotFoundError: No module named 'no_such_module'")
	}
	rewrite(t, q.Script, versioned("3", counter), now.Add(2*time.Hour))
	q.Mtime = mtime(t, q.Script)
	assert.Equal(t, "3", q.Serve().Body())
	assert.Equal(t, "3", served(t, q).Body())
}

func TestFailingFirstLoadIsTriedAgain(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, "raise SystemExit('no')\n")
	for range 2 {
		r := q.Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome)
		assert.Equal(t, 500, r.Answer)
		assert.Contains(t, r.LogText(), "SystemExit: no")
	}
	rewrite(t, q.Script, versioned("2", counter), time.Now())
	assert.Equal(t, "2", served(t, q).Body())
}

func TestEntryPoints(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter)+`
def two(environ, start_response):
    start_response("200 OK", [])
    return [b"two"]
class Class:
    def __init__(self, environ, start_response):
        start_response("200 OK", [])
    def __iter__(self):
        return iter([b"class"])
number = 7
`)
	for callable, want := range map[string]string{"application": "1", "two": "two", "Class": "class"} {
		q.Callable = callable
		for range 2 {
			assert.Equal(t, want, served(t, q).Body())
		}
	}
	assert.Equal(t, 1, executions(t, counter))

	q.Callable = "missing"
	r := q.Serve()
	assert.Equal(t, 500, r.Answer)
	assert.Contains(t, r.LogText(), "GWSGI0505: ")
	assert.Contains(t, r.LogText(), "has no 'missing'")
	q.Callable = "number"
	r = q.Serve()
	assert.Equal(t, 500, r.Answer)
	assert.Contains(t, r.LogText(), "GWSGI0506: 'number' of WSGI script")
}

func TestSyntaxError(t *testing.T) {
	q := script(t, "def application(:\n")
	r := q.Serve()
	assert.Equal(t, 500, r.Answer)
	assert.Contains(t, r.Log[0].Text, "GWSGI0501: WSGI script '"+q.Script+"'")
	assert.Contains(t, r.LogText(), "SyntaxError: ")
	assert.Contains(t, r.LogText(), q.Script+`", line 1`)
	q = script(t, "x = '\x00'\n")
	assert.Contains(t, q.Serve().LogText(), "null bytes")
}

func TestSourceEncodings(t *testing.T) {
	text := "\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    return [ascii('é').encode()]\n"
	assert.Equal(t, `'\xe9'`, served(t, script(t, text)).Body())
	latin1 := strings.ReplaceAll(text, "é", "\xe9")
	assert.Equal(t, `'\xe9'`, served(t, script(t, "# -*- coding: latin-1 -*-"+latin1)).Body())
	assert.Contains(t, script(t, latin1).Serve().LogText(), "SyntaxError: ")
	assert.Equal(t, `'\xe9'`, served(t, script(t, "\xef\xbb\xbf"+text)).Body())
	assert.Equal(t, `'\xe9'`, served(t, script(t, strings.ReplaceAll(text, "\n", "\r\n"))).Body())
}

func TestScriptPathWithOddBytes(t *testing.T) {
	q := script(t, "")
	odd := q.Script + " é\xff'\".wsgi"
	require.NoError(t, os.WriteFile(odd, []byte(`
import os
def application(environ, start_response):
    start_response("200 OK", [])
    return [os.fsencode(__file__)]
`), 0o644))
	q.Script = odd
	assert.Equal(t, odd, served(t, q).Body())
}

func TestScriptThatVanished(t *testing.T) {
	counter := write(t, "count", "")
	q := script(t, versioned("1", counter))
	missing := q
	missing.Script += ".missing"
	r := missing.Serve()
	assert.Equal(t, 404, r.Answer)
	assert.Contains(t, r.LogText(), "GWSGI0504: ")
	served(t, q)
	require.NoError(t, os.Remove(q.Script))
	assert.Equal(t, "1", served(t, q).Body(), "what is loaded and not asked to be reloaded stays")
	q.Flags, q.Mtime = hosttest.Reload, 1
	assert.Equal(t, 404, q.Serve().Answer)
}

func TestScriptThatCannotBeRead(t *testing.T) {
	q := script(t, "")
	require.NoError(t, os.Remove(q.Script))
	require.NoError(t, os.Mkdir(q.Script, 0o755))
	r := q.Serve()
	assert.Equal(t, 500, r.Answer)
	assert.Contains(t, r.LogText(), "GWSGI0504: ")
	assert.Equal(t, 1, strings.Count(r.LogText(), "cannot be read"), r.LogText())
}

func TestWarmRequestsDoNotEnterGo(t *testing.T) {
	for _, group := range []string{"", "warm"} {
		q := script(t, `
def application(environ, start_response):
    environ["wsgi.errors"].write("line\n")
    start_response("200 OK", [("X", "1")])
    return [environ["wsgi.input"].read()]
`)
		q.Group, q.Flags, q.Mtime, q.Body = group, hosttest.Reload, mtime(t, q.Script), hosttest.Body("abc")
		q.Serve()
		together(4, func(int) { q.Serve() })
		requests, entries := hosttest.Counters()
		together(4, func(int) {
			for range 250 {
				assert.Equal(t, "abc", q.Serve().Body())
			}
		})
		now, nowEntries := hosttest.Counters()
		assert.Equal(t, uint64(1000), now-requests)
		assert.Equal(t, uint64(0), nowEntries-entries)
	}
}
