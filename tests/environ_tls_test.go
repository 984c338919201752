package tests

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// serverCertificate makes a key and a certificate for localhost; a server that root starts reads them as root.
func serverCertificate(t *testing.T) (key, cert string) {
	t.Helper()
	key, cert = filepath.Join(t.TempDir(), "key.pem"), filepath.Join(t.TempDir(), "cert.pem")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
		"-keyout", key, "-out", cert).CombinedOutput()
	require.NoError(t, err, string(out))
	return key, cert
}

// tlsClient trusts the certificate and nothing else, and connects to the server whatever the URL's host is.
func tlsClient(t *testing.T, s *harness.Server, cert string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: s.Client.Timeout}
}

func TestEnvironTLS(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		key, cert := serverCertificate(t)
		conf := environConf + fmt.Sprintf(`
WSGIScriptAlias /body/ "${APPS}/body/"
SSLSessionCache "shmcb:${RUN}/ssl_sessions(65536)"
<VirtualHost *:${PORT2}>
  ServerName localhost:443
  SSLEngine on
  SSLCertificateFile "%s"
  SSLCertificateKeyFile "%s"
  <Location /env/std>
    SSLOptions +StdEnvVars
  </Location>
</VirtualHost>`, cert, key)
		s := harness.Start(t, harness.Config{Mode: mode, Conf: conf, ExtraPorts: 1, Modules: []string{"socache_shmcb", "ssl"}})
		s.Allow("AH01882") // the machine's OpenSSL is not the one that mod_ssl was compiled with
		s.Client = tlsClient(t, s, cert)
		ask := func(path string) environ {
			req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://localhost:%d%s", s.Ports[1], path), nil)
			require.NoError(t, err)
			return parseEnviron(t, s.Do(req))
		}
		e := ask("/env/x")
		assert.Equal(t, "https", e.Texts["wsgi.url_scheme"])
		assert.Equal(t, "https", e.Texts["REQUEST_SCHEME"])
		assert.NotContains(t, e.Texts, "HTTPS")
		assert.NotContains(t, e.Texts, "SSL_PROTOCOL")
		e = ask("/env/std")
		assert.Equal(t, "https", e.Texts["wsgi.url_scheme"])
		assert.NotContains(t, e.Texts, "HTTPS")
		assert.Regexp(t, `^TLSv1\.[23]$`, e.Texts["SSL_PROTOCOL"])
		assert.Equal(t, "localhost", e.Texts["SSL_SERVER_S_DN_CN"])

		body := strings.Repeat("encrypted ", 100_000)
		req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("https://localhost:%d/body/echo.wsgi", s.Ports[1]), strings.NewReader(body))
		require.NoError(t, err)
		assert.True(t, s.Do(req).Body == body)
	})
}
