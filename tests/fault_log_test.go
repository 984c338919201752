package tests

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// talkConf has two virtual hosts with logs of their own; both have a daemon process group.
const talkConf = `
	WSGISocketPrefix ${RUN}/wsgi
	Listen 127.0.0.1:${PORT2}
	<VirtualHost 127.0.0.1:${PORT}>
		ServerName one
		ErrorLog "${RUN}/one.log"
		WSGIDaemonProcess one threads=3
		WSGIProcessGroup one
		WSGIApplicationGroup %{GLOBAL}
		WSGIScriptAlias /talk "${APPS}/fault/talk.wsgi"
		WSGIScriptAlias /death "${APPS}/daemon/speaking.wsgi"
		WSGIImportScript "${APPS}/fault/talk.wsgi" process-group=one application-group=imported
	</VirtualHost>
	<VirtualHost 127.0.0.1:${PORT2}>
		ServerName two
		ErrorLog "${RUN}/two.log"
		WSGIDaemonProcess two threads=3
		WSGIProcessGroup two
		WSGIApplicationGroup %{GLOBAL}
		WSGIScriptAlias /talk "${APPS}/fault/talk.wsgi"
	</VirtualHost>
`

// marksPattern is the line below a traceback's source line that marks a part of it, as some versions of Python do.
var marksPattern = regexp.MustCompile(`^(CLIENT )? +[~^]+$`)

// errorLinesOf are the lines of level error of one virtual host's log, without time and process, and without marks; the client is
// "CLIENT".
func errorLinesOf(t *testing.T, s *harness.Server, name string) []string {
	t.Helper()
	text, err := os.ReadFile(s.Path(name))
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^\[[^\]]*\] \[gowsgi:(?:error|crit|warn)\] \[pid \d+:tid \d+\] (?:\[client (127\.0\.0\.1:\d+)\] )?(.*)$`)
	var all []string
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			m[2] = "CLIENT " + m[2]
		}
		if !marksPattern.MatchString(m[2]) {
			all = append(all, m[2])
		}
	}
	return all
}

// Everything that applications write, on purpose or because they fail, is in the log of their virtual host and in no other; what
// belongs to a request has its client.
func TestFaultLogs(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: strings.Replace(talkConf, "Listen 127.0.0.1:${PORT2}", "", 1), ExtraPorts: 1, MayCrash: true})
	harness.Eventually(t, func() bool { return len(errorLinesOf(t, s, "one.log")) >= 2 }, "the imported script's lines")
	assert.Equal(t, []string{"printed while importing", "written while importing"}, errorLinesOf(t, s, "one.log"))

	imported := []string{"CLIENT printed while importing", "CLIENT written while importing"}
	spoken := []string{"CLIENT printed by a request", "CLIENT wsgi.errors of a request"}
	expect := func(path string, status int, lines ...string) {
		t.Helper()
		before := len(errorLinesOf(t, s, "one.log"))
		assert.Equal(t, status, s.Get(path).Status)
		harness.Eventually(t, func() bool { return len(errorLinesOf(t, s, "one.log")) >= before+len(lines) }, "%v", lines)
		got := errorLinesOf(t, s, "one.log")[before:]
		if assert.Len(t, got, len(lines), "%q", got) {
			for i, line := range lines {
				assert.Contains(t, got[i], line)
			}
		}
	}
	expect("/talk/", http.StatusOK, append(imported, spoken...)...)
	expect("/talk/", http.StatusOK, spoken...)
	before := len(errorLinesOf(t, s, "one.log"))
	assert.Equal(t, http.StatusOK, s.Get("/talk/thread").Status)
	assert.ElementsMatch(t, append(spoken, "printed by a thread"), errorLinesOf(t, s, "one.log")[before:])
	expect("/talk/raise", http.StatusInternalServerError, append(spoken, "CLIENT GWSGI0601: ", "CLIENT Traceback (most recent call last):",
		"CLIENT   File ", "CLIENT     ENDS.get(", "CLIENT   File ", "CLIENT     raise LookupError(", "CLIENT LookupError: raised on demand")...)
	before = len(errorLinesOf(t, s, "one.log"))
	assert.Equal(t, http.StatusInternalServerError, s.Get("/talk/exit").Status)
	harness.Eventually(t, func() bool {
		return strings.Contains(strings.Join(errorLinesOf(t, s, "one.log")[before:], "\n"), "left on demand")
	}, "SystemExit")
	for _, line := range errorLinesOf(t, s, "one.log")[before:] {
		assert.Contains(t, line, "CLIENT ")
	}

	assert.Equal(t, http.StatusBadGateway, s.Get("/death/exit").Status)
	harness.Eventually(t, func() bool {
		text := strings.Join(errorLinesOf(t, s, "one.log"), "\n")
		return strings.Contains(text, "CLIENT GWSGI1113: ") && strings.Contains(text, "\nGWSGI0902: ")
	}, "the end of the process")
	assert.Empty(t, errorLinesOf(t, s, "two.log"))
	assert.Empty(t, found(s, `gowsgi:error`), "error.log")
}
