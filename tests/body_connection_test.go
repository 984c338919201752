package tests

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// assertSilent asserts that the server has sent nothing until now.
func assertSilent(t *testing.T, conn *harness.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err := conn.Reader.Peek(1)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "%v", err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
}

// A client that asks whether to send its body is told to go on when the application reads, and not before.
func TestBodyContinue(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		began, proceed := newMarker(t, s, "began"), newMarker(t, s, "go")
		conn := s.Dial()
		conn.Send(head("POST", "/body/wait.wsgi"+query("began", began.Path, "go", proceed.Path), "Expect: 100-continue", "Content-Length: 5"))
		began.Text(t)
		assertSilent(t, conn)
		proceed.Set()
		assert.Equal(t, "HTTP/1.1 100 Continue", conn.Line())
		assert.Equal(t, "", conn.Line())
		conn.Send("hello")
		got, err := conn.Receive(http.MethodPost)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, got.Status)
		assert.Equal(t, "hello", got.Body)
	})
}

// An application that answers without reading saves the client from sending.
func TestBodyContinueNotSent(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		began := newMarker(t, s, "began")
		conn := s.Dial()
		conn.Send(head("POST", "/body/wait.wsgi"+query("began", began.Path), "Expect: 100-continue", "Content-Length: 5"))
		assert.Equal(t, "HTTP/1.1 200 OK", conn.Line())
		rest := conn.Rest()
		assert.Contains(t, rest, "Connection: close\r\n")
		assert.True(t, strings.HasSuffix(rest, "\r\n\r\nnot read"), rest)
	})
}

// A client that leaves in the middle of its body: the application sees an OSError, and the log stays quiet.
func TestBodyClientGone(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		told := newMarker(t, s, "told")
		for _, path := range []string{"/body/forgive.wsgi" + query("tell", told.Path), "/body/echo.wsgi", "/body/calls.wsgi?readline"} {
			conn := s.Dial()
			conn.Send(head("POST", path, "Content-Length: 1000") + strings.Repeat("x", 25))
			require.NoError(t, conn.Close())
		}
		assert.Regexp(t, `^\w+: the client closed the connection.*\|20\|True\|\w+$`, told.Text(t))
		s.WaitLog(`info\].*body/echo.wsgi.*after the client had gone: OSError`)
		s.WaitLog(`info\].*body/calls.wsgi.*after the client had gone: OSError`)
		assert.Zero(t, timesLogged(s, "Traceback"))
		assert.Equal(t, "Hello, World!", s.Get("/hello").Body)
	})
}

// A client that resets its connection is a client that leaves.
func TestBodyClientResets(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		conn := s.Dial()
		conn.Send(head("POST", "/body/talk.wsgi", "Content-Length: 1000") + "one\n")
		assert.Equal(t, "HTTP/1.1 200 OK", conn.Line())
		require.NoError(t, conn.Conn.(*net.TCPConn).SetLinger(0))
		require.NoError(t, conn.Close())
		s.WaitLog(`info\].*body/talk.wsgi.*after the client had gone: OSError`)
		assert.Zero(t, timesLogged(s, "Traceback"))
	})
}

// A body that the application does not read is in nobody's way: a large response gets out while a large body comes in, and the
// connection serves the next request.
func TestBodyUnread(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		conn := s.Dial()
		for _, size := range []struct{ body, response int }{{10, 10}, {100_000, 10}, {10, 3_000_000}, {3_000_000, 3_000_000}} {
			go func() {
				// Not Send: a failure shows in the response, and only the test's goroutine may end the test.
				_, _ = fmt.Fprint(conn.Conn, head("POST", fmt.Sprintf("/body/ignore.wsgi?n=%d", size.response),
					fmt.Sprintf("Content-Length: %d", size.body))+strings.Repeat("b", size.body))
			}()
			got, err := conn.Receive(http.MethodPost)
			require.NoError(t, err, "%+v", size)
			assert.Equal(t, size.response, len(got.Body))
		}
		conn.Send(head("GET", "/hello"))
		got, err := conn.Receive(http.MethodGet)
		require.NoError(t, err)
		assert.Equal(t, "Hello, World!", got.Body)
	})
}

// Requests that come at once are answered in order, whatever their applications do with the bodies.
func TestBodyPipelining(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		conn := s.Dial()
		var all strings.Builder
		for i := range 20 {
			body := fmt.Sprintf("GET /hello?%d HTTP/1.1\r\n\r\n", i) // what a confused server would take for a request
			for _, app := range []string{"echo", "ignore", "count"} {
				all.WriteString(head("POST", "/body/"+app+".wsgi", fmt.Sprintf("Content-Length: %d", len(body))) + body)
			}
			all.WriteString(head("GET", "/hello"))
		}
		conn.Send(all.String())
		for i := range 20 {
			body := fmt.Sprintf("GET /hello?%d HTTP/1.1\r\n\r\n", i)
			for _, expected := range []string{body, "xx", fmt.Sprint(len(body)), "Hello, World!"} {
				got, err := conn.Receive(http.MethodPost)
				require.NoError(t, err)
				assert.Equal(t, expected, got.Body)
			}
		}
	})
}

// A request that has no body reads as an empty one at once, on a connection that stays open.
func TestBodyAbsent(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		conn := s.Dial()
		for _, request := range []string{head("GET", "/body/count.wsgi"), head("POST", "/body/count.wsgi", "Content-Length: 0"),
			head("DELETE", "/body/count.wsgi"), head("POST", "/body/count.wsgi")} {
			conn.Send(request)
			got, err := conn.Receive(http.MethodPost)
			require.NoError(t, err)
			assert.Equal(t, "0", got.Body)
		}
	})
}
