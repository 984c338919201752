package worker_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
)

// held is an application whose requests end when a file is there. It keeps the order in which requests came to it.
const held = `
import os, time
order = []
def application(environ, start_response):
    order.append(environ.get("NAME", ""))
    if "UNTIL" in environ:
        open(environ["UNTIL"] + ".begun", "w").close()
        while not os.path.exists(environ["UNTIL"]):
            time.sleep(0.005)
    start_response("200 OK", [])
    return [" ".join(order).encode()]
`

// hold begins a request that keeps a thread of the worker until the returned function is called, which returns its answer.
func (r *rig) hold() func() answer {
	r.t.Helper()
	file := filepath.Join(r.dir, "go")
	c := r.connect()
	c.sendRequest(r.request("UNTIL", file, "NAME", "held"))
	require.Eventually(r.t, func() bool { _, err := os.Stat(file + ".begun"); return err == nil }, patience, time.Millisecond)
	return func() answer {
		require.NoError(r.t, os.WriteFile(file, nil, 0o644))
		a, err := c.finish(nil)
		require.NoError(r.t, err)
		return a
	}
}

// ask sends a request over a connection of its own, to the worker or into the queue. Its answer comes on the channel, which is closed
// without one when the connection ends.
func (r *rig) ask(socket, name string) (*client, chan answer) {
	r.t.Helper()
	c, done := r.connectTo(socket), make(chan answer, 1)
	c.sendRequest(r.request("NAME", name))
	go func() {
		defer close(done)
		if a, err := c.finish(nil); err == nil {
			done <- a
		}
	}()
	return c, done
}

func (r *rig) await(done chan answer) answer {
	r.t.Helper()
	select {
	case a := <-done:
		return a
	case <-time.After(patience):
		require.FailNow(r.t, "no answer", "log:\n%s", r.log())
		return answer{}
	}
}

// A request that was sent to a worker without a free thread for it goes back at once, on a connection that remains good.
func TestSentBackWhenFull(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	for range 3 {
		release := r.hold()
		second, done := r.ask(r.socket, "second")
		a := r.await(done)
		assert.Equal(t, wire.TypeRetry, a.end)
		assert.Equal(t, wire.RetryBusy, a.number)
		release()
		require.NoError(t, os.Remove(filepath.Join(r.dir, "go")))
		require.NoError(t, os.Remove(filepath.Join(r.dir, "go.begun")))
		require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
		assert.Equal(t, 200, second.get(r.request()).head.Status)
	}
}

// So do many that come together, on new connections.
func TestSentBackOnNewConnections(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	together(40, func(int) {
		_, done := r.ask(r.socket, "new")
		assert.Equal(t, wire.RetryBusy, r.await(done).number)
	})
	release()
	require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
	r.get()
}

// A worker that takes no more requests sends them back for another reason.
func TestSentBackByAWorkerThatGoes(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	r.tell(daemon.Drain)
	require.Eventually(t, func() bool { return r.slot.State() == daemon.Draining }, patience, time.Millisecond)
	_, done := r.ask(r.socket, "late")
	a := r.await(done)
	assert.Equal(t, wire.TypeRetry, a.end)
	assert.Equal(t, wire.RetryStopping, a.number)
	release()
	r.awaitExit(patience)
}

// What waits in the queue is served in the order in which it came, before what is sent to the worker later.
func TestQueueKeepsTheOrder(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	var waiting []chan answer
	want := "held"
	for i := range 20 {
		_, done := r.ask(r.queue, strconv.Itoa(i))
		waiting = append(waiting, done)
		want += " " + strconv.Itoa(i)
	}
	release()
	var last answer
	for _, done := range waiting {
		last = r.await(done)
		assert.Equal(t, wire.TypeEnd, last.end)
	}
	assert.Equal(t, want, last.body)
	assert.Equal(t, 0, strings.Count(r.log(), "GWSGI"), r.log())
}

// A thread that is free takes from the queue what comes there, however many come together.
func TestQueueIsServedByFreeThreads(t *testing.T) {
	r := start(t, hello, settings{threads: 3})
	for range 5 {
		together(30, func(i int) {
			_, done := r.ask(r.queue, strconv.Itoa(i))
			assert.Equal(t, "Hello", r.await(done).body)
		})
		r.get()
	}
	require.Eventually(t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond)
}

// A connection of the queue brings one request; the worker ends it.
func TestQueueConnectionEnds(t *testing.T) {
	r := start(t, hello, settings{threads: 1})
	c := r.connectTo(r.queue)
	assert.Equal(t, "Hello", c.get(r.request()).body)
	c.closed()
}

// Whoever has left the queue is not served.
func TestQueueLeft(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	left := r.connectTo(r.queue)
	left.sendRequest(r.request("NAME", "left"))
	require.NoError(t, left.Close())
	_, done := r.ask(r.queue, "stays")
	release()
	assert.Equal(t, "held stays", r.await(done).body)
}

// Somebody who connects and says nothing holds up nobody who comes later, and may speak then.
func TestQueueSilent(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	silent := r.connectTo(r.queue)
	_, done := r.ask(r.queue, "next")
	release()
	assert.Equal(t, "held next", r.await(done).body)
	a := silent.get(r.request("NAME", "silent"))
	assert.Equal(t, 200, a.head.Status, "%+v", a)
}

// A worker that takes no more requests leaves the queue to others: here it is this test.
func TestQueueIsLeftToOthers(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	r.tell(daemon.Drain)
	r.awaitExit(patience)
	file := listenerAgain(t, r)
	c := r.connectTo(r.queue)
	c.sendRequest(r.request())
	conn, err := file.Accept()
	require.NoError(t, err)
	f, err := wire.ReadFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, wire.TypeRequest, f.Type)
}

// listenerAgain takes the place of the supervisor, which listens as well.
func listenerAgain(t *testing.T, r *rig) net.Listener {
	t.Helper()
	require.NoError(t, os.Remove(r.queue))
	l, err := net.FileListener(listen(t, r.queue))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}
