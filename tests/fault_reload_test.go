package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// A script changes, three times, while 50 clients send requests. No request fails; each answer is of one version; a request that
// begins after the change is answered by the new version; one that began before ends with the old one.
func TestFaultReloadOnTouch(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 64, Conf: faultConf("processes=2 threads=10") + `
		WSGIScriptAlias /app "${RUN}/app.wsgi"`})
	file := newScript(s)
	file.version("app.wsgi", "v0", time.Second)
	require.Equal(t, "v0 helper=v0 v0 loads=1", s.Get("/app").Body)
	l := startLoad(t, s, 50, "/app?")
	l.await(t, 200)
	changed := []time.Time{time.Now()}
	for n := 1; n <= 3; n++ {
		slow, pid := enter(t, s, fmt.Sprint("slow", n))
		old := s.Workers()
		file.version("app.wsgi", fmt.Sprint("v", n), time.Second)
		changed = append(changed, time.Now())
		l.await(t, 200)
		assert.False(t, slow.isDone())
		assert.True(t, isAlive(pid), "a process that has a request to finish")
		openGate(t, s, fmt.Sprint("slow", n))
		assert.Contains(t, slow.wait(t).Body, fmt.Sprint(pid, " "), "the process that began a request ends it")
		awaitWorkers(t, s, 2, old...)
	}
	outcomes := l.stop()
	assertNoFailure(t, outcomes)
	assertVersions(t, outcomes, changed)
	assertReplacedOneByOne(t, s, 6)
}

var wholeAnswer = regexp.MustCompile(`^v(\d) helper=v(\d) v(\d) loads=1$`)

// assertVersions checks that each answer is of one version, and that none is older than its request.
func assertVersions(t *testing.T, outcomes []outcome, changed []time.Time) {
	t.Helper()
	counts, latest := map[int]int{}, map[int]int{}
	for _, o := range outcomes {
		m := wholeAnswer.FindStringSubmatch(o.body)
		if !assert.NotNil(t, m, "%s", o) {
			return
		}
		version, _ := strconv.Atoi(m[3])
		// The helper is put in place before the script, so that a process which starts in between has it already.
		if m[1] != m[3] || m[2] < m[1] {
			assert.Fail(t, "a mix of versions", "%s", o)
		}
		counts[version]++
		assert.GreaterOrEqual(t, version, latest[o.client], "client %d got version %d before: %s", o.client, latest[o.client], o)
		latest[o.client] = version
		if version+1 < len(changed) {
			assert.False(t, o.began.After(changed[version+1]), "answered by version %d %v after the change: %s", version,
				o.began.Sub(changed[min(version+1, len(changed)-1)]), o)
		}
	}
	for version := range changed {
		assert.NotZero(t, counts[version], "answers of version %d", version)
	}
}

var lifeLine = regexp.MustCompile(`worker (\d+) of process group 'fault' (was started|is ready|ended)`)

// assertReplacedOneByOne reads in the log that a process ends when another is ready, and that one after the other is replaced.
func assertReplacedOneByOne(t *testing.T, s *harness.Server, replacements int) {
	t.Helper()
	harness.Eventually(t, func() bool { return len(found(s, `worker \d+ of process group 'fault' ended`)) >= replacements }, "the last to be told of")
	var starting, ready, ended int
	for _, line := range strings.Split(s.ErrorLog(), "\n") {
		m := lifeLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		switch m[2] {
		case "was started":
			starting++
			assert.True(t, ready < 2 || starting == ready+1, "two are replaced at once: %s", line)
		case "is ready":
			ready++
		case "ended":
			ended++
			assert.GreaterOrEqual(t, ready-ended, 2, "its replacement is not ready yet: %s", line)
		}
	}
	assert.Equal(t, 2+replacements, ready)
	assert.Equal(t, replacements, ended)
}

// A new version that cannot be loaded is an error of its requests, and the next version is well again; the server lives on.
func TestFaultReloadOfBrokenScript(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 64, Conf: faultConf("processes=2 threads=5") + `
		WSGIScriptAlias /app "${RUN}/app.wsgi"`})
	s.Allow(`SyntaxError`, `GWSGI050\d`, `File `, `Traceback`, `\]  +`) // and lines of a script that was changed meanwhile
	file := newScript(s)
	file.version("app.wsgi", "v0", time.Second)
	require.Equal(t, http.StatusOK, s.Get("/app").Status)
	good := startLoad(t, s, 10, "/hello?")
	l := startLoad(t, s, 10, "/app?")
	l.await(t, 50)
	file.put("app.wsgi", "this is no Python\n", time.Second)
	harness.Eventually(t, func() bool { return countStatus(l.so())[http.StatusInternalServerError] > 20 }, "errors")
	file.version("app.wsgi", "v1", time.Second)
	l.await(t, 50)
	for _, o := range l.stop() {
		assert.Contains(t, []int{http.StatusOK, http.StatusInternalServerError}, o.status, "%s", o)
	}
	assertNoFailure(t, good.stop())
}
