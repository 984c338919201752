package tests

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// stoppedUnderLoad is what the threaded MPMs may bring about when they are told to stop at once and have requests: the child's main
// thread closes the sockets of its workers, one of which may just be freeing its own. It happens without our module, too.
const stoppedUnderLoad = `AH0005[12]: child pid \d+ exit signal Segmentation fault|AH03092: process_lingering_close: apr_pollset_add failure`

// cutOff are the lines about requests that lost their process when all of them were made to end.
const cutOff = `GWSGI111[23]: `

// restartedFaults starts a server for a test of restarts, and its load.
func restartedFaults(t *testing.T, mpm string, clients int) (*harness.Server, *load) {
	s := harness.Start(t, harness.Config{MPM: mpm, Children: 2, Threads: 32, Conf: faultConf("processes=2 threads=10 connect-timeout=5")})
	assertHello(t, s)
	l := startLoad(t, s, clients, "/hello?")
	l.await(t, 50)
	return s, l
}

// clientsOf is how many clients hammer: each is a process of prefork's.
var clientsOf = map[string]int{harness.Event: 50, harness.Worker: 30, harness.Prefork: 15}

// apachectl graceful, many times under load: no request fails, those that run end, and nothing is left of what was before.
func TestFaultGracefulRestarts(t *testing.T) {
	t.Parallel()
	for mpm, times := range map[string]int{harness.Event: 20, harness.Worker: 4, harness.Prefork: 4} {
		t.Run(mpm, func(t *testing.T) {
			s, l := restartedFaults(t, mpm, clientsOf[mpm])
			turn := 0
			restart := func() {
				turn++
				name := fmt.Sprint("turn", turn)
				slow, pid := enter(t, s, name)
				s.Graceful()
				l.await(t, 20)
				assert.False(t, slow.isDone())
				openGate(t, s, name)
				assert.Contains(t, slow.wait(t).Body, fmt.Sprint(pid, " "), "the process that began a request ends it")
			}
			assertParentDoesNotGrow(t, s, times-settling, restart, func() {})
			awaitOnly(t, s, 2)
			assertNoFailure(t, l.stop())
			s.Warm("/hello")
		})
	}
}

// generation is a request that keeps the processes of a generation before the present one.
type generation struct {
	name       string
	slow       *asked
	supervisor int
}

// nextGeneration restarts gracefully while a request runs in the newest generation, which is not any of those before.
func nextGeneration(t *testing.T, s *harness.Server, before []generation) generation {
	g := generation{}
	tries := 0
	harness.Eventually(t, func() bool {
		tries++
		g.name = fmt.Sprintf("generation%dtry%d", len(before), tries)
		slow, pid := enter(t, s, g.name)
		g.slow, g.supervisor = slow, parentOf(t, pid)
		isOld := slices.ContainsFunc(before, func(b generation) bool { return b.supervisor == g.supervisor })
		if isOld { // an old child took it, which had not yet read that it is to end
			openGate(t, s, g.name)
			slow.wait(t)
		}
		return !isOld
	}, "a request in the new generation")
	s.Graceful()
	return g
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	return number(t, regexp.MustCompile(`PPid:\s+(\d+)`).FindStringSubmatch(string(text))[1])
}

// Processes of several generations run at once, and end in another order than they began in.
func TestFaultGenerationsEndInAnyOrder(t *testing.T) {
	t.Parallel()
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		// A child that still has a request keeps its place among those that httpd may have.
		places, limit := 32, 32*16
		if mpm == harness.Prefork {
			limit = places
		}
		s := harness.Start(t, harness.Config{MPM: mpm, Threads: 16, Conf: faultConf("processes=1 threads=4 socket-timeout=60") +
			fmt.Sprintf("ServerLimit %d\nMaxRequestWorkers %d\nKeepAliveTimeout 1", places, limit)})
		assertHello(t, s)
		var old []generation
		for range 4 {
			old = append(old, nextGeneration(t, s, old))
		}
		for _, i := range []int{2, 3, 0, 1} {
			openGate(t, s, old[i].name)
			assert.Equal(t, http.StatusOK, old[i].slow.wait(t).Status)
			harness.Eventually(t, func() bool {
				return errors.Is(syscall.Kill(old[i].supervisor, 0), syscall.ESRCH)
			}, "httpd to take note of the end of supervisor %d", old[i].supervisor)
			assertHello(t, s)
		}
		awaitOnly(t, s, 1)
	})
}

