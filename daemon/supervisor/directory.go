// This file checks that Apache's processes can reach the sockets.

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// obstacle is a part of the sockets' path that keeps Apache's user from them.
type obstacle struct {
	path string
	err  error
}

// checkDirectory logs what is wrong with the folder of the sockets.
func checkDirectory(config *daemon.Config, log *daemon.Logger) {
	dir := filepath.Dir(config.SocketPrefix)
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		log.Logf(daemon.Err, "GWSGI0910: the folder of the sockets of daemon process groups, %s, cannot be used: %v. Requests for the "+
			"groups are answered 503. Create it, or set WSGISocketPrefix", dir, err)
		return
	case !info.IsDir():
		log.Logf(daemon.Err, "GWSGI0910: the sockets of daemon process groups are to be in %s, which is not a folder. Requests for the "+
			"groups are answered 503. Set WSGISocketPrefix", dir)
		return
	case info.Mode()&0o002 != 0:
		log.Logf(daemon.Warning, "GWSGI0912: everybody may write in %s, the folder of the sockets of daemon process groups, so every "+
			"user of this machine can disturb them. Set WSGISocketPrefix to a folder where only %s may write", dir, owner(config))
	}
	if o := findObstacle(config, dir, log); o != nil {
		log.Logf(daemon.Err, "GWSGI0911: Apache's user (uid %d, gid %d) cannot pass through %s on the way to the sockets %s.*: %v. "+
			"Requests for daemon process groups are answered 503. Let that user search it (chmod o+x), or set WSGISocketPrefix to "+
			"a prefix elsewhere, such as /run/apache2/wsgi", config.ApacheUID, config.ApacheGID, o.path, config.SocketPrefix, o.err)
	}
}

func owner(config *daemon.Config) string {
	if config.IsRoot {
		return "root"
	}
	return "the user that starts httpd"
}

// findObstacle walks to dir as Apache's user would.
func findObstacle(config *daemon.Config, dir string, log *daemon.Logger) *obstacle {
	found := make(chan *obstacle)
	go guarded(log, func() {
		if config.IsRoot {
			// The thread takes on what the kernel asks for in file access, and ends with this goroutine.
			runtime.LockOSThread()
			if err := becomeForFiles(config); err != nil {
				found <- &obstacle{dir, fmt.Errorf("not checked: %w", err)}
				return
			}
		}
		found <- walk(dir)
	})
	return <-found
}

// becomeForFiles makes the calling thread, and no other, access files as Apache's user. Its uid stays, so that user gains no
// hold on it.
func becomeForFiles(config *daemon.Config) error {
	id, err := findIdentity(config, &daemon.Options{})
	if errors.Is(err, ErrRoot) {
		return nil
	}
	if err != nil {
		return err
	}
	// The functions of package syscall change all threads; the calls themselves change one.
	groups := append(id.groups, uint32(id.gid))
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0)
	if errno != 0 {
		return errno
	}
	if err := unix.Setfsgid(id.gid); err != nil {
		return err
	}
	return unix.Setfsuid(id.uid)
}

// walk returns the first folder on the way to dir that cannot be searched.
func walk(dir string) *obstacle {
	var stat unix.Stat_t
	path := "/"
	for name := range strings.SplitSeq(dir, "/") {
		path = filepath.Join(path, name)
		// To see "." in a folder, one must be allowed to search it.
		if err := unix.Stat(path+"/.", &stat); err != nil {
			return &obstacle{path, err}
		}
	}
	return nil
}
