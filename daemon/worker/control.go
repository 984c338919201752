// This file is the worker's end of the control socket.

package worker

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// How long a message may wait for a supervisor that does not read.
const sendTimeout = 2 * time.Second

// control is the socket to the supervisor.
type control struct {
	file     *os.File
	slot     *daemon.WorkerSlot
	log      *daemon.Logger
	mu       sync.Mutex // held around writes
	messages chan daemon.Message
	loads    chan pyembed.Application
	sockets  sockets
}

func newControl(file *os.File, slot *daemon.WorkerSlot, log *daemon.Logger) *control {
	return &control{file: file, slot: slot, log: log, messages: make(chan daemon.Message, 8), loads: make(chan pyembed.Application, 256)}
}

// tellLoads sends the messages of loaded().
func (c *control) tellLoads() {
	for a := range c.loads {
		c.send(daemon.Message{Verb: daemon.Loaded, Script: daemon.Script{Path: a.Script, AppGroup: a.AppGroup, Callable: a.Callable}})
	}
}

// read reads messages until the process ends.
func (c *control) read() {
	packet := make([]byte, daemon.MaxMessage)
	for {
		n, socket, err := c.receive(packet)
		if errors.Is(err, io.EOF) || n == 0 {
			// Nobody would replace this process, nor end it. Python is not asked: it may be stuck. Who waits for its answers need not
			// wait for news of its end.
			c.slot.SetExitReason(daemon.ExitOrphaned)
			c.log.Logf(daemon.Info, "the supervisor is gone; this process ends")
			exitNow(0)
		}
		if err != nil {
			c.log.Logf(daemon.Err, "GWSGI1013: the supervisor's messages cannot be read: %v; this process ends and is replaced. Please report it "+
				"when it happens again", err)
			exitNow(1)
		}
		m, err := daemon.DecodeMessage(packet[:n])
		if err != nil {
			c.log.Logf(daemon.Err, "GWSGI1014: the supervisor sent something that this process does not understand: %v. They are not of one "+
				"build: restart httpd", err)
			continue
		}
		switch m.Verb {
		case daemon.Own, daemon.Queue:
			c.sockets.replace(m.Verb, socket, c.log)
		default:
			c.messages <- m
		}
	}
}

// receive reads a packet, and the socket that came with it, or -1.
func (c *control) receive(packet []byte) (n, socket int, err error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return 0, -1, err
	}
	rights := make([]byte, unix.CmsgSpace(4))
	size := 0
	readErr := raw.Read(func(fd uintptr) bool {
		n, size, _, _, err = unix.Recvmsg(int(fd), packet, rights, unix.MSG_CMSG_CLOEXEC)
		return !errors.Is(err, unix.EAGAIN)
	})
	return max(n, 0), socketIn(rights[:max(size, 0)]), errors.Join(readErr, err)
}

func socketIn(rights []byte) int {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1
	}
	return fds[0]
}

func (c *control) send(m daemon.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	packet := m.Encode()
	if len(packet) > daemon.MaxMessage {
		return // an application with such a name is loaded at its first request
	}
	_ = c.file.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := c.file.Write(packet); err != nil {
		c.log.Logf(daemon.Info, "the supervisor could not be told '%s': %v", m.Verb, err)
	}
}

// loaded says that an application was loaded. It does not wait.
func (c *control) loaded(a pyembed.Application) {
	select {
	case c.loads <- a:
	default:
	}
}
