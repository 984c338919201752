package tests

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file sends more requests than there is room for.

// assertStaticServed asks httpd itself for a file, which needs none of the daemon processes' threads.
func assertStaticServed(t *testing.T, s *harness.Server) {
	t.Helper()
	for n := range 20 {
		o := ask1(s, "/index.html?", fmt.Sprint("static", n))
		assert.True(t, o.ok(), "%s", o)
		assert.Less(t, o.ended.Sub(o.began), 2*time.Second, "%s", o)
	}
}

// assertRecovered asserts that as soon as the load has gone, requests are served at once.
func assertRecovered(t *testing.T, s *harness.Server) {
	t.Helper()
	for n := range 10 {
		o := ask1(s, "/fault/nap?0+", fmt.Sprint("recovered", n))
		assert.True(t, o.ok(), "%s", o)
		assert.Less(t, o.ended.Sub(o.began), 2*time.Second, "%s", o)
	}
}

// Requests that wait for a free thread are answered 504 when queue-timeout has passed, with a line each; those that get a thread
// are served.
func TestFaultQueueTimeout(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 120, Conf: faultConf("threads=2 queue-timeout=1")})
	s.Expect(`GWSGI1118: .*queue-timeout`)
	s.Allow(`GWSGI1005: .*queue-timeout`)
	assertHello(t, s)
	l := startLoad(t, s, 100, "/fault/nap?300+")
	harness.Eventually(t, func() bool { return countStatus(l.so())[http.StatusGatewayTimeout] >= 150 }, "requests that were refused")
	assertStaticServed(t, s)
	outcomes := l.stop()
	assertRecovered(t, s)
	counts := countStatus(outcomes)
	assert.NotZero(t, counts[http.StatusOK])
	assert.Len(t, outcomes, counts[http.StatusOK]+counts[http.StatusGatewayTimeout], "%v", counts)
	assert.Len(t, found(s, `GWSGI1118: |GWSGI1005: `), counts[http.StatusGatewayTimeout], "a line for each that was refused")
	for _, o := range outcomes {
		assert.Less(t, o.ended.Sub(o.began), 5*time.Second, "in the queue it would wait for longer: %s", o)
	}
}

// Requests for which no process has room, not even to wait, are answered 503 when connect-timeout has passed, with a line each.
func TestFaultConnectTimeout(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 64, Conf: faultConf("threads=1 listen-backlog=1 connect-timeout=1")})
	s.Expect(`GWSGI1112: .*connect-timeout`)
	assertHello(t, s)
	slow, _ := enter(t, s, "slow")
	l := startLoad(t, s, 40, "/hello?")
	harness.Eventually(t, func() bool { return countStatus(l.so())[http.StatusServiceUnavailable] >= 80 }, "requests that were refused")
	assertStaticServed(t, s)
	openGate(t, s, "")
	assert.Equal(t, http.StatusOK, slow.wait(t).Status)
	l.await(t, 100)
	outcomes := l.stop()
	assertRecovered(t, s)
	counts := countStatus(outcomes)
	assert.Len(t, outcomes, counts[http.StatusOK]+counts[http.StatusServiceUnavailable], "%v", counts)
	assert.Len(t, found(s, `GWSGI1112: `), counts[http.StatusServiceUnavailable], "a line for each that was refused")
	for _, o := range failures(outcomes) {
		assert.GreaterOrEqual(t, o.ended.Sub(o.began), 900*time.Millisecond, "%s", o)
		assert.Less(t, o.ended.Sub(o.began), 5*time.Second, "%s", o)
	}
}

// With no limits, many more requests than threads wait, and all are served.
func TestFaultMoreClientsThanThreads(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{Threads: 220, Conf: faultConf("processes=2 threads=3")})
	assertHello(t, s)
	l := startLoad(t, s, 200, "/fault/nap?10+")
	l.await(t, 1000)
	assertStaticServed(t, s)
	assertNoFailure(t, l.stop())
	assertRecovered(t, s)
}
