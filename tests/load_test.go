package tests

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const loadConf = `
WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"
WSGIScriptAlias /env "${APPS}/env/env.wsgi"
WSGIScriptAlias /body/ "${APPS}/body/"
WSGIScriptAlias /stream/ "${APPS}/stream/"
WSGIScriptAlias /files/ "${APPS}/files/"
WSGIScriptAlias /counters "${APPS}/counters/counters.wsgi"
<LocationMatch "^/(hello|stream)">
  WSGIApplicationGroup %{GLOBAL}
</LocationMatch>
`

// mixedRequest sends one of several requests and returns what is wrong with its answer.
func mixedRequest(s *harness.Server, random *rand.Rand, id int) string {
	size := random.IntN(50_000)
	body := strings.Repeat("0123456789", size/10)
	var req *http.Request
	var expected func(harness.Response) bool
	switch random.IntN(6) {
	case 0:
		req = s.Request(http.MethodGet, "/hello", nil)
		expected = func(got harness.Response) bool { return got.Body == "Hello, World!" }
	case 1:
		req = s.Request(http.MethodPost, "/body/echo.wsgi", strings.NewReader(body))
		expected = func(got harness.Response) bool { return got.Body == body }
	case 2:
		req = s.Request(http.MethodPost, "/body/hash.wsgi", strings.NewReader(body))
		sum := fmt.Sprintf("%d %x ", len(body), sha256.Sum256([]byte(body)))
		expected = func(got harness.Response) bool { return strings.HasPrefix(got.Body, sum) }
	case 3:
		req = s.Request(http.MethodGet, "/stream/numbers.wsgi?n=5", nil)
		expected = func(got harness.Response) bool { return got.Body == "0 1 2 3 4 " }
	case 4:
		offset := random.IntN(len(fileText))
		req = s.Request(http.MethodGet, fileURL(s, "data/file", "offset", offset), nil)
		expected = func(got harness.Response) bool { return got.Body == fileText[offset:] }
	default:
		req = s.Request(http.MethodGet, fmt.Sprintf("/env/%d?%d", id, size), nil)
		req.Header.Set("X-Id", fmt.Sprint(id))
		expected = func(got harness.Response) bool {
			var e environ
			return json.Unmarshal([]byte(got.Body), &e) == nil && e.Texts["HTTP_X_ID"] == fmt.Sprint(id) &&
				e.Texts["PATH_INFO"] == fmt.Sprintf("/%d", id) && e.Texts["QUERY_STRING"] == fmt.Sprint(size)
		}
	}
	req.Close = true // a busy httpd closes idle connections, and a request may meet that
	got, err := s.Try(req)
	if err != nil || got.Status != http.StatusOK || !expected(got) {
		return fmt.Sprintf("%s %s: %v, status %d, %d bytes: %.100q", req.Method, req.URL.Path, err, got.Status, len(got.Body), got.Body)
	}
	return ""
}

// Hundreds of clients at once, more than there are threads, each with requests of all kinds: every answer is its own.
func TestLoadOfManyClients(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		const clients, requests = 300, 10
		s := harness.Start(t, harness.Config{Mode: mode, Conf: loadConf, Children: 2, Threads: 30})
		s.WriteFile("data/file", fileText)
		s.Warm("/hello")
		var all sync.WaitGroup
		for id := range clients {
			all.Add(1)
			go func() {
				defer all.Done()
				random := rand.New(rand.NewPCG(uint64(id), 1))
				for range requests {
					if wrong := mixedRequest(s, random, id); wrong != "" {
						t.Error(wrong)
						return
					}
				}
			}()
		}
		all.Wait()
	})
}

type counters struct {
	Requests  uint64
	GoEntries uint64 `json:"go_entries"`
	PID       int
}

func askCounters(t *testing.T, s *harness.Server) counters {
	t.Helper()
	var c counters
	got := s.Get("/counters")
	require.NoError(t, json.Unmarshal([]byte(got.Body), &c), got.Body)
	return c
}

// A warm request does not enter Go at all: that is what keeps it fast.
func TestLoadOfWarmRequestsStaysOutOfGo(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: loadConf})
		s.WriteFile("data/file", fileText)
		paths := []string{"/hello", "/env", "/stream/numbers.wsgi?n=3", fileURL(s, "data/file")}
		for _, path := range append(paths, "/counters") {
			require.Equal(t, http.StatusOK, s.Get(path).Status)
		}
		require.Equal(t, http.StatusOK, s.Post("/body/echo.wsgi", "text/plain", "body").Status)
		before := askCounters(t, s)
		for i := range 1000 {
			if i%5 == 0 {
				require.Equal(t, "body", s.Post("/body/echo.wsgi", "text/plain", "body").Body)
			} else {
				require.Equal(t, http.StatusOK, s.Get(paths[i%5-1]).Status)
			}
		}
		after := askCounters(t, s)
		require.Equal(t, before.PID, after.PID)
		assert.EqualValues(t, 1001, after.Requests-before.Requests, "the requests, and the one that asked before")
		assert.Zero(t, after.GoEntries-before.GoEntries, "entries into Go")
		assert.NotZero(t, after.GoEntries, "loading enters Go")
	})
}
