package tests

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// Each process loads the scripts before its first request: into the main interpreter on Python's main thread, and into a group of
// its own.
func TestImportScript(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Children: 1, Threads: 2, Conf: `
				Define GROUP ` + mode.ProcessGroup() + `
				WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=${GROUP} application-group=%{GLOBAL}
				WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=${GROUP} application-group=named
				WSGIScriptAlias /main "${APPS}/imports/preload.wsgi" application-group=%{GLOBAL}
				WSGIScriptAlias /named "${APPS}/imports/preload.wsgi" application-group=named
				WSGIScriptAlias /other "${APPS}/imports/preload.wsgi" application-group=other`})
			s.Expect(`preload.wsgi in group`)
			s.WaitLog(`preload.wsgi in group '', main thread: True`)
			s.WaitLog(`preload.wsgi in group 'named'`)
			assert.Equal(t, "1", s.Get("/main").Body, "the request uses what was loaded")
			assert.Equal(t, "1", s.Get("/named").Body)
			assert.Zero(t, timesLogged(s, `preload.wsgi in group 'other'`))
			assert.Equal(t, "1", s.Get("/other").Body)
			assert.Equal(t, 1, timesLogged(s, `preload.wsgi in group 'other'`))
			s.Graceful()
			harness.Eventually(t, func() bool { return timesLogged(s, `preload.wsgi in group ''`) >= 2 }, "the next generation's imports")
			assert.Equal(t, "1", s.Get("/main").Body)
		})
	})
}

// A script for the processes of a daemon group is not loaded in Apache's own; one of a virtual host is.
func TestImportScriptPicksItsProcess(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess elsewhere
		WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=elsewhere application-group=theirs
		<VirtualHost *>
		ServerName localhost
		WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=%{GLOBAL} application-group=%{GLOBAL}
		WSGIScriptAlias /main "${APPS}/imports/preload.wsgi" application-group=%{GLOBAL}
		</VirtualHost>`})
	s.Expect(`preload.wsgi in group ''`)
	s.Allow(`preload.wsgi in group 'theirs'`) // said by the daemon process
	s.WaitLog(`preload.wsgi in group ''`)
	s.WaitLog(`of process group 'elsewhere' is ready`)
	assert.Equal(t, "1", s.Get("/main").Body)
	for _, child := range s.Children() {
		assert.Zero(t, timesLogged(s, fmt.Sprintf(`\[pid %d:.*preload.wsgi in group 'theirs'`, child)))
	}
}

// Scripts that fail at start are told, and the server serves.
func TestImportScriptThatFails(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: `
			Define GROUP ` + mode.ProcessGroup() + `
			WSGIImportScript "${APPS}/imports/failing.wsgi" process-group=${GROUP} application-group=%{GLOBAL}
			WSGIImportScript "${APPS}/imports/exits.wsgi" process-group=${GROUP} application-group=named
			WSGIImportScript "${RUN}/missing.wsgi" process-group=${GROUP} application-group=%{GLOBAL}
			WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=${GROUP} application-group=%{GLOBAL}
			WSGIScriptAlias /main "${APPS}/imports/preload.wsgi" application-group=%{GLOBAL}
			WSGIScriptAlias /failing "${APPS}/imports/failing.wsgi" application-group=%{GLOBAL}
			` + helloConf})
		s.ExpectTraceback(`LookupError: not at start`)
		s.Allow(`SystemExit: not at start`)
		s.Expect(`GWSGI0502: WSGI script '.*/failing.wsgi' \(process group '`+mode.Group+`', application group ''\)`,
			`GWSGI\d+: WSGI script '.*/exits.wsgi' \(process group '`+mode.Group+`', application group 'named'\)`,
			`GWSGI0503: WSGI script '.*/missing.wsgi' .* was not loaded at start`, `preload.wsgi in group ''`)
		s.WaitLog(`GWSGI0503: `)
		assertHello(t, s)
		assert.Equal(t, "1", s.Get("/main").Body, "the others were loaded")
		assert.Equal(t, http.StatusInternalServerError, s.Get("/failing").Status)
	})
}
