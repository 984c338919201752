package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// eachStart runs body in each mode; for httpd's own processes, with Python started by each of them and by their parent.
func eachStart(t *testing.T, body func(t *testing.T, mode harness.Mode, lazy string)) {
	t.Helper()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		for _, lazy := range []string{"On", "Off"} {
			if mode.Daemon && lazy == "Off" {
				continue // daemon processes have no Python from Apache's parent
			}
			t.Run("lazy="+lazy, func(t *testing.T) { body(t, mode, "WSGILazyInitialization "+lazy+"\n") })
		}
	})
}

// Directories come at the end of sys.path, in the order given, each with what its .pth files name.
func TestPythonPath(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	writeFile(t, dir+"/a/found_a.py", "value = 'a'\n")
	writeFile(t, dir+"/a/found_twice.py", "value = 'a'\n")
	writeFile(t, dir+"/a/more.pth", "# a comment\negg.zip\nnot-there\nimport sys; sys.from_pth = 'yes'\n")
	writeFile(t, dir+"/a/egg.zip/found_egg.py", "value = 'egg'\n")
	writeFile(t, dir+"/b with space/found_b.py", "value = 'b'\n")
	writeFile(t, dir+"/b with space/found_twice.py", "value = 'b'\n")
	writeFile(t, dir+"/b with space/json.py", "raise ImportError('not instead of the standard library')\n")
	eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
		mode = mode.PythonPath(dir + "/a:" + dir + "/b with space")
		s := harness.Start(t, harness.Config{Mode: mode, Env: []string{"PYTHONPATH=" + dir + "/env"}, Conf: conf + factsConf})
		for _, path := range []string{"/facts", "/sub"} {
			got := ask[pythonFacts](t, s, path+"?found_a,found_b,found_egg,found_twice")
			assert.Equal(t, map[string]string{"found_a": "a", "found_b": "b", "found_egg": "egg", "found_twice": "a"}, got.Values)
			assert.Equal(t, []string{dir + "/a", dir + "/a/egg.zip", dir + "/b with space"}, got.Path[len(got.Path)-3:], path)
		}
	})
}

// PYTHONPATH of the server's environment is not overridden by the directive.
func TestPythonPathKeepsEnvironment(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	writeFile(t, dir+"/env/found_env.py", "value = 'env'\n")
	writeFile(t, dir+"/conf/found_conf.py", "value = 'conf'\n")
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode.PythonPath(dir + "/conf"), Env: []string{"PYTHONPATH=" + dir + "/env"}, Conf: factsConf})
		got := ask[pythonFacts](t, s, "/facts?found_env,found_conf")
		assert.Less(t, slices.Index(got.Path, dir+"/env"), slices.Index(got.Path, dir+"/conf"))
	})
}

func TestPythonEggs(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode.PythonEggs("${DATA}"), Conf: factsConf})
		assert.Equal(t, s.Path("data"), ask[pythonFacts](t, s, "/facts").Eggs)
		assert.Equal(t, s.Path("data"), ask[pythonFacts](t, s, "/sub").Eggs)
	})
}

func TestPythonOptimize(t *testing.T) {
	t.Parallel()
	for level := range 3 {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
				s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf("%sWSGIPythonOptimize %d\n%s", conf, level, factsConf)})
				for _, path := range []string{"/facts", "/sub"} {
					got := ask[pythonFacts](t, s, path)
					assert.Equal(t, level, got.Optimize)
					assert.Equal(t, level == 0, got.Asserts, "assert statements")
					assert.Equal(t, level < 2, got.Docstring != nil, "docstrings")
				}
			})
		})
	}
}

// Python looks for its library where the executable is, without running it.
func TestPythonExecutable(t *testing.T) {
	t.Parallel()
	python := serverPython(t)
	dir := publicDir(t)
	writeFile(t, dir+"/bin/python3", "#!/bin/sh\nexit 1\n")
	require.NoError(t, os.Chmod(dir+"/bin/python3", 0o755))
	require.NoError(t, os.MkdirAll(dir+"/lib", 0o755))
	library := filepath.Join("lib", "python"+python.Version)
	require.NoError(t, os.Symlink(filepath.Join(python.Prefix, library), filepath.Join(dir, library)))
	eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: fmt.Sprintf("%sWSGIPythonExecutable %s/bin/python3\n%s", conf, dir, factsConf)})
		got := ask[pythonFacts](t, s, "/facts")
		assert.Equal(t, dir, got.Prefix)
		assert.Equal(t, dir+"/bin/python3", got.Executable)
		for _, place := range got.Path {
			assert.False(t, strings.HasPrefix(place, python.Prefix+"/lib/python"), "%s", place)
		}
	})
}

// Off: the parent starts Python before it forks, keeps it over restarts, and does not grow by that.
func TestLazyInitializationOff(t *testing.T) {
	t.Parallel()
	for _, mpm := range []string{harness.Event, harness.Prefork} {
		t.Run(mpm, func(t *testing.T) {
			s := harness.Start(t, harness.Config{MPM: mpm, Threads: 4, Conf: "WSGILazyInitialization Off\n" + factsConf + helloConf + `
				WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=%{GLOBAL} application-group=%{GLOBAL}`})
			s.Expect(`preload.wsgi in group ''`)
			assert.True(t, hasLoaded(t, s.PID(), "libpython"), "Python runs in the parent")
			assert.False(t, hasLoaded(t, s.PID(), "libgowsgi-"), "Go never runs in the parent")
			check := func() {
				assertHello(t, s)
				got := ask[pythonFacts](t, s, "/facts")
				assert.Equal(t, s.PID(), got.Parent)
				assert.NotEqual(t, s.PID(), ask[pythonFacts](t, s, "/sub").PID)
			}
			check()
			s.WaitLog(`preload.wsgi in group '', main thread: True`)
			assertParentDoesNotGrow(t, s, 10, s.Graceful, check)
			assert.Equal(t, 1, strings.Count(mappings(t, s.PID()), "r-xp"), "libpython is there once")
		})
	}
}

// Turned On by a restart, it leaves the parent with the Python that it has, and its children work.
func TestLazyInitializationTurnedOn(t *testing.T) {
	t.Parallel()
	lazy := filepath.Join(publicDir(t), "lazy.conf")
	writeFile(t, lazy, "WSGILazyInitialization Off\n")
	s := harness.Start(t, harness.Config{Conf: "Include " + lazy + "\n" + factsConf + helloConf})
	assertHello(t, s)
	writeFile(t, lazy, "WSGILazyInitialization On\n")
	for range 2 {
		s.Graceful()
		assertHello(t, s)
		assert.Equal(t, s.PID(), ask[pythonFacts](t, s, "/facts").Parent)
	}
}

// mappings are the lines of /proc/PID/maps about libpython.
func mappings(t *testing.T, pid int) string {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	var lines []string
	for _, line := range strings.Split(string(maps), "\n") {
		if strings.Contains(line, "libpython") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestLazyInitializationOn(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: factsConf})
	assert.Equal(t, s.PID(), ask[pythonFacts](t, s, "/facts").Parent)
	assert.False(t, hasLoaded(t, s.PID(), "libpython"), "no Python in the parent")
	assert.False(t, hasLoaded(t, s.PID(), "libgowsgi-"))
}
