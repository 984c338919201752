package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const factsConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /facts "${APPS}/facts/facts.wsgi"
WSGIScriptAlias /sub "${APPS}/facts/facts.wsgi" application-group=sub
`

// serverPython asks the module's Python for what it is, with nothing configured.
func serverPython(t *testing.T) pythonFacts {
	t.Helper()
	s := harness.Start(t, harness.Config{Conf: factsConf})
	return ask[pythonFacts](t, s, "/facts")
}

// publicDir makes a folder that the server's children can read; t.TempDir() is for this user only.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "gowsgi-dir-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}

func TestPythonDefault(t *testing.T) {
	python := serverPython(t)
	assert.Equal(t, builtFor(t), python.Version)
	assert.FileExists(t, python.Executable, "what subprocess and multiprocessing start")
	out, err := exec.Command(python.Executable, "-c", "import sys; print(sys.prefix, sys.version_info[:2])").Output()
	require.NoError(t, err)
	var major, minor int
	fmt.Sscanf(python.Version, "%d.%d", &major, &minor)
	assert.Equal(t, fmt.Sprintf("%s (%d, %d)\n", python.Prefix, major, minor), string(out))
}

// newVenv makes a virtual environment, and tells its folder of modules, too.
func newVenv(t *testing.T, python pythonFacts) (venv, site string) {
	t.Helper()
	venv = filepath.Join(publicDir(t), "venv")
	if out, err := exec.Command(python.Executable, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("venv: %v\n%s", err, out)
	}
	return venv, filepath.Join(venv, "lib", "python"+python.Version, "site-packages")
}

func TestPythonHomeVenv(t *testing.T) {
	python := serverPython(t)
	venv, site := newVenv(t, python)
	writeFile(t, filepath.Join(site, "only_in_venv.py"), "value = 'venv'\n")
	for _, lazy := range []string{"On", "Off"} {
		t.Run("lazy="+lazy, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				s := harness.Start(t, harness.Config{Mode: mode,
					Conf: fmt.Sprintf("WSGILazyInitialization %s\nWSGIPythonHome %s\n%s", lazy, venv, factsConf)})
				for _, path := range []string{"/facts?only_in_venv", "/sub?only_in_venv"} {
					got := ask[pythonFacts](t, s, path)
					assert.Equal(t, venv, got.Prefix)
					assert.Equal(t, map[string]string{"only_in_venv": "venv"}, got.Values)
					assert.Contains(t, got.Path, site)
				}
			})
		})
	}
}

// "prefix" and "prefix:exec_prefix", as in PYTHONHOME.
func TestPythonHomePrefix(t *testing.T) {
	python := serverPython(t)
	for _, home := range []string{python.Prefix, python.Prefix + ":" + python.ExecPrefix} {
		for _, lazy := range []string{"On", "Off"} {
			t.Run(fmt.Sprintf("%s lazy=%s", strings.ReplaceAll(home, "/", "_"), lazy), func(t *testing.T) {
				s := harness.Start(t, harness.Config{Conf: fmt.Sprintf("WSGILazyInitialization %s\nWSGIPythonHome %s\n%s", lazy, home, factsConf)})
				got := ask[pythonFacts](t, s, "/facts")
				assert.Equal(t, python.Prefix, got.Prefix)
				assert.Equal(t, python.ExecPrefix, got.ExecPrefix)
			})
		}
	}
}

// The two prefixes may be two folders.
func TestPythonHomeTwoPrefixes(t *testing.T) {
	python := serverPython(t)
	dir := publicDir(t)
	lib := "lib/python" + python.Version
	stdlib := filepath.Join(python.Prefix, lib)
	for _, prefix := range []string{"pure", "plat"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, prefix, lib), 0o755))
	}
	entries, err := os.ReadDir(stdlib)
	require.NoError(t, err)
	for _, e := range entries {
		prefix := "pure"
		if e.Name() == "lib-dynload" {
			prefix = "plat"
		}
		require.NoError(t, os.Symlink(filepath.Join(stdlib, e.Name()), filepath.Join(dir, prefix, lib, e.Name())))
	}
	s := harness.Start(t, harness.Config{Conf: fmt.Sprintf("WSGIPythonHome %s/pure:%s/plat\n%s", dir, dir, factsConf)})
	got := ask[pythonFacts](t, s, "/facts")
	assert.Equal(t, dir+"/pure", got.Prefix)
	assert.Equal(t, dir+"/plat", got.ExecPrefix)
}

// wrongHomes are homes that cannot be used, with what must be said of each.
func wrongHomes(t *testing.T) map[string]string {
	t.Helper()
	dir := publicDir(t)
	writeFile(t, dir+"/venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.5.2\n")
	writeFile(t, dir+"/virtualenv/pyvenv.cfg", "home = /usr/bin\nimplementation = CPython\nversion_info = 3.6.1.final.0\n")
	writeFile(t, dir+"/prefix/lib/python3.7/os.py", "")
	writeFile(t, dir+"/empty/README", "")
	writeFile(t, dir+"/file", "")
	return map[string]string{
		dir + "/missing":                     "missing is not a directory",
		dir + "/file":                        "file is not a directory",
		dir + "/empty":                       "has neither pyvenv.cfg nor lib/python",
		dir + "/venv":                        "is a virtual environment of Python 3.5.2",
		dir + "/virtualenv":                  "is a virtual environment of Python 3.6.1",
		dir + "/prefix":                      "has the library of python3.7",
		dir + "/prefix:" + dir + "/prefix":   "has the library of python3.7",
		dir + "/missing:" + dir + "/missing": "missing is not a directory",
	}
}

// A home that cannot be used is told once, with both versions, and httpd serves what needs no Python.
func TestPythonHomeThatIsWrong(t *testing.T) {
	for home, problem := range wrongHomes(t) {
		t.Run(filepath.Base(home), func(t *testing.T) {
			conf := harness.Config{Children: 2, Conf: "WSGIPythonHome " + home + "\n" + helloConf}
			complaint := "GWSGI0801: WSGIPythonHome " + home + " cannot be used: "
			out, err := harness.CheckConfig(t, conf)
			require.NoError(t, err, "httpd would not start")
			assert.Contains(t, out, complaint)

			s := harness.Start(t, conf)
			s.Expect(complaint+".*"+problem+".* needs Python "+builtFor(t)+`\.`, "GWSGI0208: ")
			assertNoPython(t, s)
			assert.Equal(t, 1, timesLogged(s, "GWSGI0801: "), "said once")
		})
	}
}

// assertNoPython expects a server that answers 500 for applications and serves files, with the same children all the time.
func assertNoPython(t *testing.T, s *harness.Server) {
	t.Helper()
	before := s.Children()
	for range 10 {
		assert.Equal(t, http.StatusInternalServerError, s.Get("/hello").Status)
		assert.Equal(t, "static\n", s.Get("/").Body)
	}
	assert.Equal(t, before, s.Children(), "a child died")
	for _, child := range before {
		assert.False(t, hasLoaded(t, child, "libgowsgi-"), "nothing was loaded for nothing")
	}
}

// The parent is root and sees what Apache's user does not.
func TestPythonHomeOutOfReach(t *testing.T) {
	asRoot(t, "only root's children run as another user")
	python := serverPython(t)
	dir := publicDir(t)
	venv := dir + "/closed/venv"
	require.NoError(t, exec.Command(python.Executable, "-m", "venv", "--without-pip", venv).Run())
	require.NoError(t, os.Chmod(dir+"/closed", 0o700))
	s := harness.Start(t, harness.Config{Children: 2, Conf: "WSGIPythonHome " + venv + "\n" + helloConf})
	s.Expect("GWSGI0802: WSGIPythonHome "+venv+" cannot be used by Apache's user", "GWSGI0208: ")
	assertNoPython(t, s)
	assert.Equal(t, 1, timesLogged(s, "GWSGI0802: "), "said once for all children")
}

// Another Python that is installed here: its virtual environment is refused with both versions, not crashed into.
func TestPythonHomeOfAnotherInstalledPython(t *testing.T) {
	for _, other := range []string{"3.12.1", "3.10.13"} {
		executable := "/root/.pyenv/versions/" + other + "/bin/python3"
		if _, err := os.Stat(executable); err != nil || strings.HasPrefix(other, builtFor(t)) {
			continue
		}
		venv := filepath.Join(publicDir(t), "venv")
		require.NoError(t, exec.Command(executable, "-m", "venv", "--without-pip", venv).Run())
		s := harness.Start(t, harness.Config{Conf: "WSGIPythonHome " + venv + "\n" + helloConf})
		s.Expect("GWSGI0801: .* is a virtual environment of Python "+other+", and this build of mod_gowsgi needs Python "+builtFor(t),
			"GWSGI0208: ")
		assertNoPython(t, s)
		return
	}
	t.Skip("no other Python here")
}

// A home with a standard library that does not work: Python fails in each child, httpd lives.
func TestPythonHomeBroken(t *testing.T) {
	dir := publicDir(t)
	writeFile(t, dir+"/lib/python"+builtFor(t)+"/os.py", "")
	for _, lazy := range []string{"On", "Off"} {
		t.Run("lazy="+lazy, func(t *testing.T) {
			s := harness.Start(t, harness.Config{Children: 2, Conf: "WSGILazyInitialization " + lazy + "\nWSGIPythonHome " + dir + "\n" + helloConf})
			s.Expect("GWSGI0401: ", "GWSGI0208: ")
			if lazy == "Off" {
				s.Expect("GWSGI0103: ")
			}
			s.Allow(`(?i)python|^[^[]`) // libpython's own words have no time, and come in pieces, between which other lines may be
			before := s.Children()
			for range 5 {
				assert.Equal(t, http.StatusInternalServerError, s.Get("/hello").Status)
				assert.Equal(t, "static\n", s.Get("/").Body)
			}
			assert.Equal(t, before, s.Children())
			assert.Equal(t, 1, timesLogged(s, "GWSGI0401: "), "said once for all children")
		})
	}
}
