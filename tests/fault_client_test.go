package tests

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about HTTP clients that are slow, leave, or do not read. A thread of a daemon process that has such a client waits;
// nobody else does.

// large is more than fits into all buffers between an application and a client.
const large = 30_000_000

// slowThreads is how many threads the group has.
const slowThreads = 8

// startSlowClients starts a server with more threads in its group than there will be slow clients.
func startSlowClients(t *testing.T, conf string) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Config{Threads: 32, Conf: faultConf(fmt.Sprint("threads=", slowThreads)) + conf})
	assertHello(t, s)
	return s
}

// assertOthersServed sends requests of others.
func assertOthersServed(t *testing.T, s *harness.Server) {
	t.Helper()
	l := startLoad(t, s, 5, "/hello?")
	l.await(t, 100)
	outcomes := l.stop()
	assertNoFailure(t, outcomes)
	for _, o := range outcomes {
		assert.Less(t, o.ended.Sub(o.began), 5*time.Second, "%s", o)
	}
}

// assertAllThreadsFree sends as many requests as there are threads, and has all of them run at once.
func assertAllThreadsFree(t *testing.T, s *harness.Server) {
	t.Helper()
	var all []*asked
	for n := range slowThreads {
		all = append(all, askInBackground(s, fmt.Sprint("/main/gate?free", n)))
	}
	for n := range all {
		awaitEntered(t, s, fmt.Sprint("free", n))
	}
	openGate(t, s, "")
	for _, one := range all {
		assert.Equal(t, http.StatusOK, one.wait(t).Status)
	}
}

// A body that comes byte by byte keeps the thread that reads it.
func TestFaultSlowBody(t *testing.T) {
	t.Parallel()
	s := startSlowClients(t, "")
	const clients, length = 6, 40_000
	var conns []*harness.Conn
	for range clients {
		conn := s.Dial()
		conn.Send(head("POST", "/body/count", fmt.Sprintf("Content-Length: %d", length)) + "b")
		conns = append(conns, conn)
	}
	assertOthersServed(t, s)
	for _, conn := range conns {
		conn.Send(strings.Repeat("b", length/2))
	}
	assertOthersServed(t, s)
	for _, conn := range conns {
		conn.Send(strings.Repeat("b", length-1-length/2))
		got, err := conn.Receive(http.MethodPost)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(length), got.Body)
		conn.Close()
	}
}

// A client that does not read for a while gets all of a large response in the end.
func TestFaultSlowReader(t *testing.T) {
	t.Parallel()
	s := startSlowClients(t, "")
	const clients = 6
	var conns []*harness.Conn
	for range clients {
		conn := s.Dial()
		conn.Send(head("GET", fmt.Sprintf("/body/ignore?n=%d", large)))
		require.Equal(t, "HTTP/1.1 200 OK", conn.Line())
		conns = append(conns, conn)
	}
	assertOthersServed(t, s)
	for _, conn := range conns {
		for conn.Line() != "" {
			continue
		}
		n, err := io.CopyN(io.Discard, conn.Reader, large)
		require.NoError(t, err)
		assert.EqualValues(t, large, n)
		conn.Close()
	}
}

// Clients that leave in the middle of a request or of a response, more than there are threads, leave no thread behind.
func TestFaultClientsGone(t *testing.T) {
	t.Parallel()
	s := startSlowClients(t, "")
	for n := range 3 * slowThreads {
		conn := s.Dial()
		if n%2 == 0 {
			conn.Send(head("POST", "/body/count", "Content-Length: 1000000") + strings.Repeat("b", 50_000))
		} else {
			conn.Send(head("GET", fmt.Sprintf("/body/ignore?n=%d", large)))
			require.Equal(t, "HTTP/1.1 200 OK", conn.Line())
		}
		if n%4 < 2 {
			require.NoError(t, conn.Conn.(*net.TCPConn).SetLinger(0)) // a reset
		}
		require.NoError(t, conn.Close())
	}
	assertOthersServed(t, s)
	assertAllThreadsFree(t, s)
}

// A large body that the application never reads, together with a large response: each is more than all buffers hold. A client that
// reads while it writes gets its response.
func TestFaultUnreadBody(t *testing.T) {
	t.Parallel()
	s := startSlowClients(t, "")
	done := make(chan outcome)
	const clients = 4
	for n := range clients {
		go func() {
			o := outcome{name: fmt.Sprint("unread", n)}
			req := s.Request(http.MethodPost, fmt.Sprintf("/body/ignore?n=%d", large), bytes.NewReader(make([]byte, large)))
			got, err := s.Try(req)
			o.status, o.err, o.body = got.Status, err, fmt.Sprint(len(got.Body))
			done <- o
		}()
	}
	assertOthersServed(t, s)
	for range clients {
		o := <-done
		assert.True(t, o.ok(), "%s", o)
		assert.Equal(t, fmt.Sprint(large), o.body)
	}
}

// A client that reads nothing before it has sent all of its body cannot be helped, since nobody reads that. It keeps a thread until
// Timeout; the others are served meanwhile, and afterwards all threads are free.
func TestFaultUnreadBodyOfDeafClient(t *testing.T) {
	t.Parallel()
	s := startSlowClients(t, "\nTimeout 3\n")
	const clients = 6
	ended := make(chan error)
	for range clients {
		conn := s.Dial()
		go func() {
			_, err := io.WriteString(conn.Conn, head("POST", fmt.Sprintf("/body/ignore?n=%d", large), fmt.Sprintf("Content-Length: %d", large))+
				strings.Repeat("b", large))
			ended <- err
		}()
	}
	assertOthersServed(t, s)
	for range clients {
		assert.Error(t, <-ended, "httpd has given up")
	}
	assertAllThreadsFree(t, s)
}
