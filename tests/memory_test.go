package tests

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// What a child may grow by in a long run: the heaps of C, Python and Go breathe. A leaked environ is about 10,000 bytes, an exception
// with its traceback 1,000.
const (
	perRequestBytes = 100
	noiseBytes      = 2 << 20
)

// assertNoGrowth warms a server up, until heaps have found their size, and bounds what further requests add.
func assertNoGrowth(t *testing.T, s *harness.Server, warmUp, requests int, send func(n int)) {
	t.Helper()
	send(warmUp)
	before := map[int]int{}
	for _, pid := range append(s.Children(), s.AppProcesses()...) {
		before[pid] = memoryKB(t, pid, "VmRSS")
	}
	send(requests)
	for pid, kb := range before {
		grown := memoryKB(t, pid, "VmRSS") - kb
		assert.Less(t, grown*1024, perRequestBytes*requests+noiseBytes, "process %d grew from %d KB", pid, kb)
	}
}

// repeat calls f n times in all, on some goroutines.
func repeat(n int, f func()) {
	const goroutines = 4
	var all sync.WaitGroup
	for range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			for range n / goroutines {
				f()
			}
		}()
	}
	all.Wait()
}

const memoryConf = `
WSGIScriptAlias /memory "${APPS}/memory/memory.wsgi"
WSGIScriptAlias /main "${APPS}/memory/memory.wsgi" application-group=%{GLOBAL}
`

func TestMemoryOfRequests(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: memoryConf})
		assertNoGrowth(t, s, 5_000, 20_000, func(n int) {
			repeat(n, func() {
				got, err := s.Try(s.Request(http.MethodGet, "/memory?some=query", nil))
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusOK, got.Status)
				}
			})
		})
	})
}

func TestMemoryOfExceptions(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: memoryConf})
		s.ExpectTraceback(`LookupError: before the response`)
		s.ExpectTraceback(`LookupError: in the response`)
		s.Allow(`GWSGI0601: `, `GWSGI03\d\d: `)
		assertNoGrowth(t, s, 4_000, 4_000, func(n int) {
			repeat(n/2, func() {
				got, err := s.Try(s.Request(http.MethodGet, "/memory?raise", nil))
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusInternalServerError, got.Status)
				}
				_, err = s.Try(s.Request(http.MethodGet, "/main?break", nil))
				assert.Error(t, err, "the response broke off")
			})
		})
	})
}

// Clients that go away in the middle of a response, or of the body that they send.
func TestMemoryOfDisconnects(t *testing.T) {
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: memoryConf, Threads: 8})
		assertNoGrowth(t, s, 1_000, 1_000, func(n int) {
			for i := range n {
				conn := s.Dial()
				if i%2 == 0 {
					conn.Send("GET /memory?much HTTP/1.1\r\nHost: localhost\r\n\r\n")
					conn.Line()
				} else {
					conn.Send("POST /memory?read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\npart of it")
				}
				conn.Close()
			}
			assert.Equal(t, http.StatusOK, s.Get("/memory").Status)
		})
		harness.Eventually(t, func() bool { return s.Get("/memory?busy").Body == "1" }, "all requests to end")
	})
}

// Each reload drops what was loaded before it, the interpreter included.
func TestMemoryOfReloads(t *testing.T) {
	for mechanism, reloads := range map[string]int{"Module": 300, "Interpreter": 40} {
		t.Run(mechanism, func(t *testing.T) {
			harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
				s := harness.Start(t, harness.Config{Mode: mode, Threads: 2, Conf: fmt.Sprintf(reloadConf, "sub", mechanism)})
				f := newScript(s)
				// Python keeps some of a sub-interpreter for good (in 3.11 about 200 KB); the interpreter itself is some 2 MB.
				perReload := map[string]int{"Module": 4, "Interpreter": 600}[mechanism]
				reload := func(n int) {
					for range n {
						f.put("app.wsgi", fmt.Sprintf(versionScript, s.Path("lib"), "v"), 1_000_000_000)
						assert.Equal(t, http.StatusOK, s.Get("/app").Status)
					}
				}
				s.WriteFile("lib/helper.py", "VERSION = ''\n")
				reload(reloads / 2)
				pid := s.AppProcesses()[0]
				before := memoryKB(t, pid, "VmRSS")
				reload(reloads)
				assert.Less(t, memoryKB(t, pid, "VmRSS")-before, perReload*reloads, "KB")
			})
		})
	}
}
