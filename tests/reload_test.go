package tests

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// versionScript answers "VERSION helper=HELPER VERSION loads=N", in pieces; N counts in the interpreter.
const versionScript = `
import sys
path = %q
if path not in sys.path:
    sys.path.append(path)
import helper
VERSION = %q
sys.loads = getattr(sys, "loads", 0) + 1

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield VERSION.encode()
    yield b" helper=" + helper.VERSION.encode()
    yield b" " + VERSION.encode()
    yield b" loads=%%d" %% sys.loads
`

// script is the changing file of a test.
type script struct {
	s    *harness.Server
	time time.Time // of the last version
}

func newScript(s *harness.Server) *script {
	return &script{s: s, time: time.Now().Add(-time.Hour)}
}

// put replaces a file in one step, as an editor or an installer does. Its time differs from that of any version before.
func (f *script) put(name, text string, step time.Duration) {
	f.s.WriteFile(name+".new", text)
	f.time = f.time.Add(step)
	err := os.Chtimes(f.s.Path(name+".new"), f.time, f.time)
	if err == nil {
		err = os.Rename(f.s.Path(name+".new"), f.s.Path(name))
	}
	if err != nil {
		panic(err)
	}
}

// version puts a script, and a module that it imports, in place.
func (f *script) version(name, version string, step time.Duration) {
	f.s.WriteFile("lib/helper.py", fmt.Sprintf("VERSION = %q\n", version))
	// Bytecode of a module written twice in a second would pass for that of the new one.
	os.RemoveAll(f.s.Path("lib/__pycache__"))
	f.put(name, fmt.Sprintf(versionScript, f.s.Path("lib"), version), step)
}

const reloadConf = `
WSGIScriptAlias /app "${RUN}/app.wsgi"
<Location /app>
WSGIApplicationGroup %s
WSGIReloadMechanism %s
</Location>
`

func TestReloadModule(t *testing.T) {
	for _, group := range []string{"%{GLOBAL}", "sub"} {
		t.Run(group, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, group, "Module")})
				f := newScript(s)
				f.version("app.wsgi", "1", time.Second)
				for range 3 {
					assert.Equal(t, "1 helper=1 1 loads=1", s.Get("/app").Body, "loaded once")
				}
				f.version("app.wsgi", "2", time.Second)
				for range 3 {
					assert.Equal(t, "2 helper=1 2 loads=2", s.Get("/app").Body, "a newer file; modules that it imported stay")
				}
				f.version("app.wsgi", "3", -time.Minute)
				assert.Equal(t, "3 helper=1 3 loads=3", s.Get("/app").Body, "an older file is another one as well")
				now := time.Now()
				require.NoError(t, os.Chtimes(s.Path("app.wsgi"), now, now))
				assert.Equal(t, "3 helper=1 3 loads=4", s.Get("/app").Body, "touched")
			})
		})
	}
}

// An interpreter is replaced with all that was in it; the main one cannot be.
func TestReloadInterpreter(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, "sub", "Interpreter") + `
			WSGIScriptAlias /neighbour "${APPS}/groups/one.wsgi"
			WSGIScriptAlias /main "${RUN}/app.wsgi"
			<Location /neighbour>
			WSGIApplicationGroup sub
			</Location>
			<Location /main>
			WSGIApplicationGroup %{GLOBAL}
			WSGIReloadMechanism Interpreter
			</Location>`})
		f := newScript(s)
		f.version("app.wsgi", "1", time.Second)
		assert.Equal(t, "1 helper=1 1 loads=1", s.Get("/app").Body)
		assert.Equal(t, "1 helper=1 1 loads=1", s.Get("/main").Body)
		before := ask[group](t, s, "/neighbour")
		assert.Equal(t, 2, ask[group](t, s, "/neighbour").Calls)
		f.version("app.wsgi", "2", time.Second)
		assert.Equal(t, "2 helper=2 2 loads=1", s.Get("/app").Body, "everything is new")
		assert.Equal(t, "2 helper=1 2 loads=2", s.Get("/main").Body, "the main interpreter stays")
		after := ask[group](t, s, "/neighbour")
		assert.Equal(t, 1, after.Calls, "others in the group went with it")
		assert.NotEqual(t, before.Interpreter, after.Interpreter)
	})
}

func TestReloadOff(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, "sub", "Module") + "WSGIScriptReloading Off"})
		f := newScript(s)
		f.version("app.wsgi", "1", time.Second)
		assert.Equal(t, "1 helper=1 1 loads=1", s.Get("/app").Body)
		f.version("app.wsgi", "2", time.Second)
		assert.Equal(t, "1 helper=1 1 loads=1", s.Get("/app").Body)
	})
}

