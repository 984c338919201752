package tests

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about who the processes of a group are, and where they are: user, group, supplementary-groups, umask, home.

// newUser makes a user for the time of the test, with a home that everybody may search, and returns it.
func newUser(t *testing.T, prefix string) *user.User {
	t.Helper()
	asRoot(t, "it makes users")
	name := fmt.Sprintf("%s%d", prefix, os.Getpid())
	home := filepath.Join(publicDir(t), name)
	require.NoError(t, os.Mkdir(home, 0o755))
	out, err := exec.Command("useradd", "--no-create-home", "--home-dir", home, "--user-group", "--shell", "/bin/false", name).CombinedOutput()
	if err != nil {
		t.Skipf("no users can be made here: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", name).CombinedOutput(); err != nil {
			t.Errorf("userdel %s: %v\n%s", name, err, out)
		}
	})
	u, err := user.Lookup(name)
	require.NoError(t, err)
	require.NoError(t, os.Chown(home, number(t, u.Uid), number(t, u.Gid)))
	return u
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func gidOf(t *testing.T, name string) int {
	t.Helper()
	g, err := user.LookupGroup(name)
	require.NoError(t, err)
	return number(t, g.Gid)
}

func thrice(id int) []int { return []int{id, id, id} }

// childIdentity is as whom httpd's children run, from /proc.
func childIdentity(t *testing.T, s *harness.Server) (uid, gid int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Children()[0]))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == "Uid:" {
			uid = number(t, fields[2])
		} else if fields[0] == "Gid:" {
			gid = number(t, fields[2])
		}
	}
	return uid, gid
}

func TestDaemonUserDefault(t *testing.T) {
	s := startWith(t, "")
	got := ask[inside](t, s, "/main/inside")
	uid, gid := childIdentity(t, s)
	assert.Equal(t, thrice(uid), got.UID, "as httpd's children")
	assert.Equal(t, thrice(gid), got.GID)
	assert.NotContains(t, s.Children(), got.PID)
}

// A name and #uid; the groups of the database; the home and the variables of the user.
func TestDaemonUser(t *testing.T) {
	u := newUser(t, "gwu")
	uid, gid := number(t, u.Uid), number(t, u.Gid)
	require.NoError(t, exec.Command("usermod", "--append", "--groups", "daemon", u.Username).Run())
	for _, option := range []string{"user=" + u.Username, "user=#" + u.Uid} {
		t.Run(option, func(t *testing.T) {
			got := insideOf(t, option+" group=#"+u.Gid)
			assert.Equal(t, thrice(uid), got.UID)
			assert.Equal(t, thrice(gid), got.GID)
			assert.ElementsMatch(t, []int{gid, gidOf(t, "daemon")}, got.Groups, "as a login of the user has them")
			assert.Equal(t, u.HomeDir, got.Cwd)
			assert.Equal(t, u.HomeDir, got.Environ["HOME"])
			assert.Equal(t, u.Username, got.Environ["USER"])
			assert.Equal(t, u.Username, got.Environ["LOGNAME"])
			assert.NotContains(t, got.Path, u.HomeDir)
		})
	}
}

// Without group=, the group is httpd's, as the seed has it, not the user's.
func TestDaemonGroupDefault(t *testing.T) {
	u := newUser(t, "gwd")
	s := startWith(t, "user="+u.Username)
	got := ask[inside](t, s, "/main/inside")
	_, gid := childIdentity(t, s)
	assert.Equal(t, thrice(number(t, u.Uid)), got.UID)
	assert.Equal(t, thrice(gid), got.GID)
}

// A uid that is in no database will do.
func TestDaemonUserWithoutName(t *testing.T) {
	asRoot(t, "it changes users")
	got := insideOf(t, "user=#54321 group=#54322")
	assert.Equal(t, thrice(54321), got.UID)
	assert.Equal(t, thrice(54322), got.GID)
	assert.Equal(t, []int{54322}, got.Groups, "nothing of root's is left")
}

func TestDaemonGroup(t *testing.T) {
	asRoot(t, "it changes groups")
	daemon := gidOf(t, "daemon")
	for _, option := range []string{"group=daemon", fmt.Sprintf("group=#%d", daemon)} {
		s := startWith(t, option)
		got := ask[inside](t, s, "/main/inside")
		uid, _ := childIdentity(t, s)
		assert.Equal(t, thrice(daemon), got.GID, option)
		assert.Equal(t, thrice(uid), got.UID, option)
		assert.NotContains(t, got.Groups, 0, option)
	}
}

