package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

const mapHeadConf = `
WSGIScriptAlias /method "${DATA}/method.wsgi"
<Location /method/off>
  WSGIMapHEADToGET Off
</Location>
<Location /method/on>
  WSGIMapHEADToGET On
</Location>
<Location /method/auto>
  WSGIMapHEADToGET Auto
</Location>
<LocationMatch /filtered$>
  SetOutputFilter DEFLATE
</LocationMatch>
`

const methodScript = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else b"text " * 100]
`

// What the application sees of a HEAD request; other methods stay what they are, and no body comes either way.
func TestMapHEADToGET(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"filter", "deflate"}, Conf: mapHeadConf})
		s.WriteFile("data/method.wsgi", methodScript)
		conn := s.Dial()
		for _, test := range []struct{ path, seen string }{
			{"", "HEAD"}, {"/filtered", "GET"},
			{"/auto", "HEAD"}, {"/auto/filtered", "GET"},
			{"/off", "HEAD"}, {"/off/filtered", "HEAD"},
			{"/on", "GET"}, {"/on/filtered", "GET"},
		} {
			for _, method := range []string{"HEAD", "GET", "POST", "OPTIONS"} {
				conn.Send(head(method, "/method"+test.path, "Accept-Encoding: gzip", "Content-Length: 0"))
				got, err := conn.Receive(method)
				require.NoError(t, err)
				want := method
				if method == "HEAD" {
					want = test.seen
					assert.Empty(t, got.Body)
				}
				assert.Equal(t, want, got.Header.Get("X-Method"), "%s %s", method, test.path)
			}
		}
	})
}

// Mapped, the headers of HEAD are those of GET, although a filter makes some of them out of the content.
func TestMapHEADToGETSameHeaders(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := harness.Start(t, harness.Config{Mode: mode, Modules: []string{"filter", "deflate"}, Conf: mapHeadConf})
		s.WriteFile("data/method.wsgi", methodScript)
		headers := map[string]map[string][]string{}
		for _, method := range []string{"GET", "HEAD"} {
			got := askRaw(t, s, method, "/method/filtered", "Accept-Encoding: gzip")
			got.Header.Del("Date")
			headers[method] = got.Header
		}
		assert.Equal(t, []string{"gzip"}, headers["HEAD"]["Content-Encoding"])
		assert.Equal(t, headers["GET"], headers["HEAD"])
	})
}
