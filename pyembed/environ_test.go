package pyembed_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed/hosttest"
)

func TestEnvironHasTheServersItems(t *testing.T) {
	q := body(t, `out += [environ["A"], environ["B"], type(environ) is dict, environ["wsgi.url_scheme"]]`)
	q.Environ = [][2]string{{"A", "1"}, {"B", ""}, {"wsgi.url_scheme", "https"}}
	assert.Equal(t, `['1', '', True, 'https']`, served(t, q).Body())
}

func TestEnvironHasOurItems(t *testing.T) {
	eval(t, `
import mod_wsgi
out += [environ["wsgi." + n] for n in "version multithread multiprocess run_once input_terminated".split()]
out += [environ["apache.version"], environ["mod_wsgi.version"] == mod_wsgi.version]
out += [environ["mod_wsgi." + n] for n in "process_group application_group queue_start daemon_start request_start".split()]
out += [environ["mod_wsgi.thread_id"] > 0, abs(environ["mod_wsgi.application_start"] - time.time()) < 60]
out += [environ["wsgi.file_wrapper"] is mod_wsgi.FileWrapper]`,
		`[(1, 0), True, True, False, True, (2, 4, 99), True, '', '', 0.0, 0.0, 1.5, True, True, True]`)
}

func TestEnvironLaterItemWins(t *testing.T) {
	q := body(t, `out += [environ["A"], environ["wsgi.run_once"]]`)
	q.Environ = [][2]string{{"A", "1"}, {"wsgi.run_once", "x"}, {"A", "2"}}
	assert.Equal(t, `['2', 'x']`, served(t, q).Body())
}

func TestEnvironIsNotSharedByRequests(t *testing.T) {
	q := body(t, `
out.append(environ.get("left"))
environ["left"] = environ["wsgi.version"] = 1`)
	assert.Equal(t, `[None]`, served(t, q).Body())
	assert.Equal(t, `[None]`, served(t, q).Body())
}

func TestEnvironIsLatin1ButForPaths(t *testing.T) {
	q := body(t, `
out += [ascii(environ["A"]), ascii(environ["K\xe9"]), os.fsencode(environ["SCRIPT_FILENAME"])]
out += [ascii(environ["DOCUMENT_ROOT"]), len(environ["N"])]`)
	q.Environ = [][2]string{{"A", "\xe9\xff\x00b"}, {"K\xe9", "\xc3\xa9"}, {"SCRIPT_FILENAME", "/\xff/a"}, {"DOCUMENT_ROOT", "/\xc3\xa9"},
		{"N", string(bytes.Repeat([]byte{0x80}, 100000))}}
	assert.Equal(t, `["'\\xe9\\xff\\x00b'", "'\\xc3\\xa9'", b'/\xff/a', "'/\\xe9'", 100000]`, served(t, q).Body())
}

func TestEnvironThatIsMalformedIsAnError(t *testing.T) {
	q := body(t, ``)
	whole := hosttest.Pack([][2]string{{"A", "1"}})
	for _, raw := range [][]byte{whole[:3], whole[:len(whole)-1], append(whole, 0), bytes.Repeat([]byte{0xff}, 16)} {
		q.RawEnviron = raw
		r := q.Serve()
		assert.Equal(t, hosttest.Failed, r.Outcome)
		assert.Equal(t, 500, r.Answer)
		assert.Contains(t, r.LogText(), "before the call of the application")
		assert.Contains(t, r.LogText(), "ValueError: the server handed over a malformed environ")
	}
}

// More names than the cache of names has places: clients choose names of headers.
func TestEnvironWithThousandsOfNames(t *testing.T) {
	q := body(t, `out.append(all(environ["HTTP_X_%d" % i] == str(i) for i in range(5000)))`)
	for i := range 5000 {
		q.Environ = append(q.Environ, [2]string{fmt.Sprintf("HTTP_X_%d", i), fmt.Sprint(i)})
	}
	for range 3 {
		assert.Equal(t, `[True]`, served(t, q).Body())
	}
	// Names that are paths stay paths when their places are taken.
	q = body(t, `out.append(os.fsencode(environ["SCRIPT_FILENAME"]))`)
	q.Environ = [][2]string{{"SCRIPT_FILENAME", "/\xff"}}
	assert.Equal(t, `[b'/\xff']`, served(t, q).Body())
}

// unpack is the reference for the decoder in C.
func unpack(data []byte) ([]byte, error) {
	var out []byte
	for len(data) > 0 {
		if len(data) < 8 {
			return nil, hosttest.ErrMalformed
		}
		n := 8 + uint64(binary.BigEndian.Uint32(data)) + uint64(binary.BigEndian.Uint32(data[4:]))
		if n > uint64(len(data)) {
			return nil, hosttest.ErrMalformed
		}
		out = append(out, data[:n]...)
		data = data[n:]
	}
	return out, nil
}

func FuzzPackedEnviron(f *testing.F) {
	f.Add([]byte{})
	f.Add(hosttest.Pack([][2]string{{"A", "1"}, {"", ""}, {"wsgi.x", "\xff"}}))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 'a'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 'a'})
	f.Fuzz(func(t *testing.T, data []byte) {
		want, wantErr := unpack(data)
		got, err := hosttest.Unpack(data)
		require.Equal(t, wantErr, err)
		require.Equal(t, string(want), string(got))
	})
}
