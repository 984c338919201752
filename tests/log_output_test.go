package tests

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const logsConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /logs/ "${APPS}/logs/"
`

// logged asks the application to write and returns the texts of the lines of level error that this added, each of which must
// carry the client's address.
func logged(t *testing.T, s *harness.Server, how string) []string {
	t.Helper()
	record := regexp.MustCompile(`^\[[^\]]*\] \[(?:go)?wsgi:error\] \[pid \d+:tid \d+\] \[client (127\.0\.0\.1:\d+)\] (.*)$`)
	before := len(harness.ParseLog(s.ErrorLog()))
	conn := s.Dial()
	conn.Send(head("GET", "/logs/write.wsgi?"+how))
	got, err := conn.Receive("GET")
	require.NoError(t, err)
	require.Equal(t, "done", got.Body)
	var texts []string
	for _, line := range harness.ParseLog(s.ErrorLog())[before:] {
		if m := record.FindStringSubmatch(line.Text); m != nil {
			assert.Equal(t, conn.LocalAddr().String(), m[1], "the client's address in: %s", line.Text)
			texts = append(texts, m[2])
		} else {
			assert.NotContains(t, line.Text, "wsgi:error", "a line without client")
		}
	}
	return texts
}

// What an application writes to wsgi.errors and sys.stderr is in the log line by line, with the request's context, when the
// response is there.
func TestLogOfApplication(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: logsConf})
		s.Allow(`gowsgi:error`)
		assert.Equal(t, []string{"one line", "two lines", "", "after an empty one", "a list", "of lines", "printed words",
			"printed to stderr", "without an end"}, logged(t, s, "lines"))
		assert.Equal(t, []string{"flushed", " apart"}, logged(t, s, "flush"))
		assert.Equal(t, []string{"from the logging module"}, logged(t, s, "logging"))
		assert.Equal(t, []string{"raised ['TypeError', 'TypeError', 'UnsupportedOperation']"}, logged(t, s, "wrong"))
	})
}

// httpd escapes what is not printable ASCII, byte by byte of the UTF-8.
func TestLogOfUnicode(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: logsConf})
		s.Allow(`gowsgi:error`)
		assert.Equal(t, []string{
			`caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80`,
			`lone \\udcff surrogate`,
			`control \x07\x1b[31m\r tab\t`,
		}, logged(t, s, "unicode"))
	})
}

// A line that is too long for one record is in several, and nothing of it is lost.
func TestLogOfLongLine(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: logsConf})
		s.Allow(`gowsgi:error`)
		texts := logged(t, s, "long")
		assert.Greater(t, len(texts), 1)
		assert.Equal(t, "long "+strings.Repeat("0123456789", 2000), strings.Join(texts, ""))
	})
}

// A thread of the application has the request's stream, but no request: its sys.stderr has no client. A stream that was kept
// beyond its request writes to the server's log.
func TestLogBeyondRequest(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: logsConf})
		s.Expect(`wsgi:error\] \[pid [^]]*\] \[client [^]]*\] by a thread$`, `wsgi:error\] \[pid [^]]*\] stderr of a thread$`,
			`wsgi:error\] \[pid [^]]*\] after its request$`)
		for _, how := range []string{"thread", "keep", "kept"} {
			assert.Equal(t, "done", s.Get("/logs/write.wsgi?"+how).Body)
		}
	})
}

// A virtual host's log has what its requests log, also what went wrong.
func TestLogOfVirtualHost(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := logsConf + `
WSGIScriptAlias /errors/ "${APPS}/errors/"
`
		for _, name := range []string{"one", "two"} {
			conf += fmt.Sprintf("<VirtualHost *>\n ServerName %s\n ErrorLog \"${RUN}/%s.log\"\n</VirtualHost>\n", name, name)
		}
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		for _, name := range []string{"one", "two"} {
			assert.Equal(t, 200, askRaw(t, s, "GET", "/logs/write.wsgi?lines", "Host: "+name).Status)
			assert.Equal(t, 500, askRaw(t, s, "GET", "/errors/raise.wsgi?before", "Host: "+name).Status)
			text, err := os.ReadFile(s.Path(name + ".log"))
			require.NoError(t, err)
			for _, part := range []string{"one line", "printed to stderr", "without an end", "GWSGI0601", "RuntimeError: raised before"} {
				assert.Equal(t, 1, strings.Count(string(text), "] "+part), "%s in %s.log", part, name)
			}
		}
	})
}
