package supervisor

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// nobody is a user that every system has.
func nobody(t *testing.T) (uid, gid int) {
	found, err := user.Lookup("nobody")
	require.NoError(t, err)
	uid, _ = strconv.Atoi(found.Uid)
	gid, _ = strconv.Atoi(found.Gid)
	return uid, gid
}

func TestIdentity(t *testing.T) {
	uid, gid := nobody(t)
	config := &daemon.Config{IsRoot: true, ApacheUID: uid, ApacheGID: gid}
	id, err := findIdentity(config, &daemon.Options{})
	require.NoError(t, err)
	assert.Equal(t, uid, id.uid)
	assert.Equal(t, gid, id.gid)
	assert.Equal(t, "nobody", id.name)
	assert.Equal(t, []uint32{uint32(gid)}, id.groups)

	id, err = findIdentity(config, &daemon.Options{User: "nobody", UnixGroup: "#4711", SupplementaryGroups: "#12,13"})
	require.NoError(t, err)
	assert.Equal(t, 4711, id.gid)
	assert.Equal(t, []uint32{12, 13}, id.groups)

	id, err = findIdentity(config, &daemon.Options{User: "nobody", UnixGroup: "#4711"})
	require.NoError(t, err)
	assert.Equal(t, []uint32{4711}, id.groups, "not the group that group= takes it out of")

	for _, number := range []string{"#54321", "54321"} {
		id, err = findIdentity(config, &daemon.Options{User: number})
		require.NoError(t, err)
		assert.Equal(t, 54321, id.uid)
		assert.Empty(t, id.name)
	}
	for _, root := range []string{"root", "#0", "0"} {
		_, err = findIdentity(config, &daemon.Options{User: root})
		assert.ErrorIs(t, err, ErrRoot)
	}
	for _, o := range []daemon.Options{{User: "no-such-user"}, {User: "#x"}, {UnixGroup: "no-such-group"}, {SupplementaryGroups: "#1,,#2"}} {
		_, err = findIdentity(config, &o)
		assert.Error(t, err)
	}
	id, err = findIdentity(&daemon.Config{}, &daemon.Options{User: "root"})
	assert.NoError(t, err)
	assert.Nil(t, id, "httpd was not started by root")
}

func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff# comment\n\n A = from file \nB=\"quo ted\"\nC='x=#y'\r\nD=\n"), 0o600))
	inherited := []string{"PATH=/bin", "HOME=/root", "A=inherited", "GOWSGID_ROLE=supervisor", "PYTHONHOME=/usr"}
	o := &daemon.Options{Lang: "de_DE", Locale: "C.UTF-8", EnvFile: file, Env: []string{"B=option", "EMPTY=", "Q=a=b"}}
	list, err := workerEnvironment(inherited, &daemon.Group{Options: *o, Python: "3.13", OwnPython: true}, &identity{name: "bob", home: "/users/bob"})
	require.NoError(t, err)
	assert.Equal(t, []string{"PATH=/bin", "HOME=/users/bob", "A=from file", "GOWSGID_ROLE=worker", "USER=bob", "USERNAME=bob",
		"LOGNAME=bob", "LANG=de_DE", "LC_ALL=C.UTF-8", "B=option", "C=x=#y", "D=", "EMPTY=", "Q=a=b", "GOWSGID_PYTHON=3.13"}, list)

	list, err = workerEnvironment(inherited, &daemon.Group{}, nil)
	require.NoError(t, err)
	assert.Contains(t, list, "HOME=/root")

	_, err = workerEnvironment(nil, &daemon.Group{Options: daemon.Options{EnvFile: file + ".gone"}}, nil)
	assert.ErrorIs(t, err, ErrEnvFile)
}

