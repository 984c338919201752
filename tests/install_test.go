package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// makeTarget runs make in the checkout, without building: what is there is tested.
func makeTarget(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("make", append([]string{"--no-print-directory", "-C", harness.Source(""), "-o", "build", "PYTHON=" + harness.Python(t)}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// installed are the regular files below a folder.
func installed(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	return files
}

// What `make install` puts below DESTDIR works from there, as a2enmod would enable it, and `make uninstall` takes it all away.
func TestInstall(t *testing.T) {
	dir := publicDir(t)
	makeTarget(t, "install", "DESTDIR="+dir)
	var load, module string
	for _, file := range installed(t, dir) {
		info, err := os.Stat(dir + file)
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o022, "%s: only its owner may write", file)
		assert.Equal(t, os.FileMode(0o444), info.Mode().Perm()&0o444, "%s: everybody may read", file)
		switch filepath.Base(file) {
		case "gowsgi.load":
			load = dir + file
		case "mod_gowsgi.so":
			module = dir + file
		}
	}
	require.NotEmpty(t, module)
	assert.FileExists(t, filepath.Join(filepath.Dir(module), filepath.Base(harness.Library(t))))

	conf := "LoadModule gowsgi_module " + module
	if load != "" { // a Debian layout
		text, err := os.ReadFile(load)
		require.NoError(t, err)
		assert.Contains(t, string(text), "# Conflicts: wsgi", "a2enmod reads this")
		conf = strings.ReplaceAll(string(text), " /", " "+dir+"/")
		assert.Contains(t, conf, "LoadModule gowsgi_module "+module)
	}
	s := harness.Start(t, harness.Config{NoModule: true, Conf: conf + "\n" + helloConf})
	assertHello(t, s)
	for _, child := range s.Children() {
		assert.True(t, hasLoaded(t, child, filepath.Join(filepath.Dir(module), filepath.Base(harness.Library(t)))))
	}
	s.Stop()

	makeTarget(t, "uninstall", "DESTDIR="+dir)
	assert.Empty(t, installed(t, dir))
}

// a2enmod finds the module, and refuses it beside mod_wsgi.
func TestInstallEnables(t *testing.T) {
	a2enmod, err := exec.LookPath("a2enmod")
	if err != nil {
		t.Skip("no a2enmod: not a Debian layout")
	}
	dir := publicDir(t)
	makeTarget(t, "install", "DESTDIR="+dir)
	etc := filepath.Join(dir, "etc", "apache2")
	require.NoError(t, os.MkdirAll(etc+"/mods-enabled", 0o755))
	enable := func(name string) (string, error) {
		cmd := exec.Command(a2enmod, name)
		cmd.Env = append(os.Environ(), "APACHE_CONFDIR="+etc, "APACHE_STATE_DIRECTORY="+dir+"/state", "APACHE_MODULES_DIR="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := enable("gowsgi")
	require.NoError(t, err, out)
	target, err := os.Readlink(etc + "/mods-enabled/gowsgi.load")
	require.NoError(t, err)
	assert.Equal(t, "../mods-available/gowsgi.load", target)

	require.NoError(t, os.Remove(etc+"/mods-enabled/gowsgi.load"))
	writeFile(t, etc+"/mods-available/wsgi.load", "")
	require.NoError(t, os.Symlink("../mods-available/wsgi.load", etc+"/mods-enabled/wsgi.load"))
	out, err = enable("gowsgi")
	assert.Error(t, err, "mod_wsgi is enabled")
	assert.Contains(t, out, "Module wsgi is enabled - cannot proceed")
}
