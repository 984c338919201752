package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about daemon process groups that run another Python than Apache's own processes: python=.

// anotherPython is a Python of another version than the one that the module was built for first.
type anotherPython struct {
	Program  string // its file, with the version in the name
	Version  string
	Prefix   string
	Release  string   // "3.13.0"
	Original string   // what Program is a copy of, or Program itself: what to build for
	Env      []string // for the server: where libpython is, of a copy
}

// staged is a copy of a Python that lies where the server's user cannot get, such as root's home.
func (p anotherPython) staged(t *testing.T) anotherPython {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "gowsgi-python-")
	require.NoError(t, err)
	harness.AtEnd(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	name := "python" + p.Version
	out, err := exec.Command("sh", "-c", `cd "$1" && tar cf - --exclude="lib/$3/test" --exclude="lib/$3/site-packages/*" "bin/$3" "lib/$3" lib/libpython3.* | tar xf - -C "$2"`,
		"sh", p.Prefix, dir, name).CombinedOutput()
	require.NoError(t, err, string(out))
	p.Prefix, p.Program = dir, filepath.Join(dir, "bin", name)
	p.Env = []string{"LD_LIBRARY_PATH=" + dir + "/lib"}
	return p
}

// minor is the 13 of .../python3.13; 0 when there is none.
func minor(program string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(filepath.Ext(program), "."))
	return n
}

// findAnother looks where Pythons are, for the newest that is not of that version.
func findAnother(version string) anotherPython {
	var found []string
	for _, pattern := range []string{"/root/.pyenv/versions/3.*/bin/python3.*", os.Getenv("HOME") + "/.pyenv/versions/3.*/bin/python3.*",
		"/opt/python/*/bin/python3.*", "/usr/bin/python3.*"} {
		programs, _ := filepath.Glob(pattern)
		found = append(found, programs...)
	}
	slices.SortStableFunc(found, func(a, b string) int { return minor(b) - minor(a) })
	for _, program := range found {
		if python, ok := describePython(program); ok && python.Version != version {
			return python
		}
	}
	return anotherPython{}
}

var programName = regexp.MustCompile(`^python3\.\d+$`)

// describePython asks a program. ok is false when the module cannot be built for it.
func describePython(program string) (python anotherPython, ok bool) {
	if !programName.MatchString(filepath.Base(program)) || exec.Command(program, "-I", "-S", harness.Source("pyembed/buildinfo.py")).Run() != nil {
		return python, false
	}
	out, err := exec.Command(program, "-I", "-c", `import sys, sysconfig
print("%d.%d" % sys.version_info[:2], sys.prefix, sys.version.split()[0], sysconfig.get_config_var("Py_GIL_DISABLED") or 0)`).Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) != 4 || fields[3] == "1" {
		return python, false
	}
	return anotherPython{Program: program, Version: fields[0], Prefix: fields[1], Release: fields[2], Original: program}, true
}

// The second Python of all tests, and how the build of its library went.
var (
	findAndBuild sync.Once
	theOther     anotherPython
	buildOutput  []byte
	errBuild     error
)

// makeFor builds the library of a Python beside those that are there. What the make that runs the tests was given is not for this one.
func makeFor(program string) *exec.Cmd {
	cmd := exec.Command("make", "--no-print-directory", "-C", harness.Source(""), "libraries", "PYTHON="+program)
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "CGO_") && name != "PKG_CONFIG_PATH" && name != "PYTHON" && !strings.HasPrefix(name, "MAKE") && name != "MFLAGS" {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd
}

// another is a second Python, whose library lies beside the module; the test is skipped when there is none.
func another(t *testing.T) anotherPython {
	t.Helper()
	findAndBuild.Do(func() {
		if theOther = findAnother(builtFor(t)); theOther.Program != "" && filepath.Dir(harness.Library(t)) == harness.Source("build") {
			buildOutput, errBuild = makeFor(theOther.Program).CombinedOutput()
			if !harness.IsReachable(t, filepath.Dir(theOther.Program)) {
				theOther = theOther.staged(t)
			}
		}
	})
	if theOther.Program == "" {
		t.Skipf("no other Python than %s that the module could be built for; looked in ~/.pyenv, /opt/python and /usr/bin", builtFor(t))
	}
	if filepath.Dir(harness.Library(t)) != harness.Source("build") {
		t.Skip("the module under test is not that of build/, where a library could be added")
	}
	require.NoError(t, errBuild, string(buildOutput))
	return theOther
}

