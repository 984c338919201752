// This file keeps the sockets of the groups' queues: each is listened on by all workers of its group, and by this process, so that
// nobody who waits there is lost with a worker.

package supervisor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// queue is the socket of a group's queue.
type queue struct {
	path string
	fd   int
}

// queueOf returns the queue of a group, which is made when its first worker is started.
func (l *linux) queueOf(g *daemon.Group) (*queue, error) {
	if q := l.queues[g.Index]; q != nil {
		return q, nil
	}
	path, ok := l.config.QueuePath(g.Index)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrSocketName, path)
	}
	fd, err := listen(path, g.Options.ListenBacklog, l.config.SocketOwner(&g.Options))
	if err != nil {
		return nil, err
	}
	l.queues[g.Index] = &queue{path, fd}
	return l.queues[g.Index], nil
}

// adopt takes another socket in place of the one that has lost its name. Who waits there is served by the workers.
func (q *queue) adopt(fd int) {
	_ = unix.Close(q.fd)
	q.fd = fd
}

// removeQueues is for the end of the supervisor.
func (l *linux) removeQueues() {
	for _, q := range l.queues {
		_ = os.Remove(q.path)
		_ = unix.Close(q.fd)
	}
}
