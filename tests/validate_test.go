package tests

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// The standard library's validator finds nothing wrong with what we pass and accept: it would raise.
func TestValidator(t *testing.T) {
	t.Parallel()
	harness.EachMode(t, func(t *testing.T, mode harness.Mode) {
		harness.EachMPM(t, func(t *testing.T, mpm string) {
			s := harness.Start(t, harness.Config{Mode: mode, MPM: mpm,
				Conf: `WSGIScriptAlias /app "${APPS}/validate/app.wsgi"` + "\n" + `WSGIScriptAlias /root/ "${APPS}/validate/app.wsgi"`})
			s.Expect(`\] validated$`, `\] more$`)
			script, err := os.ReadFile(harness.App(t, "validate/app.wsgi"))
			require.NoError(t, err)
			for _, mount := range []string{"/app", "/root"} {
				for _, test := range []struct {
					path, body string
					status     int
					answer     string
				}{
					{"/read?x=y", "some lines\nof text\nand more", 200, "some lines\nof text\nand more"},
					{"/iterate", "some\nlines", 200, "some\nlines"},
					{"/write", "", 200, "written returned"},
					{"/generator", "", 200, "01234"},
					{"/replaced", "", 500, "replaced"},
					{"/empty", "", 204, ""},
					{"/file", "", 200, string(script)},
					{"/%C3%A9/x", "", 404, "nothing here"},
					{"/", "", 404, "nothing here"},
				} {
					got := s.Post(mount+test.path, "text/plain", test.body)
					assert.Equal(t, test.status, got.Status, test.path)
					assert.Equal(t, test.answer, got.Body, test.path)
					if test.status != http.StatusNoContent {
						assert.Equal(t, []string{"a=1", "b=2"}, got.Header.Values("Set-Cookie"), test.path)
					}
				}
				assert.Equal(t, http.StatusOK, s.Do(s.Request(http.MethodHead, mount+"/read", nil)).Status)
			}
		})
	})
}
