// This file makes sockets anew that somebody deleted: a job that cleans up old files, or an administrator. The kernel tells when
// something goes from their folder; requests wait meanwhile, and none is lost.

package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// healPause is between two tries to make sockets that could not be made.
const healPause = time.Second

const (
	aboveEvents  = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	folderEvents = unix.IN_DELETE | unix.IN_MOVED_FROM | aboveEvents
)

// folder is where the sockets are, and what it was like when it was there.
type folder struct {
	path     string
	watch    int // an inotify descriptor; -1: nobody tells
	mode     os.FileMode
	uid, gid int
	ailing   bool // what is gone could not be made anew, and that was logged
}

// watchFolder has the folder of the sockets watched from now on.
func (l *linux) watchFolder() {
	l.folder = folder{path: filepath.Dir(l.config.SocketPrefix), watch: -1}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		l.log.Logf(daemon.Info, "supervisor: it is not noticed when sockets are deleted: inotify: %v", err)
		return
	}
	l.folder.watch = fd
	l.folder.look()
	file := os.NewFile(uintptr(fd), "inotify")
	go guarded(l.log, func() {
		buffer := make([]byte, 64<<10)
		for {
			if _, err := file.Read(buffer); err != nil {
				return
			}
			l.events <- l.heal
		}
	})
}

// look notes what the folder is like, and has it watched: one that was made anew is another one. So are the folders above, which may be
// moved away with it. It tells whether the folder is there.
func (f *folder) look() bool {
	info, err := os.Stat(f.path)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, _ := info.Sys().(*syscall.Stat_t)
	f.mode, f.uid, f.gid = info.Mode(), int(stat.Uid), int(stat.Gid)
	_, err = unix.InotifyAddWatch(f.watch, f.path, folderEvents)
	for above := filepath.Dir(f.path); err == nil && above != filepath.Dir(above); above = filepath.Dir(above) {
		_, _ = unix.InotifyAddWatch(f.watch, above, aboveEvents) // who must not read one does not hear of it
	}
	return err == nil
}

// restore makes the folder as it was.
func (f *folder) restore() error {
	if f.look() || f.mode == 0 {
		return nil
	}
	if err := os.Mkdir(f.path, f.mode.Perm()); err != nil {
		return err
	}
	err := errors.Join(os.Chown(f.path, f.uid, f.gid), os.Chmod(f.path, f.mode)) // in this order: chown drops bits
	f.look()
	return err
}

// heal makes anew what is gone, and gives it to those who listen there.
func (l *linux) heal(s *supervisor) {
	if s.mode != running {
		return
	}
	lost := l.lostSockets(s)
	if len(lost) == 0 && l.folder.look() {
		l.folder.ailing = false
		return
	}
	err := l.folder.restore()
	for i := 0; i < len(lost) && err == nil; i++ {
		err = lost[i].again(l)
	}
	for _, g := range s.groups {
		g.board.Bump() // who waited for a socket tries again
	}
	l.logHealing(len(lost), err)
	if err != nil {
		time.AfterFunc(healPause, func() { l.events <- l.heal })
	}
}

func (l *linux) logHealing(lost int, err error) {
	switch {
	case err == nil:
		l.folder.ailing = false
		l.log.Logf(daemon.Warning, "GWSGI0915: %d sockets of daemon process groups in %s were deleted or moved away while they are in use; "+
			"they were made anew, and requests that came meanwhile have waited. Keep away from that folder what cleans up old files, or "+
			"set WSGISocketPrefix to another one", lost, l.folder.path)
	case !l.folder.ailing:
		l.folder.ailing = true
		l.log.Logf(daemon.Err, "GWSGI0916: sockets of daemon process groups in %s were deleted or moved away while they are in use, and cannot "+
			"be made anew: %v. Requests for the groups wait for connect-timeout and are then answered 503. It is tried again each second; "+
			"let root write there, and keep away from that folder what cleans up old files", l.folder.path, err)
	}
}

// lostSocket is one that has lost its name.
type lostSocket struct {
	path  string
	group *daemon.Group
	verb  daemon.Verb // what tells a worker of the new one
	heirs []*worker   // who listens there
	adopt func(fd int)
}

// lostSockets are those of the groups, and of workers that are to take requests.
func (l *linux) lostSockets(s *supervisor) []lostSocket {
	var lost []lostSocket
	for _, g := range s.groups {
		q := l.queues[g.config.Index]
		if q == nil {
			continue
		}
		if !isSocket(q.path) {
			lost = append(lost, lostSocket{q.path, g.config, daemon.Queue, g.workers(), q.adopt})
		}
		for _, w := range g.workers() {
			if c, ok := w.process.(*child); ok && !w.leaving() && !isSocket(c.socket) {
				lost = append(lost, lostSocket{c.socket, g.config, daemon.Own, []*worker{w}, closeSocket})
			}
		}
	}
	return lost
}

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == os.ModeSocket
}

func closeSocket(fd int) { _ = unix.Close(fd) }

// again makes the socket and hands it on. A worker that cannot be told is found by the queue, or replaced.
func (one lostSocket) again(l *linux) error {
	fd, err := listen(one.path, one.group.Options.ListenBacklog, l.config.SocketOwner(&one.group.Options))
	if err != nil {
		return err
	}
	for _, w := range one.heirs {
		if c, ok := w.process.(*child); ok {
			if err := c.sendSocket(daemon.Message{Verb: one.verb}, fd); err != nil {
				l.log.Logf(daemon.Info, "%s could not be given its socket: %v", w, err)
			}
		}
	}
	one.adopt(fd)
	return nil
}
