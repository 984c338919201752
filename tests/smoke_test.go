package tests

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const helloConf = `WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"`

func assertHello(t *testing.T, s *harness.Server) {
	t.Helper()
	got := s.Get("/hello")
	assert.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, "Hello, World!", got.Body)
	assert.Equal(t, "text/plain", got.Header.Get("Content-Type"))
	assert.Equal(t, "13", got.Header.Get("Content-Length"))
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: helloConf})
			assertHello(t, s)
			static := s.Get("/")
			assert.Equal(t, http.StatusOK, static.Status)
			assert.Equal(t, "static\n", static.Body)
		})
	})
}

func TestSmokeRestarts(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: helloConf})
			assertHello(t, s)
			before := s.Children()
			require.NotEmpty(t, before)
			s.Graceful()
			assertHello(t, s)
			replaced := func() bool { now := s.Children(); return len(now) > 0 && !slices.Contains(now, before[0]) }
			harness.Eventually(t, replaced, "the children to be replaced")
			s.Restart()
			assertHello(t, s)
		})
	})
}

func TestSmokeKeepAlive(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: helloConf})
		conn := s.Dial()
		for range 10 {
			conn.Send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
			got, err := conn.Receive(http.MethodGet)
			require.NoError(t, err)
			assert.Equal(t, "Hello, World!", got.Body)
		}
		conn.Send("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		assert.Contains(t, conn.Rest(), "Hello, World!")
	})
}

func TestSmokeConcurrent(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			const clients, requests = 20, 10
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: helloConf, Threads: clients})
			assert.Equal(t, map[string]int{"Hello, World!": clients * requests}, countAnswers(t, s, "/hello", clients, requests))
		})
	})
}

func TestSmokeSingleProcess(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: helloConf, SingleProc: true})
		assertHello(t, s)
	})
}

func TestSmokeAliasModuleName(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Config{ModuleName: "wsgi_module",
		Conf: "<IfModule wsgi_module>\n" + helloConf + "\n</IfModule>"})
	assertHello(t, s)
}
