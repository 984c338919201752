package tests

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// Each piece reaches the client before the application makes the next one (PEP 3333, "Handling Block Boundaries").
func TestStreamPieceByPiece(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		for _, kind := range []string{"generator", "generator-length", "write", "write-length"} {
			proceed := newMarker(t, s, "go-"+kind)
			resp, err := s.Client.Get(s.URL("/stream/steps.wsgi" + query("kind", kind, "go", proceed.Path)))
			require.NoError(t, err)
			first := make([]byte, len("first\n"))
			_, err = io.ReadFull(resp.Body, first)
			require.NoError(t, err)
			assert.Equal(t, "first\n", string(first))
			proceed.Set()
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, "second\n", string(rest))
			require.NoError(t, resp.Body.Close())
		}
	})
}

// close() is called once, whatever becomes of the response.
func TestStreamClose(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.ExpectTraceback("RuntimeError: raised by piece")
		s.ExpectTraceback("RuntimeError: raised by close")
		s.Expect("GWSGI0601: .*in its response$", `GWSGI0601: .*in close\(\) of its response$`,
			"AssertionError: the response has 15 of the 100 bytes", "TypeError: the response must consist of bytes, not str")
		for _, test := range []struct {
			name, method string
			pairs        []any
			told         string
			status       int
			dropped      bool
			body         string
		}{
			{"complete", "GET", []any{"n", 3}, "1 4", 200, false, "xxxxxxxxxxxxxxx"},
			{"empty", "GET", []any{"n", 0}, "1 1", 200, false, ""},
			{"length", "GET", []any{"n", 3, "length", 15}, "1 3", 200, false, "xxxxxxxxxxxxxxx"},
			{"surplus", "GET", []any{"n", 5, "length", 12}, "1 3", 200, false, "xxxxxxxxxxxx"},
			{"surplus of nothing", "GET", []any{"n", 5, "length", 0}, "1 1", 200, false, ""},
			{"short", "GET", []any{"n", 3, "length", 100}, "1 4", 200, true, "xxxxxxxxxxxxxxx"},
			{"raises first", "GET", []any{"n", 3, "raise", 1}, "1 1", 500, false, ""},
			{"raises later", "GET", []any{"n", 3, "raise", 2}, "1 2", 200, true, "xxxxx"},
			{"text first", "GET", []any{"n", 3, "text", 1}, "1 1", 500, false, ""},
			{"text later", "GET", []any{"n", 3, "text", 3}, "1 3", 200, true, "xxxxxxxxxx"},
			{"close raises", "GET", []any{"n", 1, "fail", 1}, "1 2", 200, false, "xxxxx"},
			{"both raise", "GET", []any{"n", 1, "raise", 1, "fail", 1}, "1 1", 500, false, ""},
		} {
			told := newMarker(t, s, "told-"+strings.ReplaceAll(test.name, " ", "-"))
			conn := s.Dial()
			conn.Send(head(test.method, "/stream/close.wsgi"+query(append(test.pairs, "tell", told.Path)...)))
			got, err := conn.Receive(test.method)
			assert.Equal(t, test.dropped, err != nil, "%s: %v", test.name, err)
			assert.Equal(t, test.status, got.Status, test.name)
			if test.status == http.StatusOK {
				assert.Equal(t, test.body, got.Body, test.name)
			}
			assert.Equal(t, test.told, told.Text(t), test.name)
			if !test.dropped && test.status == http.StatusOK { // httpd closes the connection after a 500
				assertNextWorks(t, conn)
			}
		}
	})
}

// HEAD and 304 let the application run as far as it must, and close it.
func TestStreamCloseWithoutBody(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		conn := s.Dial()
		for _, test := range []struct{ method, status string }{{"HEAD", "200"}, {"GET", "304"}, {"GET", "204"}} {
			told := newMarker(t, s, "told-"+test.status)
			conn.Send(head(test.method, "/stream/close.wsgi"+query("n", 3, "status", test.status+"+Reason", "tell", told.Path)))
			got, err := conn.Receive(test.method)
			require.NoError(t, err)
			assert.Empty(t, got.Body)
			assert.Regexp(t, `^1 \d$`, told.Text(t), test.status)
			assertNextWorks(t, conn)
		}
	})
}

// A client that leaves stops the iteration; the application is closed, and nobody is told that anything was wrong.
func TestStreamClientGone(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		for _, leave := range []string{"closes", "resets"} {
			told := newMarker(t, s, "told-"+leave)
			conn := s.Dial()
			conn.Send(head("GET", "/stream/close.wsgi"+query("n", 1_000_000, "size", 10_000, "tell", told.Path)))
			_, err := io.ReadFull(conn.Reader, make([]byte, 100_000))
			require.NoError(t, err)
			if leave == "resets" {
				require.NoError(t, conn.Conn.(*net.TCPConn).SetLinger(0))
			}
			require.NoError(t, conn.Close())
			assert.Regexp(t, `^1 \d{1,5}$`, told.Text(t), "close() was called once, after the first of the million pieces")
		}
		assert.Zero(t, timesLogged(s, "Traceback"))
		assert.Equal(t, "Hello, World!", s.Get("/hello").Body)
	})
}

// write() raises OSError when the client has gone, each time; what an application does not catch of it is no error.
func TestStreamClientGoneFromWrite(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		for _, end := range []string{"returns", "raises"} {
			told := newMarker(t, s, "told-"+end)
			conn := s.Dial()
			conn.Send(head("GET", "/stream/write_until_gone.wsgi?"+end+"&tell="+told.Path))
			_, err := io.ReadFull(conn.Reader, make([]byte, 100_000))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			assert.Regexp(t, `^\w+ True\|\w+ True$`, told.Text(t))
		}
		assert.Zero(t, timesLogged(s, "Traceback"))
	})
}

// A response that could not be completed has no last chunk, and the connection ends there: nobody can take it for a whole one.
func TestStreamDropped(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.ExpectTraceback("RuntimeError: raised after")
		s.Expect("GWSGI0601: .*errors/raise.wsgi'.* in its response$")
		conn := s.Dial()
		conn.Send(head("GET", "/errors/raise.wsgi?after"))
		answer := conn.Rest()
		assert.True(t, strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n"), answer)
		assert.True(t, strings.HasSuffix(answer, "\r\n\r\n6\r\npiece\n\r\n"), answer)
		// With HTTP/1.0 only an abortive end of the connection differs from a whole response.
		conn = s.Dial()
		conn.Send("GET /errors/raise.wsgi?after HTTP/1.0\r\n\r\n")
		_, err := io.ReadAll(conn.Reader)
		assert.ErrorContains(t, err, "reset")
	})
}
