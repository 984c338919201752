package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about the other directives of daemon processes: WSGISocketPrefix, WSGIRestrictEmbedded, WSGIImportScript with
// process-group=, WSGIReloadMechanism, WSGIAcceptMutex.

const socketsConf = `
WSGIDaemonProcess options display-name=%{GROUP}
WSGIProcessGroup options
WSGIScriptAlias /app "${APPS}/daemon/inside.wsgi"
`

// ---- WSGISocketPrefix ----

// checkSockets expects two sockets in a folder, that of the group and that of its process, named by the prefix, the server, its
// generation, the group and, one of them, the process, for httpd's user alone.
func checkSockets(t *testing.T, s *harness.Server, dir string) {
	t.Helper()
	uid, _ := childIdentity(t, s)
	var found []string
	harness.Eventually(t, func() bool { // the socket of a process that was replaced goes with it
		found, _ = filepath.Glob(filepath.Join(dir, "*.sock"))
		return len(found) == 2
	}, "two sockets in the folder")
	of := fmt.Sprintf(`^wsgi\.%d\.\d+\.0`, s.PID())
	assert.Regexp(t, of+`\.\d+\.\d+\.sock$`, filepath.Base(found[0]))
	assert.Regexp(t, of+`\.sock$`, filepath.Base(found[1]))
	for _, socket := range found {
		info, err := os.Stat(socket)
		require.NoError(t, err)
		assert.Equal(t, os.ModeSocket|0o600, info.Mode())
		assert.EqualValues(t, uid, info.Sys().(*syscall.Stat_t).Uid)
	}
	assert.ElementsMatch(t, found, socketsOf(t, s.Workers()[0]))
}

// The standard place is httpd's runtime folder.
func TestDaemonSocketDefault(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: socketsConf})
	ask[inside](t, s, "/app")
	checkSockets(t, s, s.Path(""))
}

// A relative prefix is below ServerRoot. Sockets go with their processes.
func TestDaemonSocketPrefix(t *testing.T) {
	for _, prefix := range []string{"run/wsgi", "/run/wsgi"} {
		root := publicDir(t)
		require.NoError(t, os.Mkdir(filepath.Join(root, "run"), 0o755))
		if prefix[0] == '/' {
			prefix = root + prefix
		}
		s := harness.Start(t, harness.Config{Conf: fmt.Sprintf("ServerRoot %s\nWSGISocketPrefix %s\n", root, prefix) + socketsConf})
		before := ask[inside](t, s, "/app").PID
		checkSockets(t, s, filepath.Join(root, "run"))
		require.NoError(t, syscall.Kill(before, syscall.SIGINT))
		awaitOther(t, s, before)
		checkSockets(t, s, filepath.Join(root, "run"))
		s.Stop()
		left, err := os.ReadDir(filepath.Join(root, "run"))
		require.NoError(t, err)
		assert.Empty(t, left)
	}
}

// A folder that httpd's user cannot pass is named, and requests are answered 503.
func TestDaemonSocketPrefixUnreachable(t *testing.T) {
	asRoot(t, "httpd's children are another user")
	dir := publicDir(t)
	require.NoError(t, os.MkdirAll(dir+"/closed/open", 0o755))
	require.NoError(t, os.Chmod(dir+"/closed", 0o700))
	s := harness.Start(t, harness.Config{Conf: "WSGISocketPrefix " + dir + "/closed/open/wsgi\n" + socketsConf})
	s.Expect(`GWSGI0911: Apache's user \(uid \d+, gid \d+\) cannot pass through `+dir+`/closed on the way to the sockets `+dir+`/closed/open/wsgi`, `GWSGI1111: .*\(`+dir+`/closed/open/wsgi`)
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/app").Status)
	require.NoError(t, os.Chmod(dir+"/closed", 0o755))
	assert.Equal(t, "options", ask[inside](t, s, "/app").Group, "no restart is needed")
}

func TestDaemonSocketPrefixMissing(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: "WSGISocketPrefix ${RUN}/no/wsgi\nWSGIDaemonProcess options connect-timeout=1\n" +
		strings.Replace(socketsConf, "WSGIDaemonProcess options display-name=%{GROUP}", "", 1)})
	s.Expect(`GWSGI0910: the folder of the sockets of daemon process groups, .*/no, cannot be used: .*no such file`, `GWSGI0904: `, `GWSGI1112: `)
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/app").Status)
}

func TestDaemonSocketPrefixForAll(t *testing.T) {
	dir := publicDir(t)
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	s := harness.Start(t, harness.Config{Conf: "WSGISocketPrefix " + dir + "/wsgi\n" + socketsConf})
	s.Expect(`GWSGI0912: everybody may write in ` + dir)
	ask[inside](t, s, "/app")
	checkSockets(t, s, dir)
}

