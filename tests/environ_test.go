package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const environConf = `
ServerAdmin admin@example.com
WSGIScriptAlias /env "${APPS}/env/env.wsgi"
WSGICallableObject application
`

// The names of the environ of the plainest request. Nothing else is in it: none of the names that mod_wsgi dropped, and nothing
// that belongs to the server's own process.
var plainNames = []string{
	"CONTEXT_DOCUMENT_ROOT", "CONTEXT_PREFIX", "DOCUMENT_ROOT", "HTTP_HOST", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR",
	"REMOTE_PORT", "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME", "SERVER_ADDR",
	"SERVER_ADMIN", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "apache.version",
	"mod_wsgi.application_group", "mod_wsgi.application_start", "mod_wsgi.callable_object", "mod_wsgi.connection_id",
	"mod_wsgi.daemon_start", "mod_wsgi.handler_script", "mod_wsgi.listener_host", "mod_wsgi.listener_port",
	"mod_wsgi.path_info", "mod_wsgi.process_group", "mod_wsgi.python", "mod_wsgi.queue_start", "mod_wsgi.request_handler",
	"mod_wsgi.request_id", "mod_wsgi.request_start", "mod_wsgi.script_name", "mod_wsgi.server_pid", "mod_wsgi.thread_id",
	"mod_wsgi.version", "wsgi.errors", "wsgi.file_wrapper", "wsgi.input", "wsgi.input_terminated", "wsgi.multiprocess",
	"wsgi.multithread", "wsgi.run_once", "wsgi.url_scheme", "wsgi.version",
}

func TestEnvironNames(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		e := askEnviron(t, s, "/env")
		names := slices.Sorted(maps.Keys(e.Texts))
		names = append(names, slices.Collect(maps.Keys(e.Others))...)
		slices.Sort(names)
		assert.Equal(t, plainNames, names)
	})
}

func TestEnvironCGI(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		conn := s.Dial()
		host := fmt.Sprintf("localhost:%d", s.Port)
		conn.Send(head("GET", "/env/a/b?x=1&y=%20+", "Host: "+host))
		got, err := conn.Receive("GET")
		require.NoError(t, err)
		e := parseEnviron(t, got)
		_, clientPort, _ := strings.Cut(conn.LocalAddr().String(), ":")
		for name, value := range map[string]string{
			"REQUEST_METHOD":        "GET",
			"REQUEST_URI":           "/env/a/b?x=1&y=%20+",
			"SCRIPT_NAME":           "/env",
			"PATH_INFO":             "/a/b",
			"QUERY_STRING":          "x=1&y=%20+",
			"SERVER_PROTOCOL":       "HTTP/1.1",
			"SERVER_NAME":           "localhost",
			"SERVER_PORT":           strconv.Itoa(s.Port),
			"SERVER_ADDR":           "127.0.0.1",
			"SERVER_ADMIN":          "admin@example.com",
			"REMOTE_ADDR":           "127.0.0.1",
			"REMOTE_PORT":           clientPort,
			"REQUEST_SCHEME":        "http",
			"DOCUMENT_ROOT":         s.Path("htdocs"),
			"CONTEXT_DOCUMENT_ROOT": s.Path("htdocs"),
			"CONTEXT_PREFIX":        "",
			"SCRIPT_FILENAME":       harness.App(t, "env/env.wsgi"),
			"HTTP_HOST":             host,
		} {
			assert.Equal(t, value, e.Texts[name], name)
		}
		assert.Regexp(t, `^Apache`, e.Texts["SERVER_SOFTWARE"])
	})
}

func TestEnvironWSGI(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf, Threads: 3})
		e := askEnviron(t, s, "/env/x")
		assert.Equal(t, "http", e.Texts["wsgi.url_scheme"])
		assert.Equal(t, "(1, 0)", e.Others["wsgi.version"])
		assert.Equal(t, "False", e.Others["wsgi.run_once"])
		assert.Equal(t, "True", e.Others["wsgi.input_terminated"])
		assert.Contains(t, e.Others["wsgi.input"], "mod_wsgi.Input")
		assert.Contains(t, e.Others["wsgi.file_wrapper"], "mod_wsgi.FileWrapper")
		assert.Equal(t, "True", e.Facts["same file_wrapper"])
		assert.Equal(t, "<wsgi.errors>", e.Facts["errors name"])
		assert.Equal(t, "True", e.Facts["exact dict"])
		assert.Contains(t, []string{"True", "False"}, e.Others["wsgi.multithread"])
		assert.Contains(t, []string{"True", "False"}, e.Others["wsgi.multiprocess"])
	})
}

