// This file starts an httpd and steers it: restarts, stop, what it logged, which processes it has.

package harness

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Server is a running httpd. Its methods fail the test when they cannot do what they say.
type Server struct {
	Client *http.Client // follows no redirects; keeps connections open
	Port   int
	Ports  []int // Port and the extra ones

	t        testing.TB
	config   Config
	layout   *layout
	cmd      *exec.Cmd
	exited   chan struct{} // closed when the parent process has ended
	exit     error         // how; read it after exited
	stopped  bool
	failed   bool // it did not start: nothing else is worth checking
	declared declarations
	line     lifeline

	baseTaken atomic.Bool
	baseLock  sync.Mutex
	base      map[string]descriptors // by role; nil before the first response
	baseRoot  descriptors            // the parent's, taken when it was ready
}

// Start runs httpd with the configuration until the test ends.
func Start(t testing.TB, config Config) *Server {
	t.Helper()
	config = config.withDefaults()
	s := &Server{t: t, config: config, layout: newLayout(t, config)}
	s.declared.mayCrash = config.MayCrash
	s.Ports = s.layout.ports
	s.Port = s.Ports[0]
	s.Client = &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true, DialContext: s.line.dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.finish)
	s.launch()
	s.awaitReady()
	s.baseRoot = readDescriptors(s.PID())
	if !config.MayCrash {
		go s.watch()
	}
	return s
}

// CheckConfig runs httpd's test of a configuration (what `apachectl configtest` does) and returns what it said. The
// error is not nil when httpd refused the configuration.
func CheckConfig(t testing.TB, config Config) (string, error) {
	t.Helper()
	config = config.withDefaults()
	l := newLayout(t, config)
	defer os.RemoveAll(l.run)
	writeConfig(t, config, l)
	out, err := exec.Command(l.apache.httpd, "-t", "-f", l.path("httpd.conf")).CombinedOutput()
	return string(out), err
}

func newLayout(t testing.TB, config Config) *layout {
	t.Helper()
	found, err := findApache()
	require.NoError(t, err, "httpd not found through apxs; run make deps")
	l := &layout{apache: found, as: serverAccount(t)}
	l.places = findPlaces(t, l.as)
	// Not t.TempDir(): the names of UNIX sockets inside may not be long.
	l.run, err = os.MkdirTemp("/tmp", "gowsgi-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(l.run, 0o755))
	require.NoError(t, os.Mkdir(l.path("htdocs"), 0o755))
	require.NoError(t, os.WriteFile(l.path("htdocs/index.html"), []byte("static\n"), 0o644))
	require.NoError(t, os.WriteFile(l.path("mime.types"), []byte("text/html html\ntext/plain txt\n"), 0o644))
	require.NoError(t, os.Mkdir(l.path("data"), 0o755))
	if l.as != nil {
		require.NoError(t, os.Chown(l.path("data"), int(l.as.uid), int(l.as.gid)))
	}
	for range 1 + config.ExtraPorts {
		l.ports = append(l.ports, freePort(t))
	}
	return l
}

// Ports that no outgoing connection gets by itself, so that none takes one before httpd listens.
const firstPort, lastPort = 10000, 32000

var portsInUse sync.Map // by other tests of this program

func freePort(t testing.TB) int {
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, taken := portsInUse.LoadOrStore(port, true); taken {
			continue
		}
		if listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			listener.Close()
			return port
		}
	}
	require.Fail(t, "no free port")
	return 0
}

func writeConfig(t testing.TB, config Config, l *layout) {
	require.NoError(t, os.WriteFile(l.path("httpd.conf"), []byte(config.render(l)), 0o644))
}

// launch starts httpd in a session of its own, so that its processes can be told from all others.
func (s *Server) launch() {
	s.t.Helper()
	writeConfig(s.t, s.config, s.layout)
	how := []string{"-DFOREGROUND"}
	if s.config.SingleProc {
		how = []string{"-X"}
	}
	output, err := os.Create(s.layout.path("stderr.log"))
	require.NoError(s.t, err)
	defer output.Close()
	s.cmd = exec.Command(s.layout.apache.httpd, append(how, "-f", s.layout.path("httpd.conf"))...)
	s.cmd.Dir = "/"
	s.cmd.Stdout, s.cmd.Stderr = output, output
	s.cmd.Env = s.layout.expand(serverEnv(s.config.Env))
	// The signal is for a test program that dies before it could stop the server.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGTERM}
	require.NoError(s.t, s.cmd.Start())
	s.exited = make(chan struct{})
	go func() {
		s.exit = s.cmd.Wait()
		close(s.exited)
	}()
}

// serverEnv is what a service manager would give, and the switches of Go's and of the sanitizers' runtimes.
func serverEnv(more []string) []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"}
	for _, one := range os.Environ() {
		for _, prefix := range []string{"GODEBUG=", "GOTRACEBACK=", "ASAN_OPTIONS=", "LSAN_OPTIONS=", "LD_PRELOAD="} {
			if strings.HasPrefix(one, prefix) {
				env = append(env, one)
			}
		}
	}
	return append(env, more...)
}

