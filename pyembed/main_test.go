package pyembed_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

// Python's main thread is the process's, as in a server.
func init() {
	runtime.LockOSThread()
}

// Python starts once in a process, so all tests of this binary share one, with the directives' defaults. A test that needs another
// runs a session in a process of its own: this binary, told so by the environment.
func TestMain(m *testing.M) {
	if spec := os.Getenv("PYEMBED_TEST_SESSION"); spec != "" {
		runSession(spec)
		return
	}
	if err := hosttest.Start(defaults()); err != nil {
		fmt.Fprintln(os.Stderr, "Python cannot be started:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func defaults() pyembed.Config {
	return pyembed.Config{
		RestrictStdin: true, RestrictStdout: true, RestrictSignal: true, CaseSensitive: true,
		Threads: 8, Processes: 3, Multithread: true, Multiprocess: true,
		ApacheVersion: [3]int{2, 4, 99}, ApacheDesc: "Apache/2.4.99 (Test)", ApacheMPM: "event", ApacheBuildDate: "today",
		ExitTimeout: 5 * time.Second,
	}
}

// session is what a process of its own is to do; sessionResult is what it says of it.
type session struct {
	Config   pyembed.Config
	Requests []hosttest.Request
	Stop     bool
}

// MarshalJSON leaves out what another process cannot be given.
func (s session) MarshalJSON() ([]byte, error) {
	config := map[string]any{}
	for i, v := 0, reflect.ValueOf(s.Config); i < v.NumField(); i++ {
		if kind := v.Field(i).Kind(); kind != reflect.Func && kind != reflect.UnsafePointer {
			config[v.Type().Field(i).Name] = v.Field(i).Interface()
		}
	}
	return json.Marshal(map[string]any{"Config": config, "Requests": s.Requests, "Stop": s.Stop})
}

type sessionResult struct {
	Err       string
	Responses []hosttest.Response
	Log       []hosttest.Line
	// Of the process, filled by run.
	Status int    `json:"-"`
	Stderr string `json:"-"`
}

// runSession is the other process's main. Its result goes to descriptor 3 twice: before Stop, which may end the process, and after it.
func runSession(spec string) {
	var s session
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		panic(err)
	}
	var result sessionResult
	report := json.NewEncoder(os.NewFile(3, "result"))
	if err := hosttest.Start(s.Config); err != nil {
		result.Err = err.Error()
	}
	for _, request := range s.Requests {
		if result.Err == "" {
			result.Responses = append(result.Responses, request.Serve())
		}
	}
	result.Log = hosttest.ProcessLog()
	_ = report.Encode(result)
	if s.Stop {
		pyembed.Stop()
		result.Log = hosttest.ProcessLog()
		_ = report.Encode(result)
	}
}

// run has the session's process do it all.
func (s session) run(t *testing.T, env ...string) sessionResult {
	t.Helper()
	spec, err := json.Marshal(s)
	require.NoError(t, err)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	var stderr strings.Builder
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "PYEMBED_TEST_SESSION="+string(spec)), env...)
	cmd.ExtraFiles = []*os.File{write}
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	write.Close()
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var result sessionResult
	for decoder := json.NewDecoder(read); ; {
		var next sessionResult
		if decoder.Decode(&next) != nil {
			break
		}
		result = next
	}
	_ = cmd.Wait()
	result.Status, result.Stderr = cmd.ProcessState.ExitCode(), stderr.String()
	return result
}

// write makes a file in the test's own folder and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// script is a request for a script with this text.
func script(t *testing.T, text string) hosttest.Request {
	t.Helper()
	return hosttest.Request{Script: write(t, "app.wsgi", text)}
}

const evalPrelude = `
import os, sys, threading, time

def raises(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except BaseException as e:
        return "%s: %s" % (type(e).__name__, e)

def application(environ, start_response):
    start_response("200 OK", [])
    input, errors = environ["wsgi.input"], environ["wsgi.errors"]
    out = []
`

// body is a script whose application runs these statements and answers with the repr() of what they put into the list `out`.
func body(t *testing.T, statements string) hosttest.Request {
	t.Helper()
	indented := "    " + strings.ReplaceAll(strings.TrimSpace(statements), "\n", "\n    ")
	return script(t, evalPrelude+indented+"\n    return [repr(out).encode()]\n")
}

// served is the response to a request that must be complete and without log lines.
func served(t *testing.T, q hosttest.Request) hosttest.Response {
	t.Helper()
	r := q.Serve()
	require.Equal(t, hosttest.Done, r.Outcome, "log: %s", r.LogText())
	assert.Empty(t, r.LogText())
	return r
}

// eval serves body(statements) and compares what it answers, in Python's notation.
func eval(t *testing.T, statements, want string) {
	t.Helper()
	assert.Equal(t, want, served(t, body(t, statements)).Body())
}

var groups atomic.Int64

// newGroup names an application group that no test has used, also not in an earlier run by -count.
func newGroup(name string) string {
	return fmt.Sprintf("%s %d", name, groups.Add(1))
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, what)
}

// logged waits for a text in the process's log.
func logged(t *testing.T, text string) {
	t.Helper()
	eventually(t, "in the log: "+text, func() bool { return strings.Contains(hosttest.Text(hosttest.ProcessLog()), text) })
}

func mtime(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.ModTime().UnixMicro()
}
