package tests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// An application's page may include others: their requests are served by its thread, while it is sending. All in one interpreter,
// and each in its own.
func TestApplicationsInAnApplicationsPage(t *testing.T) {
	for _, group := range []string{"%{GLOBAL}", "%{RESOURCE}"} {
		s := harness.Start(t, harness.Config{Modules: []string{"include"}, Conf: `
			WSGIApplicationGroup ` + group + `
			WSGIScriptAlias /page "${DATA}/page.wsgi"
			WSGIScriptAlias /part "${DATA}/part.wsgi"
			<Location /page>
			SetOutputFilter INCLUDES
			Options +Includes
			</Location>`})
		s.WriteFile("data/page.wsgi", `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    include = b'<!--#include virtual="/part?%d" -->'
    return [b"[" + include % 300 + b"|" + include % 6000 + b"]" + b"0123456789" * 100]
`)
		s.WriteFile("data/part.wsgi", `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"x" * int(environ["QUERY_STRING"])]
`)
		want := "[" + strings.Repeat("x", 300) + "|" + strings.Repeat("x", 6000) + "]" + strings.Repeat("0123456789", 100)
		for range 2 {
			assert.Equal(t, want, s.Get("/page").Body)
		}
	}
}
