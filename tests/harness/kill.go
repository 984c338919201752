// This file ends a server in other ways than Stop.

package harness

import "golang.org/x/sys/unix"

// Kill ends the parent as kill -9 does, and waits for its end. httpd's children do not notice; the end of the test ends those
// that are left then.
func (s *Server) Kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.stopped = true
	s.t.Cleanup(func() {
		for _, p := range sessionProcesses(s.PID()) {
			if rolesOf(s.PID(), sessionProcesses(s.PID()))[p.pid] == roleSupervisor {
				s.t.Errorf("left after the parent was killed: %s", p)
			}
			_ = unix.Kill(p.pid, unix.SIGKILL)
		}
	})
}

// AwaitEnd waits for the end of a server that was told to stop by Signal, and checks what Stop does.
func (s *Server) AwaitEnd() {
	s.t.Helper()
	comesTrue(patience, s.hasExited)
	s.stop(unix.SIGTERM)
}

// Account is the user that the server's children run as; ok is false when httpd stays the user that started it.
func (s *Server) Account() (uid, gid int, ok bool) {
	if s.layout.as == nil {
		return 0, 0, false
	}
	return int(s.layout.as.uid), int(s.layout.as.gid), true
}
