// This file finds out which user a group's processes run as.

package supervisor

/*
#include <grp.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// ErrRoot refuses root as a group's user.
var ErrRoot = errors.New("applications are not run as root; set user= of WSGIDaemonProcess, or User")

// identity is a user with groups.
type identity struct {
	uid, gid   int
	groups     []uint32 // the supplementary ones
	name, home string   // "" when the user is in no database
}

// credential is how a process becomes that user.
func (id *identity) credential() *syscall.Credential {
	return &syscall.Credential{Uid: uint32(id.uid), Gid: uint32(id.gid), Groups: id.groups}
}

// findIdentity returns who the processes of a group are, or nil when they stay who the supervisor is, since httpd was not started
// by root.
func findIdentity(config *daemon.Config, o *daemon.Options) (*identity, error) {
	if !config.IsRoot {
		return nil, nil
	}
	id := &identity{gid: config.ApacheGID}
	if err := id.findUser(config, o.User); err != nil {
		return nil, err
	}
	if id.uid == 0 {
		return nil, ErrRoot
	}
	var err error
	if o.UnixGroup != "" {
		if id.gid, err = groupID(o.UnixGroup); err != nil {
			return nil, err
		}
	}
	id.groups, err = id.supplementary(o.SupplementaryGroups)
	return id, err
}

func (id *identity) findUser(config *daemon.Config, name string) error {
	found, err := lookUp(name, strconv.Itoa(config.ApacheUID))
	if err != nil {
		return err
	}
	id.name, id.home = found.Username, found.HomeDir
	id.uid, err = strconv.Atoi(found.Uid)
	return err
}

// lookUp finds a user by name, or by #uid or uid, who need not exist.
func lookUp(name, otherwise string) (*user.User, error) {
	uid := strings.TrimPrefix(name, "#")
	if name == "" {
		uid = otherwise
	}
	if uid == name && !isNumber(uid) {
		found, err := user.Lookup(name)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return found, nil
	}
	found, err := user.LookupId(uid)
	if errors.As(err, new(user.UnknownUserIdError)) && isNumber(uid) {
		return &user.User{Uid: uid}, nil
	}
	return found, err
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil
}

// groupID is the gid of a name, #gid or gid.
func groupID(name string) (int, error) {
	gid := strings.TrimPrefix(name, "#")
	if !isNumber(gid) {
		found, err := user.LookupGroup(name)
		if err != nil {
			return 0, fmt.Errorf("group %s: %w", name, err)
		}
		gid = found.Gid
	}
	return strconv.Atoi(gid)
}

// supplementary is the groups of the list, or, when that is empty, those of which the user is a member.
func (id *identity) supplementary(list string) ([]uint32, error) {
	if list != "" {
		var gids []uint32
		for name := range strings.SplitSeq(list, ",") {
			gid, err := groupID(name)
			if err != nil {
				return nil, err
			}
			gids = append(gids, uint32(gid))
		}
		return gids, nil
	}
	if id.name == "" {
		return []uint32{uint32(id.gid)}, nil
	}
	return groupsOf(id.name, id.gid), nil
}

// groupsOf is what initgroups() would set. os/user would add the user's primary group, which group= may be there to avoid.
func groupsOf(name string, gid int) []uint32 {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	for room := C.int(64); ; {
		gids, n := make([]C.gid_t, room), room
		if C.getgrouplist(cname, C.gid_t(gid), &gids[0], &n) >= 0 || n <= room {
			groups := make([]uint32, n)
			for i := range groups {
				groups[i] = uint32(gids[i])
			}
			return groups
		}
		room = n
	}
}