func TestEnvFileErrorsShowNoValues(t *testing.T) {
	for text, says := range map[string]string{
		"A=1\nsecret":          "line 2 is not NAME=value",
		"=secret":              "line 1 is not",
		"1A=secret":            "line 1 is not",
		"A-B=secret":           "line 1 is not",
		"export A=secret":      "line 1 is not",
		"A=\"secret":           "line 1 has a quote",
		"A='":                  "line 1 has a quote",
		"A=\"secret'":          "line 1 has a quote",
		"#\n\nA=sec\x00ret\n#": "line 3 holds a NUL",
	} {
		_, err := parseEnvFile(text)
		assert.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "sec")
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	require.NoError(t, os.WriteFile(path, nil, 0o644)) // left behind
	uid := os.Geteuid()
	if uid == 0 {
		uid, _ = nobody(t)
	}
	fd, err := listen(path, 5, uid)
	require.NoError(t, err)
	var stat unix.Stat_t
	require.NoError(t, unix.Stat(path, &stat))
	assert.EqualValues(t, unix.S_IFSOCK|0o600, stat.Mode)
	assert.EqualValues(t, uid, stat.Uid)
	assert.False(t, abandoned(path))
	require.NoError(t, unix.Close(fd))
	assert.True(t, abandoned(path))
	_, err = listen(filepath.Join(t.TempDir(), "gone", "s"), 5, uid)
	assert.ErrorIs(t, err, unix.ENOENT)
}

func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	config := &daemon.Config{SocketPrefix: filepath.Join(dir, "wsgi"), ParentPID: os.Getpid(), Generation: 3}
	mine := strconv.Itoa(os.Getpid())
	const dead = "999999999" // no pid is as high
	stay := []string{"wsgi." + mine + ".2.0.0.1.sock", "other." + dead + ".1.0.0.1.sock", "wsgi." + dead + ".1.sock",
		"wsgi." + dead + ".1.0.0.2.sock"}
	leave := []string{"wsgi." + mine + ".3.0.0.1.sock", "wsgi." + dead + ".1.0.0.1.sock"}
	for _, name := range append(append([]string{}, stay...), leave...) {
		fd, err := listen(filepath.Join(dir, name), 1, os.Geteuid())
		require.NoError(t, err)
		if strings.HasSuffix(name, "2.sock") {
			defer func() { _ = unix.Close(fd) }() // somebody listens, in another container
		} else {
			require.NoError(t, unix.Close(fd))
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "wsgi."+dead+".1.0.0.3.sock"), nil, 0o600))
	assert.Equal(t, 2, removeStale(config))
	for _, name := range append(stay, "wsgi."+dead+".1.0.0.3.sock") {
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

func checked(t *testing.T, config *daemon.Config) string {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer func() { _ = log.Close() }()
	checkDirectory(config, daemon.NewLogger(int(log.Fd()), daemon.Info))
	text, err := os.ReadFile(log.Name())
	require.NoError(t, err)
	return string(text)
}

func TestDirectory(t *testing.T) {
	top := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(top), 0o755))
	dir := filepath.Join(top, "a", "b")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	config := &daemon.Config{SocketPrefix: filepath.Join(dir, "wsgi"), ApacheUID: os.Geteuid(), ApacheGID: os.Getegid()}
	assert.Empty(t, checked(t, config))
	require.NoError(t, os.Chmod(dir, 0o777))
	assert.Contains(t, checked(t, config), "GWSGI0912: everybody may write in "+dir)
	config.SocketPrefix = filepath.Join(dir, "gone", "wsgi")
	assert.Contains(t, checked(t, config), "GWSGI0910")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	config.SocketPrefix = filepath.Join(dir, "file", "wsgi")
	assert.Contains(t, checked(t, config), "which is not a folder")
}

// Root may go everywhere; Apache's user is asked about.
func TestDirectoryThatApacheCannotPass(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	top := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(top), 0o755))
	dir := filepath.Join(top, "a", "b")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	uid, gid := nobody(t)
	config := &daemon.Config{SocketPrefix: filepath.Join(dir, "wsgi"), IsRoot: true, ApacheUID: uid, ApacheGID: gid}
	assert.Empty(t, checked(t, config))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o750))
	text := checked(t, config)
	assert.Contains(t, text, "GWSGI0911")
	assert.Contains(t, text, "cannot pass through "+filepath.Dir(dir)+" on the way")
	assert.Contains(t, text, "permission denied")
	require.NoError(t, os.Chown(filepath.Dir(dir), 0, gid))
	assert.Empty(t, checked(t, config), "its group may")
	_, err := os.ReadDir(filepath.Dir(dir))
	assert.NoError(t, err, "this process is who it was")
}
