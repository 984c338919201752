package harness

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	assert.Empty(t, readDescriptors(os.Getpid()).grown(before))

	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, []string{f.Name() + ": 1, was 0"}, readDescriptors(os.Getpid()).grown(before))

	require.NoError(t, os.Remove(f.Name()))
	assert.Contains(t, readDescriptors(os.Getpid()).grown(before)[0], "deleted file in ")
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
	assert.Empty(t, descriptors{"socket": 2, "/dev/urandom": 1}.grown(before))
	assert.Equal(t, []string{"/dev/urandom: 2, was 0"}, descriptors{"/dev/urandom": 2}.grown(before))
	assert.Equal(t, []string{"TCP connection: 1, was 1"}, descriptors{kindConnection: 1}.grown(descriptors{kindConnection: 1}))
}
