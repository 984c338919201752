// This file finds the httpd of this machine, the module under test, and the user that the server's children run as.

package harness

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// apache is an installed httpd.
type apache struct {
	httpd      string // the program
	modulesDir string
}

var findApache = sync.OnceValues(func() (apache, error) {
	apxs := os.Getenv("APXS")
	if apxs == "" {
		apxs = "apxs"
	}
	query := func(name string) (string, error) {
		out, err := exec.Command(apxs, "-q", name).Output()
		return strings.TrimSpace(string(out)), err
	}
	sbin, err := query("SBINDIR")
	if err != nil {
		return apache{}, err
	}
	prog, err := query("PROGNAME")
	if err != nil {
		return apache{}, err
	}
	modules, err := query("LIBEXECDIR")
	return apache{httpd: filepath.Join(sbin, prog), modulesDir: modules}, err
})

// root is the checkout that this source file lies in. It is not taken from runtime.Caller, which -trimpath shortens.
func root() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	panic("harness: not run inside the checkout")
}

// account is who the server's children run as: httpd needs one to change to when root starts it.
type account struct {
	user, group string
	uid, gid    uint32
}

// serverAccount returns nil when httpd is started by an ordinary user and stays it.
func serverAccount(t testing.TB) *account {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"www-data", "apache", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		g, err := user.LookupGroupId(u.Gid)
		require.NoError(t, err)
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		require.NoError(t, err)
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		require.NoError(t, err)
		return &account{user: name, group: g.Name, uid: uint32(uid), gid: uint32(gid)}
	}
	require.Fail(t, "no user to run httpd's children as (www-data, apache, nobody)")
	return nil
}

// may tells whether the account may do what an option of test(1) stands for, by asking a process of that account.
func (a *account) may(option, file string) bool {
	cmd := exec.Command("test", option, file)
	cmd.Dir = "/"
	if a != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid}}
	}
	return cmd.Run() == nil
}

// MayWrite tells whether the server's children may write to a file or folder.
func MayWrite(t testing.TB, file string) bool { return serverAccount(t).may("-w", file) }

// places are the files that the server's children read.
type places struct {
	module string // the module under test
	apps   string // tests/apps
}

var (
	staging  sync.Mutex
	staged   *places
	stageDir string
)

// findPlaces returns where the module and the applications are. A checkout that the server's account may not read (one
// in root's home, say) is copied to a folder that it may; that copy is made once for the whole test program.
func findPlaces(t testing.TB, as *account) places {
	staging.Lock()
	defer staging.Unlock()
	if staged != nil {
		return *staged
	}
	found := places{module: os.Getenv("GOWSGI_MODULE"), apps: os.Getenv("GOWSGI_APPS")}
	if found.module == "" {
		found.module = filepath.Join(root(), "build", "mod_gowsgi.so")
	}
	if found.apps == "" {
		found.apps = filepath.Join(root(), "tests", "apps")
	}
	if as != nil && !as.may("-r", filepath.Join(found.apps, "hello", "hello.wsgi")) {
		found = stage(t, found)
	}
	staged = &found
	return found
}

func stage(t testing.TB, from places) places {
	var err error
	stageDir, err = os.MkdirTemp("", "gowsgi-staged-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(stageDir, 0o755))
	t.Logf("the server's user cannot read this checkout: working on a copy in %s", stageDir)
	libraries, err := filepath.Glob(filepath.Join(filepath.Dir(from.module), "*gowsgi*"))
	require.NoError(t, err)
	args := append([]string{"-r", from.apps}, libraries...)
	out, err := exec.Command("cp", append(args, stageDir)...).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("chmod", "-R", "a+rX", stageDir).CombinedOutput()
	require.NoError(t, err, string(out))
	to := places{module: from.module, apps: filepath.Join(stageDir, "apps")}
	if len(libraries) > 0 {
		to.module = filepath.Join(stageDir, filepath.Base(from.module))
	}
	return to
}

var atEnd []func()

// AtEnd has something done when all tests are over. Not for tests that run at the same time.
func AtEnd(do func()) { atEnd = append(atEnd, do) }

// IsReachable tells whether the server's user may read what is in a folder and pass through all above it.
func IsReachable(t testing.TB, folder string) bool {
	t.Helper()
	if serverAccount(t) == nil {
		return true
	}
	for ; ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if folder == filepath.Dir(folder) {
			return true
		}
	}
}

// Main runs the tests of a package that uses the harness; call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	for _, do := range atEnd {
		do()
	}
	if stageDir != "" {
		os.RemoveAll(stageDir)
	}
	os.Exit(code)
}

// App returns the path of a file below tests/apps, as the server's children see it.
func App(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(findPlaces(t, serverAccount(t)).apps, filepath.FromSlash(name))
}

// Module returns the path of the module under test, as the server's children see it.
func Module(t testing.TB) string {
	t.Helper()
	return findPlaces(t, serverAccount(t)).module
}

// ofModule finds, with its first group, what stands in the module's file.
func ofModule(t testing.TB, pattern string) string {
	t.Helper()
	content, err := os.ReadFile(Module(t))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindSubmatch(content)
	if found == nil {
		t.Fatalf("%s has no %s", Module(t), pattern)
	}
	return string(found[1])
}

// Library is the file that Apache's own processes open, beside the module.
func Library(t testing.TB) string {
	t.Helper()
	return filepath.Join(filepath.Dir(Module(t)), ofModule(t, `(libgowsgi-\d+\.\d+[a-z]*\.so)`))
}

// Python is the program that Library was built for.
func Python(t testing.TB) string {
	t.Helper()
	return ofModule(t, `PYTHON="(\S+) %s"`)
}

// Source returns the path of a file of the checkout.
func Source(name string) string { return filepath.Join(root(), filepath.FromSlash(name)) }

// defaultThreads is how many threads a child of a threaded MPM has when the test does not say.
var defaultThreads = max(8, 2*runtime.NumCPU())
