package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file is about script-user, script-group and socket-user.

// ownership is who has the script and its folder, and what others may do there.
type ownership struct {
	uid, gid     int
	file, folder os.FileMode
	fault        string // what the log says of it; "" for none
}

// checkOwnership runs a script that belongs to others in turn.
func checkOwnership(t *testing.T, option string, cases []ownership) {
	t.Helper()
	s := harness.Start(t, harness.Config{Mode: harness.Daemon.With(option), Conf: `WSGIScriptAlias /app "${RUN}/own/app.wsgi"`})
	copyApp(t, s, "hello/hello.wsgi", "own/app.wsgi")
	file, folder := s.Path("own/app.wsgi"), s.Path("own")
	for i, c := range cases {
		for path, mode := range map[string]os.FileMode{file: c.file, folder: c.folder} {
			if os.Geteuid() == 0 {
				require.NoError(t, os.Chown(path, c.uid, c.gid))
			}
			require.NoError(t, os.Chmod(path, mode))
		}
		got := s.Get("/app")
		if c.fault == "" {
			assert.Equal(t, "Hello, World!", got.Body, "case %d", i)
			continue
		}
		line := fmt.Sprintf(`GWSGI0212: %s is not run in the process group workers: %s`, file, c.fault)
		s.Expect(line)
		assert.Equal(t, http.StatusForbidden, got.Status, "case %d", i)
		assert.NotZero(t, timesLogged(s, line), "case %d: %s", i, line)
	}
}

func TestDaemonScriptUser(t *testing.T) {
	t.Parallel()
	uid, gid := os.Geteuid(), os.Getegid()
	cases := []ownership{
		{uid, gid, 0o644, 0o755, ""},
		{uid, gid, 0o664, 0o755, `.*/app.wsgi may be written to by its group`},
		{uid, gid, 0o646, 0o755, `.*/app.wsgi may be written to by everybody`},
		{uid, gid, 0o644, 0o775, `.*/own may be written to by its group`},
		{uid, gid, 0o644, 0o757, `.*/own may be written to by everybody`},
	}
	if uid == 0 {
		cases = append(cases, ownership{54321, gid, 0o644, 0o755, `.*/app.wsgi does not belong to the user of script-user=`})
	}
	checkOwnership(t, "script-user=#"+strconv.Itoa(uid), cases)
}

func TestDaemonScriptGroup(t *testing.T) {
	t.Parallel()
	uid, gid := os.Geteuid(), os.Getegid()
	cases := []ownership{
		{uid, gid, 0o664, 0o775, ""},
		{uid, gid, 0o646, 0o755, `.*/app.wsgi may be written to by everybody`},
		{uid, gid, 0o644, 0o757, `.*/own may be written to by everybody`},
	}
	if uid == 0 {
		cases = append(cases, ownership{54321, gid, 0o644, 0o755, ""},
			ownership{uid, 54321, 0o644, 0o755, `.*/app.wsgi does not belong to the group of script-group=`})
	}
	checkOwnership(t, "script-group=#"+strconv.Itoa(gid), cases)
}

// The user may connect, and who httpd's children are otherwise may not.
func TestDaemonSocketUser(t *testing.T) {
	asRoot(t, "it is several users")
	s := harness.Start(t, harness.Config{Conf: `
		WSGIDaemonProcess mine
		WSGIDaemonProcess others socket-user=daemon connect-timeout=1
		WSGIScriptAlias /mine "${APPS}/daemon/inside.wsgi" process-group=mine
		WSGIScriptAlias /others "${APPS}/daemon/inside.wsgi" process-group=others`})
	other, err := user.Lookup("daemon")
	require.NoError(t, err)
	s.WaitLog(`of process group 'others' is ready`)
	s.Expect(`GWSGI1111: a process of the daemon process group others cannot be reached`)
	assert.Equal(t, http.StatusServiceUnavailable, s.Get("/others").Status)
	mine := ask[inside](t, s, "/mine").PID
	for _, worker := range s.Workers() {
		if worker == mine {
			continue
		}
		path := socketOf(t, worker)
		as(t, number(t, other.Uid), func() {
			fd, err := connectTo(t, path)
			assert.NoError(t, err)
			unix.Close(fd)
		})
	}
}
