package tests

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const fileText = "0123456789abcdefghijklmnopqrstuvwxyz"

// fileURL asks tests/apps/files/send.wsgi for a file of the server's own folder.
func fileURL(s *harness.Server, name string, pairs ...any) string {
	return "/files/send.wsgi" + query(append([]any{"path", s.Path(name)}, pairs...)...)
}

func TestFileWrapper(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.WriteFile("data/file", fileText)
		s.WriteFile("data/empty", "")
		for _, test := range []struct {
			file   string
			pairs  []any
			body   string
			length int // -1: not stated
		}{
			{"data/file", nil, fileText, 36},
			{"data/file", []any{"kind", "raw"}, fileText, 36},
			{"data/file", []any{"offset", 10}, fileText[10:], 26},
			{"data/file", []any{"skip", 3}, fileText[3:], 33},
			{"data/file", []any{"offset", 30, "length", 4}, fileText[30:34], 4},
			{"data/file", []any{"length", 0}, "", 0},
			{"data/file", []any{"length", 36}, fileText, 36},
			{"data/file", []any{"offset", 36}, "", 0},
			{"data/file", []any{"offset", 100}, "", 0},
			{"data/empty", nil, "", 0},
			{"data/file", []any{"block", 7}, fileText, 36},
			{"data/file", []any{"status", 404}, fileText, 36},
			{"data/file", []any{"kind", "memory"}, fileText, -1},
			{"data/file", []any{"kind", "memory", "block", 7, "length", 36}, fileText, 36},
			{"data/file", []any{"kind", "only-read"}, fileText, -1},
			{"data/file", []any{"kind", "pipe"}, fileText, -1},
			{"data/file", []any{"kind", "reverse"}, "read", -1},
			{"data/file", []any{"subclass", 1}, fileText, -1},
			{"data/file", []any{"iterated", 1}, fileText, -1},
			{"data/file", []any{"write", 1}, "written " + fileText, -1},
		} {
			got := s.Get(fileURL(s, test.file, test.pairs...))
			assert.True(t, got.Status == http.StatusOK || got.Status == http.StatusNotFound, test.pairs)
			assert.Equal(t, test.body, got.Body, test.pairs)
			length := ""
			if test.length >= 0 {
				length = strconv.Itoa(test.length)
			}
			if test.length != 0 || len(test.pairs) > 0 {
				assert.Equal(t, length, got.Header.Get("Content-Length"), test.pairs)
			}
		}
	})
}

// The file is closed when it was sent, also when nothing of it was.
func TestFileWrapperCloses(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.WriteFile("data/file", fileText)
		for range 300 { // were one left open each time, the harness would count them at the end
			require.Equal(t, fileText, s.Get(fileURL(s, "data/file")).Body)
		}
		conn := s.Dial()
		for i, method := range []string{"GET", "HEAD"} {
			for j, kind := range []string{"file", "raw", "memory"} {
				told := newMarker(t, s, "told-"+strconv.Itoa(10*i+j))
				conn.Send(head(method, fileURL(s, "data/file", "kind", kind, "tell", told.Path)))
				got, err := conn.Receive(method)
				require.NoError(t, err)
				if kind != "memory" {
					assert.Equal(t, "36", got.Header.Get("Content-Length"), "%s %s", method, kind)
				}
				told.Text(t)
				assertNextWorks(t, conn)
			}
		}
	})
}

// A large file comes whole, by whatever way httpd sends it.
func TestFileWrapperLarge(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		for _, way := range []string{"EnableSendfile On", "EnableMMAP Off", "EnableMMAP On"} {
			s := harness.Start(t, harness.Config{Mode: mode, Conf: way + "\n" + streamConf})
			content := make([]byte, 20<<20)
			random := rand.NewChaCha8([32]byte{1})
			_, _ = random.Read(content)
			s.WriteFile("data/large", string(content))
			for _, offset := range []int{0, 12345} {
				resp, err := s.Client.Get(s.URL(fileURL(s, "data/large", "offset", offset)))
				require.NoError(t, err)
				hash := sha256.New()
				n, err := io.Copy(hash, resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.EqualValues(t, len(content)-offset, n, way)
				sum := sha256.Sum256(content[offset:])
				assert.Equal(t, sum[:], hash.Sum(nil), way)
			}
			s.Stop()
		}
	})
}

