package tests

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const bodyConf = `
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /body/ "${APPS}/body/"
WSGIScriptAlias /hello "${APPS}/hello/hello.wsgi"
<Location /body/calls.wsgi/chunked>
  WSGIChunkedRequest On
</Location>
`

// assertCalls sends a body and asserts that the calls read it as those of a file.
func assertCalls(t *testing.T, s *harness.Server, calls, body string) {
	t.Helper()
	for _, path := range []string{"/body/calls.wsgi", "/body/calls.wsgi/chunked"} {
		var reader = struct{ *strings.Reader }{strings.NewReader(body)} // Go's client does not see the length
		req := s.Request(http.MethodPost, path+"?"+calls, reader)
		if !strings.HasSuffix(path, "chunked") {
			req = s.Request(http.MethodPost, path+"?"+calls, strings.NewReader(body))
		}
		got := s.Do(req)
		require.Equal(t, http.StatusOK, got.Status, calls)
		var answer struct {
			Body         string
			Wrong, Types []string
			After        []any `json:"after the end"`
		}
		require.NoError(t, json.Unmarshal([]byte(got.Body), &answer))
		assert.True(t, answer.Body == body, "%s: %d bytes arrived, not these %d", calls, len(answer.Body), len(body))
		assert.Empty(t, answer.Wrong, calls)
		assert.Equal(t, []string{"bytes"}, answer.Types)
		assert.Equal(t, []any{"", "", "", 0.0}, answer.After)
	}
}

func TestBodyReadsLikeAFile(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		long := strings.Repeat(strings.Repeat("a line of text, ", 20)+"\n", 2000)
		noNewline := strings.Repeat("x", 200_000)
		for _, body := range []string{"", "\n", "one\ntwo\n\nfour", "\r\n\r\n", long, noNewline, strings.Repeat("\n", 9000)} {
			for _, calls := range []string{
				"read", "read:-1", "read:None", "read:0", "read:1,read:2,read:3", "read:8192,read:8191,read:65536,read:65537",
				"read:1000000", "readline", "readline,readline,readline", "readline:0", "readline:1,readline:2",
				"readline:-1", "readline:None,read:3", "readlines", "readlines:5", "readlines:0", "readlines:-1,readlines",
				"readlines:100000,readline", "iterate", "next,next,readline,read:4,next,iterate", "readline:9000,read:9000,readline",
			} {
				assertCalls(t, s, calls, body)
			}
		}
	})
}

func TestBodyRandomCalls(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		for range 60 {
			var body strings.Builder
			for range random.IntN(200) {
				body.WriteString(strings.Repeat("abcdefg", random.IntN(400)))
				body.WriteString(strings.Repeat("\n", random.IntN(3)))
			}
			var calls []string
			for range 1 + random.IntN(20) {
				name := []string{"read", "readline", "readlines"}[random.IntN(3)]
				calls = append(calls, []string{"next", fmt.Sprintf("%s:%d", name, random.IntN(1<<random.IntN(17)))}[random.IntN(2)])
			}
			assertCalls(t, s, strings.Join(calls, ","), body.String())
		}
		if t.Failed() {
			t.Logf("the random seed was %d", seed)
		}
	})
}

const inflateConf = `
SetInputFilter DEFLATE
DeflateInflateRatioLimit 2000
`

// An input filter changes the length of a body, also of a small one: the application reads what the filter made of it.
func TestBodyOfInputFilter(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf + inflateConf, Modules: []string{"filter", "deflate"}})
		for _, size := range []int{1, 500, 100_000, 30 << 20} {
			var packed bytes.Buffer
			writer := gzip.NewWriter(&packed)
			_, err := writer.Write(bytes.Repeat([]byte("x"), size))
			require.NoError(t, err)
			require.NoError(t, writer.Close())
			req := s.Request(http.MethodPost, "/body/count.wsgi", &packed)
			req.Header.Set("Content-Encoding", "gzip")
			assert.Equal(t, fmt.Sprint(size), s.Do(req).Body)
		}
	})
}

func TestBodyWrongCalls(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		wrong := "TypeError TypeError TypeError TypeError OverflowError b'' None"
		assert.Equal(t, wrong+" b'first'", s.Post("/body/wrong_calls.wsgi", "text/plain", "first").Body)
		assert.Equal(t, wrong+" RuntimeError RuntimeError RuntimeError RuntimeError b'second'",
			s.Post("/body/wrong_calls.wsgi", "text/plain", "second").Body, "the input of a request that has ended")
	})
}

func TestBodyUpload(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		upload := func(size int) (peak int) {
			body := bytes.Repeat([]byte("0123456789abcdef\n"), size/17+1)[:size]
			sum := sha256.Sum256(body)
			got := s.Do(s.Request(http.MethodPost, "/body/hash.wsgi", bytes.NewReader(body)))
			_, err := fmt.Sscanf(got.Body, fmt.Sprintf("%d %x %%d", size, sum), &peak)
			require.NoError(t, err, got.Body)
			return peak
		}
		before := upload(10 << 20)
		after := upload(60 << 20)
		assert.Less(t, after-before, 8<<10, "KiB that the process grew by a larger upload")
	})
}

// What the client has not sent yet is waited for; what it has sent is there for the application, which may answer meanwhile.
func TestBodyConversation(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		conn := s.Dial()
		conn.Send(head("POST", "/body/talk.wsgi", "Content-Length: 18"))
		lines := []string{"one\n", "two\n", "three\n", "four"}
		for i, line := range lines {
			for _, c := range line {
				conn.Send(string(c)) // byte by byte
			}
			if i == 0 {
				assert.Equal(t, "HTTP/1.1 200 OK", conn.Line())
				for conn.Line() != "" {
				}
			}
			assert.Equal(t, fmt.Sprintf("%x", len(line)), conn.Line())
			if text := conn.Line(); strings.HasSuffix(line, "\n") {
				assert.Equal(t, strings.ToUpper(strings.TrimSpace(line)), text)
				assert.Equal(t, "", conn.Line())
			} else {
				assert.Equal(t, "FOUR", text)
			}
		}
		assert.Equal(t, "0", conn.Line())
		assert.Equal(t, "", conn.Line())
		conn.Send(head("GET", "/hello"))
		got, err := conn.Receive(http.MethodGet)
		require.NoError(t, err)
		assert.Equal(t, "Hello, World!", got.Body)
	})
}

func TestBodyOfPiecesArrivesWhole(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: bodyConf})
		conn := s.Dial()
		body := strings.Repeat("some bytes\n", 3000)
		conn.Send(head("POST", "/body/echo.wsgi", fmt.Sprintf("Content-Length: %d", len(body))))
		for rest := body; rest != ""; {
			n := min(len(rest), 1+len(rest)/7)
			conn.Send(rest[:n])
			rest = rest[n:]
		}
		got, err := conn.Receive(http.MethodPost)
		require.NoError(t, err)
		assert.True(t, got.Body == body)
	})
}