// What is said of threads and processes is what the MPM may start, and what WSGIDaemonProcess says.
func TestEnvironThreadsAndProcesses(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		type test struct {
			mpm                       string
			children, threads         int
			options                   string
			multithread, multiprocess string
		}
		tests := []test{
			{harness.Event, 1, 3, "", "True", "False"},
			{harness.Worker, 2, 3, "", "True", "True"},
			{harness.Prefork, 1, 4, "", "False", "True"},
		}
		if mode.Daemon { // the MPM does not matter to it
			tests = []test{
				{harness.Event, 1, 3, "", "True", "False"},
				{harness.Prefork, 2, 3, "", "True", "True"},
				{harness.Event, 1, 1, "", "False", "False"},
				{harness.Prefork, 1, 4, "processes=1", "True", "True"}, // others may serve the same application
			}
		}
		for _, test := range tests {
			s := harness.Start(t, harness.Config{Mode: mode.With(test.options), MPM: test.mpm, Conf: environConf, Children: test.children,
				Threads: test.threads})
			e := askEnviron(t, s, "/env")
			assert.Equal(t, test.multithread, e.Others["wsgi.multithread"], "%+v", test)
			assert.Equal(t, test.multiprocess, e.Others["wsgi.multiprocess"], "%+v", test)
			s.Stop()
		}
	})
}

func TestEnvironModWSGI(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		before := float64(time.Now().UnixMicro()) / 1e6
		e := askEnviron(t, s, "/env/x//y")
		assert.Equal(t, fmt.Sprintf("localhost:%d|/env", s.Port), e.Texts["mod_wsgi.application_group"])
		assert.Equal(t, "application", e.Texts["mod_wsgi.callable_object"])
		assert.Equal(t, "wsgi-script", e.Texts["mod_wsgi.request_handler"])
		assert.Equal(t, "", e.Texts["mod_wsgi.handler_script"])
		assert.Equal(t, "/env", e.Texts["mod_wsgi.script_name"])
		assert.Equal(t, e.Texts["PATH_INFO"], e.Texts["mod_wsgi.path_info"])
		assert.Equal(t, "127.0.0.1", e.Texts["mod_wsgi.listener_host"])
		assert.Equal(t, strconv.Itoa(s.Port), e.Texts["mod_wsgi.listener_port"])
		assert.Regexp(t, `^\S{8,}$`, e.Texts["mod_wsgi.request_id"])
		assert.Regexp(t, `^\S{8,}$`, e.Texts["mod_wsgi.connection_id"])
		assert.Regexp(t, `^[1-9]\d*$`, e.Others["mod_wsgi.thread_id"])
		assert.Regexp(t, `^\(\d+, \d+, \d+\)$`, e.Others["mod_wsgi.version"])
		assert.Regexp(t, `^\(2, 4, \d+\)$`, e.Others["apache.version"])
		assert.Equal(t, e.Others["mod_wsgi.version"], e.Facts["module version"])
		assert.Equal(t, e.Others["apache.version"], e.Facts["apache version"])
		assert.Equal(t, e.Texts["mod_wsgi.process_group"], e.Facts["module process_group"])
		assert.Equal(t, e.Texts["mod_wsgi.application_group"], e.Facts["module application_group"])
		assert.Equal(t, "['mod_wsgi']", e.Facts["argv"])
		assert.Equal(t, mode.Group, e.Texts["mod_wsgi.process_group"])
		assert.Regexp(t, `^`+builtFor(t)+`\.\d+\S*$`, e.Texts["mod_wsgi.python"])
		server, err := strconv.Atoi(e.Texts["mod_wsgi.server_pid"])
		require.NoError(t, err)
		assert.Contains(t, s.Children(), server)
		process, err := strconv.Atoi(e.Facts["pid"])
		require.NoError(t, err)
		assert.Contains(t, s.AppProcesses(), process)
		if mode.Daemon {
			assertOrdered(t, e, before, "mod_wsgi.request_start", "mod_wsgi.queue_start", "mod_wsgi.daemon_start", "mod_wsgi.application_start")
		} else {
			assert.Equal(t, server, process)
			assert.Equal(t, "0.0", e.Others["mod_wsgi.queue_start"])
			assert.Equal(t, "0.0", e.Others["mod_wsgi.daemon_start"])
			assertOrdered(t, e, before, "mod_wsgi.request_start", "mod_wsgi.application_start")
		}
	})
}

