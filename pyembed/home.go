// This file decides where Python finds its installation: the seed's WSGIPythonHome and WSGIPythonExecutable, virtual environments,
// and the installation that libpython belongs to.

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"os"
	"path/filepath"
	"strings"
)

// location tells Python where to look: PyConfig's home and the executable it is to take itself for. Empty: not set.
type location struct {
	home, executable string
}

func libpythonPath() string {
	return C.GoString(C.gwp_libpython_path())
}

// findPython applies the configuration. A virtual environment is found by Python from its bin/python; given as
// home it would lack the standard library.
func findPython(config Config, libpython string) location {
	where := location{home: config.PythonHome, executable: config.PythonExecutable}
	if where.executable == "" {
		where.executable = config.PythonProgram
	}
	if where.executable == "" {
		where.executable = pythonOf(libpython)
	}
	if config.PythonHome != "" && isFile(filepath.Join(config.PythonHome, "pyvenv.cfg")) {
		where.home = ""
		if config.PythonExecutable == "" {
			where.executable = filepath.Join(config.PythonHome, "bin", "python")
		}
	}
	return where
}

// pythonOf finds the executable that belongs to a libpython: PREFIX/bin/python3.N for PREFIX/lib/… or PREFIX/lib/TRIPLET/….
// Another Python may come first on PATH, so Python must not search there. "" when there is none.
func pythonOf(libpython string) string {
	real, err := filepath.EvalSymlinks(libpython)
	if err != nil {
		return ""
	}
	name := "python" + PythonVersion()
	for _, up := range []string{"..", "../.."} {
		executable := filepath.Join(filepath.Dir(real), up, "bin", name)
		if isFile(executable) {
			return executable
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// PythonRelease is the Python that runs, "3.11.2".
func PythonRelease() string {
	release, _, _ := strings.Cut(C.GoString(C.Py_GetVersion()), " ")
	return release
}

// PythonVersion is the Python this library was built for, "3.11".
func PythonVersion() string {
	return C.GoString(C.gwp_python_version())
}
