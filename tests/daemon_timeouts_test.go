package tests

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about the limits that end a process: inactivity-, deadlock-, request-, startup-, graceful-, shutdown- and
// socket-timeout.

// answeredBy asks a script that tells its process.
func answeredBy(t *testing.T, s *harness.Server, path string) int {
	t.Helper()
	got := s.Get(path)
	require.Equal(t, http.StatusOK, got.Status, got.Body)
	return number(t, got.Body)
}

// ---- inactivity-timeout ----

// A process that has served is replaced when nothing comes any more, by one that is small again.
func TestDaemonInactivity(t *testing.T) {
	t.Parallel()
	s := startWith(t, "inactivity-timeout=1")
	start := time.Now()
	pid := answeredBy(t, s, "/main/gil")
	other := awaitOther(t, s, pid)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	assert.Equal(t, other, answeredBy(t, s, "/main/gil"))
	assert.Contains(t, s.WaitLog(`nothing happened for`), "group 'options'")
}

// The one that is small again has loaded the scripts of WSGIImportScript, and no application before it is asked for.
func TestDaemonInactivityLoadsNothing(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: optionsConf(`inactivity-timeout=1 "env=IMPORT_WHEN=${DATA}/import"`) + `
		WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=options application-group=%{GLOBAL}`})
	s.Expect(`preload.wsgi in group ''`)
	finishImport(s)
	first := answeredBy(t, s, "/main/slow_import")
	second := awaitOther(t, s, first)
	assert.Equal(t, []string{strconv.Itoa(first)}, importers(s))
	assert.Equal(t, 2, timesLogged(s, `preload.wsgi in group ''`))
	assert.Equal(t, second, answeredBy(t, s, "/main/slow_import"))
	assert.Equal(t, []string{strconv.Itoa(first), strconv.Itoa(second)}, importers(s))
}

// A request that neither reads nor writes does not keep the process: it may go on for graceful-timeout, and is lost then.
func TestDaemonInactivityOfRequest(t *testing.T) {
	t.Parallel()
	s := startWith(t, "inactivity-timeout=1 graceful-timeout=1")
	s.Expect(`GWSGI1023: 1 requests still run 1s after this process of group 'options' began to end because of .*inactivity`, `GWSGI1113: process \d+ .* 502`)
	s.Allow(`running for [\d.]+ s on thread \d+: .*/main/gate`)
	start := time.Now()
	idle, pid := enter(t, s, "idle")
	awaitOther(t, s, pid)
	assert.Equal(t, http.StatusBadGateway, idle.wait(t).Status)
	assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
}

// A request that finishes within graceful-timeout is not lost.
func TestDaemonInactivityWaits(t *testing.T) {
	t.Parallel()
	s := startWith(t, "inactivity-timeout=1")
	idle, pid := enter(t, s, "idle")
	harness.Eventually(t, func() bool { return len(s.Workers()) == 2 }, "a replacement is started")
	openGate(t, s, "")
	assert.Equal(t, fmt.Sprintf("%d 1", pid), idle.wait(t).Body)
	awaitOther(t, s, pid)
}

// One that writes, or reads, does.
func TestDaemonInactivityOfActiveRequest(t *testing.T) {
	t.Parallel()
	s := startWith(t, "inactivity-timeout=1")
	pid := answeredBy(t, s, "/main/gil")
	got := s.Get("/main/active/write?2.5")
	assert.Regexp(t, regexp.MustCompile(fmt.Sprintf(`^\.+ %d$`, pid)), got.Body)

	const bytes = 25
	req := s.Request(http.MethodPost, "/main/active/read", &slowBody{left: bytes, tick: time.Tick(100 * time.Millisecond)})
	req.ContentLength = bytes
	assert.Equal(t, strconv.Itoa(pid), s.Do(req).Body)
	assert.Equal(t, []int{pid}, s.Workers())
}

// slowBody is a client that sends a byte a tick.
type slowBody struct {
	left int
	tick <-chan time.Time
}

func (b *slowBody) Read(to []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	<-b.tick
	b.left--
	to[0] = 'x'
	return 1, nil
}

// ---- WSGIIgnoreActivity ----

