package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// This file runs applications of frameworks, as Debian packages them.

const djangoConf = `
WSGIScriptAlias / "${APPS}/django/shop/wsgi.py"
Alias /static/admin /usr/lib/python3/dist-packages/django/contrib/admin/static/admin
`

// startDjango starts a server with an empty database, and makes a client that keeps cookies.
func startDjango(t *testing.T, config harness.Config) *harness.Server {
	t.Helper()
	debianPython(t)
	config.Conf = djangoConf
	config.Mode = config.Mode.PythonPath("${APPS}/django")
	config.Env = []string{"SHOP_DATA=${DATA}"}
	s := harness.Start(t, config)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.Client.Jar = jar
	got := s.Post("/setup", "text/plain", "")
	require.Equal(t, "ready", got.Body)
	return s
}

type visits struct {
	Visits int
	User   string
}

func TestDjangoPages(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := startDjango(t, harness.Config{MPM: mpm, Mode: mode})
			for n := range 5 {
				assert.Equal(t, visits{Visits: n + 1}, ask[visits](t, s, "/"), "sessions")
			}
			assert.Equal(t, http.StatusNotFound, s.Get("/nowhere").Status)
			assert.Len(t, strings.Split(s.Get("/stream").Body, "\n"), 1001)
		})
	})
}

var tokenPattern = regexp.MustCompile(`name="csrfmiddlewaretoken" value="(\w+)"`)

// csrfToken asks for a form; its cookie stays with the client.
func csrfToken(t *testing.T, s *harness.Server, path string) string {
	t.Helper()
	match := tokenPattern.FindStringSubmatch(s.Get(path).Body)
	require.NotNil(t, match, "%s has no form", path)
	return match[1]
}

func TestDjangoAdmin(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := startDjango(t, harness.Config{Mode: mode})
		got := s.Get("/admin/")
		assert.Equal(t, http.StatusFound, got.Status, "not logged in")
		assert.Equal(t, "/admin/login/?next=/admin/", got.Header.Get("Location"))

		login := url.Values{"csrfmiddlewaretoken": {csrfToken(t, s, "/admin/login/")}, "username": {"admin"}, "next": {"/admin/"}}
		login.Set("password", "wrong")
		got = s.Post("/admin/login/", "application/x-www-form-urlencoded", login.Encode())
		assert.Equal(t, http.StatusOK, got.Status)
		assert.Contains(t, got.Body, "Please enter the correct username and password")

		login.Set("password", "open sesame")
		got = s.Post("/admin/login/", "application/x-www-form-urlencoded", login.Encode())
		assert.Equal(t, http.StatusFound, got.Status, got.Body)
		assert.Equal(t, "/admin/", got.Header.Get("Location"))
		assert.Contains(t, s.Get("/admin/").Body, "Site administration")
		assert.Contains(t, s.Get("/admin/auth/user/").Body, "admin@example.com")
		assert.Equal(t, visits{Visits: 1, User: "admin"}, ask[visits](t, s, "/"))

		css := s.Get("/static/admin/css/base.css")
		assert.Equal(t, http.StatusOK, css.Status, "served by httpd itself")
		assert.NotEmpty(t, css.Header.Get("ETag"))

		got = s.Post("/admin/login/", "application/x-www-form-urlencoded", "username=admin&password=open+sesame")
		assert.Equal(t, http.StatusForbidden, got.Status, "without the token")
	})
}

// multipartFile is a form with one file in it.
func multipartFile(t *testing.T, name, content string, fields url.Values) (contentType, body string) {
	t.Helper()
	var b strings.Builder
	form := multipart.NewWriter(&b)
	for field, values := range fields {
		require.NoError(t, form.WriteField(field, values[0]))
	}
	part, err := form.CreateFormFile("file", name)
	require.NoError(t, err)
	_, err = part.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	return form.FormDataContentType(), b.String()
}

type upload struct {
	Name, Kind, SHA256 string
	Size               int
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// manyBytes has every byte value in it.
func manyBytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return string(b)
}

func TestDjangoUpload(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := startDjango(t, harness.Config{Mode: mode})
		for kind, content := range map[string]string{
			"InMemoryUploadedFile":  manyBytes(1000),
			"TemporaryUploadedFile": manyBytes(3 << 20),
		} {
			token := url.Values{"csrfmiddlewaretoken": {csrfToken(t, s, "/upload")}}
			contentType, body := multipartFile(t, "grün.bin", content, token)
			got := decodeAnswer[upload](t, s.Post("/upload", contentType, body))
			assert.Equal(t, upload{Name: "grün.bin", Kind: kind, SHA256: sha(content), Size: len(content)}, got)
		}
	})
}

// Django answers 500 itself; its logging goes to sys.stderr.
func TestDjangoErrors(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		s := startDjango(t, harness.Config{Mode: mode})
		s.ExpectTraceback(`LookupError: a view that fails`)
		s.Expect(`Internal Server Error: /broken`)
		got := s.Get("/broken")
		assert.Equal(t, http.StatusInternalServerError, got.Status)
		assert.Contains(t, got.Body, "Server Error (500)", "Django's page, not httpd's")
		assert.Equal(t, visits{Visits: 1}, ask[visits](t, s, "/"))
	})
}

// Flask and Bottle, with the same pages.
func TestMicroFrameworks(t *testing.T) {
	t.Parallel()
	debianPython(t)
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{MPM: mpm, Mode: mode, Conf: `
				WSGIScriptAlias /flask "${APPS}/flask/site.wsgi"
				WSGIScriptAlias /bottle "${APPS}/bottle/site.wsgi"`})
			jar, err := cookiejar.New(nil)
			require.NoError(t, err)
			s.Client.Jar = jar
			for _, site := range []string{"/flask", "/bottle"} {
				microFramework(t, s, site)
			}
			assert.Equal(t, "/flask/hello/again", s.Get("/flask/away").Header.Get("Location"))
			assert.True(t, strings.HasSuffix(s.Get("/flask/stream").Body, "line 999\n"))
			assert.Contains(t, s.Get("/bottle/source").Body, "A Bottle application", "a file, by file_wrapper")
		})
	})
}

func microFramework(t *testing.T, s *harness.Server, site string) {
	t.Helper()
	assert.Equal(t, "<p>Hello, &lt;b&gt;!</p>", s.Get(site+"/hello/%3Cb%3E").Body, site)
	for n := range 3 {
		assert.Equal(t, visits{Visits: n + 1}, ask[visits](t, s, site+"/visits"), site)
	}
	// Bottle keeps a thread's last request, so a larger upload would leave its temporary file open.
	content := manyBytes(map[string]int{"/flask": 1 << 20, "/bottle": 500}[site])
	contentType, body := multipartFile(t, "x.bin", content, nil)
	got := decodeAnswer[upload](t, s.Post(site+"/upload", contentType, body))
	assert.Equal(t, upload{Name: "x.bin", SHA256: sha(content), Size: len(content)}, got, site)
	teapot := s.Get(site + "/teapot")
	assert.Equal(t, http.StatusTeapot, teapot.Status, site)
	assert.Equal(t, http.StatusNotFound, s.Get(site+"/nowhere").Status, site)
	assert.Equal(t, http.StatusMethodNotAllowed, s.Get(site+"/upload").Status, site)
}