// apachectl stop and apachectl restart under load end all processes at once; after a restart, there are new ones.
func TestFaultHardRestarts(t *testing.T) {
	t.Parallel()
	for mpm, times := range map[string]int{harness.Event: 5, harness.Worker: 2, harness.Prefork: 2} {
		t.Run(mpm, func(t *testing.T) {
			s, l := restartedFaults(t, mpm, clientsOf[mpm])
			s.Allow(stoppedUnderLoad)
			for range times {
				before := append(s.Workers(), s.Supervisor())
				s.Restart()
				for _, pid := range before {
					assert.False(t, isAlive(pid), "process %d of the generation before", pid)
				}
				l.await(t, 20)
				awaitOnly(t, s, 2)
			}
			s.Signal(syscall.SIGTERM)
			awaitNothing(t, s)
			for _, o := range failures(l.stop()) {
				assert.True(t, o.err != nil && tolerateClosed(o.err) || o.status == http.StatusServiceUnavailable, "%s", o)
			}
			s.AwaitEnd()
		})
	}
}

// Requests that wait in the queue keep httpd from nothing: it stops at once, and they are told.
func TestFaultStopWithAQueue(t *testing.T) {
	t.Parallel()
	for _, mpm := range []string{harness.Event, harness.Worker} {
		t.Run(mpm, func(t *testing.T) {
			s := harness.Start(t, harness.Config{MPM: mpm, Threads: 32, Conf: faultConf("threads=1")})
			s.Allow(stoppedUnderLoad)
			enter(t, s, "slow")
			var waiting []*asked
			for i := range 20 {
				waiting = append(waiting, askInBackground(s, fmt.Sprint("/hello?", i)))
			}
			harness.Eventually(t, func() bool { return len(connectionsTo(t, s.Workers()[0])) >= 21 }, "all wait in the queue")
			began := time.Now()
			s.Signal(syscall.SIGTERM)
			s.AwaitEnd()
			assert.Less(t, time.Since(began), 6*time.Second, "httpd kills its children after some ten seconds")
			for _, one := range waiting {
				<-one.done
				assert.True(t, one.err != nil && tolerateClosed(one.err) || one.got.Status == http.StatusServiceUnavailable, "%v %v", one.err, one.got)
			}
		})
	}
}

// apachectl graceful-stop ends when the requests that run have ended.
func TestFaultGracefulStop(t *testing.T) {
	t.Parallel()
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s, l := restartedFaults(t, mpm, clientsOf[mpm])
		slow, pid := enter(t, s, "slow")
		s.Signal(syscall.SIGWINCH)
		harness.Eventually(t, func() bool { return len(failures(l.so())) > 0 }, "httpd takes no more connections")
		l.stop()
		for _, o := range failures(l.so()) {
			assert.True(t, o.err != nil && tolerateClosed(o.err), "%s", o)
		}
		assert.False(t, slow.isDone())
		openGate(t, s, "")
		assert.Contains(t, slow.wait(t).Body, fmt.Sprint(pid, " "))
		awaitNothing(t, s)
		s.AwaitEnd()
	})
}

// The parent is killed: its supervisor and all daemon processes end by themselves, at once.
func TestFaultParentKilled(t *testing.T) {
	t.Parallel()
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s, _ := restartedFaults(t, mpm, 10)
		s.Allow(cutOff)
		s.Expect(`GWSGI1119: `)
		began := time.Now()
		s.Kill()
		awaitNothing(t, s)
		assert.Less(t, time.Since(began), 10*time.Second)
		began = time.Now()
		assert.Equal(t, http.StatusServiceUnavailable, s.Get("/fault/death?orphan").Status)
		assert.Less(t, time.Since(began), 5*time.Second, "it does not wait for processes that cannot come")
	})
}

// The supervisor is killed: its processes end, it is back by itself, with new ones, and no request fails but those that ran.
func TestFaultSupervisorKilled(t *testing.T) {
	t.Parallel()
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s, l := restartedFaults(t, mpm, clientsOf[mpm])
		s.Allow(`GWSGI1113: `)
		s.Expect(`GWSGI1102: .* \(pid \d+\) ended unexpectedly with signal 9 \(SIGKILL\); `)
		fastest := time.Hour
		for round := range 3 {
			slow, _ := enter(t, s, fmt.Sprint("slow", round))
			supervisor, before := s.Supervisor(), s.Workers()
			killed := time.Now()
			kill(t, supervisor)
			assert.Equal(t, http.StatusBadGateway, slow.wait(t).Status, "a request that ran")
			fastest = min(fastest, time.Since(killed))
			l.await(t, 50)
			awaitWorkers(t, s, 2, before...)
			awaitOnly(t, s, 2)
			assert.NotEqual(t, supervisor, s.Supervisor())
		}
		outcomes := l.stop()
		assert.Less(t, fastest, 900*time.Millisecond+usual(outcomes), "the answer to it waits for nothing")
		failed := failures(outcomes)
		for _, o := range failed {
			assert.Equal(t, http.StatusBadGateway, o.status, "%s", o)
		}
		assert.LessOrEqual(t, len(failed), 3*2*10, "as many as the processes had threads")
		assert.Len(t, found(s, `GWSGI1113: .*because the supervisor of the daemon process groups ended`), len(failed)+3)
	})
}