// venvOf makes a virtual environment.
func venvOf(t *testing.T, program string) string {
	t.Helper()
	venv := filepath.Join(publicDir(t), "venv")
	out, err := exec.Command(program, "-m", "venv", "--without-pip", venv).CombinedOutput()
	require.NoError(t, err, string(out))
	return venv
}

// severalConf declares the group "one" with the given options, and "usual" without any.
func severalConf(options string) string {
	return fmt.Sprintf(`
		WSGIDaemonProcess one %s
		WSGIDaemonProcess usual
		WSGIScriptAlias /one/sub "${APPS}/facts/facts.wsgi" process-group=one application-group=sub
		WSGIScriptAlias /one "${APPS}/facts/facts.wsgi" process-group=one application-group=%%{GLOBAL}
		WSGIScriptAlias /usual "${APPS}/facts/facts.wsgi" process-group=usual application-group=%%{GLOBAL}
		WSGIScriptAlias /embedded "${APPS}/facts/facts.wsgi" application-group=%%{GLOBAL}
		WSGIScriptAlias /env "${APPS}/env/env.wsgi" process-group=one
		`, options)
}

// assertUsual tells that everybody else has the Python of Apache's processes.
func assertUsual(t *testing.T, s *harness.Server) {
	t.Helper()
	for _, path := range []string{"/usual", "/embedded"} {
		assert.Equal(t, builtFor(t), ask[pythonFacts](t, s, path).Version, path)
	}
}

// Two versions at once in one httpd, before and after restarts.
func TestSeveralPythons(t *testing.T) {
	python := another(t)
	s := harness.Start(t, harness.Config{Env: python.Env, Conf: "WSGIPythonExecutable " + harness.Python(t) + "\n" +
		severalConf("python="+python.Program+" display-name=%{GROUP}-%{PYTHON}")})
	check := func() {
		for _, path := range []string{"/one", "/one/sub"} {
			got := ask[pythonFacts](t, s, path)
			assert.Equal(t, python.Version, got.Version)
			assert.Equal(t, python.Prefix, got.Prefix)
			assert.Equal(t, python.Program, got.Executable)
			assert.Contains(t, got.Path, filepath.Join(python.Prefix, "lib", "python"+python.Version))
			assert.Equal(t, "(wsgi:one)-"+python.Version, commandLine(got.PID))
			assert.False(t, hasLoaded(t, got.PID, filepath.Base(harness.Library(t))))
		}
		assertUsual(t, s)
	}
	check()
	s.WaitLog(`worker \d+ of process group 'one' is ready, .* with Python ` + regexp.QuoteMeta(python.Release))
	s.WaitLog(`worker \d+ of process group 'usual' is ready, .* with Python ` + regexp.QuoteMeta(builtFor(t)))
	s.Graceful()
	check()
	s.Restart()
	check()
}

// What a worker runs is in its environ.
func TestSeveralPythonsEnviron(t *testing.T) {
	python := another(t)
	s := harness.Start(t, harness.Config{Env: python.Env, Conf: severalConf("python=" + python.Version)})
	assert.Equal(t, python.Release, ask[environ](t, s, "/env").Texts["mod_wsgi.python"])
}

// The python of a virtual environment needs no python-home=, and may have it.
func TestSeveralPythonsVenv(t *testing.T) {
	python := another(t)
	venv := venvOf(t, python.Program)
	site := filepath.Join(venv, "lib", "python"+python.Version, "site-packages")
	writeFile(t, filepath.Join(site, "only_in_venv.py"), "value = 'venv'\n")
	for _, options := range []string{"python=" + venv + "/bin/python", "python=" + venv + "/bin/python3 python-home=" + venv,
		"python=" + python.Version + " python-home=" + venv, "python=" + python.Program + " python-home=" + venv} {
		s := harness.Start(t, harness.Config{Env: python.Env, Conf: severalConf(options)})
		got := ask[pythonFacts](t, s, "/one?only_in_venv")
		assert.Equal(t, venv, got.Prefix, options)
		assert.Equal(t, "venv", got.Values["only_in_venv"], options)
		assert.Equal(t, venv+"/bin", filepath.Dir(got.Executable), options)
		assertUsual(t, s)
		s.Stop()
	}
}