// Requests that are no activity, however busy they are, do not keep a process that another request has used. They finish.
func TestDaemonIgnoreActivity(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 32, Conf: optionsConf("inactivity-timeout=1") +
		"\n<Location /main/active>\nWSGIIgnoreActivity On\n</Location>"})
	pid := answeredBy(t, s, "/main/gil")
	got := s.Get("/main/active/write?2.5")
	assert.Regexp(t, regexp.MustCompile(fmt.Sprintf(`^\.+ %d$`, pid)), got.Body)
	s.WaitLog(`nothing happened for`)
	pid = awaitOther(t, s, pid)

	assert.Equal(t, pid, answeredBy(t, s, "/main/gil"))
	const bytes = 25
	req := s.Request(http.MethodPost, "/main/active/read", &slowBody{left: bytes, tick: time.Tick(100 * time.Millisecond)})
	req.ContentLength = bytes
	assert.Equal(t, strconv.Itoa(pid), s.Do(req).Body)
	awaitOther(t, s, pid)
}

// ---- deadlock-timeout ----

// Whoever keeps Python's lock, in whatever interpreter: the process is replaced, and the log says where its threads were.
func TestDaemonDeadlock(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"main", "sub"} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, "deadlock-timeout=1")
			s.Expect(`GWSGI1020: nobody could take Python's global lock .* group 'options'.* mend the one `, `GWSGI1113: process \d+ .* because deadlock-timeout passed`,
				`gil\.wsgi.*hold_the_lock`)
			s.Allow(`\[gowsgi:crit\]`)
			waiting, pid := enter(t, s, "waiting")
			holder := askInBackground(s, "/"+in+"/gil/hold")
			other := awaitOther(t, s, pid)
			assert.Equal(t, http.StatusBadGateway, holder.wait(t).Status)
			assert.Equal(t, http.StatusBadGateway, waiting.wait(t).Status, "no one of the process can answer")
			assert.Equal(t, other, answeredBy(t, s, "/"+in+"/gil"))
			assert.Contains(t, s.ErrorLog(), "gate.wsgi", "the other threads are shown, too")
		})
	}
}

// ---- request-timeout ----

// A request that takes too long ends its process, after the others of the process have finished.
func TestDaemonRequestTimeout(t *testing.T) {
	t.Parallel()
	s := startWith(t, "request-timeout=2")
	s.Expect(`GWSGI1021: .*/main/gate\S* .*has run for \d\.\d s .* request-timeout of group 'options'.* See in the stacks, `, `GWSGI1113: process \d+ .* because request-timeout passed`,
		`gate\.wsgi`)
	s.Allow(`\[gowsgi:error\]`)
	start := time.Now()
	stuck, pid := enter(t, s, "stuck")
	waitSince(t, start, time.Second)
	young, in := enter(t, s, "young")
	assert.Equal(t, pid, in)
	s.WaitLog(`GWSGI1021: `)
	assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
	openGate(t, s, "young")
	assert.Equal(t, fmt.Sprintf("%d 2", pid), young.wait(t).Body)
	assert.Equal(t, http.StatusBadGateway, stuck.wait(t).Status)
	other := awaitOther(t, s, pid)
	assert.Equal(t, other, answeredBy(t, s, "/main/gil"))
}

// ---- startup-timeout ----

// An import that does not end is told with its stack, and the process starts again.
func TestDaemonStartupTimeout(t *testing.T) {
	t.Parallel()
	s := slowImport(t, "startup-timeout=1")
	s.Expect(`GWSGI1022: .*slow_import\.wsgi.* is not loaded after \d\.\d s, .* group 'options'`, `File ".*slow_import\.wsgi", line \d+`)
	s.Allow(`\[gowsgi:error\]`)
	first := number(t, importers(s)[0])
	s.WaitLog(`GWSGI1022: `)
	harness.Eventually(t, func() bool { return len(importers(s)) > 1 }, "the next process begins")
	finishImport(s)
	assert.NotEqual(t, first, answeredBy(t, s, "/app"))
	assert.False(t, isAlive(first))
}

// The same for a script that is loaded at its first request.
func TestDaemonStartupTimeoutOfRequest(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: optionsConf(`startup-timeout=1 graceful-timeout=1 "env=IMPORT_WHEN=${DATA}/import"`)})
	s.Expect(`GWSGI1022: .*slow_import\.wsgi.* is not loaded after \d\.\d s, .* group 'options'`)
	s.Allow(`\[gowsgi:(error|warn)\]`)
	pid := answeredBy(t, s, "/main/gil")
	loading := askInBackground(s, "/main/slow_import")
	s.WaitLog(`GWSGI1022: `)
	other := awaitOther(t, s, pid)
	assert.Equal(t, http.StatusBadGateway, loading.wait(t).Status)
	finishImport(s)
	assert.Equal(t, other, answeredBy(t, s, "/main/slow_import"))
}

// ---- graceful-timeout and shutdown-timeout ----

