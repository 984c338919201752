package tests

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about how much a group does at once, and what its processes show of themselves: processes, threads, stack-size,
// maximum-requests, listen-backlog, buffer sizes, display-name.

// processes=1 tells the application that there may be other processes; no option at all tells that there are none.
func TestDaemonProcesses(t *testing.T) {
	for _, test := range []struct {
		options      string
		count        int
		multiprocess bool
	}{{"", 1, false}, {"processes=1", 1, true}, {"processes=3", 3, true}} {
		t.Run(test.options, func(t *testing.T) {
			s := startWith(t, test.options+" threads=1")
			assert.Equal(t, test.multiprocess, ask[inside](t, s, "/main/inside").Multiprocess)
			harness.Eventually(t, func() bool { return timesLogged(s, `of process group 'options' is ready`) == test.count }, "%d processes", test.count)
			var running []*asked
			var pids []int
			for i := range test.count {
				one, pid := enter(t, s, strconv.Itoa(i))
				running, pids = append(running, one), append(pids, pid)
			}
			slices.Sort(pids)
			assert.Equal(t, workersOf(s, "options"), pids, "each serves")
			openGate(t, s, "")
			for _, one := range running {
				assert.Equal(t, http.StatusOK, one.wait(t).Status)
			}
		})
	}
}

// A process runs as many requests at once as it has threads, and the next one waits.
func TestDaemonThreads(t *testing.T) {
	for _, test := range []struct {
		options string
		threads int
	}{{"threads=1", 1}, {"threads=4", 4}, {"", 15}} {
		t.Run(test.options, func(t *testing.T) {
			const more = 3
			s := startWith(t, test.options)
			got := ask[inside](t, s, "/main/inside")
			assert.Equal(t, test.threads > 1, got.Multithread)
			assert.False(t, got.RunOnce)
			var running []*asked
			for i := range test.threads + more {
				running = append(running, askInBackground(s, fmt.Sprintf("/main/gate?%d", i)))
			}
			harness.Eventually(t, func() bool {
				return len(connectionsTo(t, got.PID)) >= test.threads+more
			}, "all requests have been sent to the process")
			harness.Eventually(t, func() bool { return entered(s) >= test.threads }, "all threads are busy")
			openGate(t, s, "")
			for i, one := range running {
				body := one.wait(t).Body
				assert.True(t, strings.HasPrefix(body, fmt.Sprintf("%d ", got.PID)), body)
				most := number(t, strings.Fields(body)[1])
				assert.LessOrEqual(t, most, test.threads, "request %d", i)
			}
			last := s.Get("/main/gate?last").Body
			assert.Equal(t, fmt.Sprintf("%d %d", got.PID, test.threads), last, "as many as there are threads, and never more")
		})
	}
}

// Requests that were sent to the process with the slow one do not wait for it: the other process answers all.
func TestDaemonSlowRequestHoldsNobodyUp(t *testing.T) {
	const clients, each = 8, 25
	s := startWith(t, "processes=2 threads=1")
	slow, pid := enter(t, s, "slow")
	served := countAnswers(t, s, "/main/gil", clients, each)
	assert.False(t, slow.isDone())
	assert.Len(t, served, 1)
	assert.NotContains(t, served, strconv.Itoa(pid))
	openGate(t, s, "")
	assert.Equal(t, http.StatusOK, slow.wait(t).Status)
}

// countAnswers has clients send requests, each so many one after the other, and counts the answers, which must be 200, by their bodies.
func countAnswers(t *testing.T, s *harness.Server, path string, clients, each int) map[string]int {
	t.Helper()
	count := map[string]int{}
	var lock sync.Mutex
	var all sync.WaitGroup
	for range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			for range each {
				got, err := s.Try(s.Request(http.MethodGet, path, nil))
				if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, got.Status, got.Body) {
					return
				}
				lock.Lock()
				count[got.Body]++
				lock.Unlock()
			}
		}()
	}
	all.Wait()
	return count
}

