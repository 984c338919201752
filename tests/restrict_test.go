package tests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const restrictConf = `
WSGIScriptAlias /main "${APPS}/restrict/restrict.wsgi" application-group=%{GLOBAL}
WSGIScriptAlias /sub "${APPS}/restrict/restrict.wsgi" application-group=sub
`

func TestRestrictByDefault(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: restrictConf})
		for _, at := range groupPaths {
			for _, use := range []string{"/stdin", "/stdin_fileno", "/ask"} {
				assert.Regexp(t, `^\w+: .*'WSGIRestrictStdin Off'|^\w+: .*'WSGIRestrictStdout Off'`, s.Get(at+use).Body, use)
			}
			for _, use := range []string{"/stdout", "/stdout_write"} {
				assert.Regexp(t, `^\w+: sys.stdout is restricted .*'WSGIRestrictStdout Off'`, s.Get(at+use).Body, use)
			}
			assert.Equal(t, "False", s.Get(at+"/stdout_isatty").Body, "a question that frameworks ask is answered")
			assert.Equal(t, "done", s.Get(at+"/replace").Body)
			assert.Equal(t, "same", s.Get(at+"/register").Body, "the registration is ignored")
		}
		s.Expect(`GWSGI0701: ignored the registration of a handler for signal 15 at .*restrict.wsgi:\d+ \(application group ''\)`,
			`GWSGI0701: .* \(application group 'sub'\)`)
		s.Graceful()
		assert.Equal(t, "done", s.Get("/main/replace").Body)
	})
}

func TestRestrictOff(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: restrictConf + `
			WSGIRestrictStdin Off
			WSGIRestrictStdout Off
			WSGIRestrictSignal Off`})
		for _, at := range groupPaths {
			assert.Equal(t, "", s.Get(at+"/stdin").Body, "the server's standard input is /dev/null")
			assert.Equal(t, "done", s.Get(at+"/stdout").Body)
			assert.Equal(t, "done", s.Get(at+"/stdout_write").Body)
			assert.Regexp(t, `^ValueError: signal only works in main thread`, s.Get(at+"/register").Body, "Python's own rule")
		}
		s.Expect(`\[gowsgi:error\] .*printed by group ''$`, `\[gowsgi:error\] .*printed by group 'sub'$`, `\[gowsgi:error\] .*written in pieces$`)
	})
}

// Scripts that are imported at start run on Python's main thread, so they may register handlers.
func TestRestrictSignalOffInImportScript(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: `
				WSGIRestrictSignal Off
				WSGIImportScript "${APPS}/imports/handler.wsgi" application-group=%{GLOBAL} process-group=` + mode.ProcessGroup() + `
				WSGIScriptAlias /count "${APPS}/imports/handler.wsgi" application-group=%{GLOBAL}`})
			assert.Equal(t, "0", s.Get("/count").Body)
			s.Graceful()
			assert.Equal(t, "0", s.Get("/count").Body)
			s.Restart()
			assert.Equal(t, "0", s.Get("/count").Body)
		})
	})
}

// On: there is no Python in Apache's own processes, and it says what to do.
func TestRestrictEmbedded(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: helloConf + "\nWSGIRestrictEmbedded On"})
			if mode.Daemon {
				assertHello(t, s)
			} else {
				s.Expect(`GWSGI0207: .*/hello.wsgi is not run in Apache's own processes: WSGIRestrictEmbedded is On`)
				assert.Equal(t, http.StatusInternalServerError, s.Get("/hello").Status)
			}
			assert.Equal(t, "static\n", s.Get("/").Body)
			for _, pid := range append(s.Children(), s.PID()) {
				assert.False(t, hasLoaded(t, pid, "libpython"))
				assert.False(t, hasLoaded(t, pid, "libgowsgi-"))
			}
		})
	})
}

// Off: names that differ in case only are one script, in one group.
func TestCaseSensitivityOff(t *testing.T) {
	t.Parallel()
	for _, sensitive := range []string{"On", "Off"} {
		t.Run(sensitive, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				s := harness.Start(t, harness.Config{Mode: mode, Conf: "WSGICaseSensitivity " + sensitive + `
					WSGIScriptAlias /apps/ "${RUN}/apps/"`})
				// On this file system they are two files; so the group and the module's name are what shows.
				copyApp(t, s, "groups/one.wsgi", "apps/one.wsgi")
				copyApp(t, s, "groups/one.wsgi", "apps/ONE.wsgi")
				lower, upper := ask[group](t, s, "/apps/one.wsgi"), ask[group](t, s, "/apps/ONE.wsgi")
				if sensitive == "Off" {
					assert.Equal(t, lower.Group, upper.Group)
					assert.Equal(t, lower.Interpreter, upper.Interpreter)
					assert.Equal(t, lower.Name, upper.Name)
				} else {
					assert.NotEqual(t, lower.Group, upper.Group)
					assert.NotEqual(t, lower.Name, upper.Name)
				}
			})
		})
	}
}
