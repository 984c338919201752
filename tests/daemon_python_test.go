package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about the Python and the environment of a group's processes: python-path, python-eggs, python-home, lang, locale,
// env, env-file.

var bothInterpreters = []string{"/main/inside", "/sub/inside"}

// Directories go to the end of sys.path, in their order, and their .pth files are read.
func TestDaemonPythonPath(t *testing.T) {
	dir := publicDir(t)
	for _, name := range []string{"one", "two", "three"} {
		writeFile(t, filepath.Join(dir, name, "only_"+name+".py"), fmt.Sprintf("value = %q\n", name))
		writeFile(t, filepath.Join(dir, name, "everywhere.py"), fmt.Sprintf("value = %q\n", name))
	}
	writeFile(t, filepath.Join(dir, "linked", "only_linked.py"), "value = 'linked'\n")
	writeFile(t, filepath.Join(dir, "two", "extra.pth"), filepath.Join(dir, "linked")+"\n")
	s := startWith(t, fmt.Sprintf("python-path=%[1]s/one:%[1]s/two:%[1]s/three", dir))
	for _, path := range bothInterpreters {
		got := ask[inside](t, s, path+"?only_one,only_two,only_three,only_linked,everywhere")
		assert.Equal(t, "one", got.Values["everywhere"], "the first one wins")
		assert.Equal(t, "linked", got.Values["only_linked"])
		expected := []string{dir + "/one", dir + "/two", dir + "/linked", dir + "/three"}
		assert.Equal(t, expected, got.Path[len(got.Path)-len(expected):], "at the end")
	}
}

// WSGIPythonPath is for httpd's own processes, the option for those of its group.
func TestDaemonPythonPathIsOfItsGroup(t *testing.T) {
	dir := publicDir(t)
	for _, name := range []string{"first", "second", "embedded"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	s := harness.Start(t, harness.Config{Conf: fmt.Sprintf(`
		WSGIPythonPath %[1]s/embedded
		WSGIDaemonProcess first python-path=%[1]s/first
		WSGIDaemonProcess second python-path=%[1]s/second
		WSGIScriptAlias /first "${APPS}/facts/facts.wsgi" process-group=first
		WSGIScriptAlias /second "${APPS}/facts/facts.wsgi" process-group=second
		WSGIScriptAlias /embedded "${APPS}/facts/facts.wsgi"`, dir)})
	for _, name := range []string{"first", "second", "embedded"} {
		var of []string
		for _, path := range ask[pythonFacts](t, s, "/"+name).Path {
			if strings.HasPrefix(path, dir) {
				of = append(of, strings.TrimPrefix(path, dir+"/"))
			}
		}
		assert.Equal(t, []string{name}, of)
	}
}

func TestDaemonPythonEggs(t *testing.T) {
	s := startWith(t, "python-eggs=/some/eggs")
	for _, path := range bothInterpreters {
		got := ask[inside](t, s, path)
		assert.Equal(t, "/some/eggs", got.AtImport["PYTHON_EGG_CACHE"])
	}
	assert.NotContains(t, insideOf(t, "").Environ, "PYTHON_EGG_CACHE")
}

// A virtual environment for one group, beside one without.
func TestDaemonPythonHome(t *testing.T) {
	python := serverPython(t)
	venv := filepath.Join(publicDir(t), "venv")
	if out, err := exec.Command(python.Executable, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("venv: %v\n%s", err, out)
	}
	site := filepath.Join(venv, "lib", "python"+python.Version, "site-packages")
	writeFile(t, filepath.Join(site, "only_in_venv.py"), "value = 'venv'\n")
	s := harness.Start(t, harness.Config{Conf: optionsConf("python-home="+venv) + `
		WSGIDaemonProcess other
		WSGIScriptAlias /other "${APPS}/daemon/inside.wsgi" process-group=other`})
	for _, path := range bothInterpreters {
		got := ask[inside](t, s, path+"?only_in_venv")
		assert.Equal(t, venv, got.Prefix)
		assert.Contains(t, got.Path, site)
		assert.Equal(t, "venv", got.Values["only_in_venv"])
	}
	other := ask[inside](t, s, "/other")
	assert.Equal(t, python.Prefix, other.Prefix)
	assert.NotContains(t, other.Path, site)
}

// A Python home that cannot be used is told once, at start, with both versions. It costs no more than the group.
func TestDaemonPythonHomeWrong(t *testing.T) {
	t.Parallel()
	for home, problem := range wrongHomes(t) {
		t.Run(filepath.Base(home), func(t *testing.T) {
			t.Parallel()
			conf := harness.Config{Conf: optionsConf("processes=2 python-home="+home) + `
				WSGIDaemonProcess other
				WSGIScriptAlias /other "${APPS}/daemon/inside.wsgi" process-group=other`}
			complaint := "GWSGI0803: python-home=" + home + " of the daemon process group options "
			out, err := harness.CheckConfig(t, conf)
			require.NoError(t, err, "httpd would not start")
			assert.Contains(t, out, complaint)

			s := harness.Start(t, conf)
			s.Expect(complaint+".*"+problem+".* runs Python "+builtFor(t)+`\.`, `GWSGI1110: .* in the daemon process group options`)
			assert.Equal(t, http.StatusInternalServerError, s.Get("/main/inside").Status)
			assert.Equal(t, "other", ask[inside](t, s, "/other").Group)
			assert.Equal(t, 1, timesLogged(s, "GWSGI0803: "))
		})
	}
}

// The home that a group has from WSGIPythonHome is told as that.
func TestDaemonPythonHomeWrongForAll(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Conf: "WSGIPythonHome /no/such/python\n" + optionsConf("processes=2")})
	s.Expect(`GWSGI0801: WSGIPythonHome /no/such/python cannot be used`, `GWSGI1110: .* in the daemon process group options`)
	assert.Equal(t, http.StatusInternalServerError, s.Get("/main/inside").Status)
	assert.Empty(t, s.Workers())
}