func TestDaemonSocketPrefixTooLong(t *testing.T) {
	dir := filepath.Join(publicDir(t), strings.Repeat("long", 25))
	require.NoError(t, os.Mkdir(dir, 0o755))
	s := harness.Start(t, harness.Config{Conf: "WSGISocketPrefix " + dir + "/wsgi\n" + strings.Replace(socketsConf, "%{GROUP}", "x connect-timeout=1", 1)})
	s.Expect(`GWSGI0812: WSGISocketPrefix `+dir+`/wsgi is too long`, `GWSGI0904: .* the socket's path is too long`, `GWSGI1112: `)
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/app").Status)
}

// as runs something as another user, on a thread of its own that ends with it.
func as(t *testing.T, uid int, what func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		// Package syscall would change all threads.
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		if errno != 0 {
			done <- errno
			return
		}
		what()
		done <- nil
	}()
	require.NoError(t, <-done)
}

// Other users get no connection; when the file's mode lets them, the process refuses them all the same.
func TestDaemonSocketRefusesOthers(t *testing.T) {
	asRoot(t, "it is several users")
	s := harness.Start(t, harness.Config{Conf: socketsConf})
	pid := ask[inside](t, s, "/app").PID
	path := socketOf(t, pid)
	const stranger = 54321
	as(t, stranger, func() {
		fd, err := connectTo(t, path)
		assert.ErrorIs(t, err, unix.EACCES)
		unix.Close(fd)
	})
	require.NoError(t, os.Chmod(path, 0o666))
	s.Expect(fmt.Sprintf(`GWSGI1004: a process of uid %d \(pid %d\) connected to the group's socket and was refused`, stranger, os.Getpid()))
	as(t, stranger, func() {
		fd, err := connectTo(t, path)
		assert.NoError(t, err)
		defer unix.Close(fd)
		assert.NoError(t, unix.SetNonblock(fd, false))
		assert.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
		n, err := unix.Read(fd, make([]byte, 100))
		assert.True(t, n == 0 || err == unix.ECONNRESET, "%d bytes, %v", n, err)
	})
	s.WaitLog(`GWSGI1004: `)
	assert.Equal(t, pid, ask[inside](t, s, "/app").PID)
}

// ---- WSGIRestrictEmbedded ----

// Where nothing is run in httpd's children, they have neither Python nor our library.
func TestDaemonRestrictEmbedded(t *testing.T) {
	harness.EachMPM(t, func(t *testing.T, mpm string) {
		s := harness.Start(t, harness.Config{MPM: mpm, Conf: "WSGIRestrictEmbedded On\n" + socketsConf + `
			WSGIScriptAlias /embedded "${APPS}/daemon/inside.wsgi" process-group=%{GLOBAL}`})
		got := ask[inside](t, s, "/app")
		assert.True(t, hasLoaded(t, got.PID, "libgowsgi"))
		s.Expect(`GWSGI0207: .*WSGIRestrictEmbedded is On`)
		assert.Equal(t, http.StatusInternalServerError, s.Get("/embedded").Status)
		for _, pid := range append(s.Children(), s.PID()) {
			for _, library := range []string{"libgowsgi", "libpython"} {
				assert.False(t, hasLoaded(t, pid, library), "%s in process %d", library, pid)
			}
		}
	})
}

// ---- WSGIImportScript ----

