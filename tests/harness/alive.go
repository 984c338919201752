// This file notices that a server is dead, so that no test waits for its answers.

package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// hopeless is how many crashes of its processes a server is given, unless Config.MayCrash. Its parent goes on to start
// others, and keeps the clients waiting.
const hopeless = 4

// lifeline holds the connections of a server's clients. Once the server is dead they are closed, and there are no more.
type lifeline struct {
	lock  sync.Mutex
	dead  error
	conns []net.Conn // closed ones as well: closing them again does nothing
}

// dial is a net.Dialer's DialContext.
func (l *lifeline) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	l.lock.Lock()
	defer l.lock.Unlock()
	if err != nil {
		return nil, errors.Join(l.dead, err)
	}
	if l.dead != nil {
		conn.Close()
		return nil, l.dead
	}
	l.conns = append(l.conns, conn)
	return conn, nil
}

func (l *lifeline) cut(why error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.dead = why
	for _, conn := range l.conns {
		conn.Close()
	}
}

// watch cuts the line when the server's processes crash again and again. It ends with the server.
func (s *Server) watch() {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-s.exited:
			return
		case <-ticks.C:
		}
		if n := len(crashPattern.FindAllString(s.ErrorLog(), -1)); n >= hopeless {
			s.line.cut(fmt.Errorf("the server is given up: its processes crashed %d times", n))
			return
		}
	}
}
