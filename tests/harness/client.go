// This file talks to a server: as an HTTP client, and byte by byte.

package harness

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// Response is a response that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// URL is where the server has path; path begins with a slash.
func (s *Server) URL(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", s.Port, path) }

// Request makes a request for Do.
func (s *Server) Request(method, path string, body io.Reader) *http.Request {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL(path), body)
	require.NoError(s.t, err)
	return req
}

// Do sends a request and reads the whole response.
func (s *Server) Do(req *http.Request) Response {
	s.t.Helper()
	got, err := s.Try(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", req.Method, req.URL.Path, err, s.logTail())
	}
	return got
}

// Try is Do for requests that may fail, and for other goroutines than the test's.
func (s *Server) Try(req *http.Request) (Response, error) {
	resp, err := s.Client.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	got := Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	if err == nil {
		s.baselineOnce()
	}
	return got, err
}

// Get asks for a path.
func (s *Server) Get(path string) Response {
	s.t.Helper()
	return s.Do(s.Request(http.MethodGet, path, nil))
}

// Post sends a body to a path.
func (s *Server) Post(path, contentType, body string) Response {
	s.t.Helper()
	req := s.Request(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	return s.Do(req)
}

// Conn is a connection on which a test says exactly what it wants. Every call is bound to end.
type Conn struct {
	net.Conn
	Reader *bufio.Reader
	s      *Server
}

// Dial opens a connection; the end of the test closes it.
func (s *Server) Dial() *Conn {
	s.t.Helper()
	conn, err := s.line.dial(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
	require.NoError(s.t, err)
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(2*patience)))
	s.t.Cleanup(func() { conn.Close() })
	return &Conn{Conn: conn, Reader: bufio.NewReader(conn), s: s}
}

// Send writes the text; "\n" is sent as it is.
func (c *Conn) Send(text string) {
	c.s.t.Helper()
	_, err := io.WriteString(c.Conn, text)
	require.NoError(c.s.t, err)
}

// Receive reads one response to a request of the given method. err tells that it ended too early.
func (c *Conn) Receive(method string) (Response, error) {
	c.s.t.Helper()
	resp, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}

// Line reads one line without its line end.
func (c *Conn) Line() string {
	c.s.t.Helper()
	line, err := c.Reader.ReadString('\n')
	require.NoError(c.s.t, err)
	return strings.TrimRight(line, "\r\n")
}

// Rest reads until the server closes the connection.
func (c *Conn) Rest() string {
	c.s.t.Helper()
	rest, err := io.ReadAll(c.Reader)
	require.NoError(c.s.t, err)
	return string(rest)
}