// A client that leaves in the middle of a file; the file is closed.
func TestFileWrapperClientGone(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.WriteFile("data/large", strings.Repeat("x", 50<<20))
		told := newMarker(t, s, "told")
		conn := s.Dial()
		conn.Send(head("GET", fileURL(s, "data/large", "tell", told.Path)))
		_, err := io.ReadFull(conn.Reader, make([]byte, 10_000))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		told.Text(t)
		assert.Zero(t, timesLogged(s, "Traceback"))
	})
}

// A file that is shorter than the application says, or that reads as text.
func TestFileWrapperWrong(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.WriteFile("data/file", fileText)
		s.ExpectTraceback("AssertionError: the response has 36 of the 40 bytes")
		s.ExpectTraceback("TypeError: the response must consist of bytes, not str")
		s.Expect("GWSGI0601: .*files/send.wsgi'.* in its response$")
		conn := s.Dial()
		conn.Send(head("GET", fileURL(s, "data/file", "length", 40)))
		_, err := conn.Receive("GET")
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, http.StatusInternalServerError, s.Get(fileURL(s, "data/file", "kind", "text")).Status)
	})
}

// httpd cuts the ranges out of what the application returns.
func TestFileWrapperRanges(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf})
		s.WriteFile("data/file", fileText)
		conn := s.Dial()
		for _, kind := range []any{"file", "memory&length=36"} {
			for _, test := range []struct {
				headers []string
				status  int
				body    string
				content string
			}{
				{[]string{"Range: bytes=2-5"}, 206, "2345", "bytes 2-5/36"},
				{[]string{"Range: bytes=30-"}, 206, fileText[30:], "bytes 30-35/36"},
				{[]string{"Range: bytes=-3"}, 206, "xyz", "bytes 33-35/36"},
				{[]string{"Range: bytes=2-5", `If-Range: "tag"`}, 206, "2345", "bytes 2-5/36"},
				{[]string{"Range: bytes=2-5", `If-Range: "other"`}, 200, fileText, ""},
				{[]string{"Range: bytes=100-"}, 416, "", ""}, // as httpd answers for its own files
			} {
				conn.Send(head("GET", fileURL(s, "data/file", "kind", kind), test.headers...))
				got, err := conn.Receive("GET")
				require.NoError(t, err)
				assert.Equal(t, test.status, got.Status, "%v %v", kind, test.headers)
				assert.Equal(t, test.content, got.Header.Get("Content-Range"), "%v %v", kind, test.headers)
				if test.status != 416 {
					assert.Equal(t, test.body, got.Body, "%v %v", kind, test.headers)
				}
			}
		}
		conn.Send(head("GET", fileURL(s, "data/file"), "Range: bytes=0-1,10-11"))
		got, err := conn.Receive("GET")
		require.NoError(t, err)
		assert.Equal(t, http.StatusPartialContent, got.Status)
		assert.Contains(t, got.Header.Get("Content-Type"), "multipart/byteranges")
		assert.Contains(t, got.Body, "\r\n\r\n01\r\n")
		assert.Contains(t, got.Body, "\r\n\r\nab\r\n")
	})
}

// mod_deflate compresses what applications return, of any kind, and a broken response stays recognisable.
func TestDeflate(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Conf: streamConf + "SetOutputFilter DEFLATE\n", Modules: []string{"filter", "deflate"}})
		s.WriteFile("data/large", strings.Repeat(fileText, 30_000))
		numbers := func(n int) string {
			var b strings.Builder
			for i := range n {
				b.WriteString(strconv.Itoa(i) + " ")
			}
			return b.String()
		}
		for path, body := range map[string]string{
			"/stream/numbers.wsgi?n=20000":                         numbers(20000),
			fileURL(s, "data/large"):                               strings.Repeat(fileText, 30_000),
			fileURL(s, "data/large", "offset", 36, "length", 3600): strings.Repeat(fileText, 100),
		} {
			got := askRaw(t, s, "GET", path, "Accept-Encoding: gzip")
			assert.Equal(t, "gzip", got.Header.Get("Content-Encoding"), path)
			reader, err := gzip.NewReader(bytes.NewReader([]byte(got.Body)))
			require.NoError(t, err)
			text, err := io.ReadAll(reader)
			require.NoError(t, err)
			assert.True(t, string(text) == body, path)
			assert.True(t, s.Get(path).Body == body, path)
		}
		s.ExpectTraceback("RuntimeError: raised after")
		s.Expect("GWSGI0601: .*errors/raise.wsgi'")
		conn := s.Dial()
		conn.Send(head("GET", "/errors/raise.wsgi?after", "Accept-Encoding: gzip"))
		got, err := conn.Receive("GET")
		assert.Equal(t, "gzip", got.Header.Get("Content-Encoding"))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}