// connectionsTo are the connections to the sockets of a process, those included that it has not accepted yet: /proc/net/unix shows their
// ends, named as the socket is.
func connectionsTo(t *testing.T, pid int) []string {
	t.Helper()
	paths := socketsOf(t, pid)
	text, err := os.ReadFile("/proc/net/unix")
	require.NoError(t, err)
	var found []string
	const listening = "00010000"
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 8 && slices.Contains(paths, fields[7]) && fields[3] != listening {
			found = append(found, fields[6])
		}
	}
	return found
}

// queueOf is the path of the socket of the queue of a daemon process's group, and socketOf that on which it listens alone.
func queueOf(t *testing.T, pid int) string {
	t.Helper()
	return byLength(socketsOf(t, pid))[0]
}

func socketOf(t *testing.T, pid int) string {
	t.Helper()
	return byLength(socketsOf(t, pid))[1]
}

func byLength(paths []string) []string {
	slices.SortFunc(paths, func(a, b string) int { return len(a) - len(b) })
	return paths
}

// socketsOf are the paths of the two sockets on which a daemon process listens.
func socketsOf(t *testing.T, pid int) []string {
	t.Helper()
	inodes := map[string]bool{}
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		target, _ := os.Readlink(dir + e.Name())
		inodes[target] = true
	}
	text, err := os.ReadFile("/proc/net/unix")
	require.NoError(t, err)
	var paths []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 8 && strings.HasSuffix(fields[7], ".sock") && inodes["socket:["+fields[6]+"]"] && !slices.Contains(paths, fields[7]) {
			paths = append(paths, fields[7])
		}
	}
	require.Len(t, paths, 2, "of process %d", pid)
	return paths
}

// RunOnce: one thread, and one request in the life of a process.
func TestDaemonRunOnce(t *testing.T) {
	s := startWith(t, "threads=1 maximum-requests=1")
	first, second := ask[inside](t, s, "/main/inside"), ask[inside](t, s, "/main/inside")
	assert.True(t, first.RunOnce)
	assert.False(t, first.Multithread)
	assert.NotEqual(t, first.PID, second.PID)
}

func TestDaemonStackSize(t *testing.T) {
	for _, size := range []int{524288, 33554432} {
		s := startWith(t, fmt.Sprintf("stack-size=%d", size))
		for _, path := range bothInterpreters {
			assert.Equal(t, size, ask[inside](t, s, path).Stack)
		}
	}
}

// Each process serves exactly as many requests as it may, under load that does not stop, and none is lost.
func TestDaemonMaximumRequests(t *testing.T) {
	const maximum, clients, each = 25, 8, 50
	for _, processes := range []string{"", "processes=2"} {
		t.Run(processes, func(t *testing.T) {
			s := startWith(t, fmt.Sprintf("maximum-requests=%d threads=4 %s", maximum, processes))
			first := s.Get("/main/gil").Body
			served := countAnswers(t, s, "/main/gil", clients, each)
			served[first]++
			harness.Eventually(t, func() bool { return len(s.Workers()) == max(1, len(strings.Fields(processes))*2) }, "all replaced ones are gone")
			alive := s.Workers()
			for pid, n := range served {
				if slices.Contains(alive, number(t, pid)) {
					assert.Less(t, n, maximum, "process %s", pid)
				} else {
					assert.Equal(t, maximum, n, "process %s", pid)
				}
			}
			assert.GreaterOrEqual(t, len(served), clients*each/maximum)
		})
	}
}

// Before a process has served its last request, the next one has loaded the application and stands by: it serves then, and only then.
// It goes away when the requests do not come.
func TestDaemonMaximumRequestsStandby(t *testing.T) {
	t.Parallel()
	const maximum = 40
	s := slowImport(t, fmt.Sprintf("maximum-requests=%d", maximum))
	finishImport(s)
	standsBy := regexp.MustCompile(`worker (\d+) of process group 'options' stands by`)
	first := s.Get("/app").Body
	asked := 1
	harness.Eventually(t, func() bool {
		if asked < maximum-1 {
			asked++
			return assert.Equal(t, first, s.Get("/app").Body) && standsBy.MatchString(s.ErrorLog())
		}
		return standsBy.MatchString(s.ErrorLog())
	}, "a process stands by")
	next := standsBy.FindStringSubmatch(s.ErrorLog())[1]
	for ; asked < maximum; asked++ {
		assert.Equal(t, first, s.Get("/app").Body)
	}
	assert.Equal(t, next, s.Get("/app").Body)
	harness.Eventually(t, func() bool { return slices.Equal(s.Workers(), []int{number(t, next)}) }, "no other process is left")
	assert.Equal(t, next, s.Get("/app").Body)
}

