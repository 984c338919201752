package harness

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestReadProcess(t *testing.T) {
	p, ok := readProcess(os.Getpid())
	require.True(t, ok)
	assert.Equal(t, os.Getppid(), p.ppid)
	assert.NotEmpty(t, p.comm)

	_, ok = readProcess(1 << 30)
	assert.False(t, ok)
}

func TestDescriptorsThatGrow(t *testing.T) {
	before := readDescriptors(os.Getpid())
	assert.Empty(t, readDescriptors(os.Getpid()).grown(before, 0))

	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, []string{f.Name() + ": 1, was 0"}, readDescriptors(os.Getpid()).grown(before, 0))

	require.NoError(t, os.Remove(f.Name()))
	assert.Contains(t, readDescriptors(os.Getpid()).grown(before, 0)[0], "deleted file in ")
}

func TestConnectionsAreNotListeners(t *testing.T) {
	before := readDescriptors(os.Getpid())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	assert.Equal(t, before["socket"]+1, readDescriptors(os.Getpid())["socket"])

	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	assert.Equal(t, before[kindConnection]+1, readDescriptors(os.Getpid())[kindConnection])
}

func TestDescriptorsThatMayComeLate(t *testing.T) {
	before := descriptors{"socket": 2}
	assert.Empty(t, descriptors{"socket": 2, "/dev/urandom": 1}.grown(before, 0))
	assert.Equal(t, []string{"/dev/urandom: 2, was 0"}, descriptors{"/dev/urandom": 2}.grown(before, 0))
	assert.Equal(t, []string{"TCP connection: 1, was 1"}, descriptors{kindConnection: 1}.grown(descriptors{kindConnection: 1}, 0))
}

func TestLocalConnectionsThatAreKept(t *testing.T) {
	before := readDescriptors(os.Getpid())
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	now := readDescriptors(os.Getpid())
	assert.Equal(t, before[kindLocal]+2, now[kindLocal])
	assert.Empty(t, now.grown(before, before[kindLocal]+2))
	assert.Len(t, now.grown(before, before[kindLocal]+1), 1)
}

func TestRolesOf(t *testing.T) {
	processes := []process{{pid: 10, ppid: 1, group: 10, comm: "httpd"}, {pid: 11, ppid: 10, group: 10, comm: "httpd"},
		{pid: 12, ppid: 11, group: 10, comm: "httpd"}, {pid: 13, ppid: 10, group: 13, comm: "httpd"}}
	assert.Equal(t, map[int]string{10: roleParent, 11: roleChild, 12: "other httpd", 13: "other httpd"}, rolesOf(10, processes))
}

func TestPooled(t *testing.T) {
	children, worker := pooled("WSGIDaemonProcess a threads=3 processes=2\n# WSGIDaemonProcess b\n  WSGIDaemonProcess c user=x\n", 5)
	assert.Equal(t, 6*4+4*15, children)
	assert.Equal(t, 5*15, worker)
}
