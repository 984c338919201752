// This file is what the tests of "serving a request" share.

package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// environ is what tests/apps/env answers: the str items of its environ, the repr() of the others, and facts about where
// it runs.
type environ struct {
	Texts  map[string]string
	Others map[string]string
	Facts  map[string]string
}

func parseEnviron(t *testing.T, got harness.Response) environ {
	t.Helper()
	var e environ
	require.Equal(t, http.StatusOK, got.Status, got.Body)
	require.NoError(t, json.Unmarshal([]byte(got.Body), &e), got.Body)
	return e
}

// askEnviron sends a request with the headers given as "Name: value" and returns the environ that it became.
func askEnviron(t *testing.T, s *harness.Server, path string, headers ...string) environ {
	t.Helper()
	return parseEnviron(t, askRaw(t, s, "GET", path, headers...))
}

// askRaw sends exactly these headers, after Host, on a connection of its own.
func askRaw(t *testing.T, s *harness.Server, method, path string, headers ...string) harness.Response {
	t.Helper()
	conn := s.Dial()
	defer conn.Close()
	conn.Send(head(method, path, headers...))
	got, err := conn.Receive(method)
	require.NoError(t, err)
	return got
}

// head is the head of a request. A header "Host" replaces the one that it has otherwise.
func head(method, path string, headers ...string) string {
	lines := []string{method + " " + path + " HTTP/1.1"}
	if !strings.HasPrefix(strings.Join(headers, "\n"), "Host:") {
		lines = append(lines, "Host: localhost")
	}
	return strings.Join(append(lines, headers...), "\r\n") + "\r\n\r\n"
}

// copyApp puts a file of tests/apps somewhere into the server's own folder.
func copyApp(t *testing.T, s *harness.Server, app, to string) {
	t.Helper()
	text, err := os.ReadFile(harness.Source("tests/apps/" + app))
	require.NoError(t, err)
	s.WriteFile(to, string(text))
}

// timesLogged counts the lines of the error log that match.
func timesLogged(s *harness.Server, pattern string) int {
	re, n := regexp.MustCompile(pattern), 0
	for _, line := range harness.ParseLog(s.ErrorLog()) {
		if re.MatchString(line.Text) {
			n++
		}
	}
	return n
}

// assertLoggedOnce runs f and asserts that it added one line to the log that matches, and no other line of ours.
func assertLoggedOnce(t *testing.T, s *harness.Server, pattern string, f func()) {
	t.Helper()
	const ours = `\[(go)?wsgi:[a-z]+\] .*\[client `
	before, all := timesLogged(s, pattern), timesLogged(s, ours)
	f()
	assert.Equal(t, before+1, timesLogged(s, pattern), "lines that match %s", pattern)
	assert.Equal(t, all+1, timesLogged(s, ours), "lines logged by the module")
}

// marker is a file through which an application and a test tell each other how far they are; both see it in any mode.
type marker struct {
	s    *harness.Server
	Path string
}

// newMarker names a file that is not there yet. The application may write it; a test sets it with Set.
func newMarker(t *testing.T, s *harness.Server, name string) marker {
	t.Helper()
	m := marker{s, s.Path("data/" + name)}
	require.NoFileExists(t, m.Path)
	return m
}

func (m marker) Set() { m.s.WriteFile(strings.TrimPrefix(m.Path, m.s.Path("")+"/"), "") }

// Text waits for the file and returns its text: applications move it to its name when it is complete.
func (m marker) Text(t *testing.T) string {
	t.Helper()
	harness.Eventually(t, func() bool { _, err := os.Stat(m.Path); return err == nil }, "the application to write "+m.Path)
	text, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	return string(text)
}

// query makes a query string of names and values in turn.
func query(pairs ...any) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%c%v=%v", "?&"[min(i, 1)], pairs[i], pairs[i+1])
	}
	return b.String()
}