func TestReloadAfterSyntaxError(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, "sub", "Module")})
		f := newScript(s)
		f.version("app.wsgi", "1", time.Second)
		assert.Equal(t, "1 helper=1 1 loads=1", s.Get("/app").Body)
		s.ExpectTraceback(`SyntaxError: `)
		s.Expect(`GWSGI0501: WSGI script '.*/app.wsgi' \(process group '.*', application group 'sub'\)`)
		f.put("app.wsgi", "def application(environ:\n", time.Second)
		for range 2 {
			assert.Equal(t, http.StatusInternalServerError, s.Get("/app").Status, "not the version before, not a cached failure")
		}
		s.ExpectTraceback(`ZeroDivisionError: `)
		s.Expect(`GWSGI0502: WSGI script '.*/app.wsgi'`)
		f.put("app.wsgi", "1 / 0\n", time.Second)
		assert.Equal(t, http.StatusInternalServerError, s.Get("/app").Status)
		f.version("app.wsgi", "2", time.Second)
		assert.Equal(t, "2 helper=1 2 loads=2", s.Get("/app").Body)
	})
}

// A script that was deleted is not served from memory.
func TestReloadDeletedScript(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, "sub", "Module")})
		f := newScript(s)
		f.version("app.wsgi", "1", time.Second)
		assert.Equal(t, http.StatusOK, s.Get("/app").Status)
		require.NoError(t, os.Remove(s.Path("app.wsgi")))
		s.Expect(`GWSGI0202: `)
		assert.Equal(t, http.StatusNotFound, s.Get("/app").Status)
		f.version("app.wsgi", "2", time.Second)
		assert.Equal(t, "2 helper=1 2 loads=2", s.Get("/app").Body)
	})
}

// The example of the reference: a script that runs again adds to sys.path only once.
func TestReloadKeepsPath(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf(reloadConf, "sub", "Module")})
		f := newScript(s)
		for range 3 {
			f.put("app.wsgi", fmt.Sprintf(`
import sys
path = %q

if path not in sys.path:
    sys.path.append(path)

def application(environ, start_response):
    body = b"%%d" %% sys.path.count(path)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`, s.Path("lib")), time.Second)
			assert.Equal(t, "1", s.Get("/app").Body)
		}
	})
}

var loadedVersion = regexp.MustCompile(`^(\d+) helper=(\d+) (\d+) loads=(\d+)$`)

// Scripts change under the load of many clients: no answer is lost, none is made of two versions, and none is
// older than what was answered before the request was sent.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"Module", "Interpreter"} {
		t.Run(mechanism, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				const clients, versions = 50, 12
				s := harness.Start(t, harness.Config{Mode: mode, Threads: clients, Conf: fmt.Sprintf(reloadConf, "sub", mechanism)})
				f := newScript(s)
				f.version("app.wsgi", "1", time.Second)
				require.Equal(t, "1 helper=1 1 loads=1", s.Get("/app").Body)
				var latest atomic.Int64
				var stop atomic.Bool
				var all sync.WaitGroup
				for range clients {
					all.Add(1)
					go func() {
						defer all.Done()
						for !stop.Load() && !t.Failed() {
							checkVersion(t, s, mechanism, &latest)
						}
					}()
				}
				for v := 2; v <= versions; v++ {
					f.version("app.wsgi", fmt.Sprint(v), time.Second)
					harness.Eventually(t, func() bool { return int(latest.Load()) == v || t.Failed() }, "version %d", v)
				}
				stop.Store(true)
				all.Wait()
				assert.True(t, strings.HasPrefix(s.Get("/app").Body, fmt.Sprint(versions)))
			})
		})
	}
}

func checkVersion(t *testing.T, s *harness.Server, mechanism string, latest *atomic.Int64) {
	before := latest.Load()
	got, err := s.Try(s.Request(http.MethodGet, "/app", nil))
	if !assert.NoError(t, err) {
		return
	}
	match := loadedVersion.FindStringSubmatch(got.Body)
	if !assert.NotNil(t, match, "%d %s", got.Status, got.Body) {
		return
	}
	var version, helper int64
	fmt.Sscan(match[1], &version)
	fmt.Sscan(match[2], &helper)
	assert.Equal(t, match[1], match[3], "made of two versions: %s", got.Body)
	assert.GreaterOrEqual(t, version, before, "older than an answer that came before: %s", got.Body)
	if mechanism == "Interpreter" {
		assert.Equal(t, "1", match[4], "a module was loaded into an interpreter that was used: %s", got.Body)
		assert.GreaterOrEqual(t, helper, version, "an old module in a new interpreter: %s", got.Body)
	}
	for {
		seen := latest.Load()
		if version <= seen || latest.CompareAndSwap(seen, version) {
			return
		}
	}
}
