package worker_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
	"github.com/mod-gowsgi/mod_gowsgi/daemon/wire"
)

// held is an application whose requests end when a file is there.
const held = `
import os, time
def application(environ, start_response):
    if "UNTIL" in environ:
        open(environ["UNTIL"] + ".begun", "w").close()
        while not os.path.exists(environ["UNTIL"]):
            time.sleep(0.005)
    start_response("200 OK", [])
    return [b"done"]
`

// hold begins a request that keeps the worker's only thread until the returned function is called, which returns its answer.
func (r *rig) hold() func() answer {
	r.t.Helper()
	file := filepath.Join(r.dir, "go")
	c := r.connect()
	c.sendRequest(r.request("UNTIL", file))
	require.Eventually(r.t, func() bool { _, err := os.Stat(file + ".begun"); return err == nil }, patience, time.Millisecond)
	return func() answer {
		require.NoError(r.t, os.WriteFile(file, nil, 0o644))
		a, err := c.finish(nil)
		require.NoError(r.t, err)
		require.Eventually(r.t, func() bool { return r.slot.Busy() == 0 }, patience, time.Millisecond) // or requests may still go back
		return a
	}
}

// peer is another worker of the group.
func (r *rig) peer(busy int) *daemon.WorkerSlot {
	slot := r.board.Worker(1)
	slot.Begin(1, 1, time.Now())
	slot.Transit(daemon.Serving)
	slot.SetLoad(busy, 0)
	return slot
}

// ask sends a request on a connection of its own, whose answer comes on the channel.
func (r *rig) ask() (*client, chan answer) {
	r.t.Helper()
	c, done := r.connect(), make(chan answer, 1)
	c.sendRequest(r.request())
	go func() {
		a, _ := c.finish(nil)
		done <- a
	}()
	return c, done
}

// waits checks that no answer comes, for the time of many looks at the queue.
func (r *rig) waits(done chan answer) {
	r.t.Helper()
	select {
	case a := <-done:
		require.Fail(r.t, "answered", "%+v", a)
	case <-time.After(100 * time.Millisecond):
	}
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

// A request that waits behind a slow one goes back when another worker has a free thread, on a connection that remains good.
func TestSentBackToAFreeWorker(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	second, done := r.ask()
	r.peer(0)
	a := r.await(done)
	assert.Equal(t, wire.TypeRetry, a.end)
	assert.Equal(t, wire.RetryBusy, a.number)
	assert.Equal(t, "done", release().body)
	assert.Equal(t, "done", second.get(r.request()).body)
}

// While the other worker is full, too, the request waits where it is; it goes when the other one gets on.
func TestSentBackToAWorkerThatGetsOn(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	peer := r.peer(1)
	release := r.hold()
	_, done := r.ask()
	r.waits(done)
	for n := uint64(1); len(done) == 0; n++ {
		peer.SetLoad(1, n)
		time.Sleep(time.Millisecond)
		require.Less(t, n, uint64(patience/time.Millisecond), "not sent back; log:\n%s", r.log())
	}
	assert.Equal(t, wire.RetryBusy, r.await(done).number)
	assert.Equal(t, "done", release().body)
}

// The only worker of a group keeps what waits for it.
func TestNotSentBackWhenAlone(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	_, done := r.ask()
	r.waits(done)
	assert.Equal(t, "done", release().body)
	assert.Equal(t, "done", r.await(done).body)
}

// What waits at a worker that takes no more requests need not wait for a thread of it to hear that.
func TestSentBackByAWorkerThatGoes(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	_, done := r.ask()
	r.tell(daemon.Drain)
	a := r.await(done)
	assert.Equal(t, wire.TypeRetry, a.end)
	assert.Equal(t, wire.RetryStopping, a.number)
	assert.Equal(t, "done", release().body)
	r.awaitExit(patience)
}

// Connections that come while all threads are at work are accepted, and what they ask for is sent back as well.
func TestSentBackOnNewConnections(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	release := r.hold()
	r.peer(0)
	together(40, func(int) {
		_, done := r.ask()
		assert.Equal(t, wire.RetryBusy, r.await(done).number)
	})
	assert.Equal(t, "done", release().body)
	r.get()
}

// The watch of the queue ends when there is always a free thread, and begins again. Only time ends it, so this test lets it pass.
func TestSentBackAfterARest(t *testing.T) {
	r := start(t, held, settings{threads: 1})
	r.peer(0)
	for range 2 {
		release := r.hold()
		_, done := r.ask()
		assert.Equal(t, wire.RetryBusy, r.await(done).number)
		assert.Equal(t, "done", release().body)
		require.NoError(t, os.Remove(filepath.Join(r.dir, "go")))
		require.NoError(t, os.Remove(filepath.Join(r.dir, "go.begun")))
		time.Sleep(1500 * time.Millisecond)
	}
}
