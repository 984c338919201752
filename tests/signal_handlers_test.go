package tests

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about the signal handlers that an import script registers with WSGIRestrictSignal Off, in daemon processes.

// The signals that handlers.wsgi has handlers for, by what they do.
const (
	sigTell  = syscall.SIGUSR2
	sigFail  = syscall.Signal(35) // SIGRTMIN + 1
	sigLeave = syscall.Signal(36)
	sigFork  = syscall.Signal(37)
	sigStay  = syscall.Signal(38)
)

// startWithHandlers runs the group "options", and returns its process as well.
func startWithHandlers(t *testing.T, options string) (*harness.Server, int) {
	t.Helper()
	s := harness.Start(t, harness.Config{Conf: optionsConf(`"env=SIGNALS=${DATA}/signals" `+options) + `
		WSGIRestrictSignal Off
		WSGIImportScript "${APPS}/imports/handlers.wsgi" process-group=options application-group=%{GLOBAL}
		WSGIScriptAlias /handlers "${APPS}/imports/handlers.wsgi" application-group=%{GLOBAL}`})
	return s, answeredBy(t, s, "/handlers")
}

// noted is how often a process's handlers have written that.
func noted(s *harness.Server, pid int, what string) int {
	text, _ := os.ReadFile(s.Path("data/signals"))
	return strings.Count(string(text), fmt.Sprintf("%d %s\n", pid, what))
}

// send sends a signal that is to make a handler write that, and waits for it.
func send(t *testing.T, s *harness.Server, pid int, signal syscall.Signal, what string) {
	t.Helper()
	before := noted(s, pid, what)
	require.NoError(t, syscall.Kill(pid, signal))
	harness.Eventually(t, func() bool { return noted(s, pid, what) == before+1 }, "process %d: %s", pid, what)
}

const calledOnMainThread = "called on the main thread: True"

// Handlers are called whenever a signal comes, whether requests run or not, in each process that the group ever has.
func TestSignalHandlers(t *testing.T) {
	t.Parallel()
	s, pid := startWithHandlers(t, "")
	for range 20 {
		send(t, s, pid, sigTell, calledOnMainThread)
	}
	waiting, in := enter(t, s, "waiting")
	assert.Equal(t, pid, in)
	send(t, s, pid, sigTell, calledOnMainThread)
	openGate(t, s, "waiting")
	waiting.wait(t)

	require.NoError(t, syscall.Kill(pid, syscall.SIGUSR1), "this one is the server's")
	other := awaitOther(t, s, pid)
	send(t, s, other, sigTell, calledOnMainThread)
	s.Restart()
	send(t, s, answeredBy(t, s, "/handlers"), sigTell, calledOnMainThread)
}

// What a handler raises is logged, and harms neither the process nor other handlers. A child that it forks ends with it.
func TestSignalHandlersThatFail(t *testing.T) {
	t.Parallel()
	s, pid := startWithHandlers(t, "")
	s.ExpectTraceback(`\] LookupError: in a handler$`)
	s.Expect(`GWSGI0603: a signal handler .*\(process group 'options'\) raised an exception`, `\] SystemExit: 3$`)
	for range 2 {
		send(t, s, pid, sigFail, "fails")
		send(t, s, pid, sigLeave, "leaves")
		send(t, s, pid, sigFork, "its child ended with 0")
		send(t, s, pid, sigTell, calledOnMainThread)
	}
	assert.Equal(t, pid, answeredBy(t, s, "/handlers"))
	assert.Equal(t, 4, timesLogged(s, `GWSGI0603: `))
}

// A handler that does not return costs the other handlers their thread, and nobody else anything.
func TestSignalHandlersThatStay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *harness.Server, pid int){
		"replaced": func(s *harness.Server, pid int) {
			require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
			assert.Equal(t, awaitOther(t, s, pid), answeredBy(t, s, "/handlers"))
		},
		"stopped": func(s *harness.Server, pid int) {
			start := time.Now()
			s.Stop()
			assert.Less(t, time.Since(start), 8*time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pid := startWithHandlers(t, "shutdown-timeout=1")
			s.Expect(`GWSGI1024: exit functions and threads of the applications of group 'options' did not end within `)
			send(t, s, pid, sigStay, "stays")
			assert.Equal(t, pid, answeredBy(t, s, "/handlers"))
			end(s, pid)
			harness.Eventually(t, func() bool { return !isAlive(pid) }, "the process is gone")
			assert.Zero(t, timesLogged(s, `GWSGI090[67]: `), "it was not killed")
		})
	}
}
