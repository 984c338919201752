package harness

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Nobody waits for a server that was given up: neither on connections of before, nor on new ones.
func TestLifelineCut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var line lifeline
	dial := func() (net.Conn, error) { return line.dial(context.Background(), "tcp", listener.Addr().String()) }
	conn, err := dial()
	require.NoError(t, err)

	gone := errors.New("given up")
	line.cut(gone)
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = dial()
	assert.ErrorIs(t, err, gone)
	listener.Close()
	_, err = dial()
	assert.ErrorIs(t, err, gone)
}
