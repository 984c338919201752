package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is what the tests of faults share: a daemon process group under load, and the count of its answers.

// faultConf declares the group "fault" with the given options.
func faultConf(options string) string {
	return fmt.Sprintf(`
		WSGISocketPrefix ${RUN}/wsgi
		WSGIDaemonProcess fault display-name=%%{GROUP} %s
		WSGIProcessGroup fault
		WSGIApplicationGroup %%{GLOBAL}
		SetEnv GATE "${DATA}"
		SetEnv TRACE "${DATA}/trace"
		WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"
		WSGIScriptAliasMatch ^/main/(\w+) "${APPS}/daemon/$1.wsgi"
		WSGIScriptAliasMatch ^/fault/(\w+) "${APPS}/fault/$1.wsgi"
		WSGIScriptAliasMatch ^/body/(\w+) "${APPS}/body/$1.wsgi"
		`, options)
}

// ---- Load ----

// outcome is what became of a request.
type outcome struct {
	client       int
	name         string // of the request; in its URL, so that the log tells, too
	began, ended time.Time
	status       int
	body         string
	err          error
}

func (o outcome) ok() bool { return o.err == nil && o.status == http.StatusOK }

func (o outcome) String() string {
	return fmt.Sprintf("%s: %v, status %d, %.80q, after %v", o.name, o.err, o.status, o.body, o.ended.Sub(o.began))
}

// load is clients that send requests, each one after the other, until stop. They keep connections open and follow HTTP's rules: a
// request is sent again only when the connection had been used before and was closed without a byte of the response.
type load struct {
	done     atomic.Bool
	all      sync.WaitGroup
	lock     sync.Mutex
	outcomes []outcome
}

// startLoad makes clients that ask for path, with the request's name at its end. The end of the test stops them if nobody did.
func startLoad(t *testing.T, s *harness.Server, clients int, path string) *load {
	l := &load{}
	for client := range clients {
		l.all.Add(1)
		go func() {
			defer l.all.Done()
			for n := 0; !l.done.Load(); n++ {
				o := ask1(s, path, fmt.Sprintf("c%dn%d", client, n))
				o.client = client
				l.lock.Lock()
				l.outcomes = append(l.outcomes, o)
				l.lock.Unlock()
			}
		}()
	}
	t.Cleanup(func() { l.stop() })
	return l
}

// ask1 sends one request and tells what became of it.
func ask1(s *harness.Server, path, name string) outcome {
	o := outcome{name: name, began: time.Now()}
	got, err := s.Try(s.Request(http.MethodGet, path+name, nil))
	o.ended, o.status, o.body, o.err = time.Now(), got.Status, got.Body, err
	return o
}

// stop ends the clients after their requests, and returns all outcomes in the order of their ends.
func (l *load) stop() []outcome {
	l.done.Store(true)
	l.all.Wait()
	return l.outcomes
}

// so returns the outcomes until now.
func (l *load) so() []outcome {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.outcomes)
}

// await waits for so many more good answers, to requests that begin from now on.
func (l *load) await(t *testing.T, more int) {
	t.Helper()
	from := time.Now()
	harness.Eventually(t, func() bool {
		n := 0
		for _, o := range slices.Backward(l.so()) {
			if o.ok() && o.began.After(from) {
				n++
			}
			if o.ended.Before(from) {
				break
			}
		}
		return n >= more
	}, "%d answers", more)
}

// failures are the outcomes that are not 200.
func failures(outcomes []outcome) []outcome {
	return slices.DeleteFunc(slices.Clone(outcomes), outcome.ok)
}

// usual is how long a good answer took, as the machine was: half of them took less.
func usual(outcomes []outcome) time.Duration {
	var took []time.Duration
	for _, o := range outcomes {
		if o.ok() {
			took = append(took, o.ended.Sub(o.began))
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// assertNoFailure reports the first failures.
func assertNoFailure(t *testing.T, outcomes []outcome) {
	t.Helper()
	failed := failures(outcomes)
	assert.Empty(t, failed[:min(len(failed), 5)], "%d of %d requests failed", len(failed), len(outcomes))
}

// countStatus is how many outcomes have each status; 0 is none.
func countStatus(outcomes []outcome) map[int]int {
	counts := map[int]int{}
	for _, o := range outcomes {
		counts[o.status]++
	}
	return counts
}

// ---- The log ----

// found are the texts of the first parenthesis of the pattern, or the lines without one, in all lines of the log that match.
func found(s *harness.Server, pattern string) []string {
	var all []string
	re := regexp.MustCompile(pattern)
	for _, line := range harness.ParseLog(s.ErrorLog()) {
		if m := re.FindStringSubmatch(line.Text); m != nil {
			all = append(all, m[min(len(m)-1, 1)])
		}
	}
	return all
}

// lineTime is when a line was logged.
func lineTime(t *testing.T, line string) time.Time {
	t.Helper()
	text, _, _ := strings.Cut(strings.TrimPrefix(line, "["), "]")
	at, err := time.ParseInLocation("Mon Jan 02 15:04:05.000000 2006", text, time.Local)
	require.NoError(t, err, line)
	return at
}

// ---- Processes ----

// awaitWorkers waits until so many daemon processes serve, none of them among gone.
func awaitWorkers(t *testing.T, s *harness.Server, number int, gone ...int) {
	t.Helper()
	harness.Eventually(t, func() bool {
		now := s.Workers()
		return len(now) == number && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(gone, pid) })
	}, "%d daemon processes without %v", number, gone)
}

// sockets are the names of the sockets that there are.
// sockets are those on which one daemon process each listens, without those of the groups.
func sockets(s *harness.Server) []string {
	names, _ := filepath.Glob(s.Path("wsgi.*.*.*.*.*.sock"))
	return names
}

// awaitOnly waits until nothing is left but one supervisor and so many daemon processes with their sockets.
func awaitOnly(t *testing.T, s *harness.Server, workers int) {
	t.Helper()
	harness.Eventually(t, func() bool {
		return len(s.Supervisors()) == 1 && len(s.Workers()) == workers && len(sockets(s)) == workers
	}, "one supervisor, %d processes and their sockets; there are %v, %v and %v", workers, s.Supervisors(), s.Workers(), sockets(s))
}

// awaitNothing waits until no process or socket of ours is left.
func awaitNothing(t *testing.T, s *harness.Server) {
	t.Helper()
	harness.Eventually(t, func() bool {
		return len(s.Supervisors()) == 0 && len(s.Workers()) == 0 && len(sockets(s)) == 0
	}, "the end of all daemon processes and sockets")
}

// traced is what apps/fault/death wrote: which requests began and which ended, by process.
type traced struct{ began, ended map[int][]string }

func readTrace(t *testing.T, s *harness.Server) traced {
	t.Helper()
	text, err := os.ReadFile(s.Path("data/trace"))
	require.NoError(t, err)
	trace := traced{map[int][]string{}, map[int][]string{}}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		require.Len(t, fields, 3, line)
		pid, err := strconv.Atoi(fields[1])
		require.NoError(t, err)
		into := map[string]map[int][]string{"+": trace.began, "-": trace.ended}[fields[0]]
		into[pid] = append(into[pid], fields[2])
	}
	return trace
}

// kill ends a process as kill -9 does.
func kill(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}