// A version names the library's own Python. WSGIPythonHome is for that of Apache's processes, and so is PYTHONHOME.
func TestSeveralPythonsVersion(t *testing.T) {
	python := another(t)
	venv := venvOf(t, harness.Python(t))
	s := harness.Start(t, harness.Config{Env: python.Env, Conf: "WSGIPythonHome " + venv + "\nWSGIDaemonProcess same python=" + builtFor(t) + `
		WSGIScriptAlias /same "${APPS}/facts/facts.wsgi" process-group=same
		` + severalConf("python="+python.Version)})
	got := ask[pythonFacts](t, s, "/one")
	assert.Equal(t, python.Version, got.Version)
	assert.Equal(t, python.Prefix, got.Prefix)
	assert.Equal(t, venv, ask[pythonFacts](t, s, "/same").Prefix)
	assert.Equal(t, venv, ask[pythonFacts](t, s, "/usual").Prefix)
}

// What python= must not be, and what is said of it; with file and line.
func TestPythonOptionRefused(t *testing.T) {
	dir := publicDir(t)
	writeFile(t, dir+"/bin/python3.11", "\x7fELF")
	writeFile(t, dir+"/bin/python-script", "#!/bin/sh\n")
	writeFile(t, dir+"/bin/python-text", "text")
	writeFile(t, dir+"/bin/python-unknown", "\x7fELF")
	writeFile(t, dir+"/bin/other", "\x7fELF")
	for _, name := range []string{"script", "text", "unknown"} {
		require.NoError(t, os.Chmod(dir+"/bin/python-"+name, 0o755))
	}
	require.NoError(t, os.Chmod(dir+"/bin/other", 0o755))
	// A virtual environment whose program became another one.
	writeFile(t, dir+"/stale/pyvenv.cfg", "version = 3.1.2\n")
	require.NoError(t, os.Mkdir(dir+"/stale/bin", 0o755))
	require.NoError(t, os.Symlink(harness.Python(t), dir+"/stale/bin/python"))
	library := `this is Python 3\.99, and mod_gowsgi was not built for it; it was for: .*\b` + regexp.QuoteMeta(builtFor(t)) +
		`\b.* make install PYTHON="` + harness.Python(t)
	require.NoError(t, os.WriteFile(dir+"/bin/python3.99", []byte("\x7fELF"), 0o755))
	for options, problem := range map[string]string{
		"python=/no/such/python":                `there is no such file`,
		"python=" + dir + "/bin/other/python":   `there is no such file`,
		"python=" + dir + "/bin/python3.11":     `not executable`,
		"python=" + dir + "/bin":                `a folder`,
		"python=/dev/null":                      `not a file`,
		"python=" + dir + "/bin/python-script":  `a script, such as the shims of pyenv`,
		"python=" + dir + "/bin/python-text":    `not a program`,
		"python=" + dir + "/bin/python-unknown": `which Python it is cannot be told`,
		"python=" + dir + "/bin/other":          `its name is not that of a Python`,
		"python=" + dir + "/stale/bin/python":   `it belongs to a virtual environment of Python 3\.1\.2, and is .* itself`,
		"python=3.99":                           library + ` python3\.99"`,
		"python=" + dir + "/bin/python3.99":     library + ` ` + dir + `/bin/python3\.99"`,
		"python=python3":                        `neither the absolute path of a Python nor a version`,
		"python=3":                              `neither the absolute path of a Python nor a version`,
		"python=3.11.2":                         `neither the absolute path of a Python nor a version`,
		"python=../3.11":                        `neither the absolute path of a Python nor a version`,
		"python=":                               `empty`,
		"python=" + builtFor(t) + " python=3.9": `given twice`,
	} {
		out, err := harness.CheckConfig(t, harness.Config{Conf: "WSGIDaemonProcess one " + options})
		assert.Error(t, err, options)
		assert.Regexp(t, `Syntax error on line \d+ of /.*\nWSGIDaemonProcess one: python=.*: `+problem, out, options)
	}
}

