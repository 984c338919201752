package tests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// What a directive says to Python at its start is nothing that programs which an application starts inherit.
func assertNoPythonVariables(t *testing.T, got pythonFacts) {
	t.Helper()
	assert.Empty(t, got.Variables, "os.environ has them")
}

func TestDontWriteBytecode(t *testing.T) {
	t.Parallel()
	eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
		for _, on := range []string{"On", "Off"} {
			dir := publicDir(t)
			require.NoError(t, os.Chmod(dir, 0o777))
			writeFile(t, dir+"/one.py", "value = 'one'\n")
			writeFile(t, dir+"/two.py", "value = 'two'\n")
			s := harness.Start(t, harness.Config{Mode: mode.PythonPath(dir), Conf: conf + "WSGIDontWriteBytecode " + on + "\n" + factsConf})
			assertNoPythonVariables(t, ask[pythonFacts](t, s, "/facts?one"))
			assert.Equal(t, "two", ask[pythonFacts](t, s, "/sub?two").Values["two"])
			found, err := filepath.Glob(dir + "/__pycache__/*.pyc")
			require.NoError(t, err)
			assert.Len(t, found, map[string]int{"On": 0, "Off": 2}[on], on)
		}
	})
}

func TestPythonHashSeed(t *testing.T) {
	t.Parallel()
	eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
		hash := func(seed string, env ...string) int64 {
			s := harness.Start(t, harness.Config{Mode: mode, Env: env, Conf: conf + seed + "\n" + factsConf})
			got := ask[pythonFacts](t, s, "/facts")
			assert.Equal(t, got.Hash, ask[pythonFacts](t, s, "/sub").Hash)
			if len(env) == 0 {
				assertNoPythonVariables(t, got)
			}
			return got.Hash
		}
		seven := hash("WSGIPythonHashSeed 7")
		assert.Equal(t, seven, hash("WSGIPythonHashSeed 7"))
		assert.Equal(t, seven, hash("WSGIPythonHashSeed 7", "PYTHONHASHSEED=8"))
		assert.Equal(t, seven, hash("", "PYTHONHASHSEED=7"))
		assert.NotEqual(t, seven, hash("WSGIPythonHashSeed 4294967295"))
		assert.NotEqual(t, seven, hash("WSGIPythonHashSeed random", "PYTHONHASHSEED=7"))
		assert.NotEqual(t, hash("WSGIPythonHashSeed random"), hash(""))
	})
}

func TestPythonWarnings(t *testing.T) {
	t.Parallel()
	eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
		conf += "WSGIPythonWarnings ignore\nWSGIPythonWarnings \"error:a b:UserWarning\"\n" + factsConf
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf})
		got := ask[pythonFacts](t, s, "/facts")
		assert.Equal(t, []string{"ignore", "error:a b:UserWarning"}, got.Warnings)
		assert.Equal(t, got.Warnings, ask[pythonFacts](t, s, "/sub").Warnings)
		assertNoPythonVariables(t, got)
		s = harness.Start(t, harness.Config{Mode: mode, Env: []string{"PYTHONWARNINGS=once"}, Conf: conf})
		assert.Equal(t, []string{"once", "ignore", "error:a b:UserWarning"}, ask[pythonFacts](t, s, "/facts").Warnings)
	})
}

func TestSwitchInterval(t *testing.T) {
	t.Parallel()
	eachStart(t, func(t *testing.T, mode harness.Mode, conf string) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf + "WSGISwitchInterval 0.0125\n" + factsConf})
		for _, path := range []string{"/facts", "/sub"} {
			assert.InDelta(t, 0.0125, ask[pythonFacts](t, s, path).Interval, 1e-9)
		}
	})
	s := harness.Start(t, harness.Config{Mode: harness.Daemon.With("switch-interval=0.000250"), Conf: "WSGISwitchInterval 2\n" + factsConf})
	assert.InDelta(t, 0.00025, ask[pythonFacts](t, s, "/facts").Interval, 1e-9)
	s = harness.Start(t, harness.Config{Mode: harness.Daemon, Conf: factsConf})
	assert.InDelta(t, 0.005, ask[pythonFacts](t, s, "/facts").Interval, 1e-9)
}