// ---- Sockets ----

// Connections of httpd that find a place in the queue wait; who comes then is told to come again.
func TestDaemonListenBacklog(t *testing.T) {
	asRoot(t, "it connects to the socket as httpd does")
	for options, backlog := range map[string]int{"listen-backlog=3": 3, "": 100} {
		s := startWith(t, options)
		pid := ask[inside](t, s, "/main/inside").PID
		path := queueOf(t, pid)
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
		harness.Eventually(t, func() bool { return isStopped(pid) }, "all threads of the worker to stand still")
		var waiting []int
		var err error
		for err == nil && len(waiting) < 2*backlog {
			var fd int
			fd, err = connectTo(t, path)
			waiting = append(waiting, fd)
		}
		for _, fd := range waiting {
			unix.Close(fd)
		}
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
		assert.ErrorIs(t, err, unix.EAGAIN)
		assert.Equal(t, backlog+1, len(waiting)-1, "Linux lets one more than the backlog wait")
		assert.Equal(t, pid, ask[inside](t, s, "/main/inside").PID)
	}
}

// isStopped tells whether every thread of a process has stopped: until then one may still accept a connection.
func isStopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, readErr := os.ReadFile(thread)
		if readErr != nil || !strings.Contains(string(stat), ") T ") {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

// connectTo connects without waiting.
func connectTo(t *testing.T, path string) (int, error) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	return fd, unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

// The kernel doubles what it is asked for. For UNIX sockets it is the sender's buffer that counts, so httpd's end has to be set, too.
func TestDaemonBufferSizes(t *testing.T) {
	const receive, send = 65536, 32768
	s := startWith(t, fmt.Sprintf("receive-buffer-size=%d send-buffer-size=%d", receive, send))
	got := ask[inside](t, s, "/main/inside")
	assert.Equal(t, [][2]int{{2 * receive, 2 * send}}, got.Buffers)
	body := strings.Repeat("x", 1<<20)
	assert.Equal(t, http.StatusOK, s.Post("/main/inside", "text/plain", body).Status, "a body that is not read")
	assert.Equal(t, [2]int{2 * send, 2 * receive}, httpdBuffers(t, s))
}

func TestDaemonBufferSizesDefault(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	for _, options := range []string{"", "receive-buffer-size=0 send-buffer-size=0"} {
		assert.Equal(t, [][2]int{buffersOf(t, fds[0])}, insideOf(t, options).Buffers, "the system's")
	}
}

func buffersOf(t *testing.T, fd int) (sizes [2]int) {
	t.Helper()
	for i, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		require.NoError(t, err)
		sizes[i] = size
	}
	return sizes
}

// httpdBuffers are those of httpd's end of a connection to a daemon process.
func httpdBuffers(t *testing.T, s *harness.Server) [2]int {
	t.Helper()
	child := s.Children()[0]
	process, err := unix.PidfdOpen(child, 0)
	require.NoError(t, err)
	defer unix.Close(process)
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", child))
	require.NoError(t, err)
	for _, e := range entries {
		fd, err := unix.PidfdGetfd(process, number(t, e.Name()), 0)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
			t.Skip("the descriptors of other processes cannot be looked at here")
		}
		if err != nil {
			continue // closed by now
		}
		defer unix.Close(fd)
		if peer, err := unix.Getpeername(fd); err == nil {
			if address, local := peer.(*unix.SockaddrUnix); local && strings.HasSuffix(address.Name, ".sock") {
				return buffersOf(t, fd)
			}
		}
	}
	require.Fail(t, "httpd has no connection to its daemon process")
	return [2]int{}
}