// python= and python-home= are of one version, in whichever order they come.
func TestPythonOptionAgainstHome(t *testing.T) {
	python := another(t)
	venv, other := venvOf(t, python.Program), venvOf(t, harness.Python(t))
	for _, options := range []string{"python=" + builtFor(t) + " python-home=" + venv, "python-home=" + venv + " python=" + harness.Python(t),
		"python=" + venv + "/bin/python python-home=" + other, "python=" + python.Version + " python-home=/no/such"} {
		out, err := harness.CheckConfig(t, harness.Config{Conf: "WSGIDaemonProcess one " + options})
		assert.Error(t, err, options)
		assert.Regexp(t, `Syntax error on line \d+ of /.*\nWSGIDaemonProcess one: python-home=.*, and python=.* is Python 3\.`, out, options)
	}
}

// copyOfBuild is a folder with what was built, some files of which a test breaks.
func copyOfBuild(t *testing.T) string {
	t.Helper()
	dir := publicDir(t)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(harness.Module(t)), "*gowsgi*"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o755))
	}
	return dir
}

// A library that is gone, of another Python or of another build costs its groups: they answer 503, and others live.
func TestSeveralPythonsLibraryUnusable(t *testing.T) {
	python := another(t)
	name := "libgowsgi-" + python.Version + ".so"
	foreign := func(info string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			writeFile(t, dir+"/library.c", `
				#include "gowsgi_abi.h"
				static const gowsgi_abi_info info = { `+info+`, .version = "9.8.7" };
				const gowsgi_abi_info *gowsgi_abi_describe(void) { return &info; }`+otherFunctions)
			out, err := exec.Command("cc", "-shared", "-fPIC", "-I", harness.Source("c"), "-o", dir+"/"+name, dir+"/library.c").CombinedOutput()
			require.NoError(t, err, string(out))
		}
	}
	for problem, spoil := range map[string]func(t *testing.T, dir string){
		`cannot open shared object file: No such file`: func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/"+name)) },
		`it was built for Python ` + builtFor(t) + ` and its name says ` + python.Version: func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(dir+"/"+name))
			require.NoError(t, os.Link(dir+"/"+filepath.Base(harness.Library(t)), dir+"/"+name))
		},
		`it speaks interface 999`:       foreign(`.abi_version = 999, .python = "` + python.Version + `"`),
		`its records have another size`: foreign(`.abi_version = GOWSGI_ABI_VERSION, .python = "` + python.Version + `"`),
	} {
		t.Run(problem, func(t *testing.T) {
			dir := copyOfBuild(t)
			config := harness.Config{Module: dir + "/mod_gowsgi.so", Env: python.Env, Conf: severalConf("connect-timeout=1 python=" + python.Version)}
			out, err := harness.CheckConfig(t, config)
			require.NoError(t, err, out)
			s := harness.Start(t, config)
			// Between the check of the configuration and the start of a process.
			s.Expect(`GWSGI0900: .* cannot start: `+regexp.QuoteMeta(dir+"/"+name)+`: .*`+problem, `GWSGI0902: `, `GWSGI0903: `, `GWSGI1112: `)
			worker := ask[pythonFacts](t, s, "/one").PID
			spoil(t, dir)
			require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
			s.WaitLog(`GWSGI0900: `)
			assert.Equal(t, http.StatusServiceUnavailable, s.Get("/one").Status)
			assertUsual(t, s)
		})
	}
}

// All libraries are installed side by side, and removed.
func TestInstallSeveralPythons(t *testing.T) {
	python := another(t)
	dir := publicDir(t)
	both := "PYTHON=" + harness.Python(t) + " " + python.Original
	makeTarget(t, "install", "DESTDIR="+dir, both)
	var names []string
	for _, file := range installed(t, dir) {
		names = append(names, filepath.Base(file))
	}
	assert.Contains(t, names, filepath.Base(harness.Library(t)))
	assert.Contains(t, names, "libgowsgi-"+python.Version+".so")
	makeTarget(t, "uninstall", "DESTDIR="+dir)
	assert.Empty(t, installed(t, dir))
}

// A make that is given what it cannot build for says so in a line.
func TestMakeRefusesPythons(t *testing.T) {
	for python, problem := range map[string]string{
		"/no/such/python": "make: no Python at /no/such/python; ",
		harness.Python(t) + " " + harness.Python(t): "make: PYTHON= names two Pythons that are " + builtFor(t) + "; there can be one of each version",
		" ": "make: PYTHON= names no Python",
	} {
		out, err := makeFor(python).CombinedOutput()
		assert.Error(t, err, python)
		assert.Contains(t, string(out), problem)
		assert.Less(t, strings.Count(string(out), "\n"), 3, string(out))
	}
}
