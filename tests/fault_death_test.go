package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const deathThreads = 10

// A process that dies under load takes the requests with it that it runs, and no others. Each of them is answered 502, and one line
// says how the process ended, which it was, and which request it was.
func TestFaultDeath(t *testing.T) {
	t.Parallel()
	for _, death := range []struct{ mpm, how, ended string }{
		{harness.Event, "kill", `ended with signal 9 \(SIGKILL\)`},
		{harness.Event, "segfault", `ended with signal 11 \(SIGSEGV\)(?:, core dumped)?`},
		{harness.Event, "abort", `ended with signal 6 \(SIGABRT\)(?:, core dumped)?`},
		{harness.Event, "exit", `ended with exit status 3`},
		{harness.Event, "memory", `ended with signal 11 \(SIGSEGV\)(?:, core dumped)?`},
		{harness.Worker, "kill", `ended with signal 9 \(SIGKILL\)`},
		{harness.Prefork, "kill", `ended with signal 9 \(SIGKILL\)`},
	} {
		t.Run(death.how+" "+death.mpm, func(t *testing.T) {
			s := harness.Start(t, harness.Config{MPM: death.mpm, Threads: 64, MayCrash: true, Conf: faultConf(fmt.Sprintf("processes=2 threads=%d", deathThreads))})
			s.Allow(`GWSGI1113: `, `GWSGI0902: `)
			l := startLoad(t, s, clientsOf[death.mpm], "/fault/death?")
			l.await(t, 100)
			killer := ask1(s, "/fault/death?", "killer+"+death.how)
			killer.name = "killer"
			s.WaitLog(`GWSGI0902: `) // it may come after the requests' lines
			lines := found(s, `GWSGI0902: worker (\d+) of process group 'fault' `)
			require.Len(t, lines, 1)
			dead, err := strconv.Atoi(lines[0])
			require.NoError(t, err)
			awaitWorkers(t, s, 2, dead)
			l.await(t, 100)
			assertOnlyRunningFailed(t, s, append(l.stop(), killer), dead, death.ended)
		})
	}
}

// assertOnlyRunningFailed compares what failed with what the process ran, and with the log.
func assertOnlyRunningFailed(t *testing.T, s *harness.Server, outcomes []outcome, dead int, ended string) {
	t.Helper()
	trace := readTrace(t, s)
	var failed []string
	for _, o := range failures(outcomes) {
		assert.Equal(t, http.StatusBadGateway, o.status, "%s", o)
		for pid, names := range trace.began {
			assert.False(t, pid != dead && slices.Contains(names, o.name), "failed, but process %d ran it: %s", pid, o)
		}
		failed = append(failed, o.name)
	}
	assert.LessOrEqual(t, len(failed), deathThreads, "as many as its threads had, at the most")
	for _, name := range trace.began[dead] {
		if !slices.Contains(trace.ended[dead], name) {
			assert.Contains(t, failed, name, "the process ran it when it died")
		}
	}
	assert.Greater(t, len(failed), 3)
	logged := found(s, fmt.Sprintf(`GWSGI1113: process %d of the daemon process group fault %s while it served the request `+
		`\(GET /fault/death\?(\w+)(?:\+\w+)? HTTP/1.1\), which is answered with 502. Other lines of that process may tell why$`, dead, ended))
	assert.ElementsMatch(t, failed, logged, "requests that failed, and requests in the log")
	assert.Len(t, found(s, `GWSGI1113: `), len(failed), "lines for each")
}

// Memory that Python asks for and does not get fails one request; the process and its others live on.
func TestFaultOutOfMemory(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 64, Conf: faultConf("threads=10")})
	s.ExpectTraceback(`MemoryError$`)
	s.Expect(`GWSGI0601: `)
	l := startLoad(t, s, 20, "/fault/death?")
	l.await(t, 50)
	before := s.Workers()
	for n := range 5 {
		assert.Equal(t, http.StatusInternalServerError, ask1(s, "/fault/death?", fmt.Sprintf("m%d+MemoryError", n)).status)
	}
	l.await(t, 50)
	assertNoFailure(t, l.stop())
	assert.Equal(t, before, s.Workers())
}

// A process that an administrator kills while it has nothing to do is replaced, and nobody notices.
func TestFaultDeathWhileIdle(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{MayCrash: true, Conf: faultConf("processes=2 threads=3")})
	s.Expect(`GWSGI0902: `)
	assertHello(t, s)
	for range 5 {
		before := s.Workers()
		kill(t, before[0])
		for range 5 {
			assertHello(t, s)
		}
		awaitWorkers(t, s, 2, before[0])
	}
}

// A process that dies at once is started again, later each time; requests wait for connect-timeout, then are answered 503, until
// it is well.
func TestFaultDeathAtImport(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{MayCrash: true, Conf: faultConf("connect-timeout=2 env=HEALTHY=${DATA}/healthy") + `
		WSGIImportScript "${APPS}/fault/dies_at_import.wsgi" process-group=fault application-group=%{GLOBAL}`})
	s.Expect(`GWSGI0903: worker \d+ of process group 'fault' ended with exit status 4, .* before it was ready`, `GWSGI1112: `)
	l := startLoad(t, s, 5, "/hello?")
	const started = `^(.*)worker \d+ of process group 'fault' was started`
	const starts = 6
	harness.Eventually(t, func() bool { return len(found(s, started)) >= starts }, "%d starts", starts)
	delays := []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
	began, ended := found(s, started), found(s, `^(.*)GWSGI0903: `)
	for i, delay := range delays {
		passed := lineTime(t, began[i+1]).Sub(lineTime(t, ended[i]))
		assert.GreaterOrEqual(t, passed, delay-50*time.Millisecond, "between the end of process %d and the next start", i+1)
	}
	so := l.so()
	assert.NotEmpty(t, so)
	for _, o := range so {
		assert.Equal(t, http.StatusServiceUnavailable, o.status, "%s", o)
		assert.GreaterOrEqual(t, o.ended.Sub(o.began), 1900*time.Millisecond, "%s", o)
		assert.Less(t, o.ended.Sub(o.began), 8*time.Second, "%s", o)
	}
	s.WriteFile("data/healthy", "")
	l.await(t, 20)
	s.Warm()
	outcomes := l.stop()
	refused := failures(outcomes)
	assert.Len(t, found(s, `GWSGI1112: `), len(refused), "a line for each that was refused")
	assert.Len(t, refused, countStatus(outcomes)[http.StatusServiceUnavailable])
}

// A process that dies of its first request, always, is no hot loop either: whoever brings the request waits longer each time.
func TestFaultDeathAtFirstRequest(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{MayCrash: true, Conf: faultConf("env=HEALTHY=${DATA}/healthy")})
	s.Expect(`GWSGI0902: .* ended with exit status 4`, `GWSGI1113: `)
	l := startLoad(t, s, 4, "/fault/dies_at_import?")
	harness.Eventually(t, func() bool { return len(found(s, `GWSGI0902: `)) >= 5 }, "5 deaths")
	s.WriteFile("data/healthy", "")
	l.await(t, 20)
	s.Warm()
	outcomes := l.stop()
	for _, o := range failures(outcomes) {
		assert.Equal(t, http.StatusBadGateway, o.status, "%s", o)
	}
	assert.Len(t, found(s, `GWSGI1113: `), len(failures(outcomes)))
	ended := found(s, `^(.*)GWSGI0902: `)
	assert.GreaterOrEqual(t, lineTime(t, ended[4]).Sub(lineTime(t, ended[0])), 3400*time.Millisecond, "between the first death and the fifth")
	assert.LessOrEqual(t, len(ended), 6)
}
