// This file stops a server and judges what it leaves behind.

package harness

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Expect declares lines of the error log: each pattern has to match a line, and the lines it matches are no failure.
func (s *Server) Expect(patterns ...string) { s.declared.expect(patterns...) }

// Allow declares lines of the error log that may come or not.
func (s *Server) Allow(patterns ...string) { s.declared.allow(patterns...) }

// ExpectTraceback declares a Python traceback by a pattern for its last line.
func (s *Server) ExpectTraceback(last string) { s.declared.expectTraceback(last) }

// Stop ends the server at once (SIGTERM) and waits for it. The end of the test does it when the test did not.
func (s *Server) Stop() { s.t.Helper(); s.stop(unix.SIGTERM) }

// GracefulStop lets the server finish its requests (SIGWINCH) and waits for its end.
func (s *Server) GracefulStop() { s.t.Helper(); s.stop(unix.SIGWINCH) }

func (s *Server) stop(signal syscall.Signal) {
	s.t.Helper()
	if s.stopped || s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.stopped = true
	s.checkDescriptors()
	if !s.hasExited() {
		comesTrue(settling, s.isSettled)
		s.Signal(signal)
		comesTrue(patience, s.hasExited)
	}
	if !s.hasExited() {
		s.t.Errorf("httpd %d did not stop; killing it", s.PID())
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	if s.exit != nil {
		s.t.Errorf("httpd ended with: %s", s.exitState())
	}
	s.checkProcesses()
	s.checkSockets()
}

func (s *Server) checkLog() {
	for _, wrong := range s.declared.check(ParseLog(s.ErrorLog())) {
		s.t.Errorf("error log: %s", wrong)
	}
	if s.t.Failed() {
		s.t.Log(s.logTail())
	}
}

// finish is the last thing that a test runs.
func (s *Server) finish() {
	if !s.failed {
		s.stop(unix.SIGTERM)
		s.checkLog()
	}
	if os.Getenv("GOWSGI_KEEP") != "" {
		s.t.Logf("kept %s", s.layout.run)
		return
	}
	if err := os.RemoveAll(s.layout.run); err != nil {
		s.t.Error(err)
	}
}

// Warm says that what the server opened until now is meant to stay open: from here on its descriptors are counted. It
// first asks for the paths. A test does not need it unless its application keeps things open after a first use that
// is not the test's first request.
func (s *Server) Warm(paths ...string) {
	s.t.Helper()
	for _, path := range paths {
		s.Get(path)
	}
	s.takeBaseline()
}

// baselineOnce takes the baseline after the first response. Others of that moment do not wait for it.
func (s *Server) baselineOnce() {
	if s.baseTaken.CompareAndSwap(false, true) {
		s.takeBaseline()
	}
}

func (s *Server) takeBaseline() {
	s.baseTaken.Store(true)
	base := map[string]descriptors{}
	processes := sessionProcesses(s.PID())
	roles := rolesOf(s.PID(), processes)
	for _, p := range processes {
		role := roles[p.pid]
		if role == roleWorker && !s.isReady(p.pid) {
			continue // it has not yet opened all
		}
		own := s.descriptorsOf(p, processes, role)
		if now, found := readProcess(p.pid); !found || now.exiting {
			continue // it has closed some already
		}
		if base[role] == nil {
			base[role] = descriptors{}
		}
		base[role].atLeast(own)
	}
	s.baseLock.Lock()
	s.base = base
	s.baseLock.Unlock()
}

// isReady tells whether a daemon process has begun to serve, by what the supervisor logs of it, to the log of the process's
// virtual host if it has one.
func (s *Server) isReady(pid int) bool {
	line := regexp.MustCompile(fmt.Sprintf(`\] worker %d of process group '.*' is ready`, pid))
	logs, _ := filepath.Glob(s.Path("*.log"))
	for _, log := range logs {
		if text, err := os.ReadFile(log); err == nil && line.Match(text) {
			return true
		}
	}
	return false
}

// descriptorsOf are a process's own: those of a supervisor without what it has for each of its groups, which is the socket of its queue,
// and for each of its daemon processes, which is both ends of its control socket and, with a newer kernel, its pidfd.
func (s *Server) descriptorsOf(p process, all []process, role string) descriptors {
	own := readDescriptors(p.pid)
	if role != roleSupervisor || own == nil {
		return own
	}
	conf, _ := os.ReadFile(s.layout.path("httpd.conf"))
	own["socket"] -= len(groupPattern.FindAllSubmatch(conf, -1))
	for _, other := range all {
		if other.ppid == p.pid {
			own["socket"] -= 2
			own["anon_inode:[pidfd]"]--
		}
	}
	return own
}

var (
	groupPattern     = regexp.MustCompile(`(?m)^[ \t]*WSGIDaemonProcess[ \t](.*)$`)
	threadsPattern   = regexp.MustCompile(`\bthreads=(\d+)`)
	processesPattern = regexp.MustCompile(`\bprocesses=(\d+)`)
)

// pooled is how many connections to daemon processes a child may keep open with this configuration, and how many a daemon
// process may have from so many children. A child keeps some for each thread of a daemon process, or at least four; and has
// room for a replacement of each of those, and for two more.
func pooled(conf string, children int) (child, worker int) {
	number := func(pattern *regexp.Regexp, options string, otherwise int) int {
		if m := pattern.FindStringSubmatch(options); m != nil {
			otherwise, _ = strconv.Atoi(m[1])
		}
		return otherwise
	}
	for _, group := range groupPattern.FindAllStringSubmatch(conf, -1) {
		idle := max(number(threadsPattern, group[1], 15), 4)
		child += (2*number(processesPattern, group[1], 1) + 2) * idle
		worker = max(worker, children*idle)
	}
	return child, worker
}

// settling is how long a stop, or a restart at once, waits for httpd's children to have nothing to do. Some tests stop them at work.
const settling = 200 * time.Millisecond

// isSettled tells whether all threads of httpd's children sleep. One that still cleans up behind its last response when httpd is
// stopped at once can crash: in a threaded MPM the child's main thread closes its socket under it, and in prefork the signal's
// handler destroys the pools that it is destroying.
func (s *Server) isSettled() bool {
	for _, pid := range s.Children() {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
		for _, task := range tasks {
			if stat, err := os.ReadFile(task); err == nil && !strings.Contains(string(stat), ") S ") {
				return false
			}
		}
	}
	return true
}

// checkDescriptors compares every process with the most that a process of its role had at the baseline. Connections
// need a moment to be closed at the server's end.
func (s *Server) checkDescriptors() {
	s.t.Helper()
	s.Client.CloseIdleConnections()
	if s.hasExited() {
		return
	}
	var wrong []string
	comesTrue(patience, func() bool {
		wrong = s.leakedDescriptors()
		return len(wrong) == 0
	})
	for _, one := range wrong {
		s.t.Errorf("descriptors leaked: %s", one)
	}
}

func (s *Server) leakedDescriptors() []string {
	s.baseLock.Lock()
	defer s.baseLock.Unlock()
	processes := sessionProcesses(s.PID())
	roles := rolesOf(s.PID(), processes)
	conf, _ := os.ReadFile(s.layout.path("httpd.conf"))
	kept := map[string]int{}
	kept[roleChild], kept[roleWorker] = pooled(string(conf), max(1, len(withRole(roles, roleChild))))
	if s.config.SingleProc {
		kept[roleParent] = kept[roleChild]
	}
	var wrong []string
	for _, p := range processes {
		role := roles[p.pid]
		before := s.base[role]
		if role == roleParent {
			before = s.baseRoot
		}
		if before == nil {
			continue
		}
		for _, one := range s.descriptorsOf(p, processes, role).grown(before, kept[role]) {
			wrong = append(wrong, fmt.Sprintf("%s %s: %s", role, p, one))
		}
	}
	return wrong
}

// checkProcesses expects the server's session to be empty, now or very soon, and ends what is left of it.
func (s *Server) checkProcesses() {
	s.t.Helper()
	var left []process
	comesTrue(patience, func() bool {
		left = sessionProcesses(s.PID())
		return len(left) == 0
	})
	for _, p := range left {
		s.t.Errorf("left after the server stopped: %s", p)
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}

func (s *Server) checkSockets() {
	s.t.Helper()
	_ = filepath.WalkDir(s.layout.run, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			s.t.Errorf("socket left after the server stopped: %s", strings.TrimPrefix(path, s.layout.run+"/"))
		}
		return nil
	})
}