// ---- Names ----

// The name is whole, however long it is, in /proc and for ps.
func TestDaemonDisplayName(t *testing.T) {
	long := strings.Repeat("a long name ", 20)
	long = long[:200]
	for option, name := range map[string]string{
		"%{GROUP}":     "(wsgi:named)",
		"plain":        "plain",
		"my %{GROUP}!": "my (wsgi:named)!",
		"%{PYTHON}":    builtFor(t),
		long:           long,
	} {
		s := harness.Start(t, harness.Config{Conf: fmt.Sprintf(`
			WSGIDaemonProcess named "display-name=%s"
			WSGIScriptAlias / "${APPS}/daemon/inside.wsgi" process-group=named`, option)})
		pid := ask[inside](t, s, "/").PID
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		require.NoError(t, err)
		assert.Equal(t, name+"\x00", string(text))
		out, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
		require.NoError(t, err)
		assert.Equal(t, name, strings.TrimRight(string(out), "\n"))
	}
}

func TestDaemonDisplayNameDefault(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess named
		WSGIScriptAlias / "${APPS}/daemon/inside.wsgi" process-group=named`})
	got := ask[inside](t, s, "/")
	assert.Equal(t, "gowsgid", commandLine(got.PID))
	assert.Equal(t, s.Supervisor(), got.Parent)
	assert.Equal(t, "(wsgi:supervisor)", commandLine(got.Parent))
}

// ---- Limits of waiting ----

// A request that waited for a thread for longer than it may is answered 504, and the process goes on.
func TestDaemonQueueTimeout(t *testing.T) {
	t.Parallel()
	s := startWith(t, "threads=1 queue-timeout=1")
	s.Expect(`GWSGI1118: no thread of the daemon process group options was free for the request \(GET /main/gate\?late .*queue-timeout`)
	first, pid := enter(t, s, "first")
	start := time.Now()
	assert.Equal(t, http.StatusGatewayTimeout, s.Get("/main/gate?late").Status)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	assert.False(t, first.isDone())
	openGate(t, s, "")
	assert.Equal(t, http.StatusOK, first.wait(t).Status)
	assert.NoFileExists(t, s.Path("data/here-late"), "the application does not see it")
	assert.Equal(t, fmt.Sprintf("%d 1", pid), s.Get("/main/gate?next").Body)
}

// A request waits for a process that is not ready, for connect-timeout.
func TestDaemonConnectTimeout(t *testing.T) {
	t.Parallel()
	s := slowImport(t, "connect-timeout=1")
	s.Expect(`GWSGI1112: no process of the daemon process group options took the request \(GET /app HTTP/1.1\) within 1 seconds`)
	start := time.Now()
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/app").Status)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	waiting := askInBackground(s, "/app")
	finishImport(s)
	assert.Regexp(t, regexp.MustCompile(`^\d+$`), waiting.wait(t).Body, "one that becomes ready in time serves")
}

// slowImport starts a server whose group imports a script that waits until finishImport().
func slowImport(t *testing.T, options string) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Config{Conf: fmt.Sprintf(`
		WSGIDaemonProcess options display-name=%%{GROUP} "env=IMPORT_WHEN=${DATA}/import" %s
		WSGIImportScript "${APPS}/daemon/slow_import.wsgi" process-group=options application-group=%%{GLOBAL}
		WSGIScriptAlias /app "${APPS}/daemon/slow_import.wsgi" process-group=options application-group=%%{GLOBAL}`, options)})
	harness.Eventually(t, func() bool { return len(importers(s)) > 0 }, "the import has begun")
	return s
}

func finishImport(s *harness.Server) { s.WriteFile("data/import", "") }

// importers are the processes that have begun to import the script.
func importers(s *harness.Server) []string {
	text, _ := os.ReadFile(s.Path("data/import.begun"))
	return strings.Fields(string(text))
}
