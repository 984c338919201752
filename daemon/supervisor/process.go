// This file starts worker processes and carries their events.

package supervisor

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// event is something to be done by the goroutine that decides.
type event func(*supervisor)

// linux is the system that there is.
type linux struct {
	config     *daemon.Config
	log        *daemon.Logger
	executable string // gowsgid
	inherited  []string
	scoreboard int // its descriptor
	null       *os.File
	queues     map[int]*queue // by the index of the group
	folder     folder         // of the sockets
	events     chan<- event
}

// child is a worker's process.
type child struct {
	process *os.Process
	control int // our end; closed by the goroutine that decides, once the process has ended
	socket  string
}

// Start makes the socket of a worker, and that of the group if it has none, and starts the process.
func (l *linux) Start(o order) (process, error) {
	queue, err := l.queueOf(o.group)
	if err != nil {
		return nil, err
	}
	path, ok := l.config.SocketPath(o.group.Index, o.slot, o.number)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrSocketName, path)
	}
	listener, err := listen(path, o.group.Options.ListenBacklog, l.config.SocketOwner(&o.group.Options))
	if err != nil {
		return nil, err
	}
	// Only the process is to have the socket: when it ends, the kernel then refuses whoever waits on it.
	defer func() { _ = unix.Close(listener) }()
	c := &child{socket: path}
	if err := l.launch(c, o, listener, queue.fd); err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	l.watch(c, o.worker)
	return c, nil
}

// launch starts the process with its descriptors.
func (l *linux) launch(c *child, o order, listener, queue int) error {
	attributes, err := l.attributes(o.group)
	if err != nil {
		return err
	}
	config, err := memoryFile("gowsgi-worker", l.config.EncodeWorker(o.group, o.slot, o.number, c.socket, o.standby, o.preloads))
	if err != nil {
		return err
	}
	defer func() { _ = config.Close() }()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	defer func() { _ = unix.Close(pair[1]) }()
	log := uintptr(o.group.LogFD)
	files := []uintptr{l.null.Fd(), log, log, config.Fd(), uintptr(l.scoreboard), uintptr(pair[1]), uintptr(listener),
		uintptr(queue)}
	attributes.Files = files
	var pid int
	err = l.atPriority(o.group.Options.CPUPriority, func() (err error) {
		pid, err = syscall.ForkExec(l.executable, []string{displayName(o.group)}, attributes)
		return err
	})
	if err == nil {
		c.control = pair[0]
		c.process, err = os.FindProcess(pid)
	}
	if err != nil {
		_ = unix.Close(pair[0])
		return fmt.Errorf("%s in the folder %s: %w", l.executable, orCurrent(attributes.Dir), err)
	}
	return nil
}

// atPriority starts a process that has that niceness from its first thread on: it inherits it from the thread that starts it, which is
// one for this alone, since who is not root cannot take it back.
func (l *linux) atPriority(nice int, start func() error) error {
	if nice == 0 || nice < 0 && !l.config.IsRoot {
		return start()
	}
	done := make(chan error)
	go guarded(l.log, func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice)
		if err == nil {
			err = start()
		} else {
			err = fmt.Errorf("cpu-priority=%d: %w", nice, err)
		}
		done <- err
	})
	return <-done
}

// attributes says as whom, where and with which environment a group's process runs.
func (l *linux) attributes(g *daemon.Group) (*syscall.ProcAttr, error) {
	o := &g.Options
	// A group of its own keeps signals from it that are meant for httpd's, such as those of a terminal.
	attributes := &syscall.ProcAttr{Dir: o.Home, Sys: &syscall.SysProcAttr{Setpgid: true}}
	id, err := findIdentity(l.config, o)
	if err != nil {
		return nil, err
	}
	var foreign *identity
	if id != nil {
		attributes.Sys.Credential = id.credential()
		if id.uid != l.config.ApacheUID {
			foreign = id
			if o.Home == "" {
				attributes.Dir = existingHome(id.home)
			}
		}
	}
	if err := checkHome(o.Home); err != nil {
		return nil, err
	}
	attributes.Env, err = workerEnvironment(l.inherited, g, foreign)
	return attributes, err
}

// noHome is where the process of a user starts whose home does not exist, as it does not for many users of daemons.
const noHome = "/"

func existingHome(dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return noHome
	}
	return dir
}

// checkHome gives the commonest failure of home= its own words. Whether the user may enter it shows when the process starts.
func checkHome(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return fmt.Errorf("home=: %w", err)
	}
	return nil
}

func orCurrent(dir string) string {
	if dir == "" {
		return "that httpd runs in"
	}
	return dir
}

// displayName is what ps shows.
func displayName(g *daemon.Group) string {
	if name := g.Options.DisplayName; name != "" {
		return strings.NewReplacer("%{GROUP}", "(wsgi:"+g.Name+")", "%{PYTHON}", g.Python).Replace(name)
	}
	return "gowsgid"
}

// memoryFile is a file in memory with that content, which cannot be changed any more.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err = file.Write(content); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// ---- A running process ----

// watch turns what the process says, and its end, into events.
func (l *linux) watch(c *child, w *worker) {
	reader, err := unix.FcntlInt(uintptr(c.control), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = unix.SetNonblock(reader, true)
	}
	var file *os.File
	said := make(chan struct{}) // closed when nobody reads from file any more
	if err == nil {
		file = os.NewFile(uintptr(reader), "control")
	} else {
		c.Kill() // without a way to hear that it is ready it is of no use
	}
	go guarded(l.log, func() {
		status := wait(c.process)
		if file != nil {
			_ = file.SetReadDeadline(time.Now()) // processes that the application forked may keep the other end open
		}
		<-said
		l.readMessages(c.receive, w) // what it still said comes before its end
		l.events <- func(s *supervisor) { s.exited(w, status) }
	})
	go guarded(l.log, func() {
		defer close(said)
		if file != nil {
			l.readMessages(file.Read, w)
			_ = file.Close()
		}
	})
}

func wait(p *os.Process) syscall.WaitStatus {
	state, err := p.Wait()
	if err != nil {
		return 0
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	return status
}

// readMessages makes events of what read gives, until that fails.
func (l *linux) readMessages(read func([]byte) (int, error), w *worker) {
	packet := make([]byte, daemon.MaxMessage)
	for {
		n, err := read(packet)
		if err != nil {
			return
		}
		m, err := daemon.DecodeMessage(packet[:n])
		if err != nil {
			l.events <- func(s *supervisor) { s.garbled(w, err) }
			continue
		}
		l.events <- func(s *supervisor) { s.message(w, m) }
	}
}

// receive reads a message that is there already.
func (c *child) receive(packet []byte) (int, error) {
	n, _, err := unix.Recvfrom(c.control, packet, unix.MSG_DONTWAIT)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return n, err
}

func (c *child) PID() int {
	return c.process.Pid
}

func (c *child) Send(m daemon.Message) error {
	return unix.Sendto(c.control, m.Encode(), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
}

// sendSocket is Send, with a socket for the worker.
func (c *child) sendSocket(m daemon.Message, fd int) error {
	return unix.Sendmsg(c.control, m.Encode(), unix.UnixRights(fd), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func (c *child) Kill() {
	_ = c.process.Kill()
}

func (c *child) Release() {
	_ = unix.Close(c.control)
	_ = os.Remove(c.socket)
}
