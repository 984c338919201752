package pyembed

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func touch(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, nil, 0o755))
	return path
}

func TestPythonOf(t *testing.T) {
	root, name := t.TempDir(), "python"+PythonVersion()
	library := touch(t, root, "lib/libpython.so.1.0")
	triplet := touch(t, root, "lib/x86_64-linux-gnu/libpython.so.1.0")
	assert.Empty(t, pythonOf(library))
	assert.Empty(t, pythonOf(triplet))
	executable := touch(t, root, "bin", name)
	assert.Equal(t, executable, pythonOf(library))
	assert.Equal(t, executable, pythonOf(triplet))

	// The link may be anywhere; the installation is where the file is.
	link := filepath.Join(t.TempDir(), "libpython.so")
	require.NoError(t, os.Symlink(library, link))
	assert.Equal(t, executable, pythonOf(link))

	assert.Empty(t, pythonOf("/no/such/libpython.so"))
	assert.Empty(t, pythonOf(""))
}

func TestFindPython(t *testing.T) {
	root, venv := t.TempDir(), t.TempDir()
	library := touch(t, root, "lib/libpython.so.1.0")
	executable := touch(t, root, "bin", "python"+PythonVersion())
	touch(t, venv, "pyvenv.cfg")

	assert.Equal(t, location{executable: executable}, findPython(Config{}, library))
	assert.Equal(t, location{home: "/opt/python", executable: executable}, findPython(Config{PythonHome: "/opt/python"}, library))
	assert.Equal(t, location{home: "/a:/b", executable: executable}, findPython(Config{PythonHome: "/a:/b"}, library))
	assert.Equal(t, location{executable: venv + "/bin/python"}, findPython(Config{PythonHome: venv}, library))
	assert.Equal(t, location{executable: "/x/python"}, findPython(Config{PythonExecutable: "/x/python"}, library))
	assert.Equal(t, location{home: "/h", executable: "/x/python"}, findPython(Config{PythonHome: "/h", PythonExecutable: "/x/python"}, library))
	assert.Equal(t, location{}, findPython(Config{}, "/no/such/libpython.so"))
}

func TestLibpythonHasItsPython(t *testing.T) {
	assert.FileExists(t, libpythonPath())
	assert.NotEmpty(t, pythonOf(libpythonPath()))
}

func TestModuleName(t *testing.T) {
	assert.NotEqual(t, moduleName("/a", true), moduleName("/A", true))
	assert.Equal(t, moduleName("/a", false), moduleName("/A", false))
	assert.NotEqual(t, moduleName("/a", true), moduleName("/b", true))
}