// Requests that a process runs when it is to go may finish within graceful-timeout; what takes longer is lost, and told.
func TestDaemonGracefulTimeout(t *testing.T) {
	t.Parallel()
	s := startWith(t, "graceful-timeout=1")
	s.Expect(`GWSGI1023: 1 requests still run 1s after this process of group 'options' began to end`, `GWSGI1113: process \d+ .*GET /main/gate\?slow`)
	s.Allow(`running for [\d.]+ s on thread \d+: .*/main/gate`)
	quick, pid := enter(t, s, "quick")
	slow, _ := enter(t, s, "slow")
	start := time.Now()
	require.NoError(t, syscall.Kill(pid, syscall.SIGUSR1))
	openGate(t, s, "quick")
	assert.Equal(t, fmt.Sprintf("%d 2", pid), quick.wait(t).Body)
	assert.Equal(t, http.StatusBadGateway, slow.wait(t).Status)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.Equal(t, awaitOther(t, s, pid), answeredBy(t, s, "/main/gil"))
}

// Exit functions run, for no longer than shutdown-timeout, whatever the reason of the exit.
func TestDaemonShutdownTimeout(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"main", "sub"} {
		for _, reason := range []string{"maximum-requests=2", "inactivity-timeout=1", "signal"} {
			t.Run(in+" "+reason, func(t *testing.T) {
				t.Parallel()
				options := "shutdown-timeout=1 "
				if reason != "signal" {
					options += reason
				}
				s := startWith(t, options)
				s.Expect(`GWSGI1024: exit functions and threads of the applications of group 'options' did not end within 1s: .* Mend those, `)
				pid := answeredBy(t, s, "/"+in+"/exit/slow")
				switch reason {
				case "maximum-requests=2":
					assert.Equal(t, pid, answeredBy(t, s, "/"+in+"/exit/slow"))
				case "signal":
					require.NoError(t, syscall.Kill(pid, syscall.SIGINT))
				}
				start := awaitFile(t, s.Path(fmt.Sprintf("data/exit-%d", pid)))
				assert.NotEqual(t, pid, answeredBy(t, s, "/"+in+"/gil"), "others serve meanwhile")
				harness.Eventually(t, func() bool { return !isAlive(pid) }, "the process is gone")
				assert.Less(t, time.Since(start), 4*time.Second)
			})
		}
	}
}

// awaitFile waits until a file is there, and returns when it was made.
func awaitFile(t *testing.T, file string) time.Time {
	t.Helper()
	var made time.Time
	harness.Eventually(t, func() bool {
		info, err := os.Stat(file)
		if err == nil {
			made = info.ModTime()
		}
		return err == nil
	}, "%s", file)
	return made
}

// An exit function that ends in time has run to its end, in every way that a process may go.
func TestDaemonExitFunctions(t *testing.T) {
	t.Parallel()
	s := startWith(t, "")
	first := answeredBy(t, s, "/main/exit")
	require.NoError(t, syscall.Kill(first, syscall.SIGINT))
	second := awaitOther(t, s, first)
	assert.FileExists(t, s.Path(fmt.Sprintf("data/exit-%d", first)))
	assert.Equal(t, second, answeredBy(t, s, "/main/exit"))
	s.Restart()
	awaitFile(t, s.Path(fmt.Sprintf("data/exit-%d", second)))
	third := answeredBy(t, s, "/main/exit")
	s.Stop()
	assert.FileExists(t, s.Path(fmt.Sprintf("data/exit-%d", third)))
}

// When httpd stops, it waits for three seconds, whatever shutdown-timeout says.
func TestDaemonExitFunctionsWhenHttpdStops(t *testing.T) {
	t.Parallel()
	s := startWith(t, "shutdown-timeout=30 graceful-timeout=30")
	s.Expect(`GWSGI1024: .* group 'options' did not end within |GWSGI0906: `)
	answeredBy(t, s, "/main/exit/slow")
	start := time.Now()
	s.Stop()
	assert.Less(t, time.Since(start), 8*time.Second)
}

// ---- socket-timeout ----

// A process that does not say a word for so long is not waited for any more; the process stays.
func TestDaemonSocketTimeout(t *testing.T) {
	t.Parallel()
	s := startWith(t, "socket-timeout=1")
	s.Expect(`GWSGI1114: process \d+ of the daemon process group options .* for 1 seconds .*GET /main/gate\?silent.* 504. A faster application, .*`)
	start := time.Now()
	silent, pid := enter(t, s, "silent")
	assert.Equal(t, http.StatusGatewayTimeout, silent.wait(t).Status)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	openGate(t, s, "")
	assert.Equal(t, pid, answeredBy(t, s, "/main/gil"))
	got := s.Get("/main/active/write?1.5")
	assert.Contains(t, got.Body, strconv.Itoa(pid), "the limit is for each read and write, not for the whole request")
}