// Scripts are there before the first request, and in each process that replaces another.
func TestDaemonImportScript(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		WSGIRestrictEmbedded On
		WSGIDaemonProcess options display-name=%{GROUP} processes=2
		WSGIDaemonProcess other display-name=%{GROUP}
		WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=options application-group=%{GLOBAL}
		WSGIImportScript "${APPS}/imports/preload.wsgi" process-group=options application-group=named
		WSGIScriptAlias /main "${APPS}/imports/preload.wsgi" process-group=options application-group=%{GLOBAL}
		WSGIScriptAlias /named "${APPS}/imports/preload.wsgi" process-group=options application-group=named`})
	s.Expect(`preload.wsgi in group ''`, `preload.wsgi in group 'named'`)
	loadedBy := func(pid int) bool {
		return timesLogged(s, fmt.Sprintf(`\[pid %d:.*preload.wsgi in group '', main thread: True`, pid)) == 1 &&
			timesLogged(s, fmt.Sprintf(`\[pid %d:.*preload.wsgi in group 'named', main thread: `, pid)) == 1
	}
	harness.Eventually(t, func() bool {
		workers := workersOf(s, "options")
		return len(workers) == 2 && loadedBy(workers[0]) && loadedBy(workers[1])
	}, "both processes import")
	harness.Eventually(t, func() bool { return timesLogged(s, `of process group 'other' is ready`) == 1 }, "the other group")
	assert.Equal(t, 4, timesLogged(s, `preload.wsgi in group`), "no other process does")
	for range 4 {
		assert.Equal(t, "1", s.Get("/main").Body)
		assert.Equal(t, "1", s.Get("/named").Body)
	}
	before := workersOf(s, "options")
	require.NoError(t, syscall.Kill(before[0], syscall.SIGINT))
	harness.Eventually(t, func() bool {
		workers := workersOf(s, "options")
		return len(workers) == 2 && !isAlive(before[0]) && loadedBy(workers[0]) && loadedBy(workers[1])
	}, "the replacement imports")
	for range 4 {
		assert.Equal(t, "1", s.Get("/main").Body)
	}
}

// ---- WSGIReloadMechanism ----

const countingScript = `
import os, sys
sys.loads = getattr(sys, "loads", 0) + 1

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%%d %%d %s" %% (os.getpid(), sys.loads)]
`

// What a changed script replaces: by default the process, with Module the module alone, and nothing when it is not looked for.
func TestDaemonReloadMechanism(t *testing.T) {
	for _, group := range []string{"%{GLOBAL}", "sub"} {
		for _, test := range []struct {
			conf    string
			process bool
			loads   int
			version string
		}{
			{"", true, 1, "new"},
			{"WSGIReloadMechanism Process", true, 1, "new"},
			{"WSGIReloadMechanism Module", false, 2, "new"},
			{"WSGIReloadMechanism Process\nWSGIScriptReloading Off", false, 1, "old"},
		} {
			t.Run(group+" "+strings.ReplaceAll(test.conf, "\n", " "), func(t *testing.T) {
				s := harness.Start(t, harness.Config{Conf: fmt.Sprintf(`
					WSGIDaemonProcess options display-name=%%{GROUP}
					WSGIScriptAlias /app "${RUN}/app.wsgi" process-group=options application-group=%s
					%s`, group, test.conf)})
				f := newScript(s)
				f.put("app.wsgi", fmt.Sprintf(countingScript, "old"), time.Second)
				var before, after, loads int
				var version string
				_, err := fmt.Sscan(s.Get("/app").Body, &before, &loads, &version)
				require.NoError(t, err)
				assert.Equal(t, "old", version)
				f.put("app.wsgi", fmt.Sprintf(countingScript, "new"), time.Second)
				_, err = fmt.Sscan(s.Get("/app").Body, &after, &loads, &version)
				require.NoError(t, err)
				assert.Equal(t, test.version, version)
				assert.Equal(t, test.loads, loads)
				assert.Equal(t, test.process, before != after)
				if test.process {
					assert.Equal(t, after, awaitOther(t, s, before))
				}
			})
		}
	}
}

// A .htaccess file may say it, too.
func TestDaemonReloadMechanismInHtaccess(t *testing.T) {
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess options display-name=%{GROUP}
		WSGIProcessGroup options
		<Directory "${HTDOCS}">
		Options ExecCGI
		AllowOverride FileInfo
		AddHandler wsgi-script .wsgi
		</Directory>`})
	s.WriteFile("htdocs/module/.htaccess", "WSGIReloadMechanism Module\n")
	f := newScript(s)
	for path, kept := range map[string]bool{"htdocs/module/app.wsgi": true, "htdocs/app.wsgi": false} {
		url := strings.TrimPrefix(path, "htdocs")
		f.put(path, fmt.Sprintf(countingScript, "old"), time.Second)
		before, _, _ := strings.Cut(s.Get(url).Body, " ")
		f.put(path, fmt.Sprintf(countingScript, "new"), time.Second)
		after, rest, _ := strings.Cut(s.Get(url).Body, " ")
		assert.Equal(t, kept, before == after, path)
		assert.True(t, strings.HasSuffix(rest, " new"), rest)
	}
}

// ---- WSGIAcceptMutex ----

// There is no such mutex here, but configurations that choose one go on working.
func TestDaemonAcceptMutex(t *testing.T) {
	for _, method := range []string{"Default", "flock", "fcntl", "sysvsem", "posixsem", "pthread"} {
		accepted(t, "WSGIAcceptMutex "+method+"\n"+socketsConf)
	}
	s := harness.Start(t, harness.Config{Conf: "WSGIAcceptMutex flock\n" + socketsConf})
	assert.Equal(t, "options", ask[inside](t, s, "/app").Group)
}
