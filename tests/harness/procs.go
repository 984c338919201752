// This file reads /proc: which processes belong to a server, and which descriptors they hold.

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// process is one line of /proc/<pid>/stat.
type process struct {
	pid, ppid, group, session int
	comm, state               string
	exiting                   bool
}

func (p process) String() string { return fmt.Sprintf("%d (%s, state %s)", p.pid, p.comm, p.state) }

// readProcess returns false when there is no such process (any more).
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// The name stands in parentheses and may hold any character.
	text := string(stat)
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[end+1:])
	if open < 0 || end < open || len(fields) < 7 {
		return process{}, false
	}
	p := process{pid: pid, comm: text[open+1 : end], state: fields[0]}
	p.ppid, _ = strconv.Atoi(fields[1])
	p.group, _ = strconv.Atoi(fields[2])
	p.session, _ = strconv.Atoi(fields[3])
	const exiting = 0x4 // the kernel's PF_EXITING
	flags, _ := strconv.Atoi(fields[6])
	p.exiting = flags&exiting != 0
	return p, true
}

// sessionProcesses are the living processes of a session and their living descendants, in order of pid. The server is
// started in a session of its own; a descendant that left it is found through its parents, as long as those live.
func sessionProcesses(session int) []process {
	entries, _ := os.ReadDir("/proc")
	all := map[int]process{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, ok := readProcess(pid); ok && p.state != "Z" {
				all[pid] = p
			}
		}
	}
	var found []process
	for _, p := range all {
		for q, ok := p, true; ok; q, ok = all[q.ppid] {
			if q.session == session {
				found = append(found, p)
				break
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].pid < found[j].pid })
	return found
}

// isLeader tells whether the process leads a process group.
func (p process) isLeader() bool { return p.group == p.pid }

// The roles of a server's processes. Of other processes, those that applications start, it is their name.
const (
	roleParent     = "parent"
	roleChild      = "child"
	roleSupervisor = "supervisor"
	roleWorker     = "worker"
)

// rolesOf tells what each process of the server is. The supervisor of the daemon processes, and each of those, leads a process
// group of its own; httpd's children are in the parent's. A supervisor whose parent died is somebody else's child.
func rolesOf(parent int, processes []process) map[int]string {
	roles := map[int]string{}
	for _, p := range processes {
		switch {
		case p.pid == parent:
			roles[p.pid] = roleParent
		case p.comm == daemonProgram && p.isLeader() && roles[p.ppid] != roleSupervisor && isSupervisor(p.pid):
			roles[p.pid] = roleSupervisor
		case p.ppid == parent && !p.isLeader():
			roles[p.pid] = roleChild
		}
	}
	for _, p := range processes {
		switch {
		case roles[p.pid] != "":
		case roles[p.ppid] == roleSupervisor && p.isLeader():
			roles[p.pid] = roleWorker
		default:
			roles[p.pid] = "other " + p.comm
		}
	}
	return roles
}

// withRole are the pids of those that have the role, in order.
func withRole(roles map[int]string, role string) []int {
	var pids []int
	for pid, its := range roles {
		if its == role {
			pids = append(pids, pid)
		}
	}
	sort.Ints(pids)
	return pids
}

const daemonProgram = "gowsgid"

// isSupervisor tells by its title.
func isSupervisor(pid int) bool {
	title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.HasPrefix(string(title), "(wsgi:supervisor)\x00")
}

// descriptors counts a process's open descriptors by kind: files by their path, sockets by what they are connected to.
type descriptors map[string]int

var (
	inodePattern   = regexp.MustCompile(`^(socket|pipe):\[(\d+)\]$`)
	deletedPattern = regexp.MustCompile(`^(/.*/)[^/]* \(deleted\)$`)
	libffiPattern  = regexp.MustCompile(`/libffi\.so[.0-9]*$`)
)

// readDescriptors returns nil when the process is gone.
func readDescriptors(pid int) descriptors {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	connected := connections(pid)
	counts := descriptors{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil {
			counts[kindOf(target, connected)]++
		}
	}
	return counts
}

func kindOf(target string, connected map[string]string) string {
	if m := inodePattern.FindStringSubmatch(target); m != nil {
		if kind := connected[m[2]]; m[1] == "socket" && kind != "" {
			return kind
		}
		return m[1]
	}
	if m := deletedPattern.FindStringSubmatch(target); m != nil {
		return "deleted file in " + m[1]
	}
	if libffiPattern.MatchString(target) {
		return "libffi"
	}
	return target
}

const (
	kindConnection = "TCP connection"
	kindLocal      = "UNIX connection" // such as those between httpd's children and daemon processes
)

// connections are the inodes of the sockets, in the process's network, that do not listen, with their kind.
func connections(pid int) map[string]string {
	found := map[string]string{}
	collect := func(table, kind string, inodeField int, isOne func(fields []string) bool) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		for i, line := range strings.Split(string(text), "\n") {
			fields := strings.Fields(line)
			if i > 0 && len(fields) > inodeField && isOne(fields) {
				found[fields[inodeField]] = kind
			}
		}
	}
	connected := func(fields []string) bool { return fields[3] != "0A" }
	collect("tcp", kindConnection, 9, connected)
	collect("tcp6", kindConnection, 9, connected)
	collect("unix", kindLocal, 6, func(fields []string) bool { return fields[4] == "0001" && fields[5] == "03" })
	return found
}

// once is how many descriptors of a kind may appear late in a process's life, for the reason given.
var once = map[string]int{
	"anon_inode:[eventpoll]": 2, // a runtime's poller starts with its first use, the MPM's may still start in an idle child
	"anon_inode:[eventfd]":   1, // the same
	"/dev/urandom":           1, // a library's generator
	"/dev/null":              1, // a library's standard streams
	"libffi":                 1, // which maps its own file with the first callback that ctypes makes
}

// grown returns what now has more of than before, a sentence for each kind. Connections to clients must all be gone; so many
// local ones may be kept open.
func (now descriptors) grown(before descriptors, pooled int) []string {
	var wrong []string
	for kind, n := range now {
		limit := before[kind] + once[kind]
		switch kind {
		case kindConnection:
			limit = 0
		case kindLocal:
			limit = max(limit, pooled)
		}
		if n > limit {
			wrong = append(wrong, fmt.Sprintf("%s: %d, was %d", kind, n, before[kind]))
		}
	}
	sort.Strings(wrong)
	return wrong
}

// atLeast raises the counts to those of other.
func (d descriptors) atLeast(other descriptors) {
	for kind, n := range other {
		d[kind] = max(d[kind], n)
	}
}
