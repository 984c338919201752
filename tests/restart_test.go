package tests

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// growthKB is how much a parent process may grow by over the restarts of a test: the allocator's and the log's noise, well below
// a leak of each restart's configuration or of an interpreter.
const growthKB = 1024

// settling is how many restarts it takes until httpd's own memory has found its size.
const settling = 3

// assertParentDoesNotGrow restarts the server many times and compares the parent's memory and descriptors.
func assertParentDoesNotGrow(t *testing.T, s *harness.Server, restarts int, restart, check func()) {
	t.Helper()
	for range settling {
		restart()
		check()
	}
	rss, files := memoryKB(t, s.PID(), "VmRSS"), openFiles(t, s.PID()) // PSS would depend on how many children share it just now
	for range restarts {
		restart()
		check()
	}
	harness.Eventually(t, func() bool { return len(s.Children()) <= 4 }, "old children to end")
	assert.Less(t, memoryKB(t, s.PID(), "VmRSS"), rss+growthKB, "RSS of the parent, KB")
	assert.LessOrEqual(t, openFiles(t, s.PID()), files, "descriptors of the parent")
}

// restarts are how many a test makes after those for settling: all MPMs share our code, and the two others restart slowly.
var restarts = map[string]int{harness.Event: 12, harness.Worker: 4, harness.Prefork: 4}

// keepAliveClients send requests, one after the other on a connection each, until stop is called.
type keepAliveClients struct {
	failed atomic.Int64
	served atomic.Int64
	stop   func()
}

func startClients(t *testing.T, s *harness.Server, n int, tolerate func(error) bool) *keepAliveClients {
	clients := &keepAliveClients{}
	var all sync.WaitGroup
	var done atomic.Bool
	for range n {
		all.Add(1)
		go func() {
			defer all.Done()
			for !done.Load() {
				got, err := s.Try(s.Request(http.MethodGet, "/hello", nil))
				switch {
				case err != nil && tolerate(err):
				case err != nil || got.Status != http.StatusOK || got.Body != "Hello, World!":
					if clients.failed.Add(1) == 1 {
						t.Errorf("a client's request failed: %v %d %s", err, got.Status, got.Body)
					}
				default:
					clients.served.Add(1)
				}
			}
		}()
	}
	clients.stop = func() { done.Store(true); all.Wait() }
	return clients
}

func tolerateNothing(error) bool { return false }

// tolerateClosed is for a hard restart, which cuts connections.
func tolerateClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE)
}

// servedMore returns a function that waits until clients got further answers.
func (c *keepAliveClients) servedMore(t *testing.T) func() {
	return func() {
		t.Helper()
		before := c.served.Load()
		harness.Eventually(t, func() bool { return c.served.Load() > before+10 || t.Failed() }, "answers")
	}
}

func TestRestartsGracefulUnderLoad(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: helloConf, Children: 2, Threads: 8})
			assertHello(t, s)
			clients := startClients(t, s, 4, tolerateNothing)
			defer clients.stop()
			assertParentDoesNotGrow(t, s, restarts[mpm], s.Graceful, clients.servedMore(t))
		})
	})
}

func TestRestartsHardUnderLoad(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: helloConf, Children: 2, Threads: 8})
			s.Allow(stoppedUnderLoad)
			assertHello(t, s)
			clients := startClients(t, s, 4, tolerateClosed)
			defer clients.stop()
			assertParentDoesNotGrow(t, s, restarts[mpm], s.Restart, clients.servedMore(t))
		})
	})
}

func TestSingleProcess(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, SingleProc: true, Conf: factsConf + helloConf})
			for range 3 {
				assertHello(t, s)
			}
			assert.NotEqual(t, "", ask[pythonFacts](t, s, "/sub").Version)
		})
	})
}

// A child that served its share is replaced, and nobody notices.
func TestMaxConnectionsPerChild(t *testing.T) {
	t.Parallel()
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Conf: helloConf + "\nMaxConnectionsPerChild 5"})
		first := s.Children()
		s.Client.Transport.(*http.Transport).DisableKeepAlives = true
		for range 12 {
			assertHello(t, s)
		}
		harness.Eventually(t, func() bool {
			now := s.Children()
			return len(now) > 0 && !slices.ContainsFunc(first, func(pid int) bool { return slices.Contains(now, pid) })
		}, "new children")
		assertHello(t, s)
	})
}

const exitConf = `
WSGIScriptAlias /main "${APPS}/exits/exits.wsgi" application-group=%{GLOBAL}
WSGIScriptAlias /sub "${APPS}/exits/exits.wsgi" application-group=sub
`

// atexit functions run in all interpreters, after threads that are no daemons.
func TestExitFunctionsRun(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"stop", "graceful", "restart"} {
		t.Run(ending, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				harness.EachMPM(t, func(t *testing.T, mpm string) {
					s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Threads: 1, Children: 1, Conf: exitConf})
					for _, path := range []string{"/main", "/sub"} {
						require.Equal(t, http.StatusOK, s.Get(path).Status)
					}
					s.Expect(`exit function of group ''`, `exit function of group 'sub'`)
					// The one thread is through with the application: prefork ends a child where it is.
					require.Equal(t, "static\n", s.Get("/").Body)
					s.Client.CloseIdleConnections() // old children would wait for them
					switch ending {
					case "stop":
						s.Stop()
					case "graceful":
						s.Graceful()
					case "restart":
						s.Restart()
					}
					for _, line := range []string{`exit function of group ''`, `exit function of group 'sub'`} {
						s.WaitLog(line + `, thread finished: True`)
					}
				})
			})
		})
	}
}

// One that hangs does not keep the child.
func TestExitFunctionsAreBounded(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: exitConf})
		require.Equal(t, http.StatusOK, s.Get("/sub?hang").Status)
		child := s.AppProcesses()[0]
		s.Expect(`GWSGI0403: |GWSGI1024: `) // Apache's own process says it, or a daemon process
		s.Allow(`of group 'sub'`)
		s.Graceful()
		harness.Eventually(t, func() bool { return !isAlive(child) }, "the child to end")
	})
}

// Threads that the application made daemons, and an interpreter full of them, do not disturb the end.
func TestExitWithDaemonThreads(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: exitConf, Threads: 4})
			for range 5 {
				require.Equal(t, http.StatusOK, s.Get("/main?daemon").Status)
				require.Equal(t, http.StatusOK, s.Get("/sub?daemon").Status)
			}
			s.Allow(`of group '(sub)?'`)
			s.Stop()
		})
	})
}