// assertOrdered asserts that the times come one after the other, between before and now.
func assertOrdered(t *testing.T, e environ, before float64, names ...string) {
	t.Helper()
	for _, name := range names {
		at, err := strconv.ParseFloat(e.Others[name], 64)
		require.NoError(t, err, name)
		// Less than the microsecond that a float of this size cannot tell.
		assert.GreaterOrEqual(t, at+1e-5, before, name)
		before = at
	}
	assert.GreaterOrEqual(t, float64(time.Now().UnixMicro())/1e6+1e-5, before)
}

// Two requests are told apart by their request_id, and their connection by its connection_id.
func TestEnvironIDs(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		conn := s.Dial()
		var seen []environ
		for range 2 {
			conn.Send(head("GET", "/env"))
			got, err := conn.Receive("GET")
			require.NoError(t, err)
			seen = append(seen, parseEnviron(t, got))
		}
		other := askEnviron(t, s, "/env")
		assert.NotEqual(t, seen[0].Texts["mod_wsgi.request_id"], seen[1].Texts["mod_wsgi.request_id"])
		assert.Equal(t, seen[0].Texts["mod_wsgi.connection_id"], seen[1].Texts["mod_wsgi.connection_id"])
		assert.NotEqual(t, seen[0].Texts["mod_wsgi.connection_id"], other.Texts["mod_wsgi.connection_id"])
	})
}

// SetEnv is for environ; os.environ is the process's and stays what the service manager gave.
func TestEnvironIsNotOSEnviron(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf + "SetEnv FROM_SETENV yes\n",
			Modules: []string{"env"}, Env: []string{"FROM_SERVICE=yes"}})
		e := askEnviron(t, s, "/env")
		var process map[string]string
		require.NoError(t, json.Unmarshal([]byte(e.Facts["os.environ"]), &process))
		assert.Equal(t, "yes", e.Texts["FROM_SETENV"])
		assert.NotContains(t, process, "FROM_SETENV")
		assert.NotContains(t, e.Texts, "FROM_SERVICE")
		assert.Equal(t, "yes", process["FROM_SERVICE"])
	})
}

// What an application does to its environ is not in the next request's.
func TestEnvironIsFresh(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: environConf})
		first := askEnviron(t, s, "/env/a?b", "X-Once: 1", "Content-Type: text/x-once")
		assert.Equal(t, "1", first.Texts["HTTP_X_ONCE"])
		assert.Equal(t, "text/x-once", first.Texts["CONTENT_TYPE"])
		second := askEnviron(t, s, "/env")
		assert.NotContains(t, second.Texts, "HTTP_X_ONCE")
		assert.NotContains(t, second.Texts, "CONTENT_TYPE")
		assert.Equal(t, "", second.Texts["QUERY_STRING"])
		assert.Equal(t, "", second.Texts["PATH_INFO"])
	})
}

func TestEnvironUseCanonicalName(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		conf := environConf + `
<VirtualHost *>
  ServerName canonical.example.com:8443
  ServerAlias *
  UseCanonicalName On
  UseCanonicalPhysicalPort Off
</VirtualHost>`
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		e := askEnviron(t, s, "/env", "Host: other.example.com:81")
		assert.Equal(t, "canonical.example.com", e.Texts["SERVER_NAME"])
		assert.Equal(t, "8443", e.Texts["SERVER_PORT"])
		assert.Equal(t, "other.example.com:81", e.Texts["HTTP_HOST"])
		assert.Equal(t, "canonical.example.com:8443|/env", e.Texts["mod_wsgi.application_group"])
	})
}
