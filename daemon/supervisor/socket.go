// This file makes the sockets on which workers listen, and removes those of processes that are gone.

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// ErrSocketName refuses a path that does not fit a socket's address.
var ErrSocketName = errors.New("the socket's path is too long; set WSGISocketPrefix to a shorter one")

// listen makes a socket at path that Apache's processes, and nobody else, may connect to.
func listen(path string, backlog, uid int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err = bindPrivately(fd, path, uid); err == nil {
		if err = unix.Listen(fd, backlog); err == nil {
			return fd, nil
		}
		_ = os.Remove(path)
	}
	_ = unix.Close(fd)
	return -1, fmt.Errorf("socket %s: %w", path, err)
}

// bindPrivately binds to path. The mode is set before there is a file, so that nobody can slip another one under chmod.
func bindPrivately(fd int, path string, uid int) error {
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	if uid == os.Geteuid() {
		return nil
	}
	if err := os.Lchown(path, uid, -1); err != nil {
		_ = os.Remove(path)
		return err
	}
	return nil
}

var socketPattern = regexp.MustCompile(`^\.(\d+)\.(\d+)\.\d+(\.\d+\.\d+)?\.sock$`)

// removeStale removes the sockets that a supervisor left behind which could not clean up: the one before this one in the same
// generation, or one of a httpd that is gone. It returns how many.
func removeStale(config *daemon.Config) int {
	dir, base := filepath.Split(config.SocketPrefix)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // the check of the directory tells
	}
	removed := 0
	for _, entry := range entries {
		name := entry.Name()
		if len(name) < len(base) || name[:len(base)] != base || entry.Type() != os.ModeSocket {
			continue
		}
		m := socketPattern.FindStringSubmatch(name[len(base):])
		if m == nil {
			continue
		}
		pid, _ := strconv.Atoi(m[1])
		generation, _ := strconv.Atoi(m[2])
		ours := pid == config.ParentPID && generation == config.Generation
		path := filepath.Join(dir, name)
		if (ours || unix.Kill(pid, 0) == unix.ESRCH && abandoned(path)) && os.Remove(path) == nil {
			removed++
		}
	}
	return removed
}

// abandoned tells whether nobody listens on the socket. Its httpd may be alive where its pid cannot be seen, in another container.
func abandoned(path string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED
}