// A Python home whose library does not work is found out by the processes that try it.
func TestDaemonPythonHomeBroken(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	writeFile(t, dir+"/lib/python"+builtFor(t)+"/os.py", "")
	s := harness.Start(t, harness.Config{MayCrash: true, Conf: optionsConf("connect-timeout=1 python-home="+dir) + `
		WSGIDaemonProcess other
		WSGIScriptAlias /other "${APPS}/daemon/inside.wsgi" process-group=other`})
	s.Expect(`GWSGI1112: .*process group options took`, `GWSGI1011: a process of group 'options' cannot start: its Python .* with the home `+dir)
	s.Allow(`GWSGI0903: .*'options'`, `(?i)python`, `^  `) // Python's own words
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/main/inside").Status)
	assert.Equal(t, "other", ask[inside](t, s, "/other").Group)
}

func TestDaemonLangAndLocale(t *testing.T) {
	for _, test := range []struct{ options, lang, all, locale string }{
		{"lang=C.UTF-8", "C.UTF-8", "", "C.UTF-8"},
		{"locale=C.UTF-8", "C", "C.UTF-8", "C.UTF-8"},
		{"lang=POSIX locale=C.UTF-8", "POSIX", "C.UTF-8", "C.UTF-8"},
		{"", "C", "", ""},
	} {
		t.Run(test.options, func(t *testing.T) {
			s := startWith(t, test.options)
			for _, path := range bothInterpreters {
				got := ask[inside](t, s, path)
				assert.Equal(t, test.lang, got.AtImport["LANG"])
				assert.Equal(t, test.all, got.AtImport["LC_ALL"])
				assert.Contains(t, got.Locale, test.locale)
			}
		})
	}
}

// Variables are there before anything is imported, .pth files included; of one name the last counts; what httpd has is inherited.
func TestDaemonEnv(t *testing.T) {
	dir := publicDir(t)
	writeFile(t, filepath.Join(dir, "early.py"), "import os\nvalue = os.environ.get('ONE')\n")
	writeFile(t, filepath.Join(dir, "early.pth"), "import early\n")
	s := harness.Start(t, harness.Config{Env: []string{"INHERITED=yes", "TWO=httpd"}, Conf: optionsConf(
		`python-path=` + dir + ` env=ONE=1 env=TWO=first "env=TWO=second = two words" env=EMPTY= env=LANG=C.UTF-8`)})
	for _, path := range bothInterpreters {
		got := ask[inside](t, s, path+"?early")
		assert.Equal(t, "1", got.Values["early"])
		for name, value := range map[string]string{"ONE": "1", "TWO": "second = two words", "EMPTY": "", "INHERITED": "yes", "LANG": "C.UTF-8"} {
			assert.Contains(t, got.AtImport, name)
			assert.Equal(t, value, got.AtImport[name], name)
			assert.Equal(t, value, got.Environ[name], name)
		}
		for name := range got.Environ {
			assert.False(t, strings.HasPrefix(name, "GOWSGI"), "%s is ours", name)
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.Children()[0]))
	require.NoError(t, err)
	assert.False(t, slices.Contains(strings.Split(string(text), "\x00"), "ONE=1"), "it is the group's alone")
}

const envFile = `# for the tests
SECRET=s3cr3t-value
  SPACED  =  around
QUOTED="two words # and this"
SINGLE='it is'
EMPTY=

EQUALS=a=b
ONE=from the file
`

// Only root can read the file, and nothing of it is ever logged. env= takes precedence.
func TestDaemonEnvFile(t *testing.T) {
	file := filepath.Join(publicDir(t), "environment")
	writeFile(t, file, envFile)
	require.NoError(t, os.Chmod(file, 0o600))
	s := harness.Start(t, harness.Config{LogLevel: "trace8", Conf: optionsConf("env-file=" + file + " env=ONE=option")})
	for _, path := range bothInterpreters {
		got := ask[inside](t, s, path)
		for name, value := range map[string]string{"SECRET": "s3cr3t-value", "SPACED": "around", "QUOTED": "two words # and this",
			"SINGLE": "it is", "EMPTY": "", "EQUALS": "a=b", "ONE": "option"} {
			assert.Contains(t, got.AtImport, name)
			assert.Equal(t, value, got.AtImport[name], name)
		}
	}
	assert.NotContains(t, s.ErrorLog(), "s3cr3t")
	for _, pid := range append(s.Workers(), s.PID(), s.Supervisor()) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		require.NoError(t, err)
		assert.NotContains(t, string(text), "s3cr3t")
	}
}

// A line that is wrong is told by its number, not its text.
func TestDaemonEnvFileWrong(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	for name, test := range map[string]struct{ text, line string }{
		"malformed": {"A=1\nthe s3cr3t\n", `line 2 is not NAME=value`},
		"quote":     {"A=\"s3cr3t\n", `line 1 has a quote that is not closed`},
		"missing":   {"", `no such file or directory`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(dir, name)
			if test.text != "" {
				writeFile(t, file, test.text)
			}
			s := startWith(t, "connect-timeout=1 env-file="+file)
			s.Expect(`GWSGI0904: .*`+file+`.*: `+test.line, `GWSGI1112: `)
			assert.Equal(t, http.StatusServiceUnavailable, s.Get("/main/inside").Status)
			assert.NotContains(t, s.ErrorLog(), "s3cr3t")
		})
	}
}