var readyPattern = regexp.MustCompile(`resuming normal operations`)

func (s *Server) awaitReady() {
	s.t.Helper()
	// httpd listens before it has checked all of its configuration.
	ready := comesTrue(patience, func() bool {
		return s.hasExited() || s.accepts() && (s.config.SingleProc && s.answers() || s.timesReady() > 0)
	})
	if !ready || s.hasExited() {
		s.failed = true
		s.t.Fatalf("httpd did not start (%v)\n%s", s.exitState(), s.logTail())
	}
}

func (s *Server) accepts() bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// answers asks for what no application is asked for. httpd -X does not log that it is ready.
func (s *Server) answers() bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port), patience)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "OPTIONS * HTTP/1.0\r\n\r\n")
	text, _ := io.ReadAll(conn)
	return len(text) > 0
}

func (s *Server) timesReady() int { return len(readyPattern.FindAllString(s.ErrorLog(), -1)) }

func (s *Server) hasExited() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

func (s *Server) exitState() string {
	if !s.hasExited() {
		return "still running"
	}
	return s.cmd.ProcessState.String()
}

// PID is the parent process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Children are the pids of the parent's child processes that are httpd themselves, in order.
func (s *Server) Children() []int { return s.processesOf(roleChild) }

// Supervisors are the pids of the processes that start the daemon processes, in order: one for each generation of httpd's
// children that is still there.
func (s *Server) Supervisors() []int { return s.processesOf(roleSupervisor) }

// Supervisor is the pid of the only supervisor; it is waited for.
func (s *Server) Supervisor() int {
	s.t.Helper()
	var found []int
	Eventually(s.t, func() bool { found = s.Supervisors(); return len(found) == 1 }, "one supervisor")
	return found[0]
}

// Workers are the pids of the daemon processes, of all groups and generations, in order.
func (s *Server) Workers() []int { return s.processesOf(roleWorker) }

// AppProcesses are the pids of the processes that the mode's applications run in.
func (s *Server) AppProcesses() []int {
	if s.config.Mode.Daemon {
		return s.Workers()
	}
	return s.Children()
}

func (s *Server) processesOf(role string) []int {
	return withRole(rolesOf(s.PID(), sessionProcesses(s.PID())), role)
}

// Signal sends a signal to the parent.
func (s *Server) Signal(signal syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(signal))
}

// Graceful restarts the server without interrupting a request, and waits until the new generation serves.
func (s *Server) Graceful() { s.t.Helper(); s.restart(unix.SIGUSR1) }

// Restart restarts the server at once, and waits until the new generation serves.
func (s *Server) Restart() {
	s.t.Helper()
	comesTrue(settling, s.isSettled)
	s.restart(unix.SIGHUP)
}

func (s *Server) restart(signal syscall.Signal) {
	s.t.Helper()
	before := s.timesReady()
	s.Signal(signal)
	comesTrue(patience, func() bool { return s.timesReady() > before || s.hasExited() })
	if s.timesReady() == before {
		s.t.Fatalf("httpd did not restart (%s)\n%s", s.exitState(), s.logTail())
	}
}

// Rewrite replaces the test's part of the configuration; a restart makes it count.
func (s *Server) Rewrite(conf string) {
	s.t.Helper()
	s.config.Conf = conf
	writeConfig(s.t, s.config, s.layout)
}

// Path is a file in the server's own folder: "htdocs/x", "data/x", "error.log".
func (s *Server) Path(name string) string {
	return filepath.Join(s.layout.run, filepath.FromSlash(name))
}

// WriteFile writes a file into the server's own folder, readable by its children.
func (s *Server) WriteFile(name, text string) string {
	s.t.Helper()
	file := s.Path(name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(s.t, os.WriteFile(file, []byte(text), 0o644))
	return file
}

// ErrorLog is all that the server logged until now.
func (s *Server) ErrorLog() string {
	var all strings.Builder
	for _, name := range []string{"stderr.log", "error.log"} {
		text, err := os.ReadFile(s.Path(name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			require.NoError(s.t, err)
		}
		all.Write(text)
	}
	return all.String()
}

// WaitLog waits for a line that matches, and returns it.
func (s *Server) WaitLog(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	var found string
	ok := comesTrue(patience, func() bool {
		for _, line := range ParseLog(s.ErrorLog()) {
			if re.MatchString(line.Text) {
				found = line.Text
				return true
			}
		}
		return false
	})
	if !ok {
		s.t.Fatalf("no line of the log matches %s\n%s", pattern, s.logTail())
	}
	return found
}

const tailLines = 40

func (s *Server) logTail() string {
	lines := strings.Split(strings.TrimRight(s.ErrorLog(), "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return "--- end of the error log:\n" + strings.Join(lines, "\n") + "\n---"
}