func TestDaemonSupplementaryGroups(t *testing.T) {
	asRoot(t, "it changes groups")
	got := insideOf(t, "supplementary-groups=daemon,#54323")
	expected := []int{gidOf(t, "daemon"), 54323}
	slices.Sort(expected)
	assert.Equal(t, expected, got.Groups, "these, and no others")
}

// Root is refused before anything starts, however it is written.
func TestDaemonRootIsRefused(t *testing.T) {
	for _, option := range []string{"user=root", "user=#0", "user=#000"} {
		message, _ := refused(t, "WSGIDaemonProcess options "+option)
		assert.Contains(t, message, "applications are not run as root", option)
	}
}

func TestDaemonUmask(t *testing.T) {
	for _, umask := range []string{"0077", "0002", "0"} {
		s := startWith(t, "umask="+umask)
		value, err := strconv.ParseInt(umask, 8, 32)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%04o", value), ask[inside](t, s, "/main/inside").Umask)
		entrance, _ := enter(t, s, "file")
		info, err := os.Stat(s.Path("data/here-file"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o666&^value), info.Mode().Perm(), "of a file that it made")
		openGate(t, s, "")
		entrance.wait(t)
	}
}

func TestDaemonUmaskDefault(t *testing.T) {
	before := syscall.Umask(0o026)
	s := startWith(t, "")
	syscall.Umask(before)
	assert.Equal(t, "0026", ask[inside](t, s, "/main/inside").Umask, "that of who started httpd")
}

func TestDaemonHome(t *testing.T) {
	dir := publicDir(t)
	writeFile(t, filepath.Join(dir, "beside.py"), "value = 'beside'\n")
	s := startWith(t, "home="+dir)
	for _, path := range []string{"/main/inside?beside", "/sub/inside?beside"} {
		got := ask[inside](t, s, path)
		assert.Equal(t, dir, got.Cwd)
		assert.Equal(t, dir, got.Path[0], "modules in it can be imported")
		assert.Equal(t, map[string]string{"beside": "beside"}, got.Values)
	}
}

// The user of httpd's children stays where httpd is.
func TestDaemonHomeDefault(t *testing.T) {
	got := insideOf(t, "")
	assert.Equal(t, "/", got.Cwd)
	assert.NotContains(t, got.Path, "/")
	assert.NotContains(t, got.Path, "")
}

// A home that is not there is told with its path, and requests are answered 503 after connect-timeout.
func TestDaemonHomeMissing(t *testing.T) {
	t.Parallel()
	s := startWith(t, "home=/no/such/folder connect-timeout=1")
	s.Expect(`GWSGI0904: a worker of process group 'options' cannot be started: home=: stat /no/such/folder: no such file`, `GWSGI1112: `)
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/main/inside").Status)
}

// A user whose home does not exist starts in /, as with su; home= says otherwise.
func TestDaemonHomeOfUserMissing(t *testing.T) {
	t.Parallel()
	u := newUser(t, "gwh")
	require.NoError(t, os.Remove(u.HomeDir))
	s := startWith(t, "user="+u.Username)
	assert.Equal(t, "/", ask[inside](t, s, "/main/inside").Cwd)

	s = startWith(t, "home=/tmp user="+u.Username)
	assert.Equal(t, "/tmp", ask[inside](t, s, "/main/inside").Cwd)
}

// Started by an ordinary user, httpd cannot change users, and does not try.
func TestDaemonAsOrdinaryUser(t *testing.T) {
	if os.Getuid() == 0 {
		runAsOrdinaryUser(t)
		return
	}
	s := startWith(t, "user=daemon group=daemon supplementary-groups=daemon umask=0022")
	got := ask[inside](t, s, "/main/inside")
	assert.Equal(t, thrice(os.Getuid()), got.UID)
	assert.Equal(t, thrice(os.Getgid()), got.GID)
	groups, err := os.Getgroups()
	require.NoError(t, err)
	assert.ElementsMatch(t, groups, got.Groups)
	assert.Equal(t, "/", got.Cwd)
}

// runAsOrdinaryUser runs the test that calls it, alone, in a process of the user nobody.
func runAsOrdinaryUser(t *testing.T) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	require.NoError(t, err)
	program := filepath.Join(publicDir(t), "tests")
	copyProgram(t, program)
	cmd := exec.Command(program, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "GOWSGI_MODULE="+harness.Module(t), "GOWSGI_APPS="+harness.App(t, ""), "HOME=/", "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: uint32(number(t, nobody.Uid)), Gid: uint32(number(t, nobody.Gid))}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "--- PASS: "+t.Name())
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer from.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(file, from)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
