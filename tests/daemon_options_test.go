package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is what the tests of WSGIDaemonProcess share: the process as its application sees it, and as /proc shows it.

// inside is what apps/daemon/inside.wsgi tells.
type inside struct {
	UID, GID       []int // real, effective, saved
	Groups         []int
	Umask, Cwd     string
	PID, Parent    int
	Path           []string
	Prefix, Locale string
	Environ        map[string]string
	AtImport       map[string]string `json:"at_import"`
	Stack          int
	Buffers        [][2]int // receive, send
	Group          string
	AppGroup       string `json:"app_group"`
	Multithread    bool
	Multiprocess   bool
	RunOnce        bool           `json:"run_once"`
	Limits         map[string]int // soft ones
	Niceness       []int          // of its threads
	Values         map[string]string
}

// optionsConf declares the group "options" with the given options, and mounts the scripts of apps/daemon in it, each in the main
// interpreter and in one of its own.
func optionsConf(options string) string {
	return fmt.Sprintf(`
		WSGIDaemonProcess options display-name=%%{GROUP} %s
		WSGIProcessGroup options
		SetEnv GATE "${DATA}"
		WSGIScriptAliasMatch ^/main/(\w+) "${APPS}/daemon/$1.wsgi" application-group=%%{GLOBAL}
		WSGIScriptAliasMatch ^/sub/(\w+) "${APPS}/daemon/$1.wsgi" application-group=sub
		`, options)
}

// startWith runs a server with the group "options".
func startWith(t *testing.T, options string) *harness.Server {
	t.Helper()
	return harness.Start(t, harness.Config{Threads: 32, Conf: optionsConf(options)})
}

// insideOf is what the main interpreter of the group's process tells.
func insideOf(t *testing.T, options string) inside {
	t.Helper()
	return ask[inside](t, startWith(t, options), "/main/inside")
}

// ---- Processes ----

// commandLine is a process's argv[0], which display-name sets; empty when it is gone.
func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	name, _, _ := strings.Cut(string(text), "\x00")
	return name
}

// workersOf are the processes of a group whose display name is (wsgi:group).
func workersOf(s *harness.Server, group string) []int {
	var found []int
	for _, worker := range s.Workers() {
		if commandLine(worker) == "(wsgi:"+group+")" {
			found = append(found, worker)
		}
	}
	return found
}

// awaitOther waits until the group "options" has one process, and it is not old. No request is sent.
func awaitOther(t *testing.T, s *harness.Server, old int) int {
	t.Helper()
	var now []int
	harness.Eventually(t, func() bool {
		now = workersOf(s, "options")
		return len(now) == 1 && now[0] != old
	}, "a process instead of %d", old)
	return now[0]
}

// ---- Requests that wait ----

// asked is a request that runs.
type asked struct {
	done chan struct{}
	got  harness.Response
	err  error
}

// askInBackground sends a request; wait() gives the response.
func askInBackground(s *harness.Server, path string) *asked {
	a := &asked{done: make(chan struct{})}
	req := s.Request("GET", path, nil)
	go func() {
		defer close(a.done)
		a.got, a.err = s.Try(req)
	}()
	return a
}

func (a *asked) wait(t *testing.T) harness.Response {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(time.Minute):
		require.Fail(t, "no response")
	}
	require.NoError(t, a.err)
	return a.got
}

func (a *asked) isDone() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// enter sends a request to apps/daemon/gate.wsgi and waits until it is in there. It returns the process that it is in.
func enter(t *testing.T, s *harness.Server, name string) (*asked, int) {
	t.Helper()
	a := askInBackground(s, "/main/gate?"+name)
	return a, awaitEntered(t, s, name)
}

func awaitEntered(t *testing.T, s *harness.Server, name string) int {
	t.Helper()
	pid := 0
	harness.Eventually(t, func() bool {
		text, _ := os.ReadFile(s.Path("data/here-" + name))
		pid, _ = strconv.Atoi(string(text))
		return pid != 0
	}, "request %s runs", name)
	return pid
}

// entered is how many requests have been in the gate.
func entered(s *harness.Server) int {
	found, _ := filepath.Glob(s.Path("data/here-*"))
	return len(found)
}

// openGate lets the request of that name go, or all when it is "".
func openGate(t *testing.T, s *harness.Server, name string) {
	t.Helper()
	key := "open"
	if name != "" {
		key += "-" + name
	}
	s.WriteFile("data/"+key, "")
}

// waitSince waits until so much time has passed: for limits, which nobody but the clock can tell.
func waitSince(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	harness.Eventually(t, func() bool { return time.Since(start) > d }, "%v pass", d)
}

// ---- Every option ----

// The tests below observe options one by one; here are all of them at once, in a group that serves.
func TestDaemonAllOptionsTogether(t *testing.T) {
	asRoot(t, "user= and group=")
	dir := publicDir(t)
	require.NoError(t, os.Chmod(dir, 0o777))
	writeFile(t, filepath.Join(dir, "environment"), "FROM_FILE=file\n")
	options := fmt.Sprintf(`user=nobody group=nogroup supplementary-groups=daemon,#7 processes=1 threads=3 umask=0027 home=%[1]s
		python-path=%[1]s python-eggs=%[1]s python-home=/usr lang=C.UTF-8 locale=C.UTF-8 env=ONE=1 env=TWO=2 env-file=%[1]s/environment
		stack-size=1048576 maximum-requests=1000 inactivity-timeout=100 deadlock-timeout=100 shutdown-timeout=1 graceful-timeout=1
		request-timeout=100 queue-timeout=100 connect-timeout=100 socket-timeout=100 startup-timeout=100 listen-backlog=7
		receive-buffer-size=65536 send-buffer-size=65536`, dir)
	if _, err := os.Stat("/usr/bin/python" + builtFor(t)); err != nil {
		options = strings.Replace(options, "python-home=/usr ", "", 1)
	}
	s := startWith(t, strings.Join(strings.Fields(options), " "))
	got := ask[inside](t, s, "/main/inside")
	assert.Equal(t, "options", got.Group)
	assert.Equal(t, "1", got.Environ["ONE"])
	assert.Equal(t, "2", got.Environ["TWO"])
	assert.Equal(t, "file", got.Environ["FROM_FILE"])
	assert.Equal(t, dir, got.Cwd)
	assert.Equal(t, "0027", got.Umask)
	assert.Equal(t, []int{got.PID}, workersOf(s, "options"))
	assert.NotContains(t, s.Children(), got.PID)
}

// SIGINT, which the seed names, replaces a process after the requests that it runs.
func TestDaemonSigint(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1} {
		t.Run(name, func(t *testing.T) {
			s := startWith(t, "")
			first, pid := enter(t, s, "first")
			require.NoError(t, syscall.Kill(pid, signal))
			harness.Eventually(t, func() bool {
				return slices.ContainsFunc(workersOf(s, "options"), func(other int) bool { return other != pid })
			}, "the next process runs")
			second, other := enter(t, s, "second")
			assert.NotEqual(t, pid, other, "new requests go to the next process")
			openGate(t, s, "")
			assert.Equal(t, fmt.Sprintf("%d 1", pid), first.wait(t).Body)
			assert.Equal(t, fmt.Sprintf("%d 1", other), second.wait(t).Body)
			assert.Equal(t, other, awaitOther(t, s, pid))
		})
	}
}
